"""Information coefficients: how well scores order what came after, session by session.

Arrays are (T, N), sessions × names, NaN where a name is absent. A name counts in a session when
both its score and its label are finite. Every sum runs name by name in the order given, or adds
whole numbers, so that the value of a session depends, to the last bit, on its own present names
alone: neither on the other sessions nor on absent names in between.

The information coefficient and its use are those of Grinold & Kahn, *Active Portfolio
Management* (2nd ed. 2000), chapter 6; the rank form is Spearman's correlation.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.statistics.ranks import Array, Flags, Whole, correlations, in_order, ranks_of, sizes_of


def ic_series(score_TN: ArrayLike, label_TN: ArrayLike, *, min_names: int) -> Array:
    """Return the correlation of scores and labels across names, one value a session.

    NaN where fewer than `min_names` names count, or where scores or labels are all the same.
    """
    score_TN, label_TN, both_TN = paired(score_TN, label_TN)
    cells, count_T = np.flatnonzero(both_TN), both_TN.sum(axis=1)
    session = np.repeat(np.arange(count_T.size), count_T)
    score, score_varies_T = _centred(score_TN.ravel().take(cells), session, count_T)
    label, label_varies_T = _centred(label_TN.ravel().take(cells), session, count_T)
    product_T = _sums(score * label, session, len(count_T))
    scale_T = np.sqrt(_sums(score**2, session, len(count_T)))
    scale_T = scale_T * np.sqrt(_sums(label**2, session, len(count_T)))
    known_T = score_varies_T & label_varies_T & (count_T >= max(min_names, 2)) & (scale_T > 0)
    ic_T = np.full(count_T.size, np.nan)
    ic_T[known_T] = np.clip(product_T[known_T] / scale_T[known_T], -1.0, 1.0)
    return ic_T


def rank_ic_series(score_TN: ArrayLike, label_TN: ArrayLike, *, min_names: int) -> Array:
    """Return the correlation of the ranks of scores and labels; ties share their mean rank.

    NaN as in `ic_series`. Ranks are taken among the names that have both score and label.
    """
    score_TN, label_TN, both_TN = paired(score_TN, label_TN)
    return correlations(
        ranks_of(in_order(score_TN), both_TN),
        ranks_of(in_order(label_TN), both_TN),
        sizes_of(both_TN, None, groups=1),
        code_TN=None,
        min_names=min_names,
    )[:, 0]


def quantile_returns(
    score_TN: ArrayLike, label_TN: ArrayLike, *, quantiles: int = 10, min_names: int
) -> Array:
    """Return the mean label of each quantile of scores, lowest scores first: (T, quantiles).

    Names with equal scores share a quantile. A quantile without names is NaN, and so is a
    session with fewer than `min_names`.
    """
    score_TN, label_TN, both_TN = paired(score_TN, label_TN)
    rank_TN = ranks_of(in_order(score_TN), both_TN)
    return quantile_means(rank_TN, label_TN, both_TN, quantiles=quantiles, min_names=min_names)


def quantile_means(
    rank_TN: Array, label_TN: Array, counts_TN: Flags, *, quantiles: int, min_names: int
) -> Array:
    """Return the mean label of each quantile of ranks: (T, quantiles); see `quantile_returns`."""
    sessions = len(label_TN)
    place_TN = buckets(rank_TN, counts_TN, quantiles=quantiles)
    place_TN += np.arange(0, sessions * quantiles, quantiles, dtype=np.int32)[:, None]
    place, label = place_TN[counts_TN], label_TN[counts_TN]
    count = np.bincount(place, minlength=sessions * quantiles)
    total = np.bincount(place, label, minlength=sessions * quantiles)
    means_TQ = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    means_TQ = means_TQ.reshape(sessions, quantiles)
    means_TQ[counts_TN.sum(axis=1) < min_names] = np.nan
    return means_TQ


def buckets(rank_TN: Array, counts_TN: Flags, *, quantiles: int) -> NDArray[np.int32]:
    """Return the quantile of each cell among its session's ranks, 0 the lowest; ties share one.

    With n names the doubled mean rank 2 r falls in quantile floor((2 r - 1) quantiles / 2 n).
    Cells that do not count get one too, which means nothing.
    """
    if quantiles < 2:
        raise ValueError(f"Expected at least 2 quantiles, found {quantiles}.")
    sizes_T1 = np.maximum(counts_TN.sum(axis=1, keepdims=True), 1).astype(np.int32)
    return (rank_TN.astype(np.int32) + sizes_T1) * np.int32(quantiles) // (2 * sizes_T1)


def paired(score_TN: ArrayLike, label_TN: ArrayLike) -> tuple[Array, Array, Flags]:
    """Return scores, labels, and where both are finite."""
    score, label = np.asarray(score_TN, np.float64), np.asarray(label_TN, np.float64)
    if score.ndim != 2 or score.shape != label.shape:
        raise ValueError(
            f"Expected scores and labels of one shape (T, N), "
            f"found {score.shape} and {label.shape}."
        )
    return score, label, np.isfinite(score) & np.isfinite(label)


def _sums(values: Array, session: Whole, sessions: int) -> Array:
    """Return the sum of each session's values, added one after the other."""
    return np.asarray(np.bincount(session, values, minlength=sessions), np.float64)


def _centred(values: Array, session: Whole, count_T: Whole) -> tuple[Array, NDArray[np.bool_]]:
    """Return values less their session's mean, and which sessions vary at all."""
    mean_T = _sums(values, session, count_T.size) / np.maximum(count_T, 1)
    filled_T = count_T > 0
    first = np.repeat(values[(np.cumsum(count_T) - count_T)[filled_T]], count_T[filled_T])
    varies_T = np.bincount(session, values != first, minlength=count_T.size) > 0
    return values - mean_T.take(session), varies_T
