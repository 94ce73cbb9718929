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

from tasks.features.block import ENOUGH, Block
from tasks.features.engine import Feature, FeatureSet
from tasks.features.returns import (
    close,
    count,
    dollars,
    mean_return,
    moments_of,
    one_session,
    squares,
    variance,
    volume,
)

Array = NDArray[np.float64]

ROUNDING = 1e-12  # returns that vary by less, for their size, vary by their last bits alone

# --- from closes ---------------------------------------------------------------------------------


def momentum(block: Block, *, oldest: int, newest: int = 0) -> Array:
    """Return close[-newest] / close[-oldest] - 1, counted in sessions back from as_of."""
    close_RN = block.once(close)
    change_TN = block.back(close_RN, newest) / block.back(close_RN, oldest) - 1
    return block.where(block.complete("close", oldest + 1), change_TN)


def volatility(block: Block, *, rows: int) -> Array:
    """Return the root mean square of one-session returns: their mean is taken as zero."""
    return np.sqrt(block.once(variance, rows))


def _volatility_change(block: Block, *, recent: int, rows: int) -> Array:
    """Return the recent volatility over that of the whole window."""
    return volatility(block, rows=recent) / volatility(block, rows=rows)


def _falling_squares(block: Block) -> Array:
    return np.where(block.once(one_session) < 0, block.once(squares), 0.0)


def _downside(block: Block, *, rows: int) -> Array:
    """Return the share of squared returns that falling sessions have, 0 to 1."""
    share_TN = block.total(_falling_squares, rows) / block.total(squares, rows)
    return np.where(np.isnan(block.once(count, rows)), np.nan, share_TN)


def _cubes(block: Block) -> Array:
    return block.once(squares) * block.once(one_session)


def _skew(block: Block, *, rows: int) -> Array:
    """Return the third central moment of returns over their standard deviation cubed."""
    mean_TN, count_TN = block.once(mean_return, rows), block.once(count, rows)
    square_TN = block.once(variance, rows)
    variance_TN = square_TN - mean_TN * mean_TN
    third_TN = block.total(_cubes, rows) / count_TN - mean_TN * (3 * square_TN - 2 * mean_TN**2)
    skew_TN = third_TN / (variance_TN * np.sqrt(variance_TN))
    return np.where(variance_TN > ROUNDING * square_TN, skew_TN, np.nan)


def _neighbours(block: Block, place: int) -> Array:
    """Return a return (0), that of the session before (1) or their product (2), if both exist."""
    now_RN, before_RN = block.once(one_session)[1:], block.once(one_session)[:-1]
    made = (now_RN + 0 * before_RN, before_RN + 0 * now_RN, now_RN * before_RN)
    return made[place]


def _autocorrelation(block: Block, *, rows: int) -> Array:
    """Return the correlation of returns with those of the session before, -1 to 1."""
    mean_TN = block.once(mean_return, rows)
    now_TN, before_TN, product_TN = (
        block.total(_neighbours, rows - 1, place) for place in range(3)
    )
    pairs_TN = block.number(_neighbours, rows - 1, 2)
    together_TN = product_TN - mean_TN * (now_TN + before_TN - pairs_TN * mean_TN)
    raw_TN = block.total(squares, rows)
    squares_TN = raw_TN - block.once(count, rows) * mean_TN**2
    found_TN = np.clip(together_TN / squares_TN, -1, 1)
    return np.where(squares_TN > ROUNDING * raw_TN, found_TN, np.nan)


def _rising(block: Block) -> Array:
    return np.where(block.once(one_session) > 0, 1.0, 0.0)


def _up_share(block: Block, *, rows: int) -> Array:
    """Return the share of returns above zero, 0 to 1."""
    return block.total(_rising, rows) / block.once(count, rows)


def _extreme(block: Block, *, rows: int, highest: bool) -> Array:
    """Return the largest or smallest return."""
    extreme_TN = (block.highest if highest else block.lowest)(one_session, rows)
    return np.where(np.isnan(block.once(count, rows)), np.nan, extreme_TN)


def _from_extreme(block: Block, *, rows: int, highest: bool) -> Array:
    """Return the newest close over the highest or lowest, less 1."""
    extreme_TN = (block.highest if highest else block.lowest)(close, rows)
    distance_TN = block.back(block.once(close), 0) / extreme_TN - 1
    return block.where(block.complete("close", rows), distance_TN)


def _distance(block: Block, *, rows: int) -> Array:
    """Return the newest close over the mean close, less 1."""
    distance_TN = block.back(block.once(close), 0) / block.mean(close, rows) - 1
    return block.where(block.complete("close", rows), distance_TN)


def _trend(block: Block, *, rows: int) -> Array:
    """Return the correlation of closes with time, -1 to 1; its square is the R2 of a line."""
    found = block.once(moments_of, close)(rows)
    trend_TN = np.clip(found.slope * np.sqrt(found.times / found.scatter), -1, 1)
    return block.where(block.complete("close", rows), trend_TN)


# --- from volume ---------------------------------------------------------------------------------


def dollar_volume(block: Block, *, rows: int) -> Array:
    """Return the logarithm of the mean dollar volume as traded; null if nothing was traded."""
    return block.where(block.complete("volume", rows), np.log(block.mean(dollars, rows)))


def _volume_ratio(block: Block, *, recent: int, rows: int) -> Array:
    """Return the mean volume of the recent sessions over that of the whole window."""
    ratio_TN = block.mean(volume, recent) / block.mean(volume, rows)
    complete_TN = block.complete("volume", recent) & block.complete("volume", rows)
    return block.where(complete_TN, ratio_TN)


def _price_of_volume(block: Block) -> Array:
    """Return |return| over dollar volume; NaN where nothing was traded."""
    dollars_RN = block.once(dollars)
    rows = min(len(dollars_RN), len(block.once(one_session)))
    traded_RN = np.where(dollars_RN[-rows:] > 0, dollars_RN[-rows:], np.nan)
    return np.abs(block.once(one_session)[-rows:]) / traded_RN


def illiquidity(block: Block, *, rows: int) -> Array:
    """Return the logarithm of the mean of |return| over dollar volume; null if all are 0."""
    complete_TN = block.complete("close", rows + 1) & block.complete("volume", rows)
    return block.where(complete_TN, np.log(block.mean(_price_of_volume, rows)))


def _signed(block: Block) -> Array:
    rows = min(len(block.once(volume)), len(block.once(one_session)))
    return np.sign(block.once(one_session)[-rows:]) * block.once(volume)[-rows:]


def _unsigned(block: Block) -> Array:
    return np.abs(block.once(_signed))


def _signed_volume(block: Block, *, rows: int) -> Array:
    """Return the volume of rising sessions less that of falling ones, over both; -1 to 1."""
    share_TN = block.total(_signed, rows) / block.total(_unsigned, rows)
    enough_TN = block.number(_signed, rows) >= ENOUGH * rows
    complete_TN = block.complete("close", rows + 1) & block.complete("volume", rows)
    return block.where(complete_TN & enough_TN, share_TN)


# --- from whole bars -----------------------------------------------------------------------------


def _log_ranges(block: Block) -> Array:
    """Return the squared logarithm of high over low."""
    rows = min(len(block.raw("high")), len(block.raw("low")))
    return np.square(np.log(block.raw("high")[-rows:] / block.raw("low")[-rows:]))


def parkinson(block: Block, *, rows: int) -> Array:
    """Return Parkinson's volatility a session: sqrt(mean of ln(high/low)^2 / (4 ln 2))."""
    mean_TN = block.where(block.complete("high", rows), block.mean(_log_ranges, rows))
    return np.sqrt(mean_TN / (4 * math.log(2)))


def _range_change(block: Block, *, recent: int, rows: int) -> Array:
    """Return the recent range volatility over that of the whole window."""
    return parkinson(block, rows=recent) / parkinson(block, rows=rows)


def _locations(block: Block) -> Array:
    """Return where closes lie between low and high: -1 at the low, 1 at the high."""
    rows = min(len(block.raw(name)) for name in ("high", "low", "close"))
    high_RN, low_RN, close_RN = (block.raw(name)[-rows:] for name in ("high", "low", "close"))
    place_RN = ((close_RN - low_RN) - (high_RN - close_RN)) / (high_RN - low_RN)
    return np.where(high_RN > low_RN, place_RN, np.nan)


def _close_location(block: Block, *, rows: int) -> Array:
    """Return where closes lie between low and high on average."""
    return block.where(block.complete("close", rows), block.mean(_locations, rows))


def overnight_returns(block: Block) -> Array:
    """Return the open over the close of the session before, less 1."""
    rows = min(len(block.raw("open")), len(block.raw("close")) - 1)
    return block.price("open")[-rows:] / block.price("close")[-rows - 1 : -1] - 1


def intraday_returns(block: Block) -> Array:
    """Return the close over the open of the same session, less 1."""
    rows = min(len(block.raw("open")), len(block.raw("close")))
    return block.raw("close")[-rows:] / block.raw("open")[-rows:] - 1


def _overnight(block: Block, *, rows: int) -> Array:
    """Return the mean return from a close to the next session's open, times the sessions."""
    complete_TN = block.complete("close", rows + 1) & block.complete("open", rows)
    return block.where(complete_TN, block.mean(overnight_returns, rows) * rows)


def _intraday(block: Block, *, rows: int) -> Array:
    """Return the mean return from open to close, times the sessions."""
    return block.where(block.complete("open", rows), block.mean(intraday_returns, rows) * rows)


# --- the set -------------------------------------------------------------------------------------


def _closes(name: str, family: str, look_back: int, compute: Callable[[Block], Array]) -> Feature:
    return Feature(name, family, ("close",), look_back, compute)


FROM_CLOSES = (
    *(_closes(f"return_{k}", "reversal", k + 1, partial(momentum, oldest=k)) for k in (1, 5, 10)),
    *(
        _closes(f"momentum_{k}", "momentum", k + 1, partial(momentum, oldest=k))
        for k in (20, 60, 120)
    ),
    _closes("momentum_252_21", "momentum", 253, partial(momentum, oldest=252, newest=21)),
    *(
        _closes(f"volatility_{k}", "volatility", k + 1, partial(volatility, rows=k))
        for k in (20, 60, 252)
    ),
    _closes(
        "volatility_20_120", "volatility", 121, partial(_volatility_change, recent=20, rows=120)
    ),
    _closes("downside_60", "volatility", 61, partial(_downside, rows=60)),
    _closes("skew_60", "shape", 61, partial(_skew, rows=60)),
    _closes("autocorrelation_60", "shape", 61, partial(_autocorrelation, rows=60)),
    _closes("up_share_60", "shape", 61, partial(_up_share, rows=60)),
    _closes("max_return_20", "extremes", 21, partial(_extreme, rows=20, highest=True)),
    _closes("min_return_20", "extremes", 21, partial(_extreme, rows=20, highest=False)),
    _closes("drawdown_60", "level", 60, partial(_from_extreme, rows=60, highest=True)),
    _closes("drawdown_252", "level", 252, partial(_from_extreme, rows=252, highest=True)),
    _closes("rebound_252", "level", 252, partial(_from_extreme, rows=252, highest=False)),
    *(_closes(f"distance_{k}", "level", k, partial(_distance, rows=k)) for k in (10, 50, 200)),
    *(_closes(f"trend_{k}", "trend", k, partial(_trend, rows=k)) for k in (60, 120)),
)
TRADED, RANGED = ("close", "volume"), ("high", "low")
FROM_VOLUME = (
    Feature("dollar_volume_20", "volume", TRADED, 20, partial(dollar_volume, rows=20)),
    Feature("volume_1_20", "volume", ("volume",), 20, partial(_volume_ratio, recent=1, rows=20)),
    Feature("volume_5_60", "volume", ("volume",), 60, partial(_volume_ratio, recent=5, rows=60)),
    Feature("signed_volume_20", "volume", TRADED, 21, partial(_signed_volume, rows=20)),
    Feature("illiquidity_20", "volume", TRADED, 21, partial(illiquidity, rows=20)),
)
FROM_BARS = (
    Feature("range_20", "range", RANGED, 20, partial(parkinson, rows=20)),
    Feature("range_5_60", "range", RANGED, 60, partial(_range_change, recent=5, rows=60)),
    Feature(
        "close_location_20", "range", (*RANGED, "close"), 20, partial(_close_location, rows=20)
    ),
    Feature("overnight_1", "overnight", ("open", "close"), 2, partial(_overnight, rows=1)),
    Feature("overnight_20", "overnight", ("open", "close"), 21, partial(_overnight, rows=20)),
    Feature("intraday_20", "overnight", ("open", "close"), 20, partial(_intraday, rows=20)),
)
PRICE = FeatureSet("price", FROM_CLOSES + FROM_VOLUME + FROM_BARS)
