"""A release is whole or absent, the same to the bit, and tells when it was touched."""

import json
import shutil

import polars as pl
import pytest

from tasks.execution.release import (
    Conflict,
    Halted,
    Tampered,
    current,
    history,
    latest_revision,
    parquet_bytes,
    repair,
    verify,
    verify_book,
)
from tests.execution.release_case import FILES, NEXT, SESSION, TARGETS, bytes_in, put


def test_a_release_holds_the_files_and_a_manifest_of_their_hashes(tmp_path):
    done = put(tmp_path)
    assert done.path == tmp_path / "books/lab/2016-06-29/r0"
    assert sorted(bytes_in(done.path)) == sorted([*FILES, "manifest.json", "run.json"])
    manifest = json.loads((done.path / "manifest.json").read_bytes())
    assert sorted(manifest["files"]) == sorted(FILES)
    assert manifest["recipe"] == "ridge"
    assert manifest["previous"] is None
    assert pl.read_parquet(done.path / "targets.parquet").equals(TARGETS)
    assert verify(done.path) == done


def test_the_same_again_is_already_released(tmp_path):
    first = put(tmp_path)
    again = put(tmp_path, run={"finished": "another time"}, targets=TARGETS.reverse())
    assert again == first._replace(already=True)


def test_a_deleted_release_comes_back_with_the_same_bytes(tmp_path):
    put(tmp_path)
    first = put(tmp_path, NEXT)
    kept = bytes_in(first.path)
    shutil.rmtree(first.path)
    assert current(tmp_path, "lab").session == SESSION
    again = put(tmp_path, NEXT)
    assert not again.already
    assert again.content_hash == first.content_hash
    assert bytes_in(again.path) == kept


def test_other_content_is_a_conflict_that_names_what_differs(tmp_path):
    put(tmp_path)
    with pytest.raises(Conflict, match=r"content: targets\.parquet\. Keep it"):
        put(tmp_path, weight=0.5)
    with pytest.raises(Conflict, match="content: recipe"):
        put(tmp_path, manifest={"recipe": "tcn", "seen": {"bars": "ab12"}})


def test_a_revision_needs_a_reason_and_the_one_before(tmp_path):
    put(tmp_path)
    with pytest.raises(Conflict, match="needs force and a reason"):
        put(tmp_path, weight=0.5, revision=1)
    with pytest.raises(Conflict, match="lacks revision 1"):
        put(tmp_path, weight=0.5, revision=2, force_reason="late split")
    revised = put(tmp_path, weight=0.5, revision=1, force_reason="late split")
    assert (revised.revision, latest_revision(tmp_path, "lab", SESSION)) == (1, 1)
    assert json.loads((revised.path / "run.json").read_bytes())["force_reason"] == "late split"
    assert put(tmp_path, weight=0.5, revision=1).already
    assert current(tmp_path, "lab") == revised
    assert (tmp_path / "books/lab/CURRENT").read_text() == (
        f"2016-06-29/r1 {revised.content_hash}\n"
    )


def test_releases_are_chained(tmp_path):
    first, second = put(tmp_path), put(tmp_path, NEXT)
    manifest = json.loads((second.path / "manifest.json").read_bytes())
    assert manifest["previous"] == {
        "session": "2016-06-29",
        "revision": 0,
        "content_hash": first.content_hash,
    }
    assert verify_book(tmp_path, "lab") == [first, second]
    shutil.rmtree(first.path)
    with pytest.raises(Tampered, match="which is gone"):
        verify_book(tmp_path, "lab")


@pytest.mark.parametrize("session", [SESSION, NEXT])
def test_a_half_copied_release_is_named_before_anything_is_released(tmp_path, session):
    first, second = put(tmp_path), put(tmp_path, NEXT)
    (first.path / "manifest.json").unlink()
    pointer = (tmp_path / "books/lab/CURRENT").read_bytes()
    said = (
        r"2016-06-29/r0 holds files but no manifest\.json.*Restore the whole folder, or delete it"
    )
    with pytest.raises(Tampered, match=said):
        put(tmp_path, session)
    with pytest.raises(Tampered, match=said):
        verify_book(tmp_path, "lab")
    assert (tmp_path / "books/lab/CURRENT").read_bytes() == pointer
    shutil.rmtree(first.path)
    assert put(tmp_path).content_hash == first.content_hash
    assert verify_book(tmp_path, "lab")[-1] == second


def test_an_empty_folder_is_in_nobodys_way(tmp_path):
    (tmp_path / "books/lab/2016-06-29/r0").mkdir(parents=True)
    assert verify_book(tmp_path, "lab") == []
    assert not put(tmp_path).already


def test_a_backfilled_session_neither_moves_current_nor_unsettles_later_ones(tmp_path):
    later = put(tmp_path, NEXT)
    put(tmp_path, SESSION)
    assert put(tmp_path, NEXT).already
    assert current(tmp_path, "lab") == later
    assert [r.session for r in history(tmp_path, "lab")] == [SESSION, NEXT]


@pytest.mark.parametrize("where", ["HALT", "books/lab/HALT"])
def test_halt_stops_everything_before_it_leaves_the_house(tmp_path, where):
    (tmp_path / "books/lab").mkdir(parents=True)
    (tmp_path / where).write_text("bad prices\n")
    with pytest.raises(Halted, match="bad prices"):
        put(tmp_path)
    assert history(tmp_path, "lab") == []
    assert {p.name for p in (tmp_path / "books/lab").iterdir()} <= {"HALT", ".lock"}
    (tmp_path / where).unlink()
    assert not put(tmp_path).already


@pytest.mark.parametrize("name", ["targets.parquet", "checks.json", "manifest.json", "orders.csv"])
def test_a_changed_byte_is_found(tmp_path, name):
    file = put(tmp_path).path / name
    body = bytearray(file.read_bytes())
    body[len(body) // 2] ^= 1
    file.write_bytes(bytes(body))
    with pytest.raises(Tampered, match=f"{name} was changed"):
        verify(file.parent)
    with pytest.raises(Tampered):
        put(tmp_path)


def test_a_missing_and_an_added_file_are_found(tmp_path):
    done = put(tmp_path)
    (done.path / "orders.csv").unlink()
    (done.path / "more.csv").write_bytes(b"")
    with pytest.raises(Tampered, match=r"orders\.csv is missing, more\.csv was added"):
        verify(done.path)


def test_a_rewritten_release_breaks_the_chain(tmp_path):
    first, second = put(tmp_path), put(tmp_path, NEXT)
    shutil.rmtree(first.path)
    put(tmp_path, weight=0.5)
    with pytest.raises(Tampered, match="is not what"):
        verify(second.path)


def test_repair_needs_no_release(tmp_path):
    repair(tmp_path, "lab")
    assert not (tmp_path / "books").exists()
    done = put(tmp_path)
    pointer = tmp_path / "books/lab/CURRENT"
    right = pointer.read_bytes()
    pointer.write_text("2099-01-01/r9 abc\n")
    repair(tmp_path, "lab")
    assert pointer.read_bytes() == right
    shutil.rmtree(done.path)
    repair(tmp_path, "lab")
    assert not pointer.exists()


def test_parquet_bytes_do_not_depend_on_chunks():
    halves = pl.concat([TARGETS[:1], TARGETS[1:]], rechunk=False)
    assert parquet_bytes(halves) == parquet_bytes(TARGETS)


@pytest.mark.parametrize("name", ["../x.csv", "run.json", "a/b", ".hidden", ""])
def test_a_writer_may_not_choose_any_name(tmp_path, name):
    with pytest.raises(ValueError, match="may not name"):
        put(tmp_path, extra={name: b""})


def test_a_number_that_is_none_stops_the_release(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        put(tmp_path, manifest={"residual": float("nan")})
    assert history(tmp_path, "lab") == []
