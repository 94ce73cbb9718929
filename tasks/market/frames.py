"""The columns of every frame, named once."""

from typing import NamedTuple

import polars as pl

DAY, TEXT, REAL, WHOLE = pl.Date, pl.String, pl.Float64, pl.Int64

# What a source gives, before anything was judged. `session` is the date the vendor printed.
RAW_BARS = {
    "session": DAY,
    "symbol": TEXT,
    "open": REAL,
    "high": REAL,
    "low": REAL,
    "close": REAL,
    "volume": REAL,
    "adj_close": REAL,
}
# value: new shares for one old (split), or cash a share as traded (dividend).
RAW_ACTIONS = {"ex_session": DAY, "symbol": TEXT, "kind": TEXT, "value": REAL}
# asset_class: equity, fund, index or unknown. from_session: first known listed.
RAW_LISTINGS = {
    "symbol": TEXT,
    "name": TEXT,
    "asset_class": TEXT,
    "sector": TEXT,
    "from_session": DAY,
}
RAW_SERIES = {"session": DAY, "name": TEXT, "value": REAL, "known_on": DAY}

# What the lake holds.
BARS = {
    "session": DAY,
    "instrument": TEXT,
    "symbol": TEXT,
    "source": TEXT,
    "delivery": DAY,
    "open": REAL,
    "high": REAL,
    "low": REAL,
    "close": REAL,
    "volume": REAL,
    "basis": TEXT,
    "currency": TEXT,
    "known_on": DAY,
    "vintage": TEXT,
}
ACTIONS = {
    "ex_session": DAY,
    "instrument": TEXT,
    "kind": TEXT,
    "value": REAL,
    "origin": TEXT,  # given or inferred
    "source": TEXT,
    "delivery": DAY,
    "known_on": DAY,
}
LISTINGS = {
    "instrument": TEXT,
    "symbol": TEXT,
    "name": TEXT,
    "asset_class": TEXT,
    "sector": TEXT,
    "currency": TEXT,
    "from_session": DAY,
    "source": TEXT,
    "delivery": DAY,
    "known_on": DAY,
}
SERIES = {
    "session": DAY,
    "name": TEXT,
    "value": REAL,
    "source": TEXT,
    "delivery": DAY,
    "known_on": DAY,
}
RAW = {
    "night": DAY,
    "request": TEXT,
    "body": pl.Binary,
    "sha256": TEXT,
    "vintage": TEXT,
}
QUARANTINE = {
    "source": TEXT,
    "delivery": DAY,
    "session": DAY,
    "symbol": TEXT,
    "rule": TEXT,
    "detail": TEXT,
    "rows": WHOLE,
}
VERDICTS = {
    "source": TEXT,
    "delivery": DAY,
    "known_on": DAY,
    "vintage": TEXT,
    "verdict": TEXT,  # pass, warn, block, skip
    "reasons": TEXT,  # one line, "; " between reasons
    "rows": WHOLE,
    "clean": WHOLE,
    "quarantined": WHOLE,
    "findings": TEXT,  # JSON: the record of the suite and the row rules
}
FORECASTS = {
    "session": DAY,
    "instrument": TEXT,
    "score": REAL,
    "recipe": TEXT,
    "weights_hash": TEXT,
    "fitted_on": DAY,
}
CHAMPIONS = {
    "contest": TEXT,
    "from_session": DAY,
    "known_on": DAY,
    "recipe": TEXT,
    "weights_hash": TEXT,
    "reason": TEXT,
}
NIGHTS = {
    "session": DAY,
    "stage": TEXT,  # ingest/<source>, prepare/<set>/<source>, train/<contest>, book/<book>, ...
    "status": TEXT,
    "reason": TEXT,
    "seen": TEXT,  # hash of what was read
    "written": TEXT,  # hash of what was written
    "code": TEXT,
    "config": TEXT,
}
LEDGER = {
    "session": DAY,
    "instrument": TEXT,  # "CASH" is the cash row
    "shares": REAL,
    "price": REAL,
    "price_session": DAY,
    "value": REAL,
    "traded": REAL,
    "fill_price": REAL,
    "cost": REAL,
    "nav": REAL,
    "pending": REAL,  # signed shares still to fill
    "limit_price": REAL,  # of the pending order; null fills at any price
    "stale": WHOLE,  # sessions without a price: of the holding, else of the pending order
}
DRAFT_TARGETS = {
    "instrument": TEXT,
    "symbol": TEXT,
    "weight": REAL,
    "value": REAL,
    "shares": WHOLE,
    "reference_price": REAL,
    "price_session": DAY,
    "current_shares": WHOLE,
    "drift": REAL,  # target weight less current weight
    "score": REAL,
    "expected_return": REAL,  # over the horizon
    "risk_contribution": REAL,  # share of the book's variance; sums to 1
    "binding": TEXT,  # names of the limits that bind, ", " between
}
DRAFT_ORDERS = {
    "client_order_id": TEXT,
    "instrument": TEXT,
    "symbol": TEXT,
    "side": TEXT,  # buy or sell
    "quantity": WHOLE,
    "type": TEXT,  # limit or market
    "limit_price": REAL,  # null where it may fill at any price
    "notional": REAL,
    "volume_share": REAL,  # of median daily volume; null where unknown
    "cost": REAL,  # estimated, in the book's currency
}


class Table(NamedTuple):
    """How one lake table is laid out."""

    columns: dict[str, type[pl.DataType]]
    key: tuple[str, ...]  # with known_on and delivery, what a row is
    time: str | None  # the date column whose month partitions the table


TABLES = {
    "raw": Table(RAW, ("night", "request"), "night"),
    "bars": Table(BARS, ("session", "instrument"), "session"),
    "actions": Table(ACTIONS, ("ex_session", "instrument", "kind"), None),
    "listings": Table(LISTINGS, ("instrument", "from_session"), None),
    "series": Table(SERIES, ("session", "name"), None),
    "quarantine": Table(QUARANTINE, ("delivery", "session", "symbol", "rule"), None),
    "verdicts": Table(VERDICTS, ("delivery",), None),
    "forecasts": Table(FORECASTS, ("session", "instrument"), None),
    "champions": Table(CHAMPIONS, ("contest", "from_session"), None),
    "nights": Table(NIGHTS, ("session", "stage"), None),
    "ledger": Table(LEDGER, ("session", "instrument"), None),
}


def empty(columns: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    """Return a frame of these columns without rows."""
    return pl.DataFrame(schema=columns)


def shaped(frame: pl.DataFrame, columns: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    """Return `frame` with exactly these columns, types and order; absent ones are null."""
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in columns.items()
    )
