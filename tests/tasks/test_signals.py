"""Signals on bars of one's own and on a source: what was known then is judged, and told."""

import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks import ingest, judge, signals
from tasks.features import FEATURE_SETS
from tasks.features.grid import Grid
from tasks.settings import open_lake
from tasks.signals import Question, own_signals, stored_signals, with_size

T, N = 150, 40
SESSIONS = tuple(date(2020, 1, 1) + timedelta(days=i) for i in range(T))
NAMES = tuple(f"N{i:02d}" for i in range(N))
ASKED = Question(horizon=2, trades_at="open")


def grid(rows: int = T, *, seed: int = 4) -> Grid:
    """Return bars whose next session reverses part of the last one."""
    generator = np.random.default_rng(seed)
    shock = generator.normal(0, 0.02, (T, N))
    returns = shock.copy()
    returns[2:] -= 0.3 * shock[:-2]
    close = 50 * np.exp(np.cumsum(returns, axis=0))
    opened = close * np.exp(-returns * 0.5)
    inputs = {
        "open": opened,
        "high": np.maximum(opened, close) * 1.005,
        "low": np.minimum(opened, close) * 0.995,
        "close": close,
        "volume": np.exp(generator.normal(10, 1, (T, N))).round(),
    }
    return Grid(SESSIONS, NAMES, inputs, np.ones((T, N))).until(rows)


def test_finds_the_reversal_that_was_planted():
    answer = own_signals(
        grid(), with_size("price"), question=ASKED, sectors={"N00": "Odd", "N01": "Odd"}
    )
    told = {row["feature"]: row for row in answer.worth.strength.iter_rows(named=True)}
    assert told["return_1"]["rank_ic"] < 0
    assert told["return_1"]["found"]
    assert answer.names == N
    assert answer.members == N
    assert answer.groups == {"size": ["small", "middle", "large"], "sector": ["Odd"]}


def test_what_only_sizes_go_by_is_not_judged():
    answer = own_signals(grid(), with_size("alpha126"), question=ASKED, sectors={})
    judged = {*answer.worth.strength["feature"], *answer.worth.dropped["feature"]}
    assert judged == {*FEATURE_SETS["alpha126"]().columns}


def test_what_comes_later_moves_no_earlier_session():
    whole = own_signals(grid(), with_size("price"), question=ASKED, sectors={})
    part = own_signals(grid(120), with_size("price"), question=ASKED, sectors={})
    days = part.worth.daily.drop_nulls("rank_ic")
    joined = days.join(whole.worth.daily, on=["session", "feature"], suffix="_whole")
    assert joined.height > 100
    assert joined["rank_ic"].equals(joined["rank_ic_whole"].alias("rank_ic"))


def test_a_set_that_is_not_there_names_those_that_are():
    with pytest.raises(LookupError, match=r"no feature set named 'prize'; there is: .*price"):
        with_size("prize")


def file_of(folder: Path, name: str) -> Path:
    bars, at = grid(), np.indices((T, N))
    table = pl.DataFrame(
        {
            "session": [SESSIONS[row] for row in at[0].ravel()],
            "symbol": [NAMES[name] for name in at[1].ravel()],
            **{field: values.ravel() for field, values in bars.inputs.items()},
        }
    )
    path = folder / name
    table.write_csv(path) if path.suffix == ".csv" else table.write_parquet(path)
    return path


def report(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.cli", "report", "features", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bars.csv", "bars.parquet"])
def test_the_command_writes_a_page_and_a_table(tmp_path, name):
    done = report("price", "--bars", str(file_of(tmp_path, name)), "--horizon", "2")
    assert done.returncode == 0, done.stderr
    assert "return_1" in done.stdout
    page = next((tmp_path / "data" / "reports" / "features").glob("price_bars_2.html"))
    assert "no gate has judged them" in page.read_text()
    assert "return_1" in pl.read_csv(page.with_suffix(".csv"))["feature"]


@pytest.mark.slow
def test_the_command_names_what_is_wrong_and_leaves_with_one(tmp_path):
    for asked, reason in (
        (["price", "--bars", str(tmp_path / "none.csv")], "No file"),
        (["prize", "--bars", str(file_of(tmp_path, "bars.csv"))], "no feature set named"),
        (["price", "--source", "simulated"], "afterclose backfill --source simulated"),
    ):
        done = report(*asked)
        assert done.returncode == 1
        assert reason in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_judges_a_source_over_the_members_of_a_universe(build):
    with build("house").open():
        day = date(2020, 12, 17)
        ingest.land_deliveries.fn("tiny", day)
        judge.judge_deliveries.fn("tiny", day)
        asked = Question(horizon=1, trades_at="open", max_dropped=0.9, min_names=5)
        answer = stored_signals(open_lake(), "price", "tiny", "everyone", question=asked, as_of=day)
        assert answer.worth.strength.height > 10
        assert answer.sessions[-1] == day


@pytest.mark.slow
def test_what_is_told_later_moves_nothing_of_an_earlier_session(build, monkeypatch):
    """Members, sectors, sizes and rank ICs up to a session are those that it could know."""
    with build("house").open():
        first, last = date(2020, 12, 17), date(2020, 12, 30)
        ingest.land_deliveries.fn("tiny", last)
        judge.judge_deliveries.fn("tiny", last)
        lake = open_lake()
        bars = lake.read("bars", where={"source": ["tiny"]})
        asked = Question(horizon=1, trades_at="open", max_dropped=0.9, min_names=5)
        kept = {}
        for told in (first, last):
            ground = signals._stored_ground(lake, "tiny", "everyone", told)
            answer = stored_signals(lake, "price", "tiny", "everyone", question=asked, as_of=told)
            kept[told] = ground, answer
        (before, judged), (after, again) = kept[first], kept[last]
        rows = len(before.sessions)
        assert rows < len(after.sessions)
        place = [after.instruments.index(name) for name in before.instruments]
        np.testing.assert_array_equal(before.member_TN, after.member_TN[:rows, place])
        assert before.sectors == after.sectors[:rows]
        own = judged.worth.daily.drop_nulls("rank_ic")
        both = own.join(again.worth.daily, on=["session", "feature"], suffix="_again")
        assert both.height > 100
        assert both["rank_ic"].equals(both["rank_ic_again"].alias("rank_ic"))
        assert bars["session"].max() > first


@pytest.mark.slow
def test_a_name_counts_as_member_and_in_its_sector_only_from_when_it_was_told(build):
    with build("house").open():
        day = date(2020, 12, 17)
        ingest.land_deliveries.fn("tiny", day)
        judge.judge_deliveries.fn("tiny", day)
        lake = open_lake()
        listings = lake.read("listings", where={"source": ["tiny"]})
        name, night = listings["instrument"][0], date(2020, 12, 10)
        late = pl.when(pl.col("instrument") == name).then(pl.lit(night)).otherwise("known_on")
        lake.replace(
            "listings", listings.with_columns(late.alias("known_on")), over={"source": ["tiny"]}
        )
        ground = signals._stored_ground(lake, "tiny", "everyone", day)
        known = [
            session
            for session, told in zip(*ground[:1], ground.sectors, strict=True)
            if name in told
        ]
        assert known
        assert min(known) == night
