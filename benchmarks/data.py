"""How long market data takes: nights of 6,000 names, and twenty years of 10,000.

Run it with `python benchmarks/data.py`. A simulated past is loaded year by year and read as of its
last session, as traded and adjusted; then nights of a simulated market are made, read and judged.
Each line is measured in a process of its own: wall and CPU seconds, and the largest memory it took.
The last column says how the CPU time grew with ten times the names.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
NIGHT_NAMES = (600, 6_000)
PAST_NAMES = (1_000, 10_000)
YEARS = range(2001, 2021)
NIGHTS = 8  # judged nights whose mean is told
SOURCE = "simulated"


def sessions_of(year: int) -> list[date]:
    """Return the sessions of one year in New York."""
    from tasks.market.calendar import Calendar

    return Calendar("XNYS").sessions(date(year, 1, 1), date(year, 12, 31))


def past(names: int) -> Iterator[tuple[int, pl.DataFrame, pl.DataFrame]]:
    """Yield the bars and actions of each year: random walks with splits and dividends."""
    from tasks.market.frames import ACTIONS, BARS, shaped

    dice = np.random.default_rng(7)
    symbols = pl.Series([f"S{number:05d}" for number in range(names)])
    who = "bench:" + symbols + ":2001-01-02"
    close_N = np.exp(dice.normal(3.5, 0.8, names))
    for year in YEARS:
        days = sessions_of(year)
        moves_TN = dice.standard_t(4, (len(days), names)) * 0.012
        close_TN = close_N * np.exp(np.cumsum(moves_TN, axis=0))
        split_TN = (dice.random(close_TN.shape) < 1 / 2_500) * 1.0
        close_TN = close_TN / np.cumprod(1.0 + split_TN, axis=0)
        close_N = close_TN[-1]
        flat = {
            "session": np.repeat(np.array(days, dtype="datetime64[D]"), names),
            "close": close_TN.ravel(),
        }
        said = {"source": "bench", "basis": "traded", "currency": "USD", "vintage": "assumed"}
        bars = pl.DataFrame(flat).with_columns(
            pl.concat([who] * len(days)).alias("instrument"),
            pl.concat([symbols] * len(days)).alias("symbol"),
            *(pl.col("close").alias(name) for name in ("open", "high", "low")),
            known_on="session",
            delivery=pl.lit(days[-1]),
            volume=pl.lit(1e6),
            **{name: pl.lit(text) for name, text in said.items()},
        )
        yield year, shaped(bars, BARS), shaped(_actions(days, split_TN, close_TN, who), ACTIONS)


def _actions(
    days: list[date], split_TN: np.ndarray, close_TN: np.ndarray, who: pl.Series
) -> pl.DataFrame:
    at, name = np.nonzero(split_TN)
    quarters = np.arange(30, len(days), 63)
    paid = pl.DataFrame(
        {
            "place": np.repeat(quarters, len(who)),
            "instrument": pl.concat([who] * len(quarters)),
            "value": 0.005 * close_TN[quarters].ravel(),
            "kind": "dividend",
        }
    )
    splits = pl.DataFrame(
        {"place": at, "instrument": who[name], "value": np.full(len(at), 2.0), "kind": "split"}
    )
    ex = pl.Series(days)
    rows = pl.concat([paid, splits])
    return rows.with_columns(
        ex_session=ex[rows["place"]],
        known_on=ex[rows["place"]],
        origin=pl.lit("given"),
        source=pl.lit("bench"),
        delivery=pl.lit(days[-1]),
    )


def load(folder: Path, names: int) -> None:
    """Write twenty years into the lake, a year at a time."""
    from tasks.market.lake import Lake, Span

    lake = Lake(str(folder))
    for year, bars, actions in past(names):
        span = Span(date(year, 1, 1), date(year, 12, 31))
        lake.replace("bars", bars, over={"source": ["bench"], "session": span})
        lake.replace("actions", actions, over={"source": ["bench"], "ex_session": span})


def read_as_of(folder: Path, names: int) -> None:
    """Read the last known close of every name and session as of the last session."""
    from tasks.market.lake import Lake

    columns = ["session", "instrument", "close"]
    found = Lake(str(folder)).known(
        "bars", as_of=date(2020, 12, 31), source="bench", columns=columns
    )
    assert found["instrument"].n_unique() == names


def adjust(folder: Path, names: int) -> None:
    """Read the closes as of the last session, and restate them with the actions known then."""
    from tasks.market.lake import Lake
    from tasks.market.restate import adjusted_prices

    lake, as_of = Lake(str(folder)), date(2020, 12, 31)
    columns = ["session", "instrument", "close"]
    bars = lake.known("bars", as_of=as_of, source="bench", columns=columns)
    columns = ["ex_session", "instrument", "kind", "value"]
    actions = lake.known("actions", as_of=as_of, source="bench", columns=columns)
    found = adjusted_prices(bars, actions)
    assert found.height == bars.height
    assert found["close"].null_count() == 0


def night(folder: Path, names: int) -> None:
    """Simulate a market, judge its live nights, and say how long one of them took."""
    from conf.schema import SimulatedSource
    from expectations.desk import Desk
    from tasks.market import frames
    from tasks.market.calendar import Calendar
    from tasks.market.sources.simulated import SimulatedData

    days = Calendar("XNYS")
    last = date(2020, 6, 30)
    first = days.offset(last, -NIGHTS + 1)
    conf = SimulatedSource(
        kind="simulated",
        title="Benchmark",
        actions="given",
        starts=days.offset(first, -70),
        ends=last,
        observed_from=first,
        expected_rows=names // 2,
        names=names,
    )
    market = SimulatedData(conf)
    nights = market.nights()
    kept = {night: list(market.pull([night])) for night in nights}
    desk = Desk(
        SOURCE,
        conf,
        days,
        bars=frames.empty(frames.BARS),
        listings=frames.empty(frames.LISTINGS),
    )
    took = []
    for each in nights:
        began = time.process_time()
        judged = desk.judge(market.normalise(kept[each]))
        took.append(time.process_time() - began)
        assert judged.verdicts["verdict"].item() == "pass"
    Console().print(f"one night of {names:,} names, read and judged: {np.mean(took[2:]):.3f} CPU s")


STAGES: dict[str, Callable[[Path, int], object]] = {
    "load": load,
    "read as of": read_as_of,
    "read as of and adjust": adjust,
    "night": night,
}


def measured(stage: str, folder: Path, names: int) -> tuple[float, float, float]:
    """Return wall seconds, CPU seconds and peak GiB of one stage in a process of its own."""
    program = [sys.executable, __file__, stage, str(folder), str(names)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    process = subprocess.Popen(program, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{stage} of {names} ended with {os.waitstatus_to_exitcode(status)}")
    wall = time.perf_counter() - began
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024**2


def main() -> None:
    """Run every stage for both numbers of names and print the table."""
    table = Table(title="Market data")
    for column in ("stage", "names", "wall s", "CPU s", "peak GiB", "time for ten times the names"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    with tempfile.TemporaryDirectory() as folder:
        for stage in STAGES:
            before = 0.0
            for names in NIGHT_NAMES if stage == "night" else PAST_NAMES:
                wall, cpu, peak = measured(stage, Path(folder) / str(names), names)
                growth = f"x {cpu / before:.1f}" if before else ""
                table.add_row(
                    stage, f"{names:,}", f"{wall:.1f}", f"{cpu:.1f}", f"{peak:.2f}", growth
                )
                before = cpu
    Console().print(table)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        STAGES[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
