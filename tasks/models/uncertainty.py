"""How sure a forecast is: how far its seeds differ, and how far labels have fallen from it.

A walk-forward interval at a session stands on labels that were known at its close, and is judged
by whether the labels that became known later fell into it as often as it said.
"""

import math
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from tasks.learning.panel import Panel
from tasks.models.fitting import Model, windows
from tasks.models.seeds import standardised
from tasks.statistics.discoveries import MeanTest, least_sessions, mean_test

Array = NDArray[np.float64]

SPREADS = {"session": pl.Date, "instrument": pl.String, "seed_spread": pl.Float64}
LEAST_PAST, MOST_PAST = 60, 250  # labelled sessions that an interval stands on
RATE = 0.005  # by which a session's misses move the level: the choice of Gibbs & Candes
LEAST_JUDGED = 60  # sessions whose labels an interval must have met
TOLERANCE = 0.01  # by which coverage may be off without being called false
SIGNIFICANCE = 0.05  # two-sided


class Intervals(NamedTuple):
    """Intervals of every session of a walk, as known at its close, and what they covered.

    A label is expected within `half_width_TN` of `centre_TN`, both in standard deviations of the
    session's labels; NaN where a name has no score or too little was known, and the half-width
    infinite where the level calls for all there is.
    """

    centre_TN: Array  # ic known then x score z
    half_width_TN: Array
    level_T: Array  # share of misses aimed at; NaN without interval
    covered_T: Array  # share of labels within; NaN until they were known at the last session


def seed_spread(score_NS: ArrayLike) -> Array:
    """Return the standard deviation (n - 1) over seeds of each name's standardised score.

    NaN for a single seed, which says nothing of how far others would differ.
    """
    scores = np.asarray(score_NS, np.float64)
    if scores.ndim != 2 or not np.isfinite(scores).all():
        raise ValueError(f"Expected finite scores (names, seeds), found shape {scores.shape}.")
    if scores.shape[1] < 2:
        return np.full(len(scores), np.nan)
    return np.asarray(standardised(scores).std(axis=1, ddof=1))


def seed_spreads(model: Model, panel: Panel, sessions: Sequence[date]) -> pl.DataFrame:
    """Return (session, instrument, seed_spread) of the members of each session, sorted.

    Null for a model of one seed. Sessions are left out as by `score_sessions`.
    """
    frames = [pl.DataFrame(schema=SPREADS)]
    for session, names_N, window_NTF in windows(model, panel, sessions):
        spread = pl.Series(seed_spread(model.by_seed(window_NTF)), dtype=pl.Float64)
        names = [panel.instruments[name] for name in names_N]
        rows = {"session": [session] * len(names), "instrument": names}
        frames.append(pl.DataFrame({**rows, "seed_spread": spread.fill_nan(None)}))
    return pl.concat(frames).sort("session", "instrument")


def intervals(
    score_TN: ArrayLike,
    label_TN: ArrayLike,
    *,
    horizon: int,
    misses: float = 0.1,
    scale_TN: ArrayLike | None = None,
) -> Intervals:
    """Return the interval of each name and session, from what was known at its close.

    Split conformal: the half-width is the `conformal_quantile` of |label - ic z| / scale over the
    newest 250 sessions whose labels were known, times the scale of the name; z is the score
    standardised in its session, and each ic the mean of z x label known on its own session.
    Vovk, Gammerman & Shafer, "Algorithmic learning in a random world" (2005); the scale is that
    of Lei, G'Sell, Rinaldo, Tibshirani & Wasserman, "Distribution-free predictive inference for
    regression", Journal of the American Statistical Association 113 (2018).

    Markets change, so that the past alone promises no coverage: the level follows the misses seen,
    level = misses + rate x sum (misses - share missed) over sessions with known labels: Gibbs &
    Candes, "Adaptive conformal inference under distribution shift", Advances in Neural
    Information Processing Systems 34 (2021), here with labels known horizon + 1 sessions late.

    Args:
        score_TN: Walk-forward scores of consecutive sessions, NaN where there is none.
        label_TN: Labels standardised in their session (`standardised_labels`). Those of the
            newest horizon + 1 sessions were not known at the last one and are never looked at.
        horizon: Sessions a label looks ahead.
        misses: Share of labels that may fall outside.
        scale_TN: Positive, known with the scores: how uncertain a name is against others, such as
            1 + its seed spread. All alike where not given.
    """
    z_TN, known_TN, scales_TN = _checked(score_TN, label_TN, scale_TN, horizon, misses)
    centre_TN = _known_ic(z_TN * known_TN, horizon)[:, None] * z_TN
    residual_TN = np.abs(known_TN - centre_TN) / scales_TN
    told_T = np.asarray(np.isfinite(residual_TN).any(axis=1))
    width_T, level_T, covered_T = np.full((3, len(z_TN)), np.nan)
    level = misses
    for session in range(len(z_TN)):
        newest = session - horizon - 1  # whose label has just become known
        if newest >= 0 and np.isfinite(covered_T[newest]):
            level += RATE * (misses - (1 - covered_T[newest]))
        past = np.flatnonzero(told_T[: max(newest + 1, 0)])[-MOST_PAST:]
        if past.size < LEAST_PAST:
            continue
        residuals = residual_TN[past]
        width = conformal_quantile(residuals[np.isfinite(residuals)], misses=level)
        width_T[session], level_T[session] = width, level
        if told_T[session]:  # met by the level only when its labels are known
            met = residual_TN[session][np.isfinite(residual_TN[session])]
            covered_T[session] = float((met <= width).mean())
    width_TN = np.where(np.isfinite(z_TN), width_T[:, None] * scales_TN, np.nan)
    return Intervals(centre_TN, width_TN, level_T, covered_T)


def conformal_quantile(residuals: ArrayLike, *, misses: float) -> float:
    """Return the ceil((n + 1)(1 - misses))-th smallest of n residuals.

    One more residual, exchangeable with these, is no larger with probability 1 - misses or more.
    Infinite where n is too small to promise that; 0 where nothing is promised.

    >>> conformal_quantile([3.0, 1.0, 2.0, 4.0], misses=0.2)
    4.0
    >>> conformal_quantile([3.0, 1.0, 2.0, 4.0], misses=0.1)
    inf
    """
    values = np.asarray(residuals, np.float64).ravel()
    # Without the allowance (n + 1)(1 - misses) may be a whole number and a last bit.
    rank = math.ceil((values.size + 1) * (1 - misses) - 1e-9)
    if rank > values.size:
        return math.inf
    return float(np.partition(values, rank - 1)[rank - 1]) if rank > 0 else 0.0


def coverage_gap(found: Intervals, *, horizon: int, misses: float = 0.1) -> MeanTest:
    """Return the realised coverage less the nominal one, with its error, over all sessions met.

    The error is the long-run one of `mean_test`, of one share a session: the names of a session,
    and sessions whose labels overlap, are not so many independent draws as a binomial error
    takes them for.
    """
    return mean_test(found.covered_T - (1 - misses), horizon=horizon)


def calibrated(found: Intervals, *, horizon: int, misses: float = 0.1) -> bool | None:
    """Say whether intervals cover what they say; None where too few sessions can tell.

    False where coverage is off, to either side, by significantly more than the tolerance of .01:
    a test of thousands of labels finds gaps that do not matter.
    """
    met = int(np.isfinite(found.covered_T).sum())
    if met < max(LEAST_JUDGED, least_sessions(horizon)):
        return None
    gap = coverage_gap(found, horizon=horizon, misses=misses)
    beyond = abs(gap.value) - TOLERANCE
    if beyond <= 0:
        return True
    return bool(beyond <= float(stdtrit(gap.freedom, 1 - SIGNIFICANCE / 2)) * gap.error)


def _known_ic(product_TN: Array, horizon: int) -> Array:
    """Return at each session the mean over sessions of mean z x label, as known at its close."""
    count_T = np.isfinite(product_TN).sum(axis=1)
    ic_T = np.nansum(product_TN, axis=1) / np.maximum(count_T, 1)
    mean_T = np.cumsum(ic_T) / np.maximum(np.cumsum(count_T > 0), 1)
    return np.concatenate([np.zeros(horizon + 1), mean_T])[: len(product_TN)]


def _checked(
    score_TN: ArrayLike,
    label_TN: ArrayLike,
    scale_TN: ArrayLike | None,
    horizon: int,
    misses: float,
) -> tuple[Array, Array, Array]:
    """Return standardised scores, the labels known at the last session, and scales."""
    score, label = np.asarray(score_TN, np.float64), np.array(label_TN, np.float64)
    scale = np.ones_like(score) if scale_TN is None else np.asarray(scale_TN, np.float64)
    if score.ndim != 2 or not score.shape == label.shape == scale.shape:
        raise ValueError(
            f"Expected scores, labels and scales of one shape (sessions, names), found "
            f"{score.shape}, {label.shape} and {scale.shape}."
        )
    if not 0 < misses < 1 or horizon < 1:
        raise ValueError(
            f"Expected a share of misses between 0 and 1 and a horizon of 1 or more, found "
            f"{misses} and {horizon}."
        )
    if np.isinf(score).any() or np.isinf(label).any():
        raise ValueError("Expected finite scores and labels or NaN, found infinite ones.")
    if not (np.isfinite(scale) & (scale > 0))[np.isfinite(score)].all():
        raise ValueError("Expected a finite positive scale wherever there is a score.")
    label[max(len(label) - horizon - 1, 0) :] = np.nan
    return _standardised_rows(score), label, scale


def _standardised_rows(score_TN: Array) -> Array:
    """Return scores of mean 0 and variance 1 in each session; 0 where all are alike."""
    here_TN = np.isfinite(score_TN)
    count_T1 = np.maximum(here_TN.sum(axis=1, keepdims=True), 1)
    centred_TN = score_TN - np.nansum(score_TN, axis=1, keepdims=True) / count_T1
    deviation_T1 = np.sqrt(np.nansum(centred_TN**2, axis=1, keepdims=True) / count_T1)
    return np.asarray(centred_TN / np.where(deviation_T1 > 1e-12, deviation_T1, 1.0))
