"""The row rules set aside what nobody may read, say why, and mend nothing."""

from datetime import date

import polars as pl
import pytest

from conf.schema import CrossCheck, SampleSource
from expectations.classes import CLASS
from expectations.eve import Eve
from expectations.rules import Sorted, sort_out
from expectations.sorting import Reach
from tasks.market import frames

THU, MON, HOLIDAY = date(2015, 4, 2), date(2015, 4, 6), date(2015, 4, 3)
REACH = Reach([THU, MON], MON, observed=True)
NO_CLOSES = frames.empty(
    {"symbol": pl.String, "session": pl.Date, "close": pl.Float64, "volume": pl.Float64}
)

EVE = Eve(NO_CLOSES, None)
SOURCE = SampleSource(
    kind="sample",
    title="A source",
    starts=date(2015, 1, 2),
    expected_rows=1,
    cross_check=CrossCheck(source="other", tolerance=0.01),
)


def bar(symbol: str | None = "AAA", session: date | None = MON, **numbers: float | None) -> dict:
    usual = {"open": 10.0, "high": 11.0, "low": 9.0, "close": 10.5, "volume": 100.0}
    return {
        "session": session,
        "symbol": symbol,
        **usual,
        "adj_close": 10.5,
        "currency": None,
        **numbers,
    }


def sorted_out(
    *bars: dict, reach: Reach = REACH, eve: Eve = EVE, asset_class: str = "equity"
) -> Sorted:
    frame = pl.DataFrame(list(bars), schema=frames.RAW_BARS)
    rows = [(symbol, asset_class, "USD") for symbol in frame["symbol"].unique().drop_nulls()]
    classes = pl.DataFrame(rows, schema=CLASS, orient="row")
    return sort_out(frame, frames.empty(frames.RAW_ACTIONS), eve, classes, reach, source=SOURCE)


def rules(done: Sorted) -> list[tuple]:
    return done.quarantine.select("symbol", "rule", "rows").rows()


def test_lets_a_good_row_through_as_it_came():
    done = sorted_out(bar())
    assert done.quarantine.is_empty()
    assert done.clean.rows(named=True) == [bar()]


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (bar(None), "unreadable"),
        (bar(session=None), "unreadable"),
        (bar(close=None), "unreadable"),
        (bar("symbol"), "malformed symbol"),
        (bar("A" * 25), "malformed symbol"),
        (bar("AAA\n"), "malformed symbol"),
        (bar("=AAA"), "malformed symbol"),
        (bar(session=HOLIDAY), "not a session"),
        (bar(session=date(2015, 4, 4)), "not a session"),
        (bar(session=date(2015, 4, 7)), "future"),
        (bar(session=date(2999, 1, 1)), "future"),
        (bar(session=date(2015, 4, 1)), "out of reach"),
        (bar(session=date(1900, 1, 1)), "out of reach"),
        (bar(close=float("nan")), "not finite"),
        (bar(volume=float("inf")), "not finite"),
        (bar(adj_close=float("-inf")), "not finite"),
        (bar(low=0.0), "price not above zero"),
        (bar(close=-1.0), "price not above zero"),
        (bar(high=10.2), "prices out of order"),
        (bar(low=10.2), "prices out of order"),
        (bar(volume=-1.0), "negative volume"),
    ],
)
def test_sets_a_bad_row_aside_and_says_why(row, rule):
    done = sorted_out(row, bar("BBB"))
    assert done.clean["symbol"].to_list() == ["BBB"]
    assert rules(done) == [(row["symbol"] or "", rule, 1)]
    assert done.quarantine["detail"].str.len_chars().min() > 0


@pytest.mark.parametrize("symbol", ["NA", "TRUE", "MAR1", "BRK.B", "^GSPC", "ES=F", "3M"])
def test_takes_unusual_symbols_as_text(symbol):
    assert sorted_out(bar(symbol)).clean["symbol"].to_list() == [symbol]


def test_asks_nothing_of_what_a_source_does_not_give():
    closes_only = dict.fromkeys(("open", "high", "low", "volume", "adj_close"))
    assert sorted_out(bar(**closes_only)).quarantine.is_empty()


def test_allows_for_the_rounding_of_vendors():
    assert sorted_out(bar(close=10.9999999, high=10.999999)).quarantine.is_empty()


def test_drops_exact_copies_and_counts_them():
    done = sorted_out(bar(), bar(), bar(), bar("BBB"))
    assert done.clean["symbol"].to_list() == ["AAA", "BBB"]
    assert done.copies.rows() == [(MON, "AAA", 2)]
    assert done.quarantine.is_empty()


def test_trusts_no_copy_of_a_key_that_came_with_differing_values():
    done = sorted_out(bar(), bar(), bar(close=10.6), bar("BBB"))
    assert done.clean["symbol"].to_list() == ["BBB"]
    assert rules(done) == [("AAA", "differing duplicates", 2)]
    assert done.conflicts == 1


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"close": 10.6}, "2 copies, close 10.5 to 10.6"),
        ({"volume": 90.0}, "2 copies that differ, not in their close"),
    ],
)
def test_says_in_what_copies_differ(other, told):
    done = sorted_out(bar(), bar(**other), bar("BBB"))
    assert done.quarantine["detail"].to_list() == [told]


def test_trusts_neither_copy_though_one_alone_would_be_set_aside():
    done = sorted_out(bar(), bar(close=0.0))
    assert done.clean.is_empty()
    assert rules(done) == [("AAA", "differing duplicates", 2)]


def test_counts_every_row_as_it_was_sent():
    done = sorted_out(bar(session=HOLIDAY), bar(session=HOLIDAY), bar())
    assert rules(done) == [("AAA", "not a session", 2)]


def test_history_reaches_back_to_its_first_session():
    sessions = [date(2015, 3, 31), date(2015, 4, 1), THU, MON]
    reach = Reach(sessions, MON, observed=False)
    assert sorted_out(bar(session=sessions[0]), reach=reach).quarantine.is_empty()


def test_gives_the_same_whatever_the_order_of_rows():
    bars = [bar(), bar(), bar("CCC", close=-1.0), bar("BBB"), bar(None), bar("BBB", open=9.5)]
    one, other = sorted_out(*bars), sorted_out(*reversed(bars))
    assert one.clean.equals(other.clean)
    assert one.quarantine.equals(other.quarantine)
    assert one.copies.equals(other.copies)


def test_gives_empty_frames_for_an_empty_delivery():
    done = sorted_out()
    assert done.clean.schema == frames.RAW_BARS
    assert done.quarantine.is_empty()
