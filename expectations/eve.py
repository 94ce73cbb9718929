"""What was known before a night: all that its delivery is held against."""

from typing import NamedTuple

import polars as pl

from expectations.scales import RECENT
from tasks.market import frames

CLEARED = {
    "session": pl.Date,
    "symbol": pl.String,
    "reason": pl.String,
    "cleared_by": pl.String,
}
SECOND = {"session": pl.Date, "symbol": pl.String, "close": pl.Float64}
ACTED = {"ex_session": pl.Date, "symbol": pl.String, "kind": pl.String, "value": pl.Float64}
LAST_VALUES = {
    "name": pl.String,
    "session": pl.Date,
    "value": pl.Float64,
    "known_on": pl.Date,
}


class Eve(NamedTuple):
    """What was known before tonight."""

    closes: pl.DataFrame  # (symbol, session, close, volume): last clean row of each symbol
    own_rows: int | None  # rows of its own session a usual night brings; None on the first
    recent: pl.DataFrame = frames.empty(RECENT)
    listed: pl.DataFrame = frames.empty(frames.LISTINGS)  # in the order they became known
    cleared: pl.DataFrame = frames.empty(CLEARED)  # rows of tonight that a person let through
    second: pl.DataFrame = frames.empty(SECOND)  # closes of the source that checks this one
    actions: pl.DataFrame = frames.empty(ACTED)  # those that stand, of recent ex sessions
    values: pl.DataFrame = frames.empty(LAST_VALUES)  # last values of each series
