"""Rows that a person lets out after a release: nothing it has read moves, whatever breaks off."""

import json
from datetime import date

import polars as pl
import pytest

from tasks.market import frames
from tasks.market.lake import Lake, content_hash
from tasks.settings import open_lake
from tests.tasks.late_folder import NOON, Folder, market, of, seen, sessions, times, told

pytestmark = pytest.mark.slow
DAYS = sessions(40)
ODD, SEALED = 5, 8


class Killed(BaseException):
    """Stands for a kill: nothing of ours catches it."""


def with_an_odd_row(rows: pl.DataFrame, day: int = ODD) -> pl.DataFrame:
    return times(rows, 10, of(rows, "S05", DAYS[day]))


def held(symbol: str, night: date = DAYS[ODD]) -> int:
    return told("quarantine", symbol).filter(delivery=night).height


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Give a folder with one odd row in a night that a release has read."""
    made, rows = Folder(tmp_path, monkeypatch), market(10)
    young = rows.filter(of(rows, "S00"), pl.col("date") >= DAYS[ODD])
    young = times(young.with_columns(symbol=pl.lit("NEW")), -1, young["date"] == DAYS[ODD])
    rows = pl.concat([with_an_odd_row(rows), young])
    made.send(rows, *DAYS[1 : SEALED + 1], tells=1)
    made.judge(DAYS[SEALED])
    made.seal(DAYS[SEALED])
    return made


def test_a_row_of_a_late_night_comes_out_beside_the_sealed_ones(tmp_path, monkeypatch):
    folder, rows = Folder(tmp_path, monkeypatch), market(10)
    folder.send(rows, *DAYS[1:ODD], *DAYS[ODD + 1 : SEALED + 1], tells=1)
    folder.judge(DAYS[SEALED])
    folder.seal(DAYS[SEALED])
    before = seen(DAYS[SEALED])
    folder.send(with_an_odd_row(rows), DAYS[ODD], DAYS[9], tells=1)
    folder.judge(DAYS[9])
    assert folder.clear("S05", DAYS[ODD]).endswith("1 of 1 rows have left quarantine")
    assert seen(DAYS[SEALED]) == before
    row = told("bars", "S05").filter(session=DAYS[ODD])
    assert row["known_on"].to_list() == [DAYS[SEALED + 1]]
    assert open_lake().read("verdicts").height == 9


@pytest.mark.parametrize("sealed", [None, 25])
def test_a_row_of_history_in_one_go_comes_out_with_what_was_made_of_it(
    tmp_path, monkeypatch, sealed
):
    from tasks import prepare

    folder = Folder(tmp_path, monkeypatch, actions="none", one=True)
    folder.send_all(with_an_odd_row(market(40), 15))
    folder.judge(DAYS[39])
    prepare.prepare_features.fn("small", DAYS[39])
    if sealed:
        folder.seal(DAYS[sealed])
        before = seen(DAYS[sealed])
    folder.clear("S05", DAYS[39])
    known_on = told("bars", "S05").filter(session=DAYS[15])["known_on"].to_list()
    assert known_on == [DAYS[sealed + 1 if sealed else 15]]
    if sealed:
        assert seen(DAYS[sealed]) == before
    lake = open_lake()
    prepare.prepare_features.fn("small", DAYS[39])
    kept = content_hash(lake.read("features/price"))
    lake.replace("features/price", lake.read("features/price").clear(), over={"source": ["folder"]})
    prepare.prepare_features.fn("small", DAYS[39])
    assert content_hash(lake.read("features/price")) == kept


def test_a_name_that_is_let_out_late_is_who_it_was_and_the_verdict_says_who_said_so(folder):
    before, verdicts = seen(DAYS[SEALED]), open_lake().read("verdicts")
    folder.clear("NEW", DAYS[ODD], by="Grace")
    assert seen(DAYS[SEALED]) == before
    assert told("bars", "NEW")["instrument"].unique().to_list() == [f"folder:NEW:{DAYS[ODD + 1]}"]
    verdict = open_lake().read("verdicts").filter(delivery=DAYS[ODD]).row(0, named=True)
    then = verdicts.filter(delivery=DAYS[ODD]).row(0, named=True)
    assert (then["clean"], then["quarantined"]) == (29, 2)
    assert (verdict["clean"], verdict["quarantined"]) == (30, 1)
    assert verdict["known_on"] == then["known_on"]
    said = [one for one in json.loads(verdict["findings"]) if one["rule"] == "cleared by a person"]
    assert said[0]["examples"] == [f"NEW {DAYS[ODD]}: Grace says so it was"]


def test_a_contract_in_front_brings_its_continuous_bar_and_the_roll_it_pays(tmp_path, monkeypatch):
    """S10 is in front up to the odd row, then gives way to S11, and that to nobody yet."""
    contracts = [
        {"symbol": name, "name": name, "asset_class": "future", "root": "CL", "to_session": last}
        for name, last in (("S10", DAYS[ODD + 6]), ("S11", DAYS[30]))
    ]
    listed = pl.DataFrame(contracts).with_columns(from_session=DAYS[1])
    folder, rows = Folder(tmp_path, monkeypatch, actions="none"), market(10)
    folder.reads(lambda night: night._replace(listings=frames.shaped(listed, frames.RAW_LISTINGS)))
    settings = tmp_path / "conf" / "sources" / "folder.yaml"
    chain = "continuous: {CL: {root: CL, roll: calendar, sessions_before: 5}}"
    settings.write_text(f"{settings.read_text()}{chain}\n")
    odd = times(rows, 10, of(rows, "S10", DAYS[ODD]) | of(rows, "S20", DAYS[ODD]))
    folder.send(odd, *DAYS[1 : SEALED + 1], tells=1)
    folder.judge(DAYS[SEALED])
    folder.seal(DAYS[SEALED])
    closes = {
        (day, name): close for day, name, close in odd.select("date", "symbol", "close").rows()
    }
    eve, day, rolled = (DAYS[ODD + n] for n in (-1, 0, 1))
    before = seen(DAYS[SEALED])
    paid = [(rolled, closes[eve, "S10"] - closes[eve, "S11"], rolled)]
    rolls = open_lake().read("actions").select("ex_session", "value", "known_on")
    assert rolls.rows() == paid
    assert day not in told("bars", "CL")["session"].to_list()
    folder.clear("S20", day)  # is in no chain
    rolls = open_lake().read("actions").select("ex_session", "value", "known_on")
    assert rolls.rows() == paid
    folder.clear("S10", day)
    assert seen(DAYS[SEALED]) == before
    bar = told("bars", "CL").filter(session=day)
    after = DAYS[SEALED + 1]
    assert bar.select("close", "known_on").rows() == [(closes[day, "S10"], after)]
    rolls = open_lake().read("actions").select("ex_session", "value", "known_on")
    again = (rolled, closes[day, "S10"] - closes[day, "S11"], after)
    assert sorted(rolls.rows(), key=lambda row: row[2]) == [*paid, again]
    assert told("bars", "CL").height == SEALED
    assert told("listings", "CL").height == 2


@pytest.mark.parametrize("at", ["cleared", "bars", "verdicts", "quarantine"])
def test_a_run_that_is_killed_can_be_done_again(folder, monkeypatch, at):
    before, replace = seen(DAYS[SEALED]), Lake.replace

    def dying(self, table, *args, **kwargs):
        if table == at:
            raise Killed
        return replace(self, table, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "replace", dying)
        with pytest.raises(Killed):
            folder.clear("S05", DAYS[ODD])
    folder.clear("S05", DAYS[ODD])
    assert held("S05") == 0
    assert told("bars", "S05").filter(session=DAYS[ODD]).height == 1
    assert open_lake().read("verdicts").filter(delivery=DAYS[ODD])["clean"].item() == 30
    assert seen(DAYS[SEALED]) == before


def test_a_release_that_reads_the_night_meanwhile_lets_no_row_out(tmp_path, monkeypatch):
    from tasks import quarantine

    folder = Folder(tmp_path, monkeypatch)
    folder.send(with_an_odd_row(market(9)), *DAYS[1:9], tells=1)
    folder.judge(DAYS[8])
    before, judged = seen(DAYS[8]), quarantine.judged_night

    def released_meanwhile(*given):
        folder.seal(DAYS[8])
        return judged(*given)

    with monkeypatch.context() as patch:
        patch.setattr(quarantine, "judged_night", released_meanwhile)
        with pytest.raises(RuntimeError, match="judge it again"):
            folder.clear("S05", DAYS[ODD])
    assert open_lake().read("cleared").is_empty()
    folder.clear("S05", DAYS[ODD])
    assert seen(DAYS[8]) == before
    assert told("bars", "S05").filter(session=DAYS[ODD])["known_on"].to_list() == [DAYS[9]]


def test_where_nothing_is_sealed_a_killed_run_is_finished_by_whoever_judges_next(
    tmp_path, monkeypatch
):
    folder = Folder(tmp_path, monkeypatch)
    folder.send(with_an_odd_row(market(9)), *DAYS[1:9], tells=1)
    folder.judge(DAYS[8])

    def dying(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("tasks.quarantine.judge_nights", dying)
        with pytest.raises(Killed):
            folder.clear("S05", DAYS[ODD])
    folder.judge(DAYS[8])
    assert held("S05") == 0
    assert told("bars", "S05").filter(session=DAYS[ODD]).height == 1
    assert open_lake().read("verdicts").height == 8


def test_what_no_person_can_let_out_is_refused_and_nothing_is_written(tmp_path, monkeypatch):
    folder, rows = Folder(tmp_path, monkeypatch), market(5)
    twice = times(rows.filter(of(rows, "S05", DAYS[3])), 1.5, pl.Series([True]))
    folder.send(pl.concat([rows, twice]), *DAYS[1:5], tells=1)
    folder.judge(DAYS[4])
    before = open_lake().read("verdicts")
    with pytest.raises(LookupError, match="No person can let these rows out: differing duplicates"):
        folder.clear("S05", DAYS[3])
    assert open_lake().read("cleared").is_empty()
    assert open_lake().read("verdicts").equals(before)


def test_a_value_of_a_series_comes_out_and_all_who_spoke_are_kept(tmp_path, monkeypatch):
    def with_a_yield(delivery):
        slip = 100.0 if delivery.night == DAYS[7] else 1.0
        row = {"session": delivery.night, "name": "YIELD", "value": 2.5 * slip}
        series = frames.shaped(pl.DataFrame([row]), frames.RAW_SERIES)
        return delivery._replace(series=series)

    folder = Folder(tmp_path, monkeypatch)
    folder.reads(with_a_yield)
    folder.send(market(9), *DAYS[1:9], tells=1)
    folder.judge(DAYS[8])
    assert held("YIELD", DAYS[7]) == 1
    folder.clear("YIELD", DAYS[7])
    values = open_lake().read("series")
    assert values.filter(session=DAYS[7])["value"].to_list() == [250.0]
    assert held("YIELD", DAYS[7]) == 0
    lake = open_lake()
    first = lake.read("cleared")
    assert first["cleared_at"].to_list() == [NOON.isoformat()]
    lake.replace(
        "quarantine",
        pl.DataFrame([_aside()], schema=frames.QUARANTINE),
        over={"source": ["folder"], "delivery": [DAYS[7]]},
    )
    folder.clear("YIELD", DAYS[7], "I looked too", "Grace")
    assert lake.read("cleared").select("cleared_by", "reason").rows() == [
        ("Ada", "so it was"),
        ("Grace", "I looked too"),
    ]


def _aside() -> dict[str, object]:
    told = {"source": "folder", "delivery": DAYS[7], "session": DAYS[7], "symbol": "YIELD"}
    return told | {"rule": "value in another unit", "detail": "", "rows": 1}
