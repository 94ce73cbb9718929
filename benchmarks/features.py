"""Features against pyqlib, on the same simulated bars: full history, and one new session.

Run it with `python benchmarks/features.py`. pyqlib 0.9.7 is measured in an environment of its own,
made once in `benchmarks/.peers/qlib`, or in that of `--peer-python PATH`. Each line is a process of
its own with one thread. Reading the bars is part of it, importing libraries is not. What both
compute is compared cell by cell. The largest line takes many minutes: `--large-sessions` says how
many sessions it has, 0 leaves it out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
PEER = "pyqlib==0.9.7"
PEERS = HERE / ".peers"
CLOSE_ENOUGH, CORRELATIONS = 1e-4, 1e-3  # relative; absolute, for columns that may be near zero
STAGES = {"history": "full history", "session": "one new session"}
THREADS = ("OMP", "MKL", "OPENBLAS", "NUMEXPR")
Took = dict[str, float]


def peer_python() -> Path:
    """Return the python of an environment with the peer, made with pip where there is none."""
    python = PEERS / "qlib" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS / "qlib"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", PEER], check=True)
    return python


def ran(python: Path, script: str, *words: object) -> Took:
    """Run a stage on one thread in a process of its own; return what it says it took."""
    environment = os.environ | {f"{name}_NUM_THREADS": "1" for name in THREADS}
    environment["POLARS_MAX_THREADS"] = "1"
    program = [str(word) for word in (python, HERE / script, *words)]
    done = subprocess.run(program, env=environment, stdout=subprocess.PIPE, text=True, cwd=HERE)
    if done.returncode:
        raise RuntimeError(f"{' '.join(program)} ended with {done.returncode}.")
    took: Took = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}
    return took


def ours(*words: object) -> Took:
    """Run a stage of ours."""
    return ran(Path(sys.executable), "features_ours.py", *words)


class Compared:
    """How the cells of ours and of the peer agree, on the rows of ours."""

    def __init__(self, one: Path, other: Path):
        mine, theirs = np.load(one), np.load(other)
        keys = [_keys(values) for values in (mine, theirs)]
        place = np.searchsorted(keys[1], keys[0])
        assert (keys[1][place] == keys[0]).all(), "the peer lacks rows of ours"
        columns = {name: number for number, name in enumerate(theirs["columns"])}
        our_values, their_values = mine["values"], theirs["values"]
        self.cells = self.wrong = self.nulls = 0
        for number, name in enumerate(mine["columns"]):
            a, b = our_values[:, number], their_values[place, columns[name]]
            off = np.abs(a.astype(float) - b)
            allowed = CORRELATIONS if name.startswith("COR") else CLOSE_ENOUGH * np.abs(b)
            self.cells += a.size
            self.wrong += int((off > allowed).sum())
            self.nulls += int((np.isnan(a) != np.isnan(b)).sum())

    def __str__(self) -> str:
        return f"{self.cells:,} cells: {self.wrong:,} differ, {self.nulls:,} are null in one alone"


def _keys(values: np.lib.npyio.NpzFile) -> np.ndarray:
    """Return one text a row that sorts as (session, instrument)."""
    days = np.datetime_as_string(values["days"].astype("datetime64[D]"))
    return np.char.add(days, values["who"])


def add_both(table: Table, folder: Path, peer: Path) -> None:
    """Measure Alpha158 of both on the same bars, and keep the values."""
    bars, store = folder / "bars.parquet", folder / "store"
    ran(peer, "features_peer.py", "dump", bars, store)
    for stage, what in STAGES.items():
        took = ours(stage, "alpha158", bars, folder / f"{stage}_ours.npz")
        there = ran(peer, "features_peer.py", stage, store, folder / f"{stage}_theirs.npz")
        add(table, f"{what}, pyqlib", "alpha158", there)
        add(table, what, "alpha158", took, there)


def add(table: Table, what: str, chosen: str, took: Took, peer: Took | None = None) -> None:
    """Add a line of what was measured, and print it, so that a long run shows where it is."""
    factor = f"{peer['cpu'] / took['cpu']:,.1f} x" if peer else ""
    seconds = (f"{took[name]:,.2f}" for name in ("cpu", "wall"))
    table.add_row(what, chosen, f"{took['rows']:,}", *seconds, f"{took['peak']:.2f}", factor)
    Console(stderr=True).print(f"{what}, {chosen}: {took['cpu']:,.2f} CPU s")


def asked() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", type=Path, help="python of an environment with pyqlib")
    parser.add_argument("--names", type=int, default=500)
    parser.add_argument("--sessions", type=int, default=2_500)
    parser.add_argument(
        "--large-sessions", type=int, default=5_000, help="of 10,000 names; 0: none"
    )
    return parser.parse_args()


def main() -> None:
    """Measure everything and print one table."""
    from tasks.features import FEATURE_SETS

    words = asked()
    peer = words.peer_python or peer_python()
    table = Table(title=f"Features of {words.names:,} names and {words.sessions:,} sessions")
    for column in ("what", "set", "rows", "CPU s", "wall s", "peak GiB", "against pyqlib"):
        table.add_column(column, justify="left" if column in ("what", "set") else "right")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        bars, many = folder / "bars.parquet", folder / "many.parquet"
        ours("bars", bars, words.names, words.sessions)
        add_both(table, folder, peer)
        for chosen, make in FEATURE_SETS.items():
            of_bars = not any("/" in name for name in make().reach)  # no series, no figures
            if of_bars and chosen != "alpha158":
                add(table, "full history", chosen, ours("history", chosen, bars))
        ours("bars", many, 5_000, 300)
        add(table, "one new session of 5,000 names", "alpha158", ours("session", "alpha158", many))
        if count := words.large_sessions:
            took = ours("stream", "alpha158", 10_000, count)
            add(table, f"10,000 names, {count:,} sessions, streamed", "alpha158", took)
        said = [  # at the end: a process begins with the peak of the one that starts it
            f"{what}: {Compared(folder / f'{stage}_ours.npz', folder / f'{stage}_theirs.npz')}"
            for stage, what in STAGES.items()
        ]
    console = Console(width=120)
    console.print(table)
    for line in said:
        console.print(line, highlight=False)


if __name__ == "__main__":
    main()
