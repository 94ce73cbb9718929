"""Information coefficients: how well scores order what came after, session by session.

Arrays are (T, N), sessions × names, NaN where a name is absent. A name counts in a session when
both its score and its label are finite. Every sum runs name by name in the order given, so that
the value of a session depends, to the last bit, on its own present names alone: neither on the
other sessions nor on absent names in between.

The information coefficient and its use are those of Grinold & Kahn, *Active Portfolio
Management* (2nd ed. 2000), chapter 6; the rank form is Spearman's correlation.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


def ic_series(score_TN: ArrayLike, label_TN: ArrayLike, *, min_names: int) -> Array:
    """Return the correlation of scores and labels across names, one value a session.

    NaN where fewer than `min_names` names count, or where scores or labels are all the same.
    """
    score_NT, label_NT, present_NT = _paired(score_TN, label_TN)
    return _correlations(score_NT, label_NT, present_NT, min_names=min_names)


def rank_ic_series(score_TN: ArrayLike, label_TN: ArrayLike, *, min_names: int) -> Array:
    """Return the correlation of the ranks of scores and labels; ties share their mean rank.

    NaN as in `ic_series`. Ranks are taken among the names that have both score and label.
    """
    score_NT, label_NT, present_NT = _paired(score_TN, label_TN)
    return _correlations(_ranks(score_NT), _ranks(label_NT), present_NT, min_names=min_names)


def quantile_returns(
    score_TN: ArrayLike, label_TN: ArrayLike, *, quantiles: int = 10, min_names: int
) -> Array:
    """Return the mean label of each quantile of scores, lowest scores first: (T, quantiles).

    Names with equal scores share a quantile. A quantile without names is NaN, and so is a
    session with fewer than `min_names`.
    """
    if quantiles < 2:
        raise ValueError(f"Expected at least 2 quantiles, found {quantiles}.")
    score_NT, label_NT, present_NT = _paired(score_TN, label_TN)
    count_T = present_NT.sum(axis=0)
    doubled_NT = np.where(present_NT, 2 * _ranks(score_NT) - 1, 0).astype(np.int64)  # exact
    bucket_NT = doubled_NT * quantiles // np.maximum(2 * count_T, 1)
    means_TQ = np.full((count_T.size, quantiles), np.nan)
    for quantile in range(quantiles):
        inside_NT = present_NT & (bucket_NT == quantile)
        inside_T = inside_NT.sum(axis=0)
        filled_T = (inside_T > 0) & (count_T >= min_names)
        total_T = _sums(np.where(inside_NT, label_NT, 0.0))
        means_TQ[filled_T, quantile] = total_T[filled_T] / inside_T[filled_T]
    return means_TQ


def _paired(score_TN: ArrayLike, label_TN: ArrayLike) -> tuple[Array, Array, Flags]:
    """Return scores and labels as (N, T) with NaN unless both are finite, and where they are."""
    score, label = np.asarray(score_TN, np.float64), np.asarray(label_TN, np.float64)
    if score.ndim != 2 or score.shape != label.shape:
        raise ValueError(
            f"Expected scores and labels of one shape (T, N), "
            f"found {score.shape} and {label.shape}."
        )
    present_NT = np.ascontiguousarray((np.isfinite(score) & np.isfinite(label)).T)
    score_NT = np.where(present_NT, score.T, np.nan)
    label_NT = np.where(present_NT, label.T, np.nan)
    return np.ascontiguousarray(score_NT), np.ascontiguousarray(label_NT), present_NT


def _sums(values_NT: Array) -> Array:
    """Return the sum over names, added one name after the other.

    numpy adds whole rows in order as long as there are several columns; a single column would be
    summed in pairs, with other last bits, hence the second one.
    """
    if values_NT.shape[1] == 1:
        values_NT = np.repeat(values_NT, 2, axis=1)
        return np.asarray(values_NT.sum(axis=0)[:1])
    return np.asarray(np.ascontiguousarray(values_NT).sum(axis=0))


def _correlations(first_NT: Array, second_NT: Array, present_NT: Flags, *, min_names: int) -> Array:
    count_T = present_NT.sum(axis=0)
    safe_T = np.maximum(count_T, 1)
    first_NT, varies_T = _centred(first_NT, present_NT, safe_T)
    second_NT, also_varies_T = _centred(second_NT, present_NT, safe_T)
    product_T = _sums(first_NT * second_NT)
    scale_T = np.sqrt(_sums(first_NT**2)) * np.sqrt(_sums(second_NT**2))
    known_T = varies_T & also_varies_T & (count_T >= max(min_names, 2)) & (scale_T > 0)
    ic_T = np.full(count_T.size, np.nan)
    ic_T[known_T] = np.clip(product_T[known_T] / scale_T[known_T], -1.0, 1.0)
    return ic_T


def _centred(
    values_NT: Array, present_NT: Flags, count_T: NDArray[np.int64]
) -> tuple[Array, Flags]:
    """Return values less their session's mean, 0 where absent, and which sessions vary at all."""
    if not len(values_NT):
        return values_NT, np.zeros(values_NT.shape[1], bool)
    varies_T = np.fmax.reduce(values_NT, axis=0) > np.fmin.reduce(values_NT, axis=0)
    mean_T = _sums(np.where(present_NT, values_NT, 0.0)) / count_T
    return np.where(present_NT, values_NT - mean_T, 0.0), varies_T


def _ranks(values_NT: Array) -> Array:
    """Return ranks from 1 within each column, ties at their mean rank, NaN where absent."""
    values_TN = np.ascontiguousarray(values_NT.T)
    sessions, names = values_TN.shape
    order_TN = np.argsort(values_TN, axis=1, kind="stable")  # NaN comes last
    sorted_TN = np.take_along_axis(values_TN, order_TN, axis=1)
    place_N = np.arange(names)
    starts_TN = np.ones((sessions, names), bool)
    starts_TN[:, 1:] = sorted_TN[:, 1:] != sorted_TN[:, :-1]
    first_TN = np.maximum.accumulate(np.where(starts_TN, place_N, 0), axis=1)
    ends_TN = np.ones((sessions, names), bool)
    ends_TN[:, :-1] = starts_TN[:, 1:]
    last_TN = np.where(ends_TN, place_N, names)[:, ::-1]
    last_TN = np.minimum.accumulate(last_TN, axis=1)[:, ::-1]
    ranks_TN = np.empty((sessions, names))
    np.put_along_axis(ranks_TN, order_TN, (first_TN + last_TN) / 2 + 1, axis=1)
    return np.ascontiguousarray(np.where(np.isnan(values_TN), np.nan, ranks_TN).T)
