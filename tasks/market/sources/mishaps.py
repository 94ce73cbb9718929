"""What can go wrong with a vendor's night: a right delivery in, the one that was sent out.

The market itself never changes: only what is said of it.
"""

from collections.abc import Callable, Mapping
from datetime import date

import polars as pl

Parts = dict[str, pl.DataFrame]  # request -> frame
BARS = "bars"
PRICES = ("open", "high", "low", "close", "adj_close")


def sent(kind: str, right: Parts, *, night: date, before: Parts) -> Parts:
    """Return what the vendor sends where `right` was due on `night`.

    `before` is the right delivery of the night before. `late` and `garbled` change no frame: a
    late night is only on offer later, and a garbled one is broken as bytes (`cut_off`).
    """
    return _SENT[kind](right, night, before) if kind in _SENT else right


def cut_off(body: bytes) -> bytes:
    """Return the first half of a payload, as a connection that broke off leaves it."""
    return body[: len(body) // 2]


def on_offer(night: date, mishaps: Mapping[date, str], until: date) -> bool:
    """Return whether the vendor has `night` on offer at the close of `until`."""
    return mishaps.get(night) != "late" or until > night


def _empty(right: Parts, night: date, before: Parts) -> Parts:
    return {request: frame.clear() for request, frame in right.items()}


def _stale(right: Parts, night: date, before: Parts) -> Parts:
    """Return last night's delivery once more."""
    return before


def _half(right: Parts, night: date, before: Parts) -> Parts:
    """Return the first half of the symbols, of every session."""
    symbols = right[BARS]["symbol"].unique().sort()
    kept = pl.col("symbol").is_in(symbols.head(len(symbols) // 2).implode())
    return right | {BARS: right[BARS].filter(kept)}


def _doubled(right: Parts, night: date, before: Parts) -> Parts:
    return right | {BARS: pl.concat([right[BARS], right[BARS]])}


def _times_100(right: Parts, night: date, before: Parts) -> Parts:
    return right | {BARS: right[BARS].with_columns(pl.col(PRICES) * 100)}


def _holiday_rows(right: Parts, night: date, before: Parts) -> Parts:
    """Return the newest session's rows, and again under the date of the holiday."""
    own = right[BARS].filter(pl.col("session") == pl.col("session").max())
    return right | {BARS: pl.concat([own, own.with_columns(session=pl.lit(night))])}


_SENT: dict[str, Callable[[Parts, date, Parts], Parts]] = {
    "empty": _empty,
    "stale": _stale,
    "half": _half,
    "doubled": _doubled,
    "times_100": _times_100,
    "holiday_rows": _holiday_rows,
}
