"""What a release has read is never judged anew; what comes for it later counts afterwards."""

import polars as pl
import pytest

from tasks.settings import open_lake
from tests.tasks.late_folder import Folder, market, of, seen, sessions, times, told

pytestmark = pytest.mark.slow
LATE, SEALED, LAST = 6, 9, 10  # places of the night that comes late, and of those around it
DAYS = sessions(40)


def with_all_but_late(folder: Folder, rows: pl.DataFrame, sealed: int = SEALED) -> dict[str, str]:
    """Judge all nights up to the sealed one but the late one; return what the release has read."""
    folder.send(rows, *(day for day in DAYS[1 : sealed + 1] if day != DAYS[LATE]))
    folder.judge(DAYS[sealed])
    folder.seal(DAYS[sealed])
    return seen(DAYS[sealed])


def test_a_name_that_came_after_the_late_night_stays_one_instrument(tmp_path, monkeypatch):
    folder, rows = Folder(tmp_path, monkeypatch), market(LAST + 1)
    young = rows.filter(of(rows, "S00"), pl.col("date") > DAYS[LATE])
    rows = pl.concat([rows, young.with_columns(symbol=pl.lit("NEW"))])
    before = with_all_but_late(folder, rows)
    folder.send(rows, *DAYS[LATE : LAST + 1])
    assert folder.judge(DAYS[LAST]) == "pass"
    assert seen(DAYS[SEALED]) == before
    assert told("bars", "NEW")["instrument"].unique().to_list() == [f"folder:NEW:{DAYS[LATE + 1]}"]
    assert told("listings", "NEW").height == 1


def test_a_name_that_the_late_night_brings_too_is_who_it_was_for_the_release(tmp_path, monkeypatch):
    folder, rows = Folder(tmp_path, monkeypatch), market(LAST + 1)
    young = rows.filter(of(rows, "S00"), pl.col("date") >= DAYS[LATE])
    rows = pl.concat([rows, young.with_columns(symbol=pl.lit("NEW"))])
    folder.send(rows, DAYS[LATE + 1], tells=1)
    folder.send(rows, *DAYS[1:LATE], *DAYS[LATE + 2 : SEALED + 1])
    folder.judge(DAYS[SEALED])
    folder.seal(DAYS[SEALED])
    before = seen(DAYS[SEALED])
    folder.send(rows, *DAYS[LATE : LAST + 1])
    folder.judge(DAYS[LAST])
    assert seen(DAYS[SEALED]) == before
    bars = told("bars", "NEW")
    assert bars["instrument"].unique().to_list() == [f"folder:NEW:{DAYS[LATE + 1]}"]
    assert DAYS[LATE] in bars["session"].to_list()


def test_no_split_is_inferred_from_what_happened_over_the_sealed_nights(tmp_path, monkeypatch):
    last = LATE + 15
    folder, rows = Folder(tmp_path, monkeypatch), market(last + 1)
    for day in DAYS[LATE + 1 : last]:
        rows = times(rows, 0.95, of(rows, "S03") & (rows["date"] >= day))
    rows = rows.with_columns(pl.col("close", "adjusted").round(2))
    before = with_all_but_late(folder, rows, sealed=last - 1)
    folder.send(rows, DAYS[LATE], DAYS[last])
    assert folder.judge(DAYS[last]) == "pass"
    assert open_lake().read("actions").is_empty()
    assert seen(DAYS[last - 1]) == before


def test_a_release_that_reads_on_while_nights_are_judged_has_nothing_changed(tmp_path, monkeypatch):
    from tasks import judge

    folder, rows = Folder(tmp_path, monkeypatch), market(LAST + 1)
    with_all_but_late(folder, rows, sealed=LATE - 1)
    folder.send(rows, *DAYS[LATE:LAST])
    folder.judge(DAYS[LAST - 1])
    before, derived = seen(DAYS[LAST]), []
    judged = judge.judged_night

    def released_meanwhile(*given):
        folder.seal(DAYS[LAST - 1])
        return judged(*given)

    folder.send(times(rows, 1.01, of(rows, "S03")), DAYS[LAST])
    with monkeypatch.context() as patch:
        patch.setattr(judge, "judged_night", released_meanwhile)
        patch.setattr(judge, "forget_derived", lambda *_: derived.append(1))
        with pytest.raises(RuntimeError, match=f"up to {DAYS[LAST - 1]} while .* judge it again"):
            folder.judge(DAYS[LAST])
    assert (seen(DAYS[LAST]), derived) == (before, [])
    assert folder.judge(DAYS[LAST]) == "pass"
    assert seen(DAYS[LAST - 1]) != seen(DAYS[LAST])
