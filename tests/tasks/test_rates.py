"""A book values what it holds by the rates known at the close, and says which it lacks."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.market.currency import in_currency
from tasks.market.frames import ACTIONS, BARS, LISTINGS, SERIES, shaped
from tasks.market.history import View
from tasks.market.lake import Lake
from tasks.roster import Rates
from tasks.settings import open_lake
from tasks.vantage import Vantage
from tests.house import House

SESSIONS = [date(2016, 6, day) for day in (6, 7, 8, 9, 10)]
NAMES = ("m:BP", "m:SPY")
PART = "kind: sample\ntitle: A part\nstarts: 2016-01-04\nexpected_rows: 1\n"
MIXED = """
kind: mixed
title: All
starts: 2016-01-04
expected_rows: 2
parts: [one, other]
stale_sessions: 1
"""


class Roster:
    """Listings that were known from one session on."""

    currencies = frozenset({"GBP", "USD"})

    def __init__(self, multiplier: float = 1.0) -> None:
        self.multiplier = multiplier

    def known_at(self, as_of: date) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "instrument": list(NAMES),
                "currency": ["GBP", None],
                "multiplier": [self.multiplier, None],
            }
        )


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    folder = tmp_path / "conf" / "sources"
    folder.mkdir(parents=True)
    for name, text in {"one": PART, "other": PART, "all": MIXED}.items():
        (folder / f"{name}.yaml").write_text(text)
    monkeypatch.setenv("AFTERCLOSE_CONF", str(tmp_path / "conf"))
    return Lake(str(tmp_path / "lake"))


def keep(lake: Lake, *rows: tuple[date, str, float, date]) -> None:
    """Keep (session, pair, rate, known_on) rows, each night's as a delivery of its own."""
    frame = pl.DataFrame(
        list(rows), schema=["session", "name", "value", "known_on"], orient="row"
    ).with_columns(source=pl.lit("all"), delivery="known_on")
    lake.replace("series", shaped(frame, SERIES), over={"source": ["all"]})


def view(sessions: list[date]) -> View:
    close_TN = np.full((len(sessions), 2), 10.0)
    ones, none = np.ones_like(close_TN), np.zeros_like(close_TN)
    return View(sessions[-1], tuple(sessions), NAMES, *(close_TN,) * 4, close_TN * 100, ones, none)


def pounds(rates: Rates, sessions: list[date]) -> list[float]:
    """Return what the pound was worth, as known at the last of `sessions`."""
    unit_TN = rates.worth(NAMES, sessions).unit_TN
    assert unit_TN is not None
    assert (unit_TN[:, 1] == 1.0).all()
    return unit_TN[:, 0].tolist()


def rates_of(lake: Lake, multiplier: float = 1.0) -> Rates:
    return Rates(lake, "all", Roster(multiplier), "USD", SESSIONS[-1])  # type: ignore[arg-type]


def test_a_corrected_rate_counts_from_the_session_it_was_known(lake):
    first, second, third = SESSIONS[:3]
    keep(
        lake,
        (first, "GBPUSD", 1.4, first),
        (first, "GBPUSD", 1.5, third),
        (second, "GBPUSD", 1.3, second),
    )
    rates = rates_of(lake)
    assert pounds(rates, SESSIONS[:2]) == [1.4, 1.3]
    assert pounds(rates, SESSIONS[:3]) == [1.5, 1.3, 1.3]


def test_no_rate_moves_when_later_ones_are_altered(lake):
    rows = [(day, "GBPUSD", 1.4 + at / 100, day) for at, day in enumerate(SESSIONS)]
    keep(lake, *rows)
    before = pounds(rates_of(lake), SESSIONS[:3])
    keep(lake, *rows[:3], *((day, name, 99.0, day) for day, name, _, _ in rows[3:]))
    assert pounds(rates_of(lake), SESSIONS[:3]) == before


def test_a_rate_serves_a_session_alike_however_long_the_view_is(lake):
    first, second = SESSIONS[:2]
    keep(lake, (first, "EURUSD", 1.2, first), (first, "EURGBP", 0.8, first))
    assert pounds(rates_of(lake), SESSIONS[:2]) == pytest.approx([1.5, 1.5])
    assert pounds(rates_of(lake), [second]) == pytest.approx([1.5])


def test_a_multiplier_multiplies(lake):
    keep(lake, *((day, "GBPUSD", 1.5, day) for day in SESSIONS))
    assert pounds(rates_of(lake, multiplier=50.0), SESSIONS) == [75.0] * 5


def test_a_holding_whose_rate_has_grown_too_old_stops_the_book_by_name(lake):
    keep(lake, (SESSIONS[2], "GBPUSD", 1.5, SESSIONS[2]))
    rates = rates_of(lake)
    for last, lost in ((3, False), (4, True)):
        seen = view(SESSIONS[: last + 1])
        worth = rates.worth(seen.instruments, seen.sessions)
        rates.require(seen, worth, ["m:SPY"])
        if not lost:
            rates.require(seen, worth, list(NAMES))
            continue
        with pytest.raises(LookupError, match=r"into USD at 2016-06-10.*m:BP in GBP"):
            rates.require(seen, worth, list(NAMES))
        assert np.isnan(in_currency(seen, worth.unit_TN).close_TN[-1]).tolist() == [True, False]


EX, KNOWN = date(2020, 12, 21), date(2020, 12, 22)


@pytest.fixture
def abroad(tmp_path: Path):
    """Give a house whose book learns on KNOWN of a dividend in pounds of a name without bars."""
    house, about = House(tmp_path / "abroad"), {"source": ["tiny"], "delivery": [EX]}
    at_ex = pl.DataFrame(about | {"known_on": [EX]})
    here = at_ex.with_columns(instrument=pl.lit("m:SPY"), session=EX, close=10.0)
    gone = {"currency": "GBP", "multiplier": 50.0, "from_session": EX, "symbol": "BP"}
    paid = {"kind": "dividend", "value": 0.5, "ex_session": EX, "known_on": KNOWN}
    absent = at_ex.with_columns(instrument=pl.lit("m:BP"))
    with house.open():
        lake = open_lake()
        bars = pl.concat([here, here.with_columns(session=KNOWN, known_on=KNOWN)])
        lake.replace("bars", shaped(bars, BARS), over=about)
        for table, columns, told in (("listings", LISTINGS, gone), ("actions", ACTIONS, paid)):
            rows = absent.with_columns(**{name: pl.lit(one) for name, one in told.items()})
            lake.replace(table, shaped(rows, columns), over=about)
        yield lake


def late_point(lake: Lake, *rates: tuple[date, float]) -> float:
    """Return what a point of the dividend is worth on KNOWN, by rates known on their sessions."""
    told = [{"session": day, "name": "GBPUSD", "value": rate} for day, rate in rates]
    rows = pl.DataFrame(told).with_columns(
        known_on="session", delivery="session", source=pl.lit("tiny")
    )
    lake.replace("series", shaped(rows, SERIES), over={"source": ["tiny"]})
    vantage = Vantage(lake, "tiny", KNOWN, date(2020, 12, 23))
    assert vantage.roll(KNOWN).instruments == ("m:SPY",)
    late = vantage.late(KNOWN)
    assert late["instrument"].to_list() == ["m:BP"]
    return float(late["unit_value"].item())


def test_a_late_dividend_of_a_name_without_bars_is_paid_at_the_rate_of_its_night(abroad):
    known = [(EX, 1.4), (KNOWN, 1.5)]
    assert late_point(abroad, *known) == 75.0
    assert late_point(abroad, *known, (date(2020, 12, 23), 9.0)) == 75.0


def test_a_late_dividend_has_no_worth_where_its_night_has_no_rate(abroad):
    assert np.isnan(late_point(abroad, (EX, 1.4)))
