"""A jump needs a reason: an action, or a second traded session that bears the new level."""

from datetime import date, timedelta

import polars as pl
import pytest

from expectations.classes import CLASS
from expectations.jumps import Jumps, unexplained_jumps
from expectations.moves import chains, with_near_bounds, with_signed_bounds
from expectations.scales import RECENT

DAYS = [date(2015, 3, 23) + timedelta(days=n) for n in range(5)]
COLUMNS = {"symbol": pl.String, "session": pl.Date, "close": pl.Float64, "volume": pl.Float64}
ACTIONS = {"ex_session": pl.Date, "symbol": pl.String, "kind": pl.String, "value": pl.Float64}


def closes(*prices: float, start: int = 0, volume: float | None = 100.0) -> pl.DataFrame:
    rows = [("AAA", DAYS[start + n], price, volume) for n, price in enumerate(prices)]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def action(kind: str, value: float, ex: int) -> pl.DataFrame:
    return pl.DataFrame([(DAYS[ex], "AAA", kind, value)], schema=ACTIONS, orient="row")


def jumps(
    rows: pl.DataFrame,
    eve: pl.DataFrame,
    actions: pl.DataFrame | None = None,
    *,
    observed: bool = True,
    recent: pl.DataFrame | None = None,
    asset_class: str = "equity",
) -> Jumps:
    known = pl.DataFrame(schema=ACTIONS) if actions is None else actions
    past = pl.DataFrame(schema=RECENT) if recent is None else recent
    names = [(symbol, asset_class, "USD") for symbol in rows["symbol"].unique()]
    chain = chains(rows, eve, pl.DataFrame(names, schema=CLASS, orient="row"), past)
    sessions = rows["session"].unique().sort().to_list() if observed else []
    chain = with_near_bounds(
        with_signed_bounds(chain, past), past, sessions, known["symbol"].unique()
    )
    return unexplained_jumps(chain, known, observed=observed, until=rows["session"].max())


def test_lets_a_wild_but_possible_day_pass():
    assert jumps(closes(4.1, start=1), closes(10.0)).rows.is_empty()


def test_sets_the_symbol_aside_when_its_newest_close_jumps():
    found = jumps(closes(25.2, 77.25, start=1), closes(25.3))
    assert found.rows.select("session", "rule").rows() == [(DAYS[2], "unexplained jump")]
    assert found.symbols == ["AAA"]


def test_calls_a_jump_without_trading_a_bad_print():
    untraded = closes(0.02, start=1, volume=0.0)
    assert jumps(untraded, closes(3.54)).rows["rule"].to_list() == ["bad print"]


def test_needs_a_smaller_move_where_nothing_was_traded():
    assert jumps(closes(6.0, start=1, volume=0.0), closes(10.0)).symbols == ["AAA"]
    assert jumps(closes(6.0, start=1), closes(10.0)).rows.is_empty()


def test_trusts_the_rows_after_a_passing_bad_print():
    found = jumps(closes(0.02, 3.87, start=1), closes(3.54))
    assert found.rows["session"].to_list() == [DAYS[1]]
    assert found.symbols == []


def test_sees_a_bad_print_sent_for_a_session_already_known():
    found = jumps(closes(0.02, 0.02, start=1, volume=0.0), closes(4.15, start=1))
    assert found.rows.height == 2
    assert found.symbols == ["AAA"]


@pytest.mark.parametrize(
    ("eve", "tonight", "kind", "value"),
    [
        (0.70, 7.20, "split", 0.1),
        (702.6, 98.13, "split", 7.0),
        (66.29, 28.57, "dividend", 37.7),
        (20.0, 1.1, "dividend", 19.0),
    ],
)
def test_an_action_explains_its_jump(eve, tonight, kind, value):
    night = closes(eve, tonight, start=0)
    assert jumps(night, closes(eve), action(kind, value, 1)).rows.is_empty()


def test_an_action_of_another_size_explains_nothing():
    assert jumps(closes(7.2, start=1), closes(0.7), action("split", 0.5, 1)).symbols == ["AAA"]


def test_an_action_of_another_session_explains_nothing():
    later = jumps(closes(7.2, start=1), closes(0.7), action("split", 0.1, 3), observed=False)
    assert later.rows.height == 1


def test_tonights_split_explains_an_eve_that_was_already_restated():
    night = closes(100.4, 98.1, start=1)
    assert jumps(night, closes(702.6, start=1), action("split", 7.0, 2)).rows.is_empty()


def test_takes_on_a_level_that_a_second_traded_session_bears():
    found = jumps(closes(77.25, 77.4, start=1), closes(25.3))
    assert found.rows.is_empty()
    assert found.confirmed == ["AAA"]


def test_takes_on_no_level_without_trading():
    found = jumps(closes(0.02, 0.02, start=1, volume=0.0), closes(3.54))
    assert found.symbols == ["AAA"]
    assert found.confirmed == []


def test_judges_history_without_looking_ahead():
    history = closes(25.0, 77.0, 77.5, 78.0)
    whole = jumps(history, closes().clear(), observed=False)
    cut = jumps(history.head(2), closes().clear(), observed=False)
    assert whole.rows.equals(cut.rows)
    assert whole.rows["session"].to_list() == [DAYS[1]]
    assert whole.symbols == []


def test_says_nothing_against_a_close_that_is_long_past():
    old = closes(25.0).with_columns(session=pl.lit(date(2015, 3, 1)))
    assert jumps(closes(77.0, start=1), old).rows.is_empty()


def test_says_nothing_about_a_symbol_never_seen():
    assert jumps(closes(77.0), closes().clear()).rows.is_empty()


def test_widens_the_bound_on_a_wild_day():
    def crowd(spread: float) -> tuple[pl.DataFrame, pl.DataFrame]:
        names = [f"S{n:02}" for n in range(40)] + ["AAA"]
        tonight = [10.0 * (1 + spread * (-1) ** n) for n in range(40)] + [30.0]
        known = pl.DataFrame({"symbol": names, "session": DAYS[0], "close": 10.0, "volume": 1.0})
        return known.with_columns(session=pl.lit(DAYS[1]), close=pl.Series(tonight)), known

    assert jumps(*crowd(0.005)).symbols == ["AAA"]
    assert jumps(*crowd(0.05)).symbols == []


def test_a_split_and_cash_on_each_new_share_explain_a_jump_together():
    """One new share for ten old, and 60 paid on it: 10 becomes (40 + 60) / 10."""
    split, cash = action("split", 0.1, 1), action("dividend", 60.0, 1)
    night, eve = closes(40.0, start=1), closes(10.0)
    assert jumps(night, eve, pl.concat([split, cash])).symbols == []
    assert jumps(night, eve, pl.concat([cash, split])).symbols == []
    assert jumps(night, eve, split).symbols == jumps(night, eve, cash).symbols == ["AAA"]
