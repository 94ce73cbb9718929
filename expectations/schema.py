"""Whether a delivery's frames have the columns and types they must: the first thing asked."""

import polars as pl

from tasks.market import frames
from tasks.market.sources.protocol import Delivery

_SCHEMAS = {
    "bars": (frames.RAW_BARS, ("session", "symbol", "close")),
    "actions": (frames.RAW_ACTIONS, tuple(frames.RAW_ACTIONS)),
    "listings": (frames.RAW_LISTINGS, ("symbol",)),
    "series": (frames.RAW_SERIES, ("session", "name", "value")),
    "fundamentals": (frames.RAW_FUNDAMENTALS, ("period_end", "symbol", "item", "value")),
    "members": (frames.RAW_MEMBERS, tuple(frames.RAW_MEMBERS)),
}


def schema_faults(delivery: Delivery) -> list[str]:
    """Return what is wrong with columns and types, in words; empty where nothing is.

    A column may be absent where nothing rests on it, and one without any value may be of any type.
    """
    faults: list[str] = []
    for name, (columns, needed) in _SCHEMAS.items():
        frame: pl.DataFrame = getattr(delivery, name)
        absent = [column for column in needed if column not in frame.columns]
        faults += [f"{name} without {', '.join(absent)}"] if absent else []
        for column in filter(columns.__contains__, frame.columns):
            found, wanted = frame.schema[column], columns[column]
            if not _fits(found, wanted) and frame[column].null_count() < frame.height:
                faults.append(f"{column} of {name} is {found}, not {wanted()}")
    return faults


def _fits(found: pl.DataType, wanted: type[pl.DataType]) -> bool:
    if wanted.is_numeric():
        return found.is_numeric()
    return found == wanted
