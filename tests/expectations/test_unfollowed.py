"""An action that the price does not bear out is refused, alone or beside others."""

from datetime import date

import polars as pl
import pytest

from expectations.classes import classes_of
from expectations.moves import chains
from expectations.scales import RECENT
from expectations.unfollowed import unfollowed_actions
from tasks.market import frames

EVE, NIGHT = date(2019, 6, 3), date(2019, 6, 4)


def refused(close: float, *actions: tuple[str, float], before: float = 100.0) -> list[str]:
    """Return the kinds of action of one symbol that are refused."""
    closes = pl.DataFrame(
        {"session": [EVE], "symbol": ["A"], "close": [before], "volume": [1000.0]}
    )
    bars = closes.with_columns(session=pl.lit(NIGHT), close=pl.lit(close))
    told = frames.empty(frames.RAW_LISTINGS)
    classes = classes_of(
        bars["symbol"],
        frames.empty(frames.LISTINGS),
        told,
        asset_class="equity",
        currency="USD",
    )
    chain = chains(frames.shaped(bars, frames.RAW_BARS), closes, classes, frames.empty(RECENT))
    chain = chain.with_columns(own_scale=pl.lit(0.01))
    rows = [(NIGHT, "A", *action) for action in actions]
    acted = pl.DataFrame(rows, schema=frames.RAW_ACTIONS, orient="row")
    return unfollowed_actions(chain, acted)["kind"].to_list()


@pytest.mark.parametrize(
    ("close", "action"),
    [
        (50.5, ("split", 2.0)),
        (990.0, ("split", 0.1)),
        (98.9, ("dividend", 1.0)),
        (60.2, ("dividend", 40.0)),
        (30.0, ("split", 2.0)),  # and it fell by 40 % besides
    ],
)
def test_believes_an_action_that_the_price_bears_out(close, action):
    assert refused(close, action) == []


@pytest.mark.parametrize(
    ("close", "action"),
    [
        (101.0, ("split", 2.0)),
        (50.5, ("split", 10.0)),
        (50.5, ("split", 0.5)),
        (99.5, ("dividend", 50.0)),
    ],
)
def test_refuses_an_action_that_the_price_does_not_follow(close, action):
    assert refused(close, action) == [action[0]]


def test_believes_what_the_price_bears_together():
    """One new share for two old, and 90 paid on each new one: 100 becomes 2 x (110 + 90) / 4."""
    both = ("split", 0.5), ("dividend", 90.0)
    assert refused(110.0, *both) == []
    assert refused(110.0, both[0]) == ["split"]


def test_refuses_a_wrong_split_beside_a_dividend_that_is_right():
    assert refused(99.0, ("split", 3.0), ("dividend", 1.0)) == ["split"]
    assert refused(49.4, ("split", 2.0), ("dividend", 0.5)) == []


def test_says_nothing_of_what_moves_later():
    assert refused(50.5, ("split", 2.0)) == refused(1e6, ("dividend", 1.0)) == []
