"""What our features need: run by `benchmarks/features.py`, each stage in a process of its own.

`bars PATH NAMES SESSIONS` writes simulated bars. `history SET BARS [VALUES]` and `session SET BARS
[VALUES]` compute a set over all sessions or for the last alone, `stream SET NAMES SESSIONS` block
by block over bars in memory. They print what they took as JSON; where the values are asked for,
windows may be partial, as those of the peer.
"""

import json
import resource
import sys
import time
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import polars as pl

LAST = date(2024, 12, 31)
Took = dict[str, float]


def sessions_of(count: int) -> list[date]:
    """Return the last `count` weekdays up to `LAST`."""
    days = np.busday_offset(np.datetime64(LAST), np.arange(1 - count, 1), roll="backward")
    return [day.item() for day in days]


def simulated(names: int, sessions: int, *, seed: int = 7) -> dict[str, np.ndarray]:
    """Return (sessions, names) of each field in float32: random walks, 1 % gaps, late listings."""
    dice = np.random.default_rng(seed)
    shape = sessions, names
    moves = dice.standard_normal(shape, np.float32) * np.float32(0.02)
    close = np.exp(np.cumsum(moves, axis=0)) * dice.uniform(5, 200, names).astype(np.float32)
    opened = close * np.exp(dice.standard_normal(shape, np.float32) * np.float32(0.01))
    up, down = (dice.random(shape, np.float32) / 50 for _ in range(2))
    high, low = np.maximum(opened, close) * (1 + up), np.minimum(opened, close) * (1 - down)
    volume = np.exp(dice.standard_normal(shape, np.float32) + np.float32(12)).round()
    made = {"open": opened, "high": high, "low": low, "close": close}
    made |= {"vwap": (high + low + close) / 3, "volume": volume}
    absent = dice.random(shape, np.float32) < 0.01
    listed = np.where(dice.random(names) < 0.2, dice.integers(0, sessions, names), 0)
    absent |= np.arange(sessions)[:, None] < listed
    for values in made.values():
        values[absent] = np.nan
    return made


def write_bars(path: Path, names: int, sessions: int) -> None:
    """Write simulated bars as a Parquet file, one row a session and name."""
    made, days = simulated(names, sessions), np.array(sessions_of(sessions), "datetime64[D]")
    row, name = np.nonzero(~np.isnan(made["close"]))
    symbols = pl.Series([f"S{number:05d}" for number in range(names)])
    columns = {field: values[row, name] for field, values in made.items()}
    pl.DataFrame({"session": days[row], "symbol": symbols.gather(name), **columns}).write_parquet(
        path
    )


class Clock:
    """What was used since it was made."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def took(self, made: pl.DataFrame | int, values: Path | None = None) -> Took:
        """Return seconds, peak GiB and rows; then write the values for comparison."""
        cpu, wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
        rows = made if isinstance(made, int) else made.height
        if values and isinstance(made, pl.DataFrame):
            columns = made.columns[2:]
            np.savez(
                values,
                values=np.column_stack([made[name].fill_null(np.nan) for name in columns]),
                days=made["session"].to_numpy(),
                who=np.array(made["instrument"].to_list()),
                columns=np.array(columns),
            )
        return {"cpu": cpu, "wall": wall, "peak": peak, "rows": rows}


def of_bars(chosen: str, table: pl.LazyFrame, values: Path | None, *, last_only: bool) -> Took:
    """Compute a set over all sessions of the bars, or for the last alone from its look-back."""
    from tasks.features import FEATURE_SETS
    from tasks.features.bars import grid_for, own_bars
    from tasks.features.engine import grid_features

    features, clock = FEATURE_SETS[chosen](), Clock()
    days = table.select(pl.col("session").unique().sort()).collect()["session"].to_list()
    if last_only:
        days = days[-features.look_back :]
        table = table.filter(pl.col("session") >= days[0])
    own = own_bars(table)
    grid = grid_for(features, own, days)
    wanted = days[-1:] if last_only else days
    frames = list(grid_features(grid, features, wanted, partial=values is not None))
    return clock.took(pl.concat(frames, rechunk=False), values)


def stream(chosen: str, names: int, sessions: int) -> Took:
    """Compute a set over simulated bars in memory, and drop each block once it is counted."""
    from tasks.features import FEATURE_SETS
    from tasks.features.engine import grid_features
    from tasks.features.grid import Grid

    features, days = FEATURE_SETS[chosen](), sessions_of(sessions)
    split = np.broadcast_to(1.0, (sessions, names))
    symbols = tuple(f"S{number:05d}" for number in range(names))
    grid = Grid(tuple(days), symbols, simulated(names, sessions), split)
    clock, rows = Clock(), 0
    for frame in grid_features(grid, features, days):
        rows += frame.height
    return clock.took(rows)


def main(words: list[str]) -> None:
    """Run one stage and print what it took."""
    stage, first, *rest = words
    if stage == "bars":
        write_bars(Path(first), int(rest[0]), int(rest[1]))
    elif stage == "stream":
        print(json.dumps(stream(first, int(rest[0]), int(rest[1]))))
    else:
        values = Path(rest[1]) if len(rest) > 1 else None
        last_only = {"history": False, "session": True}[stage]
        took = of_bars(first, pl.scan_parquet(rest[0]), values, last_only=last_only)
        print(json.dumps(took))


if __name__ == "__main__":
    main(sys.argv[1:])
