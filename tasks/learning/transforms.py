"""Values made comparable: each session's members ranked or z-scored among themselves.

Values are (rows, F), one row for each member of a session, NaN where absent; rows stand in the
order of their sessions. Every session is reduced on its own, so its bits depend on its members
alone.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Array = NDArray[np.float64]
Places = NDArray[np.int64]
Transform = Literal["rank", "zscore"]
Z_CLIP = 5.0  # z-scores beyond are set to it: one bad print must not rule a session


class Cells(NamedTuple):
    """Where each row of values stands on a grid of sessions × names."""

    row_T: Places  # rising
    row_N: Places
    shape: tuple[int, int]

    def sessions(self) -> Iterator[slice]:
        """Give the rows of each session, oldest first."""
        edges = np.searchsorted(self.row_T, np.arange(self.shape[0] + 1))
        for start, stop in pairwise(edges.tolist()):
            yield slice(start, stop)


def comparable(values: Array, cells: Cells, transform: Transform) -> Array:
    """Return `values` ranked to [-1, 1] or z-scored within each session; NaN where absent."""
    return _ranked(values, cells) if transform == "rank" else _scored(values, cells)


def _ranked(values: Array, cells: Cells) -> Array:
    """Return ranks within each session on [-1, 1]; a name alone stands in the middle."""
    out = np.empty_like(values)
    for column in range(values.shape[1]):
        dense_TN = np.full(cells.shape, np.nan)
        dense_TN[cells.row_T, cells.row_N] = values[:, column]
        ranks_TN = rankdata(dense_TN, axis=1, nan_policy="omit") if dense_TN.size else dense_TN
        count_T = np.isfinite(dense_TN).sum(axis=1, keepdims=True)
        scaled_TN = (2 * ranks_TN - count_T - 1) / np.maximum(count_T - 1, 1)
        out[:, column] = scaled_TN[cells.row_T, cells.row_N]
    return out


def _scored(values: Array, cells: Cells) -> Array:
    """Return z-scores within each session; 0 where a session is all alike."""
    out = np.empty_like(values)
    for rows in cells.sessions():
        present = np.isfinite(values[rows])
        count_F = np.maximum(present.sum(axis=0), 1)
        filled = np.where(present, values[rows], 0.0)
        centred = np.where(present, filled - filled.sum(axis=0) / count_F, 0.0)
        deviation_F = np.sqrt((centred**2).sum(axis=0) / count_F)
        flat_F = deviation_F <= 1e-12 * np.abs(filled).max(axis=0, initial=0.0)
        z = centred / np.where(flat_F, 1.0, deviation_F)
        z = np.where(flat_F, 0.0, np.clip(z, -Z_CLIP, Z_CLIP))
        out[rows] = np.where(present, z, np.nan)
    return out
