"""How fast a signal changes its mind: what holding to it costs in trades."""

import numpy as np

from tasks.statistics.ranks import Array, Flags

CELLS_AT_ONCE = 2**15  # what the processor's own memory holds of a few tables


def rank_autocorrelation(rank_TN: Array, present_TN: Flags, *, lag: int) -> Array:
    """Return the correlation of a session's ranks with those `lag` sessions before: (T,).

    Ranks are those among all names of their own session, 0 where a name is absent, and are
    correlated over the names present in both. NaN in the first sessions, without two common names
    and where ranks do not vary.
    """
    sessions, names = rank_TN.shape
    out_T = np.full(sessions, np.nan)
    step = max(1, CELLS_AT_ONCE // max(names, 1))
    for start in range(lag, sessions, step):
        now = slice(start, min(start + step, sessions))
        then = slice(now.start - lag, now.stop - lag)
        out_T[now] = _correlation(rank_TN[now], rank_TN[then], present_TN[now], present_TN[then])
    return out_T


def _correlation(now_TN: Array, then_TN: Array, here_TN: Flags, there_TN: Flags) -> Array:
    """Return the correlation over the names present in both; ranks are 0 where absent.

    Ranks are whole numbers: up to 300,000 names their sums stay below 2^53 and so are exact, in
    whatever order they are added. What is made of the sums is rounded, but in one order.
    """
    both_TN = (here_TN & there_TN).astype(np.float64)
    count_T = both_TN.sum(axis=1)
    now_TN, then_TN = now_TN * both_TN, then_TN * both_TN
    now_T, then_T = now_TN.sum(axis=1), then_TN.sum(axis=1)
    covariance_T = count_T * _dot(now_TN, then_TN) - now_T * then_T
    scale_T = np.sqrt(count_T * _dot(now_TN, now_TN) - now_T**2)
    scale_T = scale_T * np.sqrt(count_T * _dot(then_TN, then_TN) - then_T**2)
    known_T = (count_T >= 2) & (scale_T > 0)
    clipped_T = np.clip(covariance_T / np.where(known_T, scale_T, 1.0), -1.0, 1.0)
    return np.where(known_T, clipped_T, np.nan)


def turnover(held_TN: Flags, *, lag: int) -> Array:
    """Return the share of the names held in a session that were not `lag` sessions before: (T,).

    NaN in the first sessions, and where one of the two sessions holds no name.
    """
    out_T = np.full(len(held_TN), np.nan)
    if lag >= len(held_TN):
        return out_T
    held_T = held_TN.sum(axis=1)
    stayed_T = (held_TN[lag:] & held_TN[:-lag]).sum(axis=1)
    known_T = (held_T[lag:] > 0) & (held_T[:-lag] > 0)
    out_T[lag:][known_T] = 1 - stayed_T[known_T] / held_T[lag:][known_T]
    return out_T


def _dot(first_TN: Array, second_TN: Array) -> Array:
    return np.asarray(np.einsum("tn,tn->t", first_TN, second_TN))
