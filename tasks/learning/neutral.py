"""Neutral values: what is left of a value once what a name shares with its peers is taken out.

Peers are the members of one session, by sectors and betas as known then. Features and labels are
cleared by the same function, session by session, so that no session depends on any other.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tasks.learning.transforms import Array, Cells, Places, Transform, comparable

LabelKind = Literal["total", "market_neutral", "sector_neutral", "beta_neutral"]
FEWEST = 5  # members with a value that make the mean of a sector
NOTHING_LEFT = 1e-6  # of a session's deviation: less than this is the rounding of stored float32


def cleared(values_NF: Array, sector_N: Places | None = None, beta_N: Array | None = None) -> Array:
    """Return one session's values less the mean of their peers, and less what beta explains.

    Peers of a name are its sector, or the whole session where `sector_N` is None. A name without
    a sector, or with fewer than five of its sector that have the value, is compared with the whole
    session. With `beta_N`, values are the residuals of one regression on beta, both taken less the
    mean of their peers; a name without a beta counts as average: nothing is taken off for it.
    Values that are explained to the sixth digit become 0, as what is left is rounding.

    Args:
        values_NF: One row a member, NaN where absent; absent stays absent.
        sector_N: Codes of sectors, -1 where unknown.
        beta_N: Betas, NaN where unknown.
    """
    present_NF = np.isfinite(values_NF)
    mean_F = _mean(values_NF, present_NF)
    spread_NF = np.where(present_NF, values_NF - mean_F, 0.0)
    count_F = np.maximum(present_NF.sum(axis=0), 1)
    deviation_F = np.sqrt((spread_NF**2).sum(axis=0) / count_F)
    left_NF = spread_NF if sector_N is None else _less_peers(values_NF, present_NF, sector_N)
    if beta_N is not None:
        left_NF = left_NF - _explained(left_NF, present_NF, sector_N, beta_N)
    left_NF = np.where(np.abs(left_NF) <= NOTHING_LEFT * deviation_F, 0.0, left_NF)
    return np.where(present_NF, left_NF, np.nan)


def neutral_features(
    values: Array,
    cells: Cells,
    *,
    transform: Transform,
    sector: Places | None = None,
    beta: Array | None = None,
) -> Array:
    """Return values made comparable, cleared of sectors or beta, and made comparable again.

    They are ranked or z-scored before as well as after, so that no outlier decides a mean or the
    slope on beta; beta is transformed alike.

    Args:
        values: (rows, F) of all sessions, NaN where absent.
        cells: Where the rows stand.
        transform: How values are made comparable.
        sector: Of each row, -1 where unknown; None: not cleared of sectors.
        beta: Of each row, NaN where unknown; None: not cleared of beta.
    """
    first = comparable(values, cells, transform)
    beta_R = None if beta is None else comparable(beta[:, None], cells, transform)[:, 0]
    for rows in cells.sessions():
        left_NF = cleared(
            first[rows],
            None if sector is None else sector[rows],
            None if beta_R is None else beta_R[rows],
        )
        first[rows] = left_NF.round(9)  # what differs by rounding alone is a tie
    return comparable(first, cells, transform)


def neutral_labels(
    label_TN: Array,
    member_TN: NDArray[np.bool_],
    *,
    kind: LabelKind,
    sector_TN: Places | None = None,
    beta_TN: Array | None = None,
) -> Array:
    """Return labels less what the members of their session share; NaN for all other names.

    `total` leaves them as they are. `market_neutral` takes off the mean of the members,
    `sector_neutral` that of the members of the name's sector, `beta_neutral` what a regression on
    beta explains: see `cleared`.

    Args:
        label_TN: Total returns, NaN where unknown.
        member_TN: Who may be held.
        kind: What is taken off.
        sector_TN: Codes of sectors as known at each session, -1 where unknown.
        beta_TN: Betas as known at each session, NaN where unknown.
    """
    if kind == "total":
        return label_TN
    sector_TN = sector_TN if kind == "sector_neutral" else None
    beta_TN = beta_TN if kind == "beta_neutral" else None
    if kind != "market_neutral" and sector_TN is None and beta_TN is None:
        raise ValueError(f"Labels of kind {kind} need {kind.split('_')[0]}s, found none.")
    out_TN = np.full(label_TN.shape, np.nan)
    for row, label_N in enumerate(label_TN):
        names = np.flatnonzero(member_TN[row] & np.isfinite(label_N))
        left_N1 = cleared(
            label_N[names, None],
            None if sector_TN is None else sector_TN[row, names],
            None if beta_TN is None else beta_TN[row, names],
        )
        out_TN[row, names] = left_N1[:, 0]
    return out_TN


def sector_codes(sectors: Sequence[str | None]) -> Places:
    """Return a number for each sector, in the order of their names; -1 where it is not known.

    >>> sector_codes(["Tech", None, "Energy", "Tech"]).tolist()
    [1, -1, 0, 1]
    """
    known = sorted({name for name in sectors if name})
    number_of = {name: number for number, name in enumerate(known)}
    return np.array([number_of[name] if name else -1 for name in sectors], np.int64)


def _mean(values_NF: Array, present_NF: NDArray[np.bool_]) -> Array:
    total_F = np.where(present_NF, values_NF, 0.0).sum(axis=0)
    return np.asarray(total_F / np.maximum(present_NF.sum(axis=0), 1))


def _less_peers(values_NF: Array, present_NF: NDArray[np.bool_], sector_N: Places) -> Array:
    """Return values less the mean of their sector, or of all where it is too small; 0 if absent."""
    order = np.argsort(sector_N, kind="stable")
    codes, starts, sector_of = np.unique(sector_N[order], return_index=True, return_inverse=True)
    filled_NF = np.where(present_NF, values_NF, 0.0)[order]
    total_SF = np.add.reduceat(filled_NF, starts, axis=0)
    count_SF = np.add.reduceat(present_NF[order].astype(np.int64), starts, axis=0)
    enough_SF = (count_SF >= FEWEST) & (codes >= 0)[:, None]
    mean_F = _mean(values_NF, present_NF)
    mean_SF = np.where(enough_SF, total_SF / np.maximum(count_SF, 1), mean_F)
    peers_NF = np.empty_like(filled_NF)
    peers_NF[order] = mean_SF[sector_of]
    return np.where(present_NF, values_NF - peers_NF, 0.0)


def _explained(
    left_NF: Array, present_NF: NDArray[np.bool_], sector_N: Places | None, beta_N: Array
) -> Array:
    """Return what beta explains of values that are centred already; 0 where there is no beta."""
    both_NF = present_NF & np.isfinite(beta_N)[:, None]
    beta_NF = np.where(both_NF, beta_N[:, None], 0.0)
    if sector_N is None:
        tilt_NF = np.where(both_NF, beta_NF - _mean(beta_NF, both_NF), 0.0)
    else:
        tilt_NF = _less_peers(beta_NF, both_NF, sector_N)
    square_F = (tilt_NF**2).sum(axis=0)
    least_F = len(beta_N) * (NOTHING_LEFT * np.abs(beta_NF).max(axis=0, initial=0.0)) ** 2
    known_F = square_F > least_F
    slope_F = np.where(known_F, (left_NF * tilt_NF).sum(axis=0), 0.0) / np.where(
        known_F, square_F, 1.0
    )
    return np.asarray(slope_F * tilt_NF)
