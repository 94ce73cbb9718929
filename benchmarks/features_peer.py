"""What pyqlib needs for the same bars: run by `benchmarks/features.py` in pyqlib's environment.

`dump BARS STORE` writes the bars as qlib keeps them. `history STORE VALUES` computes Alpha158 over
all sessions, `session STORE VALUES` that of the last one; both print what they took as JSON, and
then write the values for comparison. Imports nothing of Afterclose.
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

FIELDS = ("open", "high", "low", "close", "vwap", "volume")


def dump(bars: Path, store: Path) -> None:
    """Write calendars, instruments and one float32 file a name and field."""
    table = pd.read_parquet(bars)
    days = np.sort(table["session"].unique())
    for folder in ("calendars", "instruments", "features"):
        (store / folder).mkdir(parents=True)
    dates = [str(day)[:10] for day in days]
    (store / "calendars" / "day.txt").write_text("\n".join(dates) + "\n")
    lines = []
    for name, rows in table.groupby("symbol", sort=True):
        place = np.searchsorted(days, rows["session"].to_numpy())
        first, last = place.min(), place.max()
        lines.append(f"{name}\t{dates[first]}\t{dates[last]}")
        folder = store / "features" / str(name).lower()
        folder.mkdir()
        for field in FIELDS:
            values = np.full(last - first + 2, np.nan, "<f4")
            values[0] = first
            values[place - first + 1] = rows[field].to_numpy()
            values.tofile(folder / f"{field}.day.bin")
    (store / "instruments" / "all.txt").write_text("\n".join(lines) + "\n")


def compute(store: Path, values: Path, *, last_only: bool) -> None:
    """Compute Alpha158 on one process, say what it took, and write the values."""
    import qlib
    from qlib.contrib.data.loader import Alpha158DL
    from qlib.data import D

    qlib.init(provider_uri=str(store), region="cn", kernels=1, logging_level=40)
    dates = (store / "calendars" / "day.txt").read_text().split()
    fields, names = Alpha158DL.get_feature_config()
    began, wall = time.process_time(), time.perf_counter()
    loader = Alpha158DL(config={"feature": (fields, names)})
    frame = loader.load(D.instruments("all"), dates[-1] if last_only else dates[0], dates[-1])
    took = {
        "cpu": time.process_time() - began,
        "wall": time.perf_counter() - wall,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2,
        "rows": len(frame),
    }
    frame = frame["feature"][names].sort_index()
    days = frame.index.get_level_values("datetime").to_numpy().astype("datetime64[D]")
    who = frame.index.get_level_values("instrument").to_numpy().astype("U")
    np.savez(values, values=frame.to_numpy(np.float32), days=days, who=who, columns=np.array(names))
    print(json.dumps(took))


if __name__ == "__main__":
    verb, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if verb == "dump":
        dump(source, target)
    else:
        compute(source, target, last_only=verb == "session")
