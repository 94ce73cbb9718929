"""What it takes to spoil a clean night on purpose, and to say exactly what was spoilt."""

from collections.abc import Callable, Sequence
from datetime import date
from math import log
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from tasks.market.sources.protocol import Delivery

Rng = np.random.Generator
KEYS = {"session": pl.Date, "symbol": pl.String}
PRICES = ("open", "high", "low", "close")
LEAST = 8.0  # robust deviations of a value error
FEW = 5  # rows that are a few: too many for chance, too few to stop a night


class Night(NamedTuple):
    """A clean night, and what is needed to spoil it by a known measure."""

    right: Delivery
    past: Sequence[Delivery]  # clean deliveries up to tonight's: `past[1]` is that of the eve
    after: Delivery  # tomorrow's
    day_off: date  # the first day after tonight on which the exchange is closed
    eve_close: dict[str, float]  # symbol -> close of the eve, in tonight's shares
    scale: dict[str, float]  # symbol -> one robust deviation of tonight's log return
    median: float  # tonight's median log return
    calm: frozenset[str]  # names whose volume tonight is at most 1.5 times its usual: no news
    liquid: Sequence[str]  # the most traded half of the names, most traded first
    step: int = 0  # nights of the same fault before this one

    @property
    def own(self) -> date:
        """Tonight's session."""
        return self.right.night

    @property
    def rows(self) -> pl.DataFrame:
        """Rows of tonight's session."""
        return self.right.bars.filter(session=self.own)


class Planted(NamedTuple):
    """What was spoilt, and so must be found."""

    rows: pl.DataFrame = pl.DataFrame(schema=KEYS)  # (session, symbol), as they were sent
    actions: pl.DataFrame = pl.DataFrame(schema=KEYS)  # the same of actions that are wrong
    copies: int = 0  # exact copies of right rows
    wide: bool = False  # of the whole night: no row can be named, so a warning will do


class Unreadable(NamedTuple):
    """A delivery that could not be read at all."""

    why: str


Spoilt = tuple[Delivery | Unreadable, Planted]
Inject = Callable[[Night, Rng], Spoilt]


class Corruption(NamedTuple):
    """One way in which a delivery goes wrong."""

    kind: Literal["structural", "value"]
    family: str
    inject: Inject
    nights: Literal["any", "day off", "half day", "after closure"] = "any"
    steps: int = 1  # nights in a row on which it happens


WIDE = Planted(wide=True)


def keys(session: date, symbols: Sequence[str]) -> pl.DataFrame:
    """Return the keys of these symbols in one session."""
    rows = {"session": [session] * len(symbols), "symbol": list(symbols)}
    return pl.DataFrame(rows, schema=KEYS)


def all_rows(bars: pl.DataFrame) -> Planted:
    """Say that every row of these bars is wrong."""
    return Planted(rows=bars.select(list(KEYS)))


def is_of(session: date, symbols: Sequence[str]) -> pl.Expr:
    """Say whether a row is one of these symbols in this session."""
    return (pl.col("session") == session) & pl.col("symbol").is_in(list(symbols))


def picked(
    night: Night,
    rng: Rng,
    count: int,
    *,
    deviations: float | None = None,
    of: Sequence[str] = (),
) -> list[str]:
    """Draw names that traded tonight and on the eve, among those `of`, if any are named.

    With `deviations` only those which an error of that size in logs puts 8 robust deviations or
    more from where they were, whichever way they went tonight, and whose volume tells no news.
    """
    closes = dict(night.rows.select("symbol", "close").iter_rows())
    known = set(closes) & set(night.eve_close) & set(night.scale)
    fit = [name for name in of or sorted(known) if name in known]
    if deviations is not None:
        fit = [name for name in fit if name in night.calm]
        went = {name: abs(log(closes[name] / night.eve_close[name]) - night.median) for name in fit}
        fit = [name for name in fit if LEAST * night.scale[name] + went[name] <= deviations]
    chosen = rng.choice(len(fit), size=min(count, len(fit)), replace=False)
    return sorted(fit[place] for place in chosen)


def edited(night: Night, symbols: Sequence[str], **changes: pl.Expr) -> Delivery:
    """Return the delivery with columns changed in tonight's rows of some symbols."""
    return edited_where(night, is_of(night.own, symbols), **changes)


def edited_where(night: Night, where: pl.Expr, **changes: pl.Expr) -> Delivery:
    """Return the delivery with columns changed in the rows that `where` chooses."""
    columns = [
        pl.when(where).then(new).otherwise(pl.col(name)).alias(name)
        for name, new in changes.items()
    ]
    return night.right._replace(bars=night.right.bars.with_columns(columns))


def added(night: Night, rows: pl.DataFrame) -> Delivery:
    """Return the delivery with more rows at its end."""
    bars = night.right.bars
    return night.right._replace(bars=pl.concat([bars, rows.select(bars.columns)]))


def times(factor: float, columns: Sequence[str] = PRICES) -> dict[str, pl.Expr]:
    """Return the change that multiplies some columns."""
    return {name: pl.col(name) * factor for name in columns}
