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
    both_NT, count_T = np.ascontiguousarray(both_TN.T), both_TN.sum(axis=1)
    score_NT, score_varies_T = _centred(score_TN, both_NT, count_T)
    label_NT, label_varies_T = _centred(label_TN, both_NT, count_T)
    scale_T = np.sqrt(_sums(score_NT**2)) * np.sqrt(_sums(label_NT**2))
    known_T = score_varies_T & label_varies_T & (count_T >= max(min_names, 2)) & (scale_T > 0)
    ic_T = np.clip(_sums(score_NT * label_NT) / np.where(known_T, scale_T, 1.0), -1.0, 1.0)
    return np.where(known_T, ic_T, np.nan)


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


def _sums(values_NT: Array) -> Array:
    """Return the sum over names, added one name after the other.

    numpy adds whole rows in order as long as there are several columns; a single column would be
    summed in pairs, with other last bits, hence the second one.
    """
    if values_NT.shape[1] == 1:
        return np.asarray(np.repeat(values_NT, 2, axis=1).sum(axis=0)[:1])
    return np.asarray(values_NT.sum(axis=0))


def _centred(values_TN: Array, counts_NT: Flags, count_T: Whole) -> tuple[Array, Flags]:
    """Return values less their session's mean, 0 where absent, and which sessions vary at all."""
    values_NT = np.ascontiguousarray(values_TN.T)
    filled_NT = np.where(counts_NT, values_NT, 0.0)
    most_T = np.where(counts_NT, values_NT, -np.inf).max(axis=0, initial=-np.inf)
    least_T = np.where(counts_NT, values_NT, np.inf).min(axis=0, initial=np.inf)
    mean_T = _sums(filled_NT) / np.maximum(count_T, 1)
    return np.where(counts_NT, filled_NT - mean_T, 0.0), most_T > least_T
