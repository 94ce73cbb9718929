"""The panel: what was known of every name of a universe, session by session, made comparable.

Ranks and z-scores depend on the universe, so they are made here and never stored. Each session is
transformed among its own members alone: nothing in a session depends on any other session, nor on
names that were not members then.
"""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import rankdata

Array = NDArray[np.float64]
Z_CLIP = 5.0  # z-scores beyond are set to it: one bad print must not rule a session


class Panel(NamedTuple):
    """Transformed features of the members; 0, the middle of a session, where one is absent."""

    sessions: tuple[date, ...]
    instruments: tuple[str, ...]
    columns: tuple[str, ...]
    features_NTF: NDArray[np.float32]
    member_TN: NDArray[np.bool_]


def make_panel(
    features: pl.DataFrame,
    members: pl.DataFrame,
    *,
    columns: Sequence[str] | None = None,
    transform: Literal["rank", "zscore"],
) -> Panel:
    """Return the panel of the members' features, ranked to [-1, 1] or z-scored in each session.

    A name counts as a member where it is in `members` and has at least one finite feature. An
    absent feature is 0 after the transform, the middle of its session. With `columns` the panel
    has exactly these; without, all columns of the frame less those that are null everywhere.
    Sessions are those of both frames, so a session without members stays, and look-backs count it.

    Args:
        features: One row per (session, instrument), one numeric column a feature.
        members: (session, instrument), one row for each name that may be held.
        columns: Features to take, in the panel's order.
        transform: `rank` (ties share their mean rank) or `zscore` (clipped at 5).
    """
    chosen = tuple(columns) if columns is not None else _filled(features)
    if absent := [name for name in chosen if name not in features.columns]:
        raise ValueError(
            f"The features lack {', '.join(absent)}; there is: {', '.join(_named(features))}."
        )
    if not chosen:
        raise ValueError("No feature column has a value: there is nothing to learn from.")
    sessions = _union(features["session"], members["session"])
    rows = (
        members.select("session", "instrument")
        .unique()
        .join(features, on=["session", "instrument"], how="inner")
    )
    rows = rows.sort("session", "instrument")
    instruments = rows["instrument"].unique().sort().to_list()
    row_T = _places(rows["session"], sessions)
    row_N = _places(rows["instrument"], instruments)
    values = _finite(rows, chosen)
    member_TN = np.zeros((len(sessions), len(instruments)), bool)
    member_TN[row_T, row_N] = ~np.isnan(values).all(axis=1)
    transformed = _ranked(values, row_T, row_N, member_TN.shape)
    if transform == "zscore":
        transformed = _scored(values, row_T)
    features_NTF = np.zeros((len(instruments), len(sessions), len(chosen)), np.float32)
    features_NTF[row_N, row_T] = np.nan_to_num(transformed, nan=0.0)
    return Panel(tuple(sessions), tuple(instruments), chosen, features_NTF, member_TN)


def aligned(
    values_TN: NDArray[np.floating],
    sessions: Sequence[date],
    instruments: Sequence[str],
    panel: Panel,
) -> Array:
    """Return `values_TN` on the panel's axes; NaN where its sessions or names are not among ours.

    Args:
        values_TN: Sessions × names, such as labels.
        sessions: What the rows of `values_TN` stand for.
        instruments: What its columns stand for.
        panel: The panel whose sessions and instruments are wanted.
    """
    if values_TN.shape != (len(sessions), len(instruments)):
        raise ValueError(
            f"Expected values of {len(sessions)} sessions × {len(instruments)} names, "
            f"found {values_TN.shape}."
        )
    place_of_session = {session: place for place, session in enumerate(sessions)}
    place_of_name = {name: place for place, name in enumerate(instruments)}
    from_T = np.array([place_of_session.get(session, -1) for session in panel.sessions], int)
    from_N = np.array([place_of_name.get(name, -1) for name in panel.instruments], int)
    out_TN = np.full((len(panel.sessions), len(panel.instruments)), np.nan)
    here_T, here_N = np.flatnonzero(from_T >= 0), np.flatnonzero(from_N >= 0)
    out_TN[np.ix_(here_T, here_N)] = values_TN[np.ix_(from_T[here_T], from_N[here_N])]
    return out_TN


def until(panel: Panel, session: date) -> Panel:
    """Return the panel without anything after `session`, nor names that come only after it."""
    keep = sum(day <= session for day in panel.sessions)
    names_N = np.flatnonzero(panel.member_TN[:keep].any(axis=0))
    return Panel(
        panel.sessions[:keep],
        tuple(panel.instruments[place] for place in names_N),
        panel.columns,
        panel.features_NTF[names_N, :keep],
        panel.member_TN[:keep, names_N],
    )


def standardised_labels(label_TN: Array, member_TN: NDArray[np.bool_], *, min_names: int) -> Array:
    """Return labels ranked in each session to mean 0 and variance 1; NaN where not to be used.

    Ranks make every session count alike and no single return count for much. Names that are not
    members, unknown labels, and sessions with fewer than `min_names` or all alike are NaN.
    """
    usable_TN = np.where(member_TN & np.isfinite(label_TN), label_TN, np.nan)
    ranks_TN = rankdata(usable_TN, axis=1, nan_policy="omit")
    count_T = np.isfinite(usable_TN).sum(axis=1, keepdims=True)
    centred_TN = ranks_TN - (count_T + 1) / 2
    doubled_TN = np.nan_to_num(2 * centred_TN, nan=0.0)  # whole numbers: their sums are exact
    deviation_T = np.sqrt((doubled_TN**2).sum(axis=1, keepdims=True) / np.maximum(count_T, 1)) / 2
    enough_T = (count_T >= min_names) & (deviation_T > 0)
    return np.where(enough_T, centred_TN / np.where(deviation_T > 0, deviation_T, 1.0), np.nan)


def _named(features: pl.DataFrame) -> list[str]:
    return [name for name in features.columns if name not in ("session", "instrument")]


def _filled(features: pl.DataFrame) -> tuple[str, ...]:
    return tuple(name for name in _named(features) if features[name].null_count() < features.height)


def _union(first: pl.Series, second: pl.Series) -> list[date]:
    return list(pl.concat([first, second]).unique().sort().to_list())


def _places(values: pl.Series, axis: Sequence[date] | Sequence[str]) -> NDArray[np.int64]:
    """Return the place of every value on the sorted axis."""
    place_of = {value: place for place, value in enumerate(axis)}
    return np.array([place_of[value] for value in values.to_list()], np.int64)


def _finite(rows: pl.DataFrame, columns: Sequence[str]) -> Array:
    """Return the columns as float64 (rows, F), NaN for whatever is not a finite number."""
    values = rows.select(pl.col(name).cast(pl.Float64) for name in columns).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def _ranked(
    values: Array, row_T: NDArray[np.int64], row_N: NDArray[np.int64], shape: tuple[int, int]
) -> Array:
    """Return ranks within each session on [-1, 1]; a name alone stands in the middle."""
    out = np.empty_like(values)
    for column in range(values.shape[1]):
        dense_TN = np.full(shape, np.nan)
        dense_TN[row_T, row_N] = values[:, column]
        ranks_TN = rankdata(dense_TN, axis=1, nan_policy="omit") if dense_TN.size else dense_TN
        count_T = np.isfinite(dense_TN).sum(axis=1, keepdims=True)
        scaled_TN = (2 * ranks_TN - count_T - 1) / np.maximum(count_T - 1, 1)
        out[:, column] = scaled_TN[row_T, row_N]
    return out


def _scored(values: Array, row_T: NDArray[np.int64]) -> Array:
    """Return z-scores within each session; 0 where a session is all alike.

    Every session is reduced on its own, member by member: its bits depend on its members alone.
    """
    out = np.empty_like(values)
    edges = np.searchsorted(row_T, np.arange(row_T.max(initial=-1) + 2))
    for start, stop in pairwise(edges):
        present = np.isfinite(values[start:stop])
        count_F = np.maximum(present.sum(axis=0), 1)
        filled = np.where(present, values[start:stop], 0.0)
        centred = np.where(present, filled - filled.sum(axis=0) / count_F, 0.0)
        deviation_F = np.sqrt((centred**2).sum(axis=0) / count_F)
        flat_F = deviation_F <= 1e-12 * np.abs(filled).max(axis=0, initial=0.0)
        z = centred / np.where(flat_F, 1.0, deviation_F)
        out[start:stop] = np.where(flat_F, 0.0, np.clip(z, -Z_CLIP, Z_CLIP))
    return out
