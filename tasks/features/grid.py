"""A grid of what was known at one close, and the blocks that features are computed on."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.features.block import LISTED, Array, Block, Slab
from tasks.market.history import FIELDS, View

Places = NDArray[np.int64]
NAMED = (*FIELDS, "vwap")  # inputs of each name; so is every `figure/<item>` of a context
ALIKE = ("market",)  # inputs that are one number for all names; so is every `series/<name>`
INPUTS = (*NAMED, *ALIKE)
LANES = 8  # names are padded to a multiple of this, so that one name is computed like many


class Grid(NamedTuple):
    """What was known: inputs are (sessions, names), or (sessions, 1) where alike for all."""

    sessions: tuple[date, ...]
    instruments: tuple[str, ...]
    inputs: Mapping[str, Array]
    split: Array  # new shares for one old, on the ex session; 1 elsewhere

    def until(self, rows: int) -> "Grid":
        """Return the first `rows` sessions."""
        inputs = {name: values[:rows] for name, values in self.inputs.items()}
        return Grid(self.sessions[:rows], self.instruments, inputs, self.split[:rows])

    def with_listed(self) -> "Grid":
        """Return the grid with the input `listed`: 1 from a name's first close on, 0 before."""
        listed = np.logical_or.accumulate(self.inputs["close"] > 0, axis=0)
        return self._replace(inputs={**self.inputs, LISTED: listed.astype(np.float64)})

    def last(self, name: str, rows: int) -> Array:
        """Return the last `rows` of an input, as many as there are: none where it is unknown."""
        if name not in self.inputs:
            return np.empty((0, 1 if alike(name) else len(self.instruments)))
        return self.inputs[name][-rows:]


class Night(NamedTuple):
    """Names as they looked on one night."""

    row: int  # of its block
    places: Places
    inputs: dict[str, Array]
    split: Array


def alike(name: str) -> bool:
    """Return whether an input is one number for all names of a session."""
    return name in ALIKE or name.startswith("series/")


def grid_of(view: View, beside: Mapping[str, Array]) -> Grid:
    """Return what a view shows, and what `beside` says of its sessions."""
    rows = len(view.sessions)
    inputs = {name: getattr(view, f"{name}_TN") for name in FIELDS}
    inputs |= {name: values[:rows] for name, values in beside.items()}
    return Grid(view.sessions, view.instruments, inputs, view.split_TN)


def block_of(
    grid: Grid, places: Places, sessions: int, reach: Mapping[str, int], *, partial: bool
) -> Block:
    """Return the block of the grid's last `sessions` and some of its names."""
    inputs, split_RN = _window(grid, places, sessions, reach)
    splits = sessions == 1 and bool((split_RN[1:] != 1).any())
    slab = Slab(_width(places.size), inputs, split_RN if splits else None)
    return Block(slab, sessions, reach, partial=partial)


def night_of(grid: Grid, row: int, places: Places, reach: Mapping[str, int]) -> Night:
    """Return some names as they look at the end of the grid, as night `row` of a block."""
    return Night(row, places, *_window(grid, places, 1, reach))


def stacked(nights: list[Night], reach: Mapping[str, int], *, partial: bool) -> Block:
    """Return several nights side by side: each column a name as it looked on its own night."""
    sizes = [night.places.size for night in nights]
    width = _width(sum(sizes))

    def beside(parts: list[Array], absent: float) -> Array:
        full = [
            np.broadcast_to(part, (len(part), size)) if part.shape[1] == 1 else part[:, :size]
            for part, size in zip(parts, sizes, strict=True)
        ]
        rest = np.full((len(parts[0]), width - sum(sizes)), absent)
        return np.concatenate([*full, rest], axis=1)

    inputs = {name: beside([night.inputs[name] for night in nights], np.nan) for name in reach}
    slab = Slab(width, inputs, beside([night.split for night in nights], 1.0))
    return Block(slab, 1, reach, partial=partial)


def _window(
    grid: Grid, places: Places, sessions: int, reach: Mapping[str, int]
) -> tuple[dict[str, Array], Array]:
    """Return copies of the inputs and splits that a block of the grid's end may look at."""
    inputs = {}
    for name, count in reach.items():
        rows = count + sessions - 1
        inputs[name] = _padded(grid.last(name, rows), rows, None if alike(name) else places)
        if name in NAMED:  # a price of zero or less is no price
            bad = inputs[name] < 0 if name == "volume" else inputs[name] <= 0
            np.putmask(inputs[name], bad, np.nan)
    rows = max(reach.values()) + sessions - 1
    return inputs, _padded(grid.split[-rows:], rows, places, absent=1.0)


def _padded(values: Array, rows: int, places: Places | None, absent: float = np.nan) -> Array:
    """Return (rows, width) of the chosen names, the newest row last; one column for all if None."""
    width = 1 if places is None else _width(places.size)
    out = np.full((rows, width), absent)
    taken = values if places is None else values[:, neighbours(places)]
    out[rows - len(taken) :, : taken.shape[1]] = taken
    return out


def neighbours(places: Places) -> Places | slice:
    """Return rising places as a slice where they have no hole: reading and writing is faster."""
    if places.size and places[-1] - places[0] + 1 == places.size:
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


def _width(names: int) -> int:
    return max(-(-names // LANES), 1) * LANES
