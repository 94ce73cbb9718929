"""The series of a signal, one value a session, made some sessions at a time.

Tables of a few sessions stay in the processor's own memory, which is several times faster than
tables of all. No value depends on which sessions are made together.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.statistics.ic import buckets, ic_series, quantile_means
from tasks.statistics.ranks import (
    Array,
    Flags,
    Sorted,
    Whole,
    correlations,
    grouped,
    in_order,
    ranks_of,
    sizes_of,
)
from tasks.statistics.yardstick import Stretch, Target, Yardstick


class Series(NamedTuple):
    """What is known of a signal session by session; NaN where it is not.

    `rank_TN`, `bottom_TN` and `top_TN`, the names of the lowest and the highest quantile, are
    taken among all scored members; `quantile_TQ` among those that have a label too.
    """

    scored_T: Whole
    names_T: Whole  # scored and labelled
    ic_T: Array
    rank_ic_TH: Array  # by horizon, as the yardstick lists them
    quantile_TQ: Array  # mean labels
    scored_TN: Flags
    rank_TN: Array
    bottom_TN: Flags
    top_TN: Flags
    group_ic_TG: Array  # rank IC by group, the yardstick's groupings side by side


def series_of(score_TN: NDArray[np.floating], against: Yardstick) -> Series:
    """Return the series of a signal, (T, N); scores of names that are not members do not count."""
    if score_TN.shape != against.member_TN.shape:
        raise ValueError(f"Expected scores {against.member_TN.shape}, found {score_TN.shape}.")
    parts = [_part(score_TN[one.sessions], one, against) for one in against.stretches]
    return Series(*(np.concatenate(tables) for tables in zip(*parts, strict=True)))


def rank_ics_of(score_TN: NDArray[np.floating], against: Yardstick) -> Array:
    """Return the rank IC over the yardstick's own horizon and nothing else, one value a session."""
    parts = []
    for one in against.stretches:
        score_here_TN = np.where(one.member_TN, score_TN[one.sessions], np.nan)
        order, scored_TN = in_order(score_here_TN), np.isfinite(score_here_TN)
        parts.append(_rank_ics(order, scored_TN, one.targets[against.horizon], against.min_names))
    return np.concatenate(parts)[:, 0]


def _part(score_TN: NDArray[np.floating], one: Stretch, against: Yardstick) -> Series:
    """Return the series of one stretch."""
    score_TN = np.where(one.member_TN, score_TN, np.nan).astype(np.float64)
    order, scored_TN, least = in_order(score_TN), np.isfinite(score_TN), against.min_names
    by_horizon = [_rank_ics(order, scored_TN, target, least) for target in one.targets.values()]
    by_group = [_rank_ics(order, scored_TN, target, least) for target in one.groupings.values()]
    enough, quantiles = max(least, against.quantiles), against.quantiles
    judged_TN, rank_TN = scored_TN & np.isfinite(one.label_TN), ranks_of(order, scored_TN)
    bucket_TN = buckets(rank_TN, scored_TN, quantiles=quantiles)
    bucket_TN[~scored_TN | (scored_TN.sum(axis=1, keepdims=True) < enough)] = -1
    return Series(
        scored_TN.sum(axis=1),
        judged_TN.sum(axis=1),
        ic_series(score_TN, one.label_TN, min_names=least),
        np.hstack(by_horizon),
        quantile_means(
            ranks_of(order, judged_TN),
            one.label_TN,
            judged_TN,
            quantiles=quantiles,
            min_names=enough,
        ),
        scored_TN,
        rank_TN,
        bucket_TN == 0,
        bucket_TN == quantiles - 1,
        np.hstack([np.empty((len(score_TN), 0)), *by_group]),
    )


def _rank_ics(order: Sorted, scored_TN: Flags, target: Target, min_names: int) -> Array:
    """Return the rank IC of scores and labels in each session, or group of it: (T, groups)."""
    both_TN, code_TN, label_TN = scored_TN & target.known_TN, target.code_TN, target.rank_TN
    if code_TN is not None:
        code_TN = np.where(scored_TN, code_TN, np.int16(-1))
        order = grouped(order, code_TN)
    if (both_TN != target.known_TN).any():  # some labelled name has no score
        label_TN = ranks_of(target.order, both_TN)
    return correlations(
        ranks_of(order, both_TN),
        label_TN,
        sizes_of(both_TN, code_TN, groups=target.groups),
        code_TN=code_TN,
        min_names=min_names,
    )
