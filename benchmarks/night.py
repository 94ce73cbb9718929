"""How long a first night takes, from an empty data folder to a released target.

Run it with `python benchmarks/night.py`; with `AFTERCLOSE_DELIVERIES` set it also runs the two
books of the deliveries, on one lake. Prints wall and CPU seconds and the largest process.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

NIGHTS = {"sample": ["sample"], "again": ["sample"], "lab": ["lab"]}
DELIVERIES = {"us_core, us_neutral": ["us_core", "us_neutral", "--as-of", "2016-06-30"]}


def measured(words: list[str], data: Path) -> tuple[float, float, float]:
    """Return wall seconds, CPU seconds and peak GiB of one night run as its own process."""
    program = [sys.executable, "-m", "flows.cli", "night", *words]
    root = str(Path(__file__).parent.parent)
    environment = os.environ | {"AFTERCLOSE_DATA": str(data), "PYTHONPATH": root}
    began = time.perf_counter()
    process = subprocess.Popen(program, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(
            f"night {' '.join(words)} ended with {os.waitstatus_to_exitcode(status)}"
        )
    wall = time.perf_counter() - began
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024**2


def main() -> None:
    """Run the nights and print the table."""
    table = Table(title="First nights, from an empty data folder")
    for column in ("night", "wall s", "CPU s", "peak GiB"):
        table.add_column(column, justify="left" if column == "night" else "right")
    nights = NIGHTS | (DELIVERIES if os.environ.get("AFTERCLOSE_DELIVERIES") else {})
    with tempfile.TemporaryDirectory() as folder:
        for name, words in nights.items():
            wall, cpu, peak = measured(words, Path(folder) / words[0])
            table.add_row(name, f"{wall:.0f}", f"{cpu:.0f}", f"{peak:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
