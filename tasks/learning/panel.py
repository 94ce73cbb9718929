"""The panel: what was known of every name of a universe, session by session, made comparable.

Ranks and z-scores depend on the universe, so they are made here and never stored. Each session is
transformed among its own members alone: nothing in a session depends on any other session, nor on
names that were not members then.
"""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import rankdata

from tasks.learning.neutral import neutral_features, sector_codes
from tasks.learning.transforms import Z_CLIP, Array, Cells, Transform, comparable

Peers = Literal["sector", "beta"]
SECTOR = "number of its sector"  # no feature is called so


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
    transform: Transform,
    neutral_to: Collection[Peers] = (),
    beta: str | None = None,
    whole_session: Collection[str] = (),
) -> Panel:
    """Return the panel of the members' features, ranked to [-1, 1] or z-scored in each session.

    A name counts as a member where it is in `members` and has at least one finite feature of its
    own. An absent feature is 0 after the transform, the middle of its session. With `columns` the
    panel has exactly these; without, all columns of the frame less those that are null everywhere.
    Sessions are those of both frames, so a session without members stays, and look-backs count it.

    Neutral to sectors, a feature is compared within the sector as known at its session; neutral to
    beta, it is what a regression on beta leaves (of beta itself nothing): see `cleared`.

    Args:
        features: One row per (session, instrument), one numeric column a feature.
        members: (session, instrument), one row for each name that may be held; and its sector,
            null where unknown, to be neutral to sectors.
        columns: Features to take, in the panel's order.
        transform: `rank` (ties share their mean rank) or `zscore` (clipped at 5).
        neutral_to: What features are cleared of.
        beta: The feature that is a name's beta, to be neutral to it.
        whole_session: Features that are the same for all names of a session, scaled by their own
            past already: they pass untransformed, clipped at 5, and make no name a member.
    """
    chosen = tuple(columns) if columns is not None else _filled(features)
    betas = _betas(neutral_to, beta)
    _refuse(features, chosen, betas)
    own = [place for place, name in enumerate(chosen) if name not in whole_session]
    if not own:
        raise ValueError(
            "Every feature is the same for all names of a session: nothing tells them apart."
        )
    rows, cells, (sessions, instruments) = _rows(
        features, members, by_sector="sector" in neutral_to
    )
    values = _finite(rows, chosen)
    member_TN = np.zeros(cells.shape, bool)
    member_TN[cells.row_T, cells.row_N] = ~np.isnan(values[:, own]).all(axis=1)
    out = np.clip(values, -Z_CLIP, Z_CLIP)
    if neutral_to:
        out[:, own] = neutral_features(
            values[:, own],
            cells,
            transform=transform,
            sector=rows[SECTOR].to_numpy() if "sector" in neutral_to else None,
            beta=_finite(rows, betas)[:, 0] if betas else None,
        )
    else:
        out[:, own] = comparable(values[:, own], cells, transform)
    features_NTF = np.zeros((len(instruments), len(sessions), len(chosen)), np.float32)
    features_NTF[cells.row_N, cells.row_T] = np.nan_to_num(out, nan=0.0)
    return Panel(tuple(sessions), tuple(instruments), chosen, features_NTF, member_TN)


def _rows(
    features: pl.DataFrame, members: pl.DataFrame, *, by_sector: bool
) -> tuple[pl.DataFrame, Cells, tuple[list[date], list[str]]]:
    """Return the features of members, where each row stands, and the axes of the grid."""
    held = ["session", "instrument"]
    told = with_sector_codes(members) if by_sector else members.select(held)
    rows = told.unique(held, keep="first").join(features, on=held, how="inner").sort(held)
    sessions = _union(features["session"], members["session"])
    instruments = rows["instrument"].unique().sort().to_list()
    shape = len(sessions), len(instruments)
    places = _places(rows["session"], sessions), _places(rows["instrument"], instruments)
    return rows, Cells(*places, shape), (sessions, instruments)


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


def with_sector_codes(members: pl.DataFrame) -> pl.DataFrame:
    """Return (session, instrument) and the number of each name's sector, -1 where unknown.

    Takes `members` (session, instrument, sector); raises where no name has a sector at all.
    """
    told = members["sector"].to_list() if "sector" in members.columns else []
    codes = sector_codes(told)
    if members.height and not (codes >= 0).any():
        raise ValueError(
            f"No sector is known of any of the {members['instrument'].n_unique()} members: ask "
            "for nothing neutral to sectors, or name a source whose listings tell them."
        )
    return members.select("session", "instrument", pl.Series(SECTOR, codes, pl.Int64))


def on_panel(values: pl.DataFrame, column: str, panel: Panel, *, absent: float) -> Array:
    """Return `column` of (session, instrument, column) on the panel's axes; `absent` elsewhere."""
    row_T = pl.DataFrame({"session": panel.sessions}, schema={"session": pl.Date})
    row_N = pl.DataFrame({"instrument": panel.instruments}, schema={"instrument": pl.String})
    found = (
        values.select("session", "instrument", pl.col(column).cast(pl.Float64).alias("value"))
        .join(row_T.with_row_index("row"), on="session")
        .join(row_N.with_row_index("column"), on="instrument")
        .filter(pl.col("value").is_finite())
    )
    out_TN = np.full((len(panel.sessions), len(panel.instruments)), absent)
    out_TN[found["row"].to_numpy(), found["column"].to_numpy()] = found["value"].to_numpy()
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


def _betas(neutral_to: Collection[Peers], beta: str | None) -> list[str]:
    if "beta" not in neutral_to:
        return []
    if beta is None:
        raise ValueError("To be neutral to beta, name the feature that is it.")
    return [beta]


def _refuse(features: pl.DataFrame, chosen: Sequence[str], beta: Sequence[str]) -> None:
    """Raise where a feature that is asked for is not there, or nothing is."""
    if absent := [name for name in (*chosen, *beta) if name not in features.columns]:
        raise ValueError(
            f"The features lack {', '.join(absent)}; there is: {', '.join(_named(features))}."
        )
    if not chosen:
        raise ValueError("No feature column has a value: there is nothing to learn from.")


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
