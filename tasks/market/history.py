"""Prices as they were known: a dense session × instrument state, fed in the order of knowledge.

Arrays are (T, N), sessions × instruments, oldest first, NaN where nothing is known.
"""

import math
from collections.abc import Sequence
from datetime import date
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.market.ordering import Coded, Codes, coded_by, joined, order_of

Array = NDArray[np.float64]


class View(NamedTuple):
    """Everything known at one close. The last row of each array is `as_of`."""

    as_of: date
    sessions: tuple[date, ...]
    instruments: tuple[str, ...]
    open_TN: Array
    high_TN: Array
    low_TN: Array
    close_TN: Array
    volume_TN: Array
    split_TN: Array  # new shares for one old, on the ex session; 1 elsewhere
    dividend_TN: Array  # cash a share as traded on the ex session, on it, with what a roll pays (or
    # takes); 0 elsewhere


FIELDS = ("open", "high", "low", "close", "volume")
# Kind of action -> its value where there is none. A roll is the signed cash that the holder of one
# unit of a continuous future is paid when its front contract changes.
KINDS = {"split": 1.0, "dividend": 0.0, "roll": 0.0}
Prints = Literal["first", "last"]


class _Axes(NamedTuple):
    """The grid: sessions as day numbers, and instruments, both rising."""

    days_T: Codes
    instruments: tuple[str, ...]


class _Cells(NamedTuple):
    """Values for cells of the grid, in the order in which they became known."""

    session: Codes
    instrument: Codes
    values: list[Array]
    ends: Codes  # ends[t]: how many of them are known at the close of session t


class History:
    """A market replayed: at each session it shows what was known at that close, and no more.

    The views share one memory: a view is true until the next `roll`, which may write what was
    corrected since into the sessions it shows. Copy what must outlive it.

    Args:
        bars: All prints of one source (session, instrument, open to volume, known_on, delivery).
            Rows dated outside `sessions` are ignored.
        actions: All its actions (ex_session, instrument, kind, value, known_on, delivery).
        sessions: The calendar's sessions, oldest first, without holes.
        prints: Which of several rows of one cell stands: the first that became known, or the last.
    """

    def __init__(
        self,
        bars: pl.DataFrame,
        actions: pl.DataFrame,
        sessions: Sequence[date],
        *,
        prints: Prints,
    ):
        self.sessions = tuple(sessions)
        self.instruments = tuple(bars["instrument"].unique().sort().to_list())
        self._places = {session: place for place, session in enumerate(self.sessions)}
        axes = _Axes(_day_numbers(self.sessions), self.instruments)
        shape = len(self.sessions), len(self.instruments)
        self._bars = _cells(bars, axes, "session", FIELDS, prints)
        self._actions = {
            kind: _cells(of_kind, axes, "ex_session", ("value",), prints)
            for kind, of_kind in _by_kind(actions).items()
        }
        self._fields = [np.full(shape, np.nan) for _ in FIELDS]
        self._effects = {
            kind: np.full(shape, KINDS[kind])
            for kind in KINDS
            if kind != "roll" or self._actions["roll"].session.size
        }
        # One array where there are no rolls: nothing is added, so no bit of it changes.
        rolls = "roll" in self._effects
        self._cash = np.zeros(shape) if rolls else self._effects["dividend"]
        self._now = -1

    def roll(self, as_of: date) -> View:
        """Return what was known at the close of `as_of`; only ever forward in time."""
        now = self._place(as_of)
        if now < self._now:
            raise ValueError(f"History stands at {self.sessions[self._now]}: no way to {as_of}.")
        _apply(self._bars, self._fields, self._now, now)
        for kind, effect in self._effects.items():
            _apply(self._actions[kind], [effect], self._now, now)
        if "roll" in self._effects:
            self._add_up_cash(self._now, now)
        self._now = now
        arrays = *self._fields, self._effects["split"], self._cash
        seen = [_sealed(array[: now + 1]) for array in arrays]
        return View(as_of, self.sessions[: now + 1], self.instruments, *seen)

    def unsteady(self, first: date, last: date, *, rows: int) -> Codes:
        """Return the places of names whose last `rows` sessions look another way by `last`.

        That is, those with a bar or split of any session from `rows` before `first` on that became
        known only after both that session and `first`, up to `last`, or with any split there. All
        other names look, at each session between the two, like their history known at `last`.
        """
        start, stop = self._place(first), self._place(last)
        oldest = start - rows + 1
        found = [_came_late(cells, oldest, start, stop) for cells in self._price_cells]
        splits = self._actions["split"]
        known = slice(0, int(splits.ends[stop]))
        found.append(splits.instrument[known][splits.session[known] > oldest])
        return np.unique(np.concatenate(found))

    def told_late(self, session: date) -> int:
        """Return how many bars of earlier sessions became known at the close of `session`."""
        place = self._place(session)
        fresh = _span(self._bars, place - 1, place)
        return int((self._bars.session[fresh] < place).sum())

    @cached_property
    def market(self) -> Array:
        """Return the return of the market at each session (T,), as known at its own close.

        The mean of one-session returns, splits taken out, of the names with both closes, weighted
        by what was traded of each on the session before (alike, where nothing was). NaN without
        names. Sums are exact, so no bit depends on the order or on names that are absent.
        """
        return np.array([self._market_return(place) for place in range(len(self.sessions))])

    @property
    def _price_cells(self) -> tuple["_Cells", "_Cells"]:
        return self._bars, self._actions["split"]

    def _market_return(self, place: int) -> float:
        if not place:
            return math.nan
        now, before = self._bars_known(place, place), self._bars_known(place - 1, place)
        ratio_N = now[3] / before[3]
        splits = self._actions["split"]
        known = slice(0, int(splits.ends[place]))
        today = splits.session[known] == place
        ratio_N[splits.instrument[known][today]] *= splits.values[0][known][today]
        weight_N = before[3] * np.nan_to_num(before[4], nan=0.0)
        told = np.flatnonzero(np.isfinite(ratio_N))
        if not told.size:
            return math.nan
        if not weight_N[told].any():
            weight_N = np.ones(weight_N.size)
        change = math.fsum(((ratio_N[told] - 1) * weight_N[told]).tolist())
        return change / math.fsum(weight_N[told].tolist())

    def _bars_known(self, session: int, at: int) -> Array:
        """Return (fields, N) of one session as known at another; a price of zero is none."""
        start, stop = self._session_order[1][session : session + 2]
        chosen = self._session_order[0][start:stop]
        chosen = chosen[chosen < self._bars.ends[at]]
        values = np.full((len(FIELDS), len(self.instruments)), np.nan)
        for row, cells in zip(values, self._bars.values, strict=True):
            row[self._bars.instrument[chosen]] = cells[chosen]
        values[values <= 0] = np.nan
        return values

    @cached_property
    def _session_order(self) -> tuple[Codes, Codes]:
        """Return the cells of bars session by session, and where each session begins."""
        order = np.argsort(self._bars.session, kind="stable")
        edges = np.searchsorted(self._bars.session[order], np.arange(len(self.sessions) + 1))
        return order, edges

    def _add_up_cash(self, before: int, now: int) -> None:
        """Add dividends and rolls where either became known after session `before`, up to `now`."""
        for kind in ("dividend", "roll"):
            where = _fresh(self._actions[kind], before, now)
            self._cash[where] = self._effects["dividend"][where] + self._effects["roll"][where]

    def _place(self, as_of: date) -> int:
        if as_of not in self._places:
            raise ValueError(
                f"{as_of} is none of the {len(self.sessions)} sessions of this history, "
                f"{self.sessions[0]} to {self.sessions[-1]}."
            )
        return self._places[as_of]


def _day_numbers(sessions: Sequence[date]) -> Codes:
    days = np.array(sessions, dtype="datetime64[D]").astype(np.int64)
    if not days.size or (np.diff(days) <= 0).any():
        raise ValueError("A history needs sessions, oldest first, each once.")
    return days


def _by_kind(actions: pl.DataFrame) -> dict[str, pl.DataFrame]:
    if strange := sorted(set(actions["kind"].unique().to_list()) - KINDS.keys()):
        raise ValueError(f"Actions of kind {strange}: known are {', '.join(KINDS)}.")
    return {kind: actions.filter(pl.col("kind") == kind) for kind in KINDS}


def _cells(
    frame: pl.DataFrame, axes: _Axes, day: str, fields: Sequence[str], prints: Prints
) -> _Cells:
    """Return the rows that fall on the grid, sorted by when they became known."""
    session, on_axis = _found(axes.days_T, frame[day])
    known, _ = _found(axes.days_T, frame["known_on"])
    names = frame["instrument"].cast(pl.Enum(axes.instruments), strict=False).to_physical()
    instrument = names.cast(pl.Int64).fill_null(-1).to_numpy()
    kept = np.flatnonzero(on_axis & (known < axes.days_T.size) & (instrument >= 0))
    frame, session, known, instrument = frame[kept], session[kept], known[kept], instrument[kept]
    width = len(axes.instruments)
    cell = Coded(session * width + instrument, axes.days_T.size * width)
    age = coded_by(frame, ["known_on", "delivery"])
    order = order_of(joined(age, cell).codes)
    if prints == "first":
        order = order[np.sort(np.unique(cell.codes[order], return_index=True)[1])]
    values = [frame[name].cast(pl.Float64).to_numpy()[order] for name in fields]
    ends = np.searchsorted(known[order], np.arange(axes.days_T.size), side="right")
    return _Cells(session[order], instrument[order], values, ends)


def _found(days_T: Codes, column: pl.Series) -> tuple[Codes, NDArray[np.bool_]]:
    """Return the place of each day, or that of the next session, and whether it is one."""
    days = column.to_physical().cast(pl.Int64).fill_null(-(10**9)).to_numpy()
    places = np.searchsorted(days_T, days)
    exact = days_T[np.minimum(places, days_T.size - 1)] == days
    return places, exact


def _apply(cells: _Cells, arrays: Sequence[Array], before: int, now: int) -> None:
    """Write what became known after session `before`, up to `now`; later rows win."""
    fresh = _span(cells, before, now)
    where = _fresh(cells, before, now)
    for array, values in zip(arrays, cells.values, strict=True):
        array[where] = values[fresh]


def _fresh(cells: _Cells, before: int, now: int) -> tuple[Codes, Codes]:
    """Return the cells of the grid of which something became known after `before`, up to `now`."""
    fresh = _span(cells, before, now)
    return cells.session[fresh], cells.instrument[fresh]


def _came_late(cells: _Cells, oldest: int, start: int, stop: int) -> Codes:
    """Return the names of cells from row `oldest` on that became known in (start, stop], late."""
    fresh = _span(cells, start, stop)
    known = np.searchsorted(cells.ends, np.arange(fresh.start, fresh.stop), side="right")
    session = cells.session[fresh]
    return cells.instrument[fresh][(session < known) & (session >= oldest)]


def _span(cells: _Cells, before: int, now: int) -> slice:
    start, stop = (int(cells.ends[place]) if place >= 0 else 0 for place in (before, now))
    return slice(start, stop)


def _sealed(array: Array) -> Array:
    array.flags.writeable = False
    return array
