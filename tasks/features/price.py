"""The price set: what closes, then whole bars, say about a name on its own.

Of a window the oldest and the newest value must be there and 80 % of all; otherwise the feature
is null. A one-session return needs two neighbouring closes: the jump over a suspension is not a
return of one session, but it is part of every momentum across it. Prices know splits, not
dividends. A feature called `_k` looks at k sessions; one of returns needs the close before, too.

Sources: momentum without its last month, Jegadeesh & Titman (1993); largest daily return, Bali,
Cakici & Whitelaw (2011); nearness to the high, George & Hwang (2004); illiquidity, Amihud (2002);
range volatility, Parkinson (1980); overnight and intraday returns, Lou, Polk & Skouras (2019).
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.features.engine import ENOUGH, Feature, FeatureSet, Window
from tasks.features.returns import centred, count, filled, one_session, squares

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

# --- parts that several features share -----------------------------------------------------------


def _mean(window: Window, values_TN: Array, name: str) -> Array:
    """Return the mean of the values that are there, NaN where `name` is not complete."""
    total_N, count_N = _total(values_TN)
    return np.where(window.complete(name, len(values_TN)), total_N / count_N, np.nan)


def _total(values_TN: Array) -> tuple[Array, Array]:
    """Return the sum of the values that are there, and their number; NaN below 80 %."""
    seen_TN = ~np.isnan(values_TN)
    count_N = seen_TN.sum(axis=0, dtype=np.int32)
    total_N = np.where(seen_TN, values_TN, 0.0).sum(axis=0)
    return total_N, np.where(count_N >= ENOUGH * len(values_TN), count_N, np.nan)


def _mean_close(window: Window, rows: int) -> Array:
    return _mean(window, window.price("close", rows), "close")


def _mean_volume(window: Window, rows: int) -> Array:
    return _mean(window, window.volume(rows), "volume")


def _traded_throughout(window: Window, rows: int) -> Flags:
    return window.complete("close", rows + 1) & window.complete("volume", rows)


def _dollars(window: Window, rows: int) -> Array:
    return window.traded("close", rows) * window.traded("volume", rows)


# --- from closes ---------------------------------------------------------------------------------


def _momentum(window: Window, *, oldest: int, newest: int = 0) -> Array:
    """Return close[-newest] / close[-oldest] - 1, counted in sessions back from as_of."""
    close_TN = window.price("close", oldest + 1)
    change_N = close_TN[oldest - newest] / close_TN[0] - 1
    return np.where(window.complete("close", oldest + 1), change_N, np.nan)


def _volatility(window: Window, *, rows: int) -> Array:
    """Return the root mean square of one-session returns: their mean is taken as zero."""
    variance_N: Array = window.once(squares)[-rows:].sum(axis=0) / window.once(count, rows)
    return np.sqrt(variance_N)


def _volatility_change(window: Window, *, recent: int, rows: int) -> Array:
    """Return the recent volatility over that of the whole window."""
    return _volatility(window, rows=recent) / _volatility(window, rows=rows)


def _downside(window: Window, *, rows: int) -> Array:
    """Return the share of squared returns that falling sessions have, 0 to 1."""
    squares_TN = window.once(squares)[-rows:]
    falling_TN = np.where(window.once(filled)[-rows:] < 0, squares_TN, 0.0)
    share_N = falling_TN.sum(axis=0) / squares_TN.sum(axis=0)
    return np.where(np.isnan(window.once(count, rows)), np.nan, share_N)


def _skew(window: Window, *, rows: int) -> Array:
    """Return the third moment of returns over their standard deviation cubed."""
    centred_TN, count_N = window.once(centred, rows), window.once(count, rows)
    squares_TN = np.square(centred_TN)
    variance_N = squares_TN.sum(axis=0) / count_N
    third_N = (squares_TN * centred_TN).sum(axis=0) / count_N
    return np.asarray(third_N / (variance_N * np.sqrt(variance_N)))


def _autocorrelation(window: Window, *, rows: int) -> Array:
    """Return the correlation of returns with those of the session before, -1 to 1."""
    centred_TN = window.once(centred, rows)
    together_N = (centred_TN[1:] * centred_TN[:-1]).sum(axis=0)
    return np.asarray(together_N / np.square(centred_TN).sum(axis=0))


def _up_share(window: Window, *, rows: int) -> Array:
    """Return the share of returns above zero, 0 to 1."""
    rising_N = (window.once(filled)[-rows:] > 0).sum(axis=0, dtype=np.int32)
    return np.asarray(rising_N / window.once(count, rows))


def _extreme(window: Window, *, rows: int, pick: np.ufunc) -> Array:
    """Return the largest or smallest return."""
    extreme_N = pick.reduce(window.once(one_session)[-rows:], axis=0)
    return np.where(np.isnan(window.once(count, rows)), np.nan, extreme_N)


def _from_extreme(window: Window, *, rows: int, pick: np.ufunc) -> Array:
    """Return the newest close over the highest or lowest, less 1."""
    close_TN = window.price("close", rows)
    distance_N = close_TN[-1] / pick.reduce(close_TN, axis=0) - 1
    return np.where(window.complete("close", rows), distance_N, np.nan)


def _distance(window: Window, *, rows: int) -> Array:
    """Return the newest close over the mean close, less 1."""
    return np.asarray(window.price("close", 1)[0] / window.once(_mean_close, rows) - 1)


def _trend(window: Window, *, rows: int) -> Array:
    """Return the correlation of closes with time, -1 to 1; its square is the R2 of a line."""
    close_TN = window.price("close", rows)
    seen_TN = ~np.isnan(close_TN)
    rise_TN = np.where(seen_TN, close_TN - close_TN[-1], 0.0)  # exact zeros where nothing moves
    time_T1 = np.arange(1.0 - rows, 1.0)[:, None]
    time_TN = np.where(seen_TN, time_T1, 0.0)
    count_N = seen_TN.sum(axis=0, dtype=np.int32)
    rise_N, time_N = rise_TN.sum(axis=0), time_TN.sum(axis=0)
    together_N = (rise_TN * time_T1).sum(axis=0) - rise_N * time_N / count_N
    rises_N = np.square(rise_TN).sum(axis=0) - rise_N * rise_N / count_N
    times_N = np.square(time_TN).sum(axis=0) - time_N * time_N / count_N
    trend_N = np.clip(together_N / np.sqrt(rises_N * times_N), -1, 1)
    return np.where(window.complete("close", rows), trend_N, np.nan)


# --- from volume ---------------------------------------------------------------------------------


def _dollar_volume(window: Window, *, rows: int) -> Array:
    """Return the logarithm of the mean dollar volume as traded; null if nothing was traded."""
    return np.log(_mean(window, window.once(_dollars, rows), "volume"))


def _volume_ratio(window: Window, *, recent: int, rows: int) -> Array:
    """Return the mean volume of the recent sessions over that of the whole window."""
    return window.once(_mean_volume, recent) / window.once(_mean_volume, rows)


def _illiquidity(window: Window, *, rows: int) -> Array:
    """Return the logarithm of the mean of |return| over dollar volume; null if all are 0."""
    dollars_TN = window.once(_dollars, rows)
    dollars_TN = np.where(dollars_TN > 0, dollars_TN, np.nan)
    moved_TN = np.abs(window.once(one_session)[-rows:]) / dollars_TN
    total_N, count_N = _total(moved_TN)
    return np.log(np.where(_traded_throughout(window, rows), total_N / count_N, np.nan))


def _signed_volume(window: Window, *, rows: int) -> Array:
    """Return the volume of rising sessions less that of falling ones, over both; -1 to 1."""
    signed_TN = np.sign(window.once(one_session)[-rows:]) * window.volume(rows)
    signed_N, count_N = _total(signed_TN)
    enough_N = _traded_throughout(window, rows) & ~np.isnan(count_N)
    return np.where(enough_N, signed_N / _total(np.abs(signed_TN))[0], np.nan)


# --- from whole bars -----------------------------------------------------------------------------


def _log_ranges(window: Window) -> Array:
    """Return the squared logarithm of high over low."""
    rows = min(len(window.traded("high")), len(window.traded("low")))
    return np.square(np.log(window.traded("high", rows) / window.traded("low", rows)))


def _range(window: Window, *, rows: int) -> Array:
    """Return Parkinson's volatility a session: sqrt(mean of ln(high/low)^2 / (4 ln 2))."""
    mean_N = _mean(window, window.once(_log_ranges)[-rows:], "high")
    return np.sqrt(mean_N / (4 * math.log(2)))


def _range_change(window: Window, *, recent: int, rows: int) -> Array:
    """Return the recent range volatility over that of the whole window."""
    return _range(window, rows=recent) / _range(window, rows=rows)


def _close_location(window: Window, *, rows: int) -> Array:
    """Return where closes lie between low and high on average: -1 at the low, 1 at the high."""
    high_TN, low_TN = window.traded("high", rows), window.traded("low", rows)
    close_TN = window.traded("close", rows)
    place_TN = ((close_TN - low_TN) - (high_TN - close_TN)) / (high_TN - low_TN)
    return _mean(window, np.where(high_TN > low_TN, place_TN, np.nan), "close")


def _overnight(window: Window, *, rows: int) -> Array:
    """Return the mean return from a close to the next session's open, times the sessions."""
    gap_TN = window.price("open", rows) / window.price("close", rows + 1)[:-1] - 1
    sum_N = _mean(window, gap_TN, "open") * rows
    return np.where(window.complete("close", rows + 1), sum_N, np.nan)


def _intraday(window: Window, *, rows: int) -> Array:
    """Return the mean return from open to close, times the sessions."""
    change_TN = window.traded("close", rows) / window.traded("open", rows) - 1
    return _mean(window, change_TN, "open") * rows


# --- the set -------------------------------------------------------------------------------------

HIGHEST, LOWEST = np.fmax, np.fmin  # both pass over NaN


def _closes(name: str, family: str, look_back: int, compute: Callable[[Window], Array]) -> Feature:
    return Feature(name, family, ("close",), look_back, compute)


FROM_CLOSES = (
    *(_closes(f"return_{k}", "reversal", k + 1, partial(_momentum, oldest=k)) for k in (1, 5, 10)),
    *(
        _closes(f"momentum_{k}", "momentum", k + 1, partial(_momentum, oldest=k))
        for k in (20, 60, 120)
    ),
    _closes("momentum_252_21", "momentum", 253, partial(_momentum, oldest=252, newest=21)),
    *(
        _closes(f"volatility_{k}", "volatility", k + 1, partial(_volatility, rows=k))
        for k in (20, 60, 252)
    ),
    _closes(
        "volatility_20_120", "volatility", 121, partial(_volatility_change, recent=20, rows=120)
    ),
    _closes("downside_60", "volatility", 61, partial(_downside, rows=60)),
    _closes("skew_60", "shape", 61, partial(_skew, rows=60)),
    _closes("autocorrelation_60", "shape", 61, partial(_autocorrelation, rows=60)),
    _closes("up_share_60", "shape", 61, partial(_up_share, rows=60)),
    _closes("max_return_20", "extremes", 21, partial(_extreme, rows=20, pick=HIGHEST)),
    _closes("min_return_20", "extremes", 21, partial(_extreme, rows=20, pick=LOWEST)),
    _closes("drawdown_60", "level", 60, partial(_from_extreme, rows=60, pick=HIGHEST)),
    _closes("drawdown_252", "level", 252, partial(_from_extreme, rows=252, pick=HIGHEST)),
    _closes("rebound_252", "level", 252, partial(_from_extreme, rows=252, pick=LOWEST)),
    *(_closes(f"distance_{k}", "level", k, partial(_distance, rows=k)) for k in (10, 50, 200)),
    *(_closes(f"trend_{k}", "trend", k, partial(_trend, rows=k)) for k in (60, 120)),
)
TRADED, RANGED = ("close", "volume"), ("high", "low")
FROM_VOLUME = (
    Feature("dollar_volume_20", "volume", TRADED, 20, partial(_dollar_volume, rows=20)),
    Feature("volume_1_20", "volume", ("volume",), 20, partial(_volume_ratio, recent=1, rows=20)),
    Feature("volume_5_60", "volume", ("volume",), 60, partial(_volume_ratio, recent=5, rows=60)),
    Feature("signed_volume_20", "volume", TRADED, 21, partial(_signed_volume, rows=20)),
    Feature("illiquidity_20", "volume", TRADED, 21, partial(_illiquidity, rows=20)),
)
FROM_BARS = (
    Feature("range_20", "range", RANGED, 20, partial(_range, rows=20)),
    Feature("range_5_60", "range", RANGED, 60, partial(_range_change, recent=5, rows=60)),
    Feature(
        "close_location_20", "range", (*RANGED, "close"), 20, partial(_close_location, rows=20)
    ),
    Feature("overnight_1", "overnight", ("open", "close"), 2, partial(_overnight, rows=1)),
    Feature("overnight_20", "overnight", ("open", "close"), 21, partial(_overnight, rows=20)),
    Feature("intraday_20", "overnight", ("open", "close"), 20, partial(_intraday, rows=20)),
)
PRICE = FeatureSet("price", FROM_CLOSES + FROM_VOLUME + FROM_BARS)
