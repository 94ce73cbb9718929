"""A training that was broken off ends as an unbroken one, or says why it starts again."""

import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch

from tests.learning.test_training import fit

ROOT = Path(__file__).parent.parent.parent
KILLED = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.learning.test_training import fit
fit([1, 2], scratch=Path({scratch!r}), epochs=400, patience=400, average=0.9, dropout=0.2)
"""


@pytest.mark.slow
def test_a_killed_training_ends_with_the_weights_of_an_unbroken_one(tmp_path):
    scratch = tmp_path / "scratch"
    run = subprocess.Popen(
        [sys.executable, "-c", KILLED.format(root=str(ROOT), scratch=str(scratch))]
    )
    last = scratch / "segments_of_64" / "last.ckpt"
    deadline = time.monotonic() + 120
    while not last.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    reached = torch.load(last, weights_only=True)["epoch"]
    assert 0 <= reached < 399, "killed in the middle"
    settings = {"epochs": reached + 5, "patience": 400, "average": 0.9, "dropout": 0.2}
    resumed = fit([1, 2], scratch=scratch, **settings)
    unbroken = fit([1, 2], **settings)
    assert [one.weights for one in resumed] == [one.weights for one in unbroken]
    assert [one.curves for one in resumed] == [one.curves for one in unbroken]


@pytest.mark.parametrize("left", [0, 3, 1000, -1])
def test_a_checkpoint_that_was_cut_short_is_none_and_told(tmp_path, caplog, left):
    plain = fit([1], scratch=tmp_path)
    last = tmp_path / "segments_of_64" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:left])
    assert fit([1], scratch=tmp_path)[0].weights == plain[0].weights
    assert "was cut short: the training starts again" in caplog.text


def test_a_checkpoint_that_says_something_else_is_named(tmp_path):
    last = tmp_path / "segments_of_64" / "last.ckpt"
    last.parent.mkdir()
    with zipfile.ZipFile(last, "w") as archive:
        archive.writestr("evil", "no tensors")
    with pytest.raises(RuntimeError, match="archive"):
        fit([1], scratch=tmp_path)
