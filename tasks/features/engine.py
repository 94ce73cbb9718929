"""Features of a session: numbers known at its close, made from one window of what was known then.

There is one computation. Every feature is a function of the last `look_back` sessions as known
that night, each name on its own, in the shares of the window's newest session. A block of sessions
is computed at once where a name's history looked the same on all its nights; where a bar or split
became known late, or a split lies in between, each night of that name is computed on its own.
Either way every cell goes through the same steps in the same order, so a full run, a tail, a
rerun, and a run with other names or a longer history give the same bits.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.features.block import LISTED, Array, Block
from tasks.features.grid import (
    INPUTS,
    Grid,
    Night,
    Places,
    alike,
    block_of,
    grid_of,
    neighbours,
    night_of,
    stacked,
)
from tasks.market.context import Context
from tasks.market.history import History

CELLS = 16_384  # sessions × names of one block: its arrays fit a processor's cache
SESSIONS = 64  # most of one block
OUTPUT = 64_000_000  # most values of all features held at once
MANY = 50  # late bars for so many names begin a new block
COLUMNS = 2_048  # names × nights computed on their own at once


class Feature(NamedTuple):
    """One column: what it needs, how far it looks back, and how it is made."""

    name: str
    family: str
    inputs: tuple[str, ...]  # of INPUTS, `series/<name>` or `figure/<item>`
    look_back: int  # sessions, the newest included
    compute: Callable[[Block], Array]  # (sessions, names), or (sessions, 1) if alike for all


class FeatureSet(NamedTuple):
    """A named group of features: the columns of one lake table, in order."""

    name: str
    features: tuple[Feature, ...]

    @property
    def look_back(self) -> int:
        """Return how many sessions the longest feature needs, the newest included."""
        return max(feature.look_back for feature in self.features)

    @property
    def columns(self) -> list[str]:
        """Return the names of the features, in order."""
        return [feature.name for feature in self.features]

    @property
    def whole_session(self) -> list[str]:
        """Return the features that are alike for all names of a session."""
        return [one.name for one in self.features if all(alike(name) for name in one.inputs)]

    @property
    def reach(self) -> dict[str, int]:
        """Return how many sessions of each input the set needs, the newest included."""
        reach: dict[str, int] = {}
        for feature in self.features:
            for name in feature.inputs:
                reach[name] = max(reach.get(name, 0), feature.look_back)
        named = {name for name in reach if not name.startswith(("series/", "figure/"))}
        if unknown := sorted(named - set(INPUTS)):
            raise ValueError(
                f"No input named {', '.join(unknown)}; there is: {', '.join(INPUTS)}, "
                "series/<name> and figure/<item>."
            )
        return reach


def features_over(
    history: History,
    chosen: FeatureSet,
    sessions: Sequence[date],
    *,
    context: Context | None = None,
) -> pl.DataFrame:
    """Return the features of each of `sessions` as known in its own night, oldest first.

    Gives (session, instrument, one Float32 column a feature), one row a name with a close there,
    sorted; null where a window is incomplete, an input is absent, or the number is not finite.
    Rolls `history` forward, so `sessions` must ascend and lie at or after where it stands.

    Args:
        history: First clean prints, from `look_back` sessions before the first of `sessions` on.
        chosen: What to compute.
        sessions: Of which nights.
        context: Series and figures, for the features that read them.
    """
    shown = beside(history, chosen, context)
    frames = [_empty(chosen)]
    for stretch in _stretches(history, chosen, sessions):
        nights = (grid_of(history.roll(day), shown) for day in stretch)
        odd = history.unsteady(stretch[0], stretch[-1], rows=chosen.look_back)
        frames.append(_computed(nights, stretch, odd, chosen, partial=False))
    return pl.concat(frames)


def grid_features(
    grid: Grid, chosen: FeatureSet, sessions: Sequence[date], *, partial: bool = False
) -> Iterator[pl.DataFrame]:
    """Yield the features of `sessions`, consecutive ones of a grid that nothing restates.

    The frames of `features_over`, some sessions each, oldest first.

    Args:
        grid: Everything that was known; its rows reach back as far as windows shall.
        chosen: What to compute.
        sessions: Of which sessions.
        partial: Let windows begin at a name's first bar instead of giving null until it is old
            enough.
    """
    place = {session: row for row, session in enumerate(grid.sessions)}
    if len(sessions) and place[sessions[-1]] - place[sessions[0]] + 1 != len(sessions):
        raise ValueError(f"Sessions from {sessions[0]} to {sessions[-1]} must have no hole.")
    size = _block_size(chosen, len(grid.instruments))
    if partial:
        grid = grid.with_listed()
    for start in range(0, len(sessions), size):
        stretch = sessions[start : start + size]
        first, last = place[stretch[0]], place[stretch[-1]]
        nights = (grid.until(row + 1) for row in range(first, last + 1))
        window_TN = grid.split[max(first - chosen.look_back + 2, 0) : last + 1]
        odd = np.flatnonzero((window_TN != 1).any(axis=0))
        yield _computed(nights, stretch, odd, chosen, partial=partial)


def missing_inputs(grid: Grid, chosen: FeatureSet) -> list[str]:
    """Return the features that are null at the grid's end for want of an input: no name has it."""
    absent = {name for name, rows in chosen.reach.items() if np.isnan(grid.last(name, rows)).all()}
    return [feature.name for feature in chosen.features if absent & set(feature.inputs)]


def beside(history: History, chosen: FeatureSet, context: Context | None) -> dict[str, Array]:
    """Return the inputs of a set beside bars, each row as known at its own session."""
    wanted = [name for name in chosen.reach if "/" in name]
    found = {}
    if wanted and context is not None:
        found = context.inputs(wanted, history.sessions, history.instruments)
    if "market" in chosen.reach:
        found["market"] = history.market[:, None]
    return found


def _stretches(
    history: History, chosen: FeatureSet, sessions: Sequence[date]
) -> Iterator[list[date]]:
    """Yield runs of neighbouring sessions, each short enough for one block.

    A night that tells many late bars, such as one after a night that never came, begins a new one:
    what is late to the sessions before it is not late to its own.
    """
    place = {session: row for row, session in enumerate(history.sessions)}
    names = len(history.instruments)
    size = _block_size(chosen, names)
    run: list[date] = []
    for session in sessions:
        if session not in place:
            history.roll(session)  # says what is wrong with it
        late = history.told_late(session) > names // MANY
        if run and (place[session] != place[run[-1]] + 1 or len(run) == size or late):
            yield run
            run = []
        run.append(session)
    if run:
        yield run


def _reach(chosen: FeatureSet, *, partial: bool) -> dict[str, int]:
    """Return how many sessions of each input a block needs, with what partial windows do."""
    reach = chosen.reach
    return reach | {LISTED: reach["close"]} if partial and "close" in reach else reach


def _block_size(chosen: FeatureSet, names: int) -> int:
    wide = OUTPUT // max(len(chosen.features) * names, 1)
    return max(1, min(SESSIONS, wide))


def _computed(
    nights: Iterable[Grid],
    stretch: Sequence[date],
    odd: Places,
    chosen: FeatureSet,
    *,
    partial: bool,
) -> pl.DataFrame:
    """Return the features of one block; its last night shows all but `odd` names as they were."""
    reach, count = _reach(chosen, partial=partial), len(stretch)
    odd = odd if count > 1 else odd[:0]
    traded_TN, values, waiting = [], np.empty((0, 0, 0), np.float32), list[Night]()
    for row, grid in enumerate(nights):
        traded_TN.append(grid.inputs["close"][-1] > 0)
        if not row:
            shape = len(chosen.features), count, len(grid.instruments)
            values = np.empty(shape, np.float32)
        if odd.size:
            waiting.append(night_of(grid, row, odd[traded_TN[-1][odd]], reach))
        if sum(night.places.size for night in waiting) >= COLUMNS or (waiting and row == count - 1):
            _fill_nights(values, waiting, chosen, partial=partial)
            waiting = []
    alive = np.flatnonzero(np.any(traded_TN, axis=0))
    even = np.setdiff1d(alive, odd, assume_unique=True)
    width = max(CELLS // count, 1)
    for start in range(0, even.size, width):
        places = even[start : start + width]
        block = block_of(grid, places, count, reach, partial=partial)
        columns = neighbours(places)
        for made, column in zip(_features(block, chosen), values, strict=True):
            column[:, columns] = made[:, : places.size]
    return _frame(values, np.array(traded_TN), stretch, grid.instruments, chosen)


def _fill_nights(
    values: NDArray[np.float32], nights: list[Night], chosen: FeatureSet, *, partial: bool
) -> None:
    """Write the features of names on their own nights into (F, T, N)."""
    rows_M = np.concatenate([np.full(one.places.size, one.row) for one in nights])
    places_M = np.concatenate([one.places for one in nights])
    block = stacked(nights, _reach(chosen, partial=partial), partial=partial)
    for made, column in zip(_features(block, chosen), values, strict=True):
        column[rows_M, places_M] = made[0, : places_M.size]


def _features(block: Block, chosen: FeatureSet) -> Iterator[Array]:
    """Yield each feature of a block as (sessions, names)."""
    absent = {name for name in chosen.reach if block.lacks(name)}
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for feature in chosen.features:
            lacking = absent and not absent.isdisjoint(feature.inputs)
            made = block.nothing if lacking else feature.compute(block)
            yield made if made.shape == block.shape else np.broadcast_to(made, block.shape)


def _frame(
    values: NDArray[np.float32],
    traded_TN: NDArray[np.bool_],
    stretch: Sequence[date],
    instruments: Sequence[str],
    chosen: FeatureSet,
) -> pl.DataFrame:
    """Return a row for each name and session with a close: the only cells that are filled."""
    at, name = np.nonzero(traded_TN)
    place = at * traded_TN.shape[1] + name
    columns = {
        "session": pl.Series(stretch, dtype=pl.Date).gather(at),
        "instrument": pl.Series(instruments, dtype=pl.String).gather(name),
    }
    for one, values_TN in zip(chosen.columns, values, strict=True):
        column = np.take(values_TN.reshape(-1), place, mode="clip")  # which skips a check
        infinite = np.isinf(column)
        if infinite.any():
            column[infinite] = np.nan
        columns[one] = pl.Series(column, nan_to_null=True)
    return pl.DataFrame(columns)


def _empty(chosen: FeatureSet) -> pl.DataFrame:
    kinds = dict.fromkeys(chosen.columns, pl.Float32)
    return pl.DataFrame(schema={"session": pl.Date, "instrument": pl.String, **kinds})
