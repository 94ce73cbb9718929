"""Whether losses broke through a value-at-risk as often, and as independently, as they should."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import xlogy


def kupiec(exceedances: int, count: int, probability: float) -> float:
    """Return the p-value that exceedances come with `probability`, e.g. 0.05 for VaR 95 %.

    Kupiec, "Techniques for verifying the accuracy of risk measurement models", Journal of
    Derivatives 3 (1995): the likelihood ratio of the observed share, chi-square with 1 degree of
    freedom. NaN where nothing was observed.
    """
    if not 0 < probability < 1:
        raise ValueError(f"Expected a probability between 0 and 1, found {probability}.")
    if not 0 <= exceedances <= count:
        raise ValueError(f"Expected 0 to {count} exceedances, found {exceedances}.")
    return float(stats.chi2.sf(_kupiec_ratio(exceedances, count, probability), 1))


def christoffersen(exceeded: ArrayLike) -> float:
    """Return the p-value that an exceedance is as likely after one as after none.

    Takes one flag a session, in order. Christoffersen, "Evaluating interval forecasts",
    International Economic Review 39 (1998). 1 where there is no exceedance to judge; NaN with
    fewer than two sessions.
    """
    return float(stats.chi2.sf(_independence_ratio(np.asarray(exceeded, bool)), 1))


def _kupiec_ratio(exceedances: int, count: int, probability: float) -> float:
    if count == 0:
        return float("nan")
    expected = _log_likelihood(exceedances, count - exceedances, probability)
    observed = _log_likelihood(exceedances, count - exceedances, exceedances / count)
    return max(2 * (observed - expected), 0.0)


def _independence_ratio(flags: np.ndarray) -> float:
    if flags.size < 2:
        return float("nan")
    before, after = flags[:-1], flags[1:]
    calm_calm, calm_hit = int((~before & ~after).sum()), int((~before & after).sum())
    hit_calm, hit_hit = int((before & ~after).sum()), int((before & after).sum())
    after_calm = calm_hit / max(calm_calm + calm_hit, 1)
    after_hit = hit_hit / max(hit_calm + hit_hit, 1)
    either = (calm_hit + hit_hit) / (flags.size - 1)
    apart = _log_likelihood(calm_hit, calm_calm, after_calm)
    apart += _log_likelihood(hit_hit, hit_calm, after_hit)
    alike = _log_likelihood(calm_hit + hit_hit, calm_calm + hit_calm, either)
    return max(2 * (apart - alike), 0.0)


def _log_likelihood(hits: int, misses: int, probability: float) -> float:
    return float(xlogy(hits, probability) + xlogy(misses, 1 - probability))
