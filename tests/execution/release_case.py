"""A small release, for the tests of what stands and of what dies on the way."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from tasks.execution.release import Released, release
from tasks.market.frames import DRAFT_ORDERS, DRAFT_TARGETS, shaped

FILES = ["targets.parquet", "orders.parquet", "checks.json", "orders.csv"]
SESSION, NEXT = date(2016, 6, 29), date(2016, 6, 30)
TARGETS = shaped(
    pl.DataFrame({"instrument": ["s:A", "s:B"], "symbol": ["A", "B"], "weight": [0.6, 0.4]}),
    DRAFT_TARGETS,
)
ORDERS = shaped(
    pl.DataFrame({"client_order_id": ["x1"], "instrument": ["s:A"], "quantity": [10]}), DRAFT_ORDERS
)


def put(root: Path, session: date = SESSION, weight: float = 0.6, **other: Any) -> Released:
    targets = TARGETS.with_columns(weight=pl.Series([weight, 1 - weight]))
    given = {
        "targets": targets,
        "orders": ORDERS,
        "checks": [{"limit": "box", "value": 0.6, "bound": 0.7, "passed": True}],
        "manifest": {"recipe": "ridge", "seen": {"bars": "ab12"}},
        "run": {"finished": "2016-06-30T21:00:00Z"},
        "extra": {"orders.csv": b"a,b\n"},
    }
    return release(root, "lab", session, **(given | other))


def bytes_in(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}
