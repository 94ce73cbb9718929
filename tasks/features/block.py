"""A block: some sessions of some names with all that their features may look back to.

A feature is computed for all sessions of a block at once; one session is a block as well. Prices
are shown in the shares of a session: an earlier price is divided by the product of the splits
after it. So names that split inside a block of several sessions come one session at a time, each
session a column of its own.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple, TypeVar, TypeVarTuple

import numpy as np
from numpy.typing import NDArray

from tasks.features import rolling

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Made = TypeVar("Made")
Rest = TypeVarTuple("Rest")
LISTED = "listed"  # the input that tells, for partial windows, since when a name has bars
ENOUGH = 0.8  # least share of a window's values that must be observed


class Slab(NamedTuple):
    """Inputs of a block: (rows, names) each, newest row last, NaN where absent.

    An input that is one number for all names has one column. `split` is the new shares for one
    old on the ex session, 1 elsewhere; None where no name splits.
    """

    names: int
    inputs: Mapping[str, Array]
    split: Array | None


class Block:
    """The last `sessions` rows of a slab are asked for, those before them are looked back to.

    Arrays are shared between features: never write into one.

    Args:
        slab: The inputs; each needs its reach + sessions - 1 rows.
        sessions: How many sessions are asked for.
        reach: For each input, the most sessions that a feature declares, the newest included.
        partial: Let windows begin at a name's first bar instead of giving null until it is old
            enough.
    """

    def __init__(
        self, slab: Slab, sessions: int, reach: Mapping[str, int], *, partial: bool = False
    ):
        if slab.split is not None and sessions > 1:
            raise ValueError("Names that split come one session at a time.")
        self.sessions = sessions
        self.shape = sessions, slab.names
        self.partial = partial
        self._slab = slab
        self._reach = dict(reach)
        self._priced: dict[str, Array] = {}
        self._made: dict[Any, Any] = {}

    @property
    def nothing(self) -> Array:
        """Return NaN for every session and name."""
        return np.full((1, 1), np.nan)

    def lacks(self, name: str) -> bool:
        """Return whether an input is absent altogether."""
        return bool(np.isnan(self.raw(name)).all())

    def raw(self, name: str, rows: int | None = None) -> Array:
        """Return an input as given: the last `rows` of each session, all declared ones if None.

        Shapes are (rows + sessions - 1, names). Volume is in shares of its own session.
        """
        if name not in self._reach:
            raise ValueError(f"No feature of this set declares the input {name!r}: add it.")
        rows = self._reach[name] if rows is None else rows
        if rows > self._reach[name]:
            raise ValueError(
                f"Asked for {rows} sessions of {name}, declared {self._reach[name]}: "
                "raise the feature's look_back or add the input to it."
            )
        values_RN = self._slab.inputs[name]
        return values_RN[len(values_RN) - rows - self.sessions + 1 :]

    def price(self, name: str, rows: int | None = None) -> Array:
        """Return the last `rows` of open, high, low, close or vwap in the newest shares."""
        return self._adjusted(name, rows, to_newest=np.divide)

    def volume(self, rows: int | None = None) -> Array:
        """Return the last `rows` of volume in the newest session's shares."""
        return self._adjusted("volume", rows, to_newest=np.multiply)

    def listed(self) -> Flags:
        """Return on which rows a name has had a close before: as many rows as closes."""
        if LISTED in self._reach:
            return np.asarray(self.raw(LISTED) == 1)
        return np.logical_or.accumulate(np.isfinite(self.raw("close")), axis=0)

    def newest(self, name: str) -> Array:
        """Return an input at each session itself: (sessions, names)."""
        return self.raw(name, 1)

    def back(self, values_RN: Array, lag: int) -> Array:
        """Return the values `lag` rows before each session: (sessions, names)."""
        return np.asarray(rolling.past(values_RN, lag, self.sessions))

    def once(self, make: Callable[["Block", *Rest], Made], *arguments: *Rest) -> Made:
        """Return `make(block, *arguments)`, computed once for all features that share it."""
        key = (make, *arguments)
        if key not in self._made:
            self._made[key] = make(self, *arguments)
        made: Made = self._made[key]
        return made

    def total(self, make: Callable[["Block", *Rest], Array], rows: int, *rest: *Rest) -> Array:
        """Return the sum of the last `rows` values of `make(block, *rest)`, NaN as 0."""
        return self.once(_sums, make, rest).over(rows)

    def number(self, make: Callable[["Block", *Rest], Array], rows: int, *rest: *Rest) -> Array:
        """Return how many of the last `rows` values of `make(block, *rest)` there are."""
        return self.once(_counts, make, rest)(rows).astype(np.float64)

    def mean(self, make: Callable[["Block", *Rest], Array], rows: int, *rest: *Rest) -> Array:
        """Return the mean of the values that are there; NaN below 80 %, or without any."""
        count_TN = self.number(make, rows, *rest)
        least = 1 if self.partial else ENOUGH * rows
        return self.total(make, rows, *rest) / np.where(count_TN >= least, count_TN, np.nan)

    def highest(self, make: Callable[["Block", *Rest], Array], rows: int, *rest: *Rest) -> Array:
        """Return the largest of the last `rows` values that are there."""
        return self.once(_extremes, make, rest, np.fmax).over(rows)

    def lowest(self, make: Callable[["Block", *Rest], Array], rows: int, *rest: *Rest) -> Array:
        """Return the smallest of the last `rows` values that are there."""
        return self.once(_extremes, make, rest, np.fmin).over(rows)

    def complete(self, name: str, rows: int) -> Flags:
        """Return where a window of an input is complete enough: (sessions, names).

        The oldest and the newest of the last `rows` values must be there, and at least 80 % of
        all: a name that is younger than the window has none yet, one with a short suspension does.
        With partial windows the newest is enough.
        """
        return self.once(_complete, name, rows)

    def where(self, complete_TN: Flags, values_TN: Array) -> Array:
        """Return the values where a window is complete, NaN elsewhere."""
        return np.where(complete_TN, values_TN, np.nan)

    def _adjusted(
        self, name: str, rows: int | None, *, to_newest: Callable[[Array, Array], Array]
    ) -> Array:
        if self._slab.split is None:
            return self.raw(name, rows)
        if name not in self._priced:
            raw_RN = self.raw(name)
            self._priced[name] = to_newest(raw_RN, self._newer_shares[-len(raw_RN) :])
        priced_RN = self._priced[name]
        return priced_RN if rows is None else priced_RN[-len(self.raw(name, rows)) :]

    @cached_property
    def _newer_shares(self) -> Array:
        """Return the newest session's shares for one of each row."""
        split_RN = self._slab.split
        assert split_RN is not None
        shares_RN = np.ones(split_RN.shape)
        shares_RN[:-1] = np.cumprod(split_RN[:0:-1], axis=0)[::-1]
        return shares_RN


def _seen(block: Block, name: str) -> Flags:
    return np.isfinite(block.raw(name))


def _seen_counts(block: Block, name: str) -> rolling.Counted:
    return rolling.counts(block.once(_seen, name), block.sessions)


def _complete(block: Block, name: str, rows: int) -> Flags:
    seen_RN = block.once(_seen, name)
    newest_TN = np.asarray(rolling.past(seen_RN, 0, block.sessions))
    if block.partial:
        return newest_TN
    count_TN = block.once(_seen_counts, name)(rows)
    oldest_TN = rolling.past(seen_RN, rows - 1, block.sessions)
    return np.asarray(oldest_TN & newest_TN & (count_TN >= ENOUGH * rows))


def _sums(block: Block, make: Any, rest: Any) -> rolling.Tree:
    return rolling.sums(block.once(make, *rest), block.sessions)


def _counts(block: Block, make: Any, rest: Any) -> rolling.Counted:
    return rolling.counts(~np.isnan(block.once(make, *rest)), block.sessions)


def _extremes(block: Block, make: Any, rest: Any, pick: np.ufunc) -> rolling.Tree:
    return rolling.extremes(block.once(make, *rest), block.sessions, pick)
