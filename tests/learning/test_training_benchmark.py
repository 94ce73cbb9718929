"""The benchmark of training runs at a small size, and what it compares is comparable."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SMALL = "--names 40 --sessions 150 --features 4 --rounds 1 --matrix 512 --seeds 2 --batch 64"


@pytest.mark.slow
def test_the_benchmark_of_training_measures_each_aim(tmp_path):
    found = tmp_path / "found.json"
    subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "training.py", *SMALL.split(), "--json", found],
        check=True,
        capture_output=True,
    )
    lines = {line["what"]: line for line in json.loads(found.read_text())}
    assert lines["scores and gradients apart"]["held"] == "yes", "the same sums, windowed or not"
    for aim in ("label rows fed, a CPU second", "a dense step, µs a label"):
        assert lines[aim]["found"].endswith(" x")
    assert lines["a step under Lightning, ms"]["found"].endswith("%")
    shares = [line for what, line in lines.items() if what.startswith("GB or GFLOP")]
    assert all(float(line["theirs"]) > 0 for line in shares)
    assert len(shares) == 1 + (lines.get("GPU") is None), "one a device"
