"""A judging that ends at a block leaves nothing half judged, and no bar before its actions."""

import polars as pl
import pytest

from tasks.market.lake import Lake
from tasks.settings import open_lake
from tests.tasks.late_folder import TABLES, Folder, market, of, sessions, times

pytestmark = pytest.mark.slow
DAYS = sessions(20)


def test_after_a_late_block_the_nights_that_follow_wait_and_leave_no_row(tmp_path, monkeypatch):
    folder, rows = Folder(tmp_path, monkeypatch), market(10)
    folder.send(rows, *DAYS[1:5], *DAYS[6:9])
    assert folder.judge(DAYS[8]) == "pass"
    folder.send(rows.filter(pl.col("symbol") < "S03"), DAYS[5])
    assert folder.judge(DAYS[8], stop_at_block=True) == "waiting"
    lake = open_lake()
    assert lake.read("verdicts").sort("delivery")["delivery"].to_list() == DAYS[1:6]
    for table in TABLES:
        late = lake.read(table).filter(pl.col("delivery") > DAYS[5])
        assert late.is_empty(), table
    assert folder.judge(DAYS[8]) == "pass"
    assert lake.read("bars")["delivery"].max() == DAYS[8]


@pytest.mark.parametrize("as_of", [4, 8])
def test_a_night_that_was_blocked_before_stops_nothing_when_it_is_judged_again(
    tmp_path, monkeypatch, as_of
):
    folder, rows = Folder(tmp_path, monkeypatch), market(10)
    folder.send(rows, *DAYS[1:3], *DAYS[4:6], *DAYS[7:9])
    folder.send(rows.filter(pl.col("symbol") < "S03"), DAYS[6])
    assert folder.judge(DAYS[8]) == "pass"
    folder.send(rows, DAYS[3])
    assert folder.judge(DAYS[as_of], stop_at_block=True) == "pass"
    lake = open_lake()
    verdicts = dict(lake.read("verdicts").select("delivery", "verdict").iter_rows())
    assert verdicts == {day: "block" if day == DAYS[6] else "pass" for day in DAYS[1:9]}
    assert lake.read("bars")["delivery"].max() == DAYS[8]


def test_a_bar_is_never_to_be_read_without_the_split_that_its_night_tells(tmp_path, monkeypatch):
    folder, rows = Folder(tmp_path, monkeypatch), market(10)
    after = of(rows, "S02") & (rows["date"] >= DAYS[5])
    halved = times(rows, 0.5, after).with_columns(pl.col("close", "adjusted").round(2))
    folder.send(halved, *DAYS[1:5], *DAYS[6:9])
    eve = of(halved, "S02", DAYS[4])
    half = pl.when(eve).then(pl.col("close") / 2).otherwise("adjusted")
    folder.send(halved.with_columns(adjusted=half), DAYS[5])
    replace, half_told = Lake.replace, []

    def watched(self, table, *args, **kwargs):
        written = replace(self, table, *args, **kwargs)
        known = {name: self.known(name, as_of=DAYS[8], source="folder") for name in TABLES[:2]}
        split = known["bars"].filter(pl.col("symbol") == "S02", pl.col("session") >= DAYS[5])
        half_told.append(not split.is_empty() and known["actions"].is_empty())
        return written

    monkeypatch.setattr(Lake, "replace", watched)
    folder.judge(DAYS[8])
    assert open_lake().read("actions").select("ex_session", "value").rows() == [(DAYS[5], 2.0)]
    assert not any(half_told)
