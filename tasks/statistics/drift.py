"""Whether what a model sees, or what it is worth, is no longer what it was.

Both answers are tests: how large a figure grows by luck alone is worked out from how the sessions
of the past resemble their neighbours, and not taken from a rule of thumb.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.fft import dct

from tasks.statistics.discoveries import mean_test
from tasks.statistics.looks import holm

Array = NDArray[np.float64]
State = Literal["steady", "watch", "drifted"]
STATES: tuple[State, ...] = ("steady", "watch", "drifted")

LEVEL = 0.05  # adjusted p-value from which a shift is more than luck
NOTABLE, LARGE = 0.1, 0.25  # index from which a shift that is no luck is worth a watch, a step
LEAST_RECENT = 20  # sessions to be judged
WINDOWS = 4  # of the recent length that the reference must hold, to know what luck moves them

YEAR = 260  # sessions a watch lasts, which then starts anew
ALARM, WATCH = 0.05, 0.2  # share of steady years in which a sum gets past its interval, by luck
LEAST_RECORD = 120  # sessions that say what a model was worth
LEAST_SLACK = 0.1  # long-run deviations a session
PATHS, SEED = 20_000, 7  # of the simulated years


class Stability(NamedTuple):
    """How far one feature has moved between two windows, and how far luck would move it."""

    name: str
    shift: float  # population stability index
    luck: float  # what the index is expected to be without any shift
    p: float
    adjusted_p: float  # Holm, over all features given
    state: State


class Decay(NamedTuple):
    """What became of a model's daily rank IC in the sessions watched.

    Sums are in long-run deviations of a session, below the record's mean less the slack. `state`
    is None, and the figures NaN, where the record is too short to say what the model was worth.
    """

    state: State | None
    highest: float  # the largest sum so far: an alarm stays until a new watch starts
    watch: float  # passed in one steady year of five
    alarm: float  # passed in one steady year of twenty
    mean: float  # rank IC of the record
    deviation: float  # its long-run standard deviation, of one session
    slack: float
    sum_T: Array  # one for each session watched


def stability(
    reference: Mapping[str, ArrayLike], recent: Mapping[str, ArrayLike], *, bins: int = 10
) -> list[Stability]:
    """Return how far each feature has moved from the reference window to the recent one, in order.

    The index is sum (q - p) ln(q / p) over bins by quantiles of the reference, with p and q the
    mean over sessions of the share of names in a bin. A value that many names share is a bin of
    its own. A share is never taken as less than half a value of the smaller window. Were all values
    independent, the index of no shift would be (1/n + 1/m) times a chi-square with bins - 1
    degrees of freedom: Yurdakul, "Statistical properties of population stability index" (Western
    Michigan University, 2018). Names of one session and sessions side by side are not, so the
    covariance of the shares is taken from the reference's sessions, as in `_luck`.

    A shift is told by its p-value, adjusted for the number of features, and by its size: of
    millions of values the slightest shift is no luck, and yet of no consequence.

    Args:
        reference: Of each feature (sessions, names), NaN where a name does not count; four times
            the recent sessions or more.
        recent: The same features in later sessions, 20 or more; the names may be others.
        bins: Of equal share in the reference, where its values allow.
    """
    _refuse(reference, recent, bins)
    moved = [
        (name, *_moved(*map(_table, (values, recent[name])), bins=bins))
        for name, values in reference.items()
    ]
    adjusted = holm([p for *_, p in moved], [1.0] * len(moved), total=float(len(moved)))
    return [
        Stability(name, index, luck, p, own, _size(index) if own <= LEVEL else "steady")
        for (name, index, luck, p), own in zip(moved, adjusted, strict=True)
    ]


def worst(found: Sequence[Stability]) -> Stability:
    """Return the feature that has moved furthest, by state, then by p-value, then by index."""
    if not found:
        raise ValueError("No feature to choose the worst of.")
    return max(found, key=lambda one: (STATES.index(one.state), -one.adjusted_p, one.shift))


def decay(ic: ArrayLike, *, horizon: int, watched: int) -> Decay:
    """Return whether a model's rank IC has fallen in the newest `watched` sessions of a series.

    S_t = max(0, S_t-1 + (mean - ic_t) / deviation - slack), from 0 on: Page, "Continuous
    inspection schemes", Biometrika 41 (1954), with the mean and the long-run deviation (as in
    `mean_test`) of the sessions before. The slack is half the mean, which finds a skill that
    vanishes soonest. NaN are left out first; the caller gives what was known then.

    Args:
        ic: Daily rank IC, in order.
        horizon: Sessions the labels look ahead, so that neighbours resemble each other.
        watched: Newest sessions since the watch began, a year at most.
    """
    series = np.asarray(ic, np.float64).ravel()
    series = series[~np.isnan(series)]
    if not 0 <= watched <= YEAR or np.isinf(series).any():
        raise ValueError(
            f"Expected finite values and a watch of 0 to {YEAR} sessions, found "
            f"{int(np.isinf(series).sum())} infinite ones and {watched} sessions."
        )
    past, now = np.split(series, [max(series.size - watched, 0)])
    test, nan = mean_test(past, horizon=horizon), float("nan")
    if past.size < LEAST_RECORD or not test.freedom or test.error == 0:
        return Decay(None, nan, nan, nan, test.value, nan, nan, np.full(now.size, nan))
    deviation = test.error * np.sqrt(past.size)
    slack = max(np.floor(50 * test.value / deviation) / 100, LEAST_SLACK)
    sum_T = _sums((test.value - now)[None] / deviation - slack)[0]
    highest = float(sum_T.max(initial=0.0))
    watch, alarm = intervals(float(slack), record=past.size, freedom=test.freedom)
    state: State = "drifted" if highest > alarm else "watch" if highest > watch else "steady"
    return Decay(state, highest, watch, alarm, test.value, float(deviation), float(slack), sum_T)


@lru_cache(maxsize=256)
def intervals(slack: float, *, record: int, freedom: int) -> tuple[float, float]:
    """Return the sums that one steady year of five, and one of twenty, gets past.

    From simulated years of a steady skill, whose mean and deviation are estimated from as long a
    record, as a real one's are: that alone doubles the alarms of a known mean. Independent steps
    of the long-run deviation stand for all series; one with overlapping labels goes as far in
    the long run, but in smoother steps, and gets past a little less often.

    >>> watch, alarm = intervals(0.25, record=750, freedom=33)
    >>> 5 < watch < alarm < 20
    True
    """
    dice = np.random.default_rng(SEED)
    error_P = dice.standard_normal(PATHS) / np.sqrt(record)
    deviation_P = np.sqrt(dice.chisquare(freedom, PATHS) / freedom)
    highest_P, sum_P = np.zeros(PATHS), np.zeros(PATHS)
    for _ in range(YEAR):
        fall_P = (error_P - dice.standard_normal(PATHS)) / deviation_P
        sum_P = np.maximum(sum_P + fall_P - slack, 0.0)
        np.maximum(highest_P, sum_P, out=highest_P)
    watch, alarm = np.quantile(highest_P, [1 - WATCH, 1 - ALARM])
    return float(watch), float(alarm)


def _sums(steps_PT: Array) -> Array:
    """Return the running sums that start anew at 0 whenever they would fall below it."""
    total_PT = np.cumsum(steps_PT, axis=1)
    lowest_PT = np.minimum.accumulate(np.minimum(total_PT, 0.0), axis=1)
    return np.asarray(total_PT - lowest_PT)


def _moved(reference_TN: Array, recent_TN: Array, *, bins: int) -> tuple[float, float, float]:
    """Return the index, what it is by luck, and the p-value that there is no shift."""
    edges = _edges(reference_TN[np.isfinite(reference_TN)], bins)
    past_TB, now_TB = _shares(reference_TN, edges), _shares(recent_TN, edges)
    least = 0.5 / min(np.isfinite(reference_TN).sum(), np.isfinite(recent_TN).sum())
    p_B, q_B = (np.maximum(share_TB.mean(axis=0), least) for share_TB in (past_TB, now_TB))
    index = float(((q_B - p_B) * np.log(q_B / p_B)).sum())
    luck, freedom, cosines = _luck(past_TB, p_B, len(now_TB))
    if luck == 0:  # every session of the reference has the same shares
        return index, 0.0, float(index < 1e-12)
    return index, luck, float(stats.f.sf(index / luck, freedom, freedom * cosines))


def _luck(share_TB: Array, p_B: Array, recent: int) -> tuple[float, float, int]:
    """Return the index expected by luck, its degrees of freedom, and how many cosines tell it.

    Near p the index is sum (q - p)^2 / p, a sum of chi-squares weighted by the eigenvalues of the
    covariance of q - p over p, of which two moments are matched: Rao & Scott, "The analysis of
    categorical data from complex sample surveys", Journal of the American Statistical
    Association 76 (1981). The long-run covariance is that of the sessions' cosine transforms, as
    in `mean_test`, but of swings alone that are as slow as the recent window is long, for these
    move its mean; being itself uncertain, it makes the chi-square an F.
    """
    sessions = len(share_TB)
    cosines = sessions // recent
    transforms_JB = dct(share_TB, norm="ortho", axis=0)[1 : cosines + 1] / np.sqrt(p_B)
    scale = 1 / sessions + 1 / recent
    covariance_BB = np.einsum("jb,jc->bc", transforms_JB, transforms_JB) / cosines * scale
    total, squares = float(np.trace(covariance_BB)), float((covariance_BB**2).sum())
    if total < 1e-12:
        return 0.0, 0.0, cosines
    return total, total**2 / squares, cosines


def _edges(values: Array, bins: int) -> Array:
    """Return the upper edges of all bins but the last; a repeated value gets a bin of its own."""
    edges = np.quantile(values, np.arange(1, bins) / bins, method="inverted_cdf")
    each, count = np.unique(edges, return_counts=True)
    return np.unique(np.concatenate([each, np.nextafter(each[count > 1], -np.inf)]))


def _shares(values_TN: Array, edges: Array) -> Array:
    """Return the share of each session's names in each bin; sessions without names left out."""
    counts_TN = np.isfinite(values_TN)
    rows, columns = np.nonzero(counts_TN)
    place = np.searchsorted(edges, values_TN[rows, columns], side="left")
    width = edges.size + 1
    cells = np.bincount(rows * width + place, minlength=len(values_TN) * width)
    kept_T = counts_TN.any(axis=1)
    return np.asarray(cells.reshape(-1, width)[kept_T] / counts_TN.sum(axis=1)[kept_T, None])


def _size(index: float) -> State:
    return "drifted" if index >= LARGE else "watch" if index >= NOTABLE else "steady"


def _table(values: ArrayLike) -> Array:
    return np.asarray(values, np.float64)


def _refuse(reference: Mapping[str, ArrayLike], recent: Mapping[str, ArrayLike], bins: int) -> None:
    if not reference or set(reference) != set(recent) or bins < 2:
        raise ValueError(
            f"Expected the same features in both windows and 2 bins or more, found "
            f"{sorted(reference)} and {sorted(recent)}, {bins} bins."
        )
    for name, values in reference.items():
        now = _sessions(name, recent[name])
        if now < LEAST_RECENT or (past := _sessions(name, values)) < WINDOWS * now:
            found = f"{now}" if now < LEAST_RECENT else f"{now} after {past}"
            raise ValueError(
                f"{name}: expected {LEAST_RECENT} recent sessions with values or more, after "
                f"{WINDOWS} times as many in the reference, found {found}."
            )


def _sessions(name: str, values: ArrayLike) -> int:
    """Return how many sessions of a table have values; refuse what is no table of numbers."""
    table = _table(values)
    if table.ndim != 2 or np.isinf(table).any():
        raise ValueError(
            f"{name}: expected a finite table (sessions, names), found shape {table.shape} with "
            f"{int(np.isinf(table).sum())} infinite values."
        )
    return int(np.isfinite(table).any(axis=1).sum())
