"""Killed anywhere or raced by another, a release is whole or absent."""

import os
import shutil
import subprocess
import sys

import pytest

from tasks.execution import release as module
from tasks.execution.release import Conflict, history, verify
from tests.execution.release_case import bytes_in, put


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours may catch it."""


CALLS = ("fsync", "rename", "replace", "mkdir")


def dying(monkeypatch: pytest.MonkeyPatch, *, at: int, late: bool) -> list[int]:
    """Let the `at`-th call of the file system die, before its work or right after it."""
    count = [0]

    def wrapped(real):
        def call(*args, **keywords):
            count[0] += 1
            if count[0] == at and not late:
                raise Killed
            result = real(*args, **keywords)
            if count[0] == at:
                raise Killed
            return result

        return call

    for name in CALLS:
        monkeypatch.setattr(os, name, wrapped(getattr(os, name)))
    return count


def test_killed_anywhere_leaves_all_or_nothing_and_the_next_run_repairs(tmp_path, monkeypatch):
    whole = bytes_in(put(tmp_path / "clean").path)
    with monkeypatch.context() as patch:
        steps = dying(patch, at=-1, late=False)
        put(tmp_path)
    assert steps[0] >= 10
    for late in (False, True):
        for at in range(1, steps[0] + 1):
            root = tmp_path / f"killed-{at}-{late}"
            root.mkdir()
            with monkeypatch.context() as patch:
                dying(patch, at=at, late=late)
                with pytest.raises(Killed):
                    put(root)
            for standing in history(root, "lab"):
                assert bytes_in(standing.path) == whole
                verify(standing.path)
            again = put(root)
            assert bytes_in(again.path) == whole
            home = root / "books/lab"
            assert sorted(p.name for p in home.iterdir()) == [".lock", "2016-06-29", "CURRENT"]
            assert [p.name for p in (home / "2016-06-29").iterdir()] == ["r0"]
            assert again.content_hash in (home / "CURRENT").read_text()


def test_the_rename_decides_where_the_lock_does_not_hold(tmp_path, monkeypatch):
    real = module._look_for_halt

    def other_was_first(root, book, staging):
        real(root, book, staging)
        shutil.copytree(staging, root / "books/lab/2016-06-29/r0")

    with monkeypatch.context() as patch:
        patch.setattr(module, "_look_for_halt", other_was_first)
        assert put(tmp_path).already
    assert not list((tmp_path / "books/lab").glob(".staging*"))
    with pytest.raises(Conflict):
        put(tmp_path, weight=0.5)


RACER = """
import sys
from pathlib import Path
import polars as pl
from datetime import date
from tasks.execution.release import Conflict, release
from tasks.market.frames import DRAFT_ORDERS, DRAFT_TARGETS, shaped
rows = pl.DataFrame({"instrument": ["s:A"], "weight": [float(sys.argv[2])]})
targets = shaped(rows, DRAFT_TARGETS)
print("ready", flush=True)
sys.stdin.readline()
try:
    done = release(Path(sys.argv[1]), "lab", date(2016, 6, 29), targets=targets,
                   orders=shaped(targets, DRAFT_ORDERS), checks=[], manifest={}, run={}, extra={})
    print("already" if done.already else "released")
except Conflict:
    print("conflict")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("weight", "other"), [("0.6", "already"), ("0.5", "conflict")])
def test_of_two_processes_one_wins(tmp_path, weight, other):
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path), share],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for share in ("0.6", weight)
    ]
    assert [racer.stdout.readline() for racer in racers] == ["ready\n", "ready\n"]
    for racer in racers:
        racer.stdin.write("\n")
        racer.stdin.flush()
    assert sorted(racer.communicate(timeout=30)[0].strip() for racer in racers) == sorted(
        ["released", other]
    )
    assert len(history(tmp_path, "lab")) == 1
