"""The comparison of models on a file of bars: what each part of it may see."""

import json
import runpy
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.learning.panel import Panel
from tasks.market.calendar import Calendar

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def panel_of_file() -> dict:
    return runpy.run_path(str(ROOT / "benchmarks" / "models_panel.py"))


def weekdays(first: date, last: date) -> list[date]:
    days = [first + timedelta(days=place) for place in range((last - first).days + 1)]
    return [day for day in days if day.weekday() < 5]


def calendar(folder: Path, days: list[date], exchange: str = "NASDAQ") -> Path:
    pl.DataFrame({"exchange": exchange, "date": days}).write_parquet(folder / "days.parquet")
    return folder / "days.parquet"


def test_the_last_year_judges_and_the_one_before_stops(tmp_path, panel_of_file):
    days = weekdays(date(2014, 5, 1), date(2017, 12, 11))
    parts = panel_of_file["split"](days, calendar(tmp_path, days), warm_up=60)
    assert parts["train"][0] == days[60]
    assert parts["train"][-1] < date(2016, 1, 1) <= parts["valid"][0]
    assert {day.year for day in parts["valid"]} == {2016}
    assert {day.year for day in parts["test"]} == {2017}


def test_too_short_a_file_is_named(tmp_path, panel_of_file):
    days = weekdays(date(2016, 11, 1), date(2017, 12, 11))
    with pytest.raises(ValueError, match="Too few sessions for train, valid"):
        panel_of_file["split"](days, calendar(tmp_path, days), warm_up=60)


def test_less_to_learn_from_than_to_stop_by_is_refused(tmp_path, panel_of_file):
    days = weekdays(date(2015, 1, 5), date(2017, 12, 11))
    with pytest.raises(ValueError, match="takes four years of bars or a shorter warm-up"):
        panel_of_file["split"](days, calendar(tmp_path, days), warm_up=60)


def test_a_file_of_two_exchanges_is_refused(tmp_path, panel_of_file):
    file = tmp_path / "two.parquet"
    pl.DataFrame({"exchange": ["NASDAQ", "XLON"]}).write_parquet(file)
    with pytest.raises(ValueError, match="expected one"):
        panel_of_file["exchange_of"](file)


def test_an_earlier_label_is_that_of_the_session_before(panel_of_file):
    label = np.arange(6.0).reshape(3, 2)
    found = panel_of_file["earlier"](label)
    assert np.isnan(found[0]).all()
    assert np.array_equal(found[1:], label[:2])


def bars(path: Path, days: list[date], *, after: date | None = None) -> None:
    """Write random walks of 40 names; other ones from `after` on."""
    dice = np.random.default_rng(5)
    moves = dice.normal(0, 0.02, (len(days), 40))
    if after:
        late = np.array([day >= after for day in days])
        moves[late] = np.random.default_rng(6).normal(0, 0.03, (int(late.sum()), 40))
    close = 50 * np.exp(np.cumsum(moves, axis=0))
    opened = np.vstack([close[:1], close[:-1]]) * (1 + dice.normal(0, 0.003, close.shape))
    row, name = np.indices(close.shape).reshape(2, -1)
    pl.DataFrame(
        {
            "date": [days[place] for place in row],
            "symbol": [f"N{place:02}" for place in name],
            "open": opened.ravel(),
            "high": np.maximum(opened, close).ravel() * 1.003,
            "low": np.minimum(opened, close).ravel() * 0.997,
            "close": close.ravel(),
            "volume": dice.integers(100_000, 200_000, close.size),
        }
    ).write_parquet(path)


def judged(folder: Path, days: list[date], after: date | None, *more: object) -> dict:
    folder.mkdir()
    bars(folder / "bars.parquet", days, after=after)
    words = ["--bars", folder / "bars.parquet", "--calendar", calendar(folder, days), *more]
    words += ["--models", "ridge", "--horizon", "1", "--seeds", "1"]
    words += ["--min-names", "20", "--json", folder / "out.json"]
    command = [sys.executable, ROOT / "benchmarks" / "models.py", *words]
    subprocess.run([str(word) for word in command], check=True, cwd=ROOT)
    return json.loads((folder / "out.json").read_text())


@pytest.mark.slow
def test_a_year_that_judges_moves_no_fit(tmp_path):
    days = Calendar("XNYS").sessions(date(2014, 9, 2), date(2017, 12, 11))
    one, other = (
        judged(tmp_path / name, days, after, "--trials", 2)
        for name, after in (("as_is", None), ("moved", date(2017, 1, 3)))
    )
    one, other = one["models"], other["models"]
    for name in ("lightgbm", "ridge"):
        assert one[name]["recipe"] == other[name]["recipe"], "tuned by what came before"
        assert one[name]["facts"] == other[name]["facts"]
        assert one[name]["figures"] != other[name]["figures"]
        assert one[name]["facts"]["stretches"]["valid_last"] < "2016-12-30"
    assert one["ridge"]["figures"]["sessions"] > 200
    assert one["lightgbm"]["figures"]["difference"] is None, "held against itself"


@pytest.mark.slow
def test_nothing_after_until_is_looked_at(tmp_path):
    days = Calendar("XNYS").sessions(date(2014, 9, 2), date(2018, 3, 29))
    until = ["--trials", 0, "--until", "2017-12-29", "--against", "ridge"]
    one, other = (
        judged(tmp_path / name, days, after, *until)
        for name, after in (("as_is", None), ("moved", date(2018, 1, 2)))
    )
    (turned,) = one["against"]["ridge"].values()
    one, other = one["models"], other["models"]
    assert turned["difference"] == pytest.approx(-one["ridge"]["figures"]["difference"])
    assert one["ridge"]["daily"] == other["ridge"]["daily"]
    assert one["ridge"]["daily"]["session"][-1].startswith("2017-12")
    assert one["ridge"]["figures"]["sessions"] > 240


def test_less_to_learn_from_leaves_what_judges_and_small_shares_lie_in_larger_ones():
    curve = runpy.run_path(str(ROOT / "benchmarks" / "learning_curve.py"))
    days = weekdays(date(2014, 1, 2), date(2017, 12, 11))
    label = np.random.default_rng(2).normal(size=(len(days), 40))
    splits = {
        "train": [day for day in days if day.year < 2016],
        "valid": [day for day in days if day.year == 2016],
        "test": [day for day in days if day.year == 2017],
    }
    names = tuple(f"N{place}" for place in range(40))
    panel = Panel(tuple(days), names, (), np.zeros((40, len(days), 0)), label > -9)
    on = curve["Ground"](panel, {1: label}, label, splits, "pass")

    def kept(share: float, years: int) -> tuple[set[int], date]:
        less = curve["narrowed"](on, curve["Part"](share, years))
        assert less.splits["test"] == splits["test"]
        assert np.array_equal(less.label_TN, label)
        at, names = np.nonzero(np.isfinite(less.known[1]))
        assert less.splits["train"][0] == days[at.min()]
        return set(names.tolist()), days[at.min()]

    few, all_years = kept(0.25, 2)
    more, _ = kept(0.5, 2)
    assert (len(few), len(more), all_years) == (10, 20, days[0])
    assert few < more
    every, newest = kept(1.0, 1)
    assert (len(every), newest) == (40, date(2015, 1, 1))
