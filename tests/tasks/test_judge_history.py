"""History in one go: what it says anew counts from then on, and a late night is not history."""

from datetime import date

import polars as pl
import pytest

from conf.schema import FilesSource
from tasks.market import frames
from tasks.market.sources.protocol import Delivery, Unreadable
from tasks.settings import open_lake
from tests.tasks.late_folder import Folder, market, of, seen, sessions, times, told

pytestmark = pytest.mark.slow
DAYS = sessions(40)


def known_on(symbol: str, session: date) -> list[date]:
    return told("bars", symbol).filter(session=session)["known_on"].sort().to_list()


def test_a_file_that_comes_again_corrects_nothing_before_it_came(tmp_path, monkeypatch):
    folder, rows = Folder(tmp_path, monkeypatch, actions="none", one=True), market(40)
    folder.send_all(rows.filter(pl.col("date") <= DAYS[30]))
    folder.judge(DAYS[30])
    before = [seen(day) for day in (DAYS[12], DAYS[29])]
    corrected = times(rows, 1.002, of(rows, "S01", DAYS[10]))
    folder.send_all(corrected.filter(pl.col("date") <= DAYS[33]))
    assert folder.judge(DAYS[33]) == "pass"
    assert [seen(day) for day in (DAYS[12], DAYS[29])] == before
    assert known_on("S01", DAYS[10]) == [DAYS[10], DAYS[33]]
    assert known_on("S01", DAYS[32]) == [DAYS[32]]  # as new as it was in the first file


def test_the_file_that_came_again_tells_the_same_when_all_is_judged_anew(tmp_path, monkeypatch):
    folder, rows = Folder(tmp_path, monkeypatch, actions="none", one=True), market(40)
    for last in (DAYS[30], DAYS[33]):
        folder.send_all(rows.filter(pl.col("date") <= last))
        folder.judge(last)
    before = seen(DAYS[33])
    lake = open_lake()
    lake.replace("verdicts", lake.read("verdicts").clear(), over={"source": ["folder"]})
    folder.judge(DAYS[33])
    assert seen(DAYS[33]) == before


def test_a_file_that_cannot_be_read_blocks_the_nights_before_its_last(tmp_path, monkeypatch):
    def garbled(_: Delivery) -> Delivery:
        raise Unreadable("not a table")

    folder = Folder(tmp_path, monkeypatch, actions="none", one=True)
    folder.send_all(market(30))
    folder.reads(garbled)
    assert folder.judge(DAYS[20]) == "block: unreadable payload: not a table"


def test_nights_that_were_pulled_late_serve_no_night_that_never_came(tmp_path, monkeypatch):
    folder, rows = Folder(tmp_path, monkeypatch), market(20)
    folder.reads(lambda delivery: delivery._replace(vintage="assumed"))
    folder.send(rows, DAYS[5], tells=6)
    folder.send(rows, *DAYS[6:9], *DAYS[10:12], tells=1)
    assert folder.judge(DAYS[11]) == "pass"
    assert folder.judge(DAYS[9]) == "missing"
    assert folder.judge(DAYS[3]) == "pass"  # the first of them reaches back
    assert {day: known_on("S02", day) for day in DAYS[3:9]} == {d: [d] for d in DAYS[3:9]}


def test_a_figure_that_came_late_serves_no_night_of_the_weeks_it_is_about(tmp_path, monkeypatch):
    from tasks.backfill import holes

    def with_figures(delivery: Delivery) -> Delivery:
        """Tell 21 sessions in the first night, each known on its own; then one of weeks ago."""
        at = DAYS.index(delivery.night)
        about = range(21) if at == 20 else [at - 15]
        told = [
            {
                "session": DAYS[n],
                "name": "CPI",
                "value": 2.5 + told_at / 1000,
                "known_on": DAYS[told_at],
            }
            for n in about
            for told_at in [n if at == 20 else at]
        ]
        series = frames.shaped(pl.DataFrame(told), frames.RAW_SERIES)
        bars = delivery.bars.clear()
        return delivery._replace(vintage="assumed", bars=bars, series=series)

    folder, rows = Folder(tmp_path, monkeypatch, actions="none"), market(40)
    monkeypatch.setattr(FilesSource, "content", "series")
    folder.reads(with_figures)
    folder.send(rows, DAYS[20], DAYS[22], DAYS[35], tells=1)
    folder.judge(DAYS[35])
    lake = open_lake()
    assert set(lake.read("verdicts")["verdict"]) <= {"pass", "warn"}
    assert holes(lake, "folder", DAYS[0], DAYS[35]) == [DAYS[21], *DAYS[23:35]]
    assert folder.judge(DAYS[30]) == "missing"
