"""A night may tell several sessions again: what is known of them is what they are held against."""

from collections.abc import Callable
from copy import deepcopy
from datetime import date

import polars as pl
import pytest

from conf.schema import SimulatedSource
from expectations.desk import Desk, Judged
from tasks.market import frames
from tasks.market.calendar import Calendar
from tasks.market.sources.protocol import Delivery
from tasks.market.sources.simulated import SimulatedData

pytestmark = pytest.mark.slow
BACK = 5
DAYS = Calendar("XNYS")
CONF = SimulatedSource(
    kind="simulated",
    title="Reaches back",
    actions="given",
    asset_class="equity",
    starts=date(2020, 3, 2),
    observed_from=date(2020, 6, 1),
    ends=date(2020, 6, 19),
    expected_rows=95,
    look_back=BACK,
    names=100,
    seed=3,
)
LAST = date(2020, 6, 18)


@pytest.fixture(scope="module")
def nights() -> dict[date, Delivery]:
    """Deliveries that tell the sessions before their own again, with the actions of those."""
    market = SimulatedData(CONF)
    told = {night: market.normalise(list(market.pull([night]))) for night in market.nights()}
    bars = pl.concat([one.bars for one in told.values()]).unique(["session", "symbol"], keep="any")
    actions = pl.concat([one.actions for one in told.values()]).unique()
    wide = {}
    for night, one in told.items():
        if one.vintage == "observed":
            first = DAYS.offset(night, -BACK)
            mine = pl.col("session").is_between(first, night)
            acted = pl.col("ex_session").is_between(first, night)
            one = one._replace(bars=bars.filter(mine), actions=actions.filter(acted))
        wide[night] = one
    return wide


@pytest.fixture(scope="module")
def eve(nights) -> Desk:
    """Give a desk that has judged every night before the last."""
    nothing = frames.empty(frames.BARS), frames.empty(frames.LISTINGS)
    desk = Desk("reaches", CONF, DAYS, bars=nothing[0], listings=nothing[1])
    for night, delivery in nights.items():
        if night < LAST:
            said = desk.judge(delivery)
            assert said.verdicts["verdict"].item() == "pass", said.verdicts["reasons"].item()
    return desk


@pytest.fixture
def last(nights, eve) -> Callable[[pl.Expr | None], Judged]:
    """Judge the last night; an expression replaces columns of its bars."""

    def judged(spoil: pl.Expr | None = None) -> Judged:
        night = nights[LAST]
        bars = night.bars if spoil is None else night.bars.with_columns(spoil)
        return deepcopy(eve).judge(night._replace(bars=bars))

    return judged


def times(factor: float, since: int, until: int = 0) -> pl.Expr:
    """Multiply the prices of one symbol in the sessions that lie so many before the last."""
    rows = pl.col("session").is_between(DAYS.offset(LAST, -since), DAYS.offset(LAST, -until))
    rows &= pl.col("symbol") == pl.col("symbol").min()
    prices = pl.col("open", "high", "low", "close")
    return pl.when(rows).then(prices * factor).otherwise(prices).name.keep()


def test_nights_that_tell_five_sessions_again_pass(last):
    said = last()
    assert said.verdicts["verdict"].item() == "pass"
    assert said.quarantine.is_empty()
    assert said.bars["session"].n_unique() == BACK + 1


@pytest.mark.parametrize("since", range(1, BACK + 1))
def test_a_wrong_correction_of_an_older_session_is_set_aside_alone(last, since):
    said = last(times(100, since, since))
    rows = said.quarantine.select("session", "symbol").unique()
    assert rows["session"].to_list() == [DAYS.offset(LAST, -since)]
    assert said.verdicts["verdict"].item() == "pass"


def test_a_symbol_that_is_told_in_cents_for_all_sessions_is_set_aside(last):
    said = last(times(100, BACK))
    assert said.quarantine["session"].n_unique() == BACK + 1
    assert said.quarantine["symbol"].n_unique() == 1


def test_a_small_correction_of_an_older_session_is_taken_on(last):
    said = last(times(1.0005, 3, 3))
    assert said.quarantine.is_empty()


def test_older_sessions_than_the_source_tells_are_out_of_reach(nights, eve):
    night = nights[LAST]
    old = night.bars.filter(session=DAYS.offset(LAST, -BACK)).with_columns(
        session=pl.lit(DAYS.offset(LAST, -BACK - 1))
    )
    said = deepcopy(eve).judge(night._replace(bars=pl.concat([night.bars, old])))
    assert set(said.quarantine["rule"]) == {"out of reach"}
