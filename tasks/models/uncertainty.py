"""How sure a forecast is: how far its seeds differ, and how far labels have fallen from it.

A walk-forward interval at a session stands on labels that were known at its close, and is judged
by whether the labels that became known later fell into it as often as it said.
"""

import math
from collections import deque
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from tasks.learning.panel import Panel
from tasks.models.fitting import SCORES, Model, seed_scores
from tasks.models.seeds import standardised
from tasks.statistics.discoveries import MeanTest, least_sessions, mean_test

Array = NDArray[np.float64]

SPREADS = {**SCORES, "seed_spread": pl.Float64}
MISSES = 0.1  # share of labels that may fall outside
LEAST_PAST, MOST_PAST = 60, 250  # labelled sessions that an interval stands on
RATE = 0.005  # by which a session's misses move the level: the choice of Gibbs & Candes
LEAST_JUDGED = 60  # sessions whose labels an interval must have met
TOLERANCE = 0.01  # by which coverage may be off without being called false
SIGNIFICANCE = 0.05  # two-sided


class Interval(NamedTuple):
    """What is expected at one close: ic x score z, give or take a half-width times the scale."""

    ic: float  # mean of z x label over the sessions known; 0 where there is none
    half_width: float  # NaN where too few sessions are known
    level: float  # share of misses aimed at


class Residuals:
    """What is known of the labels of a walk, session by session, as they become known.

    Args:
        misses: Share of labels that may fall outside.
    """

    def __init__(self, misses: float = MISSES) -> None:
        self._misses = self._level = misses
        self._ic, self._sessions = 0.0, 0
        self._newest: deque[Array] = deque(maxlen=MOST_PAST)

    def learn(self, residual_N: Array, *, ic: float, covered: float) -> None:
        """Learn what became of one session, of those not learned before the oldest.

        Args:
            residual_N: |label - expected| / scale of its names; empty where it has no labels, or
                lies so far back that no interval stands on it.
            ic: Mean of z x label; NaN without labels.
            covered: Share of the labels within its interval; NaN where it had none.
        """
        if math.isfinite(covered):
            self._level += RATE * (self._misses - (1 - covered))
        if math.isfinite(ic):
            self._ic, self._sessions = self._ic + ic, self._sessions + 1
        if residual_N.size:
            self._newest.append(residual_N)

    def interval(self) -> Interval:
        """Return what is expected now."""
        ic, width = self._ic / max(self._sessions, 1), math.nan
        if len(self._newest) >= LEAST_PAST:
            width = conformal_quantile(np.concatenate(self._newest), misses=self._level)
        return Interval(ic, width, self._level)


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


def scores_and_spreads(model: Model, panel: Panel, sessions: Sequence[date]) -> pl.DataFrame:
    """Return (session, instrument, score, seed_spread) of each session's members, sorted.

    Scores and sessions are those of `score_sessions`; the spread is null for a model of one seed.
    """
    frames = [pl.DataFrame(schema=SPREADS)]
    for session, names, score_NS in seed_scores(model, panel, sessions):
        numbers = {"score": score_NS.mean(axis=1), "seed_spread": seed_spread(score_NS)}
        rows = {"session": [session] * len(names), "instrument": names, **numbers}
        frames.append(pl.DataFrame(rows, schema=SPREADS))
    spread = pl.col("seed_spread").fill_nan(None)
    return pl.concat(frames).with_columns(spread).sort("session", "instrument")


def intervals(
    score_TN: ArrayLike,
    label_TN: ArrayLike,
    *,
    horizon: int,
    misses: float = MISSES,
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
    ic_T = session_ics(z_TN, known_TN)
    centre_TN, width_TN = np.full((2, *z_TN.shape), np.nan)
    level_T, covered_T = np.full((2, len(z_TN)), np.nan)
    residual_TN = np.full(z_TN.shape, np.nan)
    known = Residuals(misses)
    for session in range(len(z_TN)):
        newest = session - horizon - 1  # whose label has just become known
        if newest >= 0:
            told_N = residual_TN[newest][np.isfinite(residual_TN[newest])]
            known.learn(told_N, ic=ic_T[newest], covered=covered_T[newest])
        now = known.interval()
        centre_TN[session] = now.ic * z_TN[session]
        residual_TN[session] = np.abs(known_TN[session] - centre_TN[session]) / scales_TN[session]
        covered_T[session] = covered_share(residual_TN[session], now.half_width)
        level_T[session] = np.nan if np.isnan(now.half_width) else now.level
        here_N = np.isfinite(z_TN[session])
        width_TN[session, here_N] = now.half_width * scales_TN[session, here_N]
    return Intervals(centre_TN, width_TN, level_T, covered_T)


def session_ics(z_TN: ArrayLike, label_TN: ArrayLike) -> Array:
    """Return the mean of z x label of each session; NaN where no name has both."""
    product_TN = np.asarray(z_TN, np.float64) * np.asarray(label_TN, np.float64)
    count_T = np.isfinite(product_TN).sum(axis=1)
    total_T = np.nansum(product_TN, axis=1)
    return np.where(count_T > 0, total_T / np.maximum(count_T, 1), np.nan)


def covered_share(residual_N: Array, half_width: float) -> float:
    """Return the share of residuals within a half-width, NaN left out; NaN without either."""
    told_N = residual_N[np.isfinite(residual_N)]
    if math.isnan(half_width) or not told_N.size:
        return math.nan
    return float((told_N <= half_width).mean())


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


def coverage_gap(found: Intervals, *, horizon: int, misses: float = MISSES) -> MeanTest:
    """Return the realised coverage less the nominal one, with its error, over all sessions met.

    The error is the long-run one of `mean_test`, of one share a session: the names of a session,
    and sessions whose labels overlap, are not so many independent draws as a binomial error
    takes them for.
    """
    return mean_test(found.covered_T - (1 - misses), horizon=horizon)


def calibrated(found: Intervals, *, horizon: int, misses: float = MISSES) -> bool | None:
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
    return standardised_rows(score), label, scale


def standardised_rows(score_TN: Array) -> Array:
    """Return scores of mean 0 and variance 1 in each session; 0 where all are alike."""
    here_TN = np.isfinite(score_TN)
    count_T1 = np.maximum(here_TN.sum(axis=1, keepdims=True), 1)
    centred_TN = score_TN - np.nansum(score_TN, axis=1, keepdims=True) / count_T1
    deviation_T1 = np.sqrt(np.nansum(centred_TN**2, axis=1, keepdims=True) / count_T1)
    return np.asarray(centred_TN / np.where(deviation_T1 > 1e-12, deviation_T1, 1.0))
