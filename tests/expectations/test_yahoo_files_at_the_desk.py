"""Real files of a vendor pass the desk as history in one go: nothing that is wrong is believed."""

from pathlib import Path

import polars as pl
import pytest

from conf.schema import SimulatedSource
from expectations.contradictions import contradictions
from expectations.desk import Desk, Judged
from tasks.market import frames
from tasks.market.calendar import Calendar
from tasks.market.sources.protocol import Delivery
from tests.expectations.accounts import Told
from tests.expectations.test_yahoo_defects import DEFECTS, LEFT_IN, RIGHT, told

pytestmark = pytest.mark.slow

# A delivery holds one bar a session: hourly, quarterly and weekly files are none.
DAILY = [name for name in DEFECTS if "-1d-" in name]
CLEAN = [name for name in RIGHT if "-1d-" in name]
ABOUT = ("adjustment", "dividend", "split", "unit slip")  # how rules of contradictions begin
EVERY_DAY = Calendar("24/7")  # these exchanges are many, and none of their holidays matters here


@pytest.fixture
def folder(shared_data: Path) -> Path:
    return shared_data / "raw" / "yahoo_defects"


def as_traded(path: Path) -> Told:
    """Return a file as a source gives it: prices and cash before each split were restated for."""
    bars, actions = told(path)
    bars = bars.with_columns(pl.col("session").cast(pl.Date))
    actions = actions.with_columns(pl.col("ex_session").cast(pl.Date))
    splits = actions.filter(kind="split").select("ex_session", "value").rows()

    def back(day: str) -> pl.Expr:
        factor = pl.lit(1.0)
        for ex_session, ratio in splits:
            factor = factor * pl.when(pl.col(day) < ex_session).then(ratio).otherwise(1.0)
        return factor

    cash = pl.when(pl.col("kind") == "dividend").then(pl.col("value") * back("ex_session"))
    return Told(
        bars.with_columns(pl.col("open", "high", "low", "close") * back("session")),
        actions.with_columns(value=cash.otherwise("value")),
    )


def judged(told: Told) -> Judged:
    days = told.bars.filter(pl.col("close").is_not_null())["session"]
    first, last = days.sort()[0], days.sort()[-1]
    settings = SimulatedSource(
        kind="simulated",
        title="One file",
        calendar="24/7",
        actions="given",
        starts=first,
        observed_from=last,
        ends=last,
        expected_rows=1,
    )
    nothing = frames.empty(frames.BARS), frames.empty(frames.LISTINGS)
    desk = Desk("vendor", settings, EVERY_DAY, bars=nothing[0], listings=nothing[1])
    rest = frames.empty(frames.RAW_LISTINGS), frames.empty(frames.RAW_SERIES)
    return desk.judge(Delivery(last, "assumed", told.bars, told.actions, *rest))


def named(judged: Judged) -> set[str]:
    """Return the rules by which the three accounts contradict each other."""
    return {rule for rule in judged.quarantine["rule"] if rule.startswith(ABOUT)}


@pytest.mark.parametrize("name", DAILY)
def test_believes_no_row_and_no_action_that_is_in_the_wrong(folder: Path, name: str):
    told = as_traded(folder / f"{name}.csv")
    wrong = contradictions(*told, splits="as_traded")
    assert DEFECTS[name] in wrong["rule"].to_list()
    done = judged(told)
    rows = wrong.filter(pl.col("kind").is_null())
    assert done.bars.join(rows, on=["session", "symbol"], how="semi").is_empty()
    actions = wrong.drop_nulls("kind").select("kind", ex_session="session")
    assert done.actions.join(actions, on=actions.columns, how="semi").is_empty()
    if done.verdicts["verdict"].item() != "block":
        assert done.bars.height > 0.8 * told.bars["close"].count()


@pytest.mark.parametrize("name", DAILY)
def test_believes_every_action_of_a_mended_file_but_what_was_left_in(folder: Path, name: str):
    told = as_traded(folder / f"{name}-fixed.csv")
    done = judged(told)
    rule, rows = LEFT_IN.get(name, ("nothing", 0))
    assert named(done) <= {rule}
    if done.verdicts["verdict"].item() != "block":
        left_out = rows if rule.startswith("dividend") else 0
        assert done.actions.height == told.actions.height - left_out


@pytest.mark.parametrize("name", CLEAN)
def test_believes_every_action_of_a_file_that_only_looks_wrong(folder: Path, name: str):
    told = as_traded(folder / f"{name}.csv")
    done = judged(told)
    assert named(done) == set()
    assert done.actions.height == told.actions.height


def test_all_but_two_of_the_files_with_a_defect_are_daily():
    assert (len(DEFECTS), len(DAILY), len(CLEAN)) == (35, 33, 6)
