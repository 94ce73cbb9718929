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
    "currency": TEXT,  # null: the source's
}
# value: new shares for one old (split), or cash a share as traded (dividend).
RAW_ACTIONS = {"ex_session": DAY, "symbol": TEXT, "kind": TEXT, "value": REAL}
# from_session and to_session: where the symbol is known to have begun and ended, null where not.
# vendor_id: the vendor's own lasting id, null where it has none; root: what a contract is one of.
RAW_LISTINGS = {
    "symbol": TEXT,
    "name": TEXT,
    "asset_class": TEXT,  # conf.schema.AssetClass
    "sector": TEXT,
    "from_session": DAY,
    "to_session": DAY,
    "vendor_id": TEXT,
    "exchange": TEXT,
    "currency": TEXT,  # null: the source's
    "multiplier": REAL,  # what one point of price is worth, in that currency; null: 1
    "root": TEXT,
}
RAW_SERIES = {"session": DAY, "name": TEXT, "value": REAL, "known_on": DAY}
# One figure of one filing; known_on: the day it was filed.
RAW_FUNDAMENTALS = {
    "period_end": DAY,
    "symbol": TEXT,
    "item": TEXT,
    "value": REAL,
    "form": TEXT,
    "known_on": DAY,
}
# From `session` on the symbol is (1) or is not (0) a member of the index.
RAW_MEMBERS = {"session": DAY, "index": TEXT, "symbol": TEXT, "member": WHOLE}

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
    "kind": TEXT,  # split, dividend, or roll: what a continuous future's holder is paid
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
    "exchange": TEXT,
    "sector": TEXT,
    "currency": TEXT,
    "multiplier": REAL,
    "root": TEXT,
    "vendor_id": TEXT,
    "from_session": DAY,
    "to_session": DAY,
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
FUNDAMENTALS = {
    "period_end": DAY,
    "instrument": TEXT,
    "item": TEXT,
    "symbol": TEXT,
    "value": REAL,
    "form": TEXT,
    "source": TEXT,
    "delivery": DAY,
    "known_on": DAY,
}
MEMBERS = {
    "session": DAY,
    "index": TEXT,
    "symbol": TEXT,
    "member": WHOLE,
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
# What a person let out of quarantine; the last word of several counts.
CLEARED = {
    "source": TEXT,
    "delivery": DAY,
    "session": DAY,
    "symbol": TEXT,
    "reason": TEXT,
    "cleared_by": TEXT,
    "cleared_at": TEXT,  # UTC, in ISO 8601
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
    "seed_spread": REAL,  # deviation of the score over seeds, standardised; null for one seed
    # The label is expected within half_width of expected, both in deviations of the session's
    # labels, nine times in ten; half_width is null where too little was known to say.
    "expected": REAL,
    "half_width": REAL,
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
    "reference_price": REAL,  # as quoted, in `currency`
    "currency": TEXT,
    "unit_value": REAL,  # of one point of price, in the book's currency: multiplier x rate
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
    "limit_price": REAL,  # as quoted, in `currency`; null where it may fill at any price
    "currency": TEXT,
    "unit_value": REAL,
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
    "fundamentals": Table(FUNDAMENTALS, ("period_end", "instrument", "item"), None),
    "members": Table(MEMBERS, ("session", "index", "symbol"), None),
    "cleared": Table(CLEARED, ("delivery", "session", "symbol", "cleared_at"), None),
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
