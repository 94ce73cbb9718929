"""Who may be held is told alike for names of every currency, and by what was known then."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.market.frames import LISTINGS, SERIES, shaped
from tasks.market.history import View
from tasks.market.lake import Lake
from tasks.roster import Roster

SESSIONS = [date(2016, 6, day) for day in (6, 7, 8, 9, 10, 13)]
CLOSES = {"s:FUTURE": 20.0, "s:TOKYO": 3000.0, "s:YORK": 100.0}
SOURCE = """
kind: mixed
title: All
starts: 2016-01-04
expected_rows: 3
parts: [one, other]
stale_sessions: 1
"""
LIQUID = """
kind: screened
title: The most traded
liquidity: {sessions: 5, min_observed: 3, count: %d}
"""
HOME = {"s:FUTURE": ("USD", None), "s:TOKYO": ("USD", None), "s:YORK": (None, None)}
ABROAD = HOME | {"s:FUTURE": ("USD", 50.0), "s:TOKYO": ("JPY", None)}
YEN = [(day, "USDJPY", 105.0, day) for day in SESSIONS]


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    texts = {"sources/all": SOURCE, "universes/one": LIQUID % 1, "universes/two": LIQUID % 2}
    for name, text in texts.items():
        path = tmp_path / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setenv("AFTERCLOSE_CONF", str(tmp_path / "conf"))
    return Lake(str(tmp_path / "lake"))


def keep(lake: Lake, terms: dict, rates: list[tuple] = YEN) -> None:
    first = SESSIONS[0]
    told = [
        {
            "instrument": name,
            "symbol": name[2:],
            "currency": currency,
            "multiplier": multiplier,
            "from_session": first,
            "source": "all",
            "delivery": first,
            "known_on": first,
        }
        for name, (currency, multiplier) in terms.items()
    ]
    lake.replace("listings", shaped(pl.DataFrame(told), LISTINGS), over={"source": ["all"]})
    columns = ["session", "name", "value", "known_on"]
    rows = pl.DataFrame(rates, schema=columns, orient="row")
    rows = rows.with_columns(source=pl.lit("all"), delivery="known_on")
    lake.replace("series", shaped(rows, SERIES), over={"source": ["all"]})


def at(lake: Lake, universe: str, count: int = len(SESSIONS)) -> list[str]:
    close_TN = np.tile(list(CLOSES.values()), (count, 1))
    ones, none = np.ones_like(close_TN), np.zeros_like(close_TN)
    days = tuple(SESSIONS[:count])
    view = View(days[-1], days, tuple(CLOSES), *(close_TN,) * 4, ones * 1e4, ones, none)
    return Roster(lake, "all", universe, SESSIONS[-1]).at(view)


def test_what_changed_hands_is_compared_in_the_currency_of_the_source(lake):
    keep(lake, HOME)
    assert at(lake, "one") == ["s:TOKYO"]
    assert at(lake, "two") == ["s:TOKYO", "s:YORK"]
    keep(lake, ABROAD)
    assert at(lake, "one") == ["s:FUTURE"]  # 20 points of 50 dollars each
    assert at(lake, "two") == ["s:FUTURE", "s:YORK"]


def test_a_name_without_a_rate_is_not_known_to_be_traded(lake):
    keep(lake, HOME | {"s:TOKYO": ("JPY", None)}, YEN[:1])
    assert at(lake, "two") == ["s:FUTURE", "s:YORK"]


def test_rates_of_later_sessions_change_no_member(lake):
    for cheap in (105.0, 0.001):
        later = [(day, name, cheap, known) for day, name, _, known in YEN[5:]]
        late = [(day, name, cheap, SESSIONS[5]) for day, name, _, _ in YEN[:5]]
        keep(lake, ABROAD, YEN[:5] + later + late)
        assert at(lake, "two", 5) == ["s:FUTURE", "s:YORK"]
    assert "s:TOKYO" in at(lake, "two")
