"""How much a portfolio can lose in one day, by filtered historical simulation.

The portfolio's past returns are divided by the volatility forecast for their session and scaled to
today's forecast; losses are read off these (Hull & White 1998; Barone-Adesi, Giannopoulos &
Vosper 1999). VaR and ES are positive fractions of NAV.
"""

from math import isnan, nan, sqrt
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view

from conf.schema import RiskModelConf
from tasks.market.history import Array
from tasks.risk.volatility import VOLATILITY_MODELS
from tasks.statistics.coverage import christoffersen, kupiec
from tasks.statistics.performance import SESSIONS_A_YEAR

WARM_UP = 30  # returns before the first volatility forecast is believed
FEWEST = 60  # standardised returns a quantile needs


class Tail(NamedTuple):
    """One-day losses as positive fractions of NAV; volatility a year. NaN with too little past."""

    var_95: float
    es_95: float
    var_99: float
    es_99: float
    volatility: float


class Coverage(NamedTuple):
    """How often past losses exceeded a VaR that was made only from the data before them."""

    sessions: pl.DataFrame  # index (row of returns_TN), var, loss, exceeded; oldest first
    level: float
    judged: int  # sessions
    exceedances: int
    kupiec: float  # p-value that exceedances come as often as they should
    christoffersen: float  # p-value that they do not cluster


def portfolio_tail(weights_N: Array, returns_TN: Array, conf: RiskModelConf) -> Tail:
    """Return VaR and ES of holding `weights_N` for the next session.

    Takes (T, N) returns known today, newest last; a missing return counts as none (0), sessions
    before any name of the portfolio traded are left out. Uses the last `conf.look_back` sessions.
    """
    series_T, forecast_T = _series(weights_N, returns_TN, conf)
    scaled = _scaled(series_T, forecast_T)[-conf.look_back :]
    scaled = scaled[np.isfinite(scaled)]
    if not np.any(weights_N):
        return Tail(0.0, 0.0, 0.0, 0.0, 0.0)
    if len(scaled) < FEWEST:
        return Tail(nan, nan, nan, nan, nan)
    today = float(forecast_T[-1])
    losses = np.sort(-scaled * today)
    var_95, es_95 = _var_es(losses, 0.95)
    var_99, es_99 = _var_es(losses, 0.99)
    return Tail(var_95, es_95, var_99, es_99, today * sqrt(SESSIONS_A_YEAR))


def coverage(
    weights_N: Array, returns_TN: Array, conf: RiskModelConf, *, level: float = 0.95
) -> Coverage:
    """Return how VaR at `level` of today's weights would have held over the past sessions.

    Each session's VaR is made from the returns before it alone, over the last
    `conf.coverage_sessions` sessions that have enough past.
    """
    series_T, forecast_T = _series(weights_N, returns_TN, conf)
    scaled_T = _scaled(series_T, forecast_T)
    first = max(0, len(series_T) - conf.coverage_sessions)
    padded = np.concatenate([np.full(conf.look_back, np.nan), scaled_T[:-1]])[first:]
    enough = np.array([], bool)
    var_S = np.array([])
    if len(series_T):
        windows = sliding_window_view(padded, conf.look_back)
        enough = np.isfinite(windows).sum(1) >= FEWEST
        var_S = np.full(len(windows), np.nan)
        var_S[enough] = -np.nanquantile(windows[enough], 1.0 - level, axis=1)
    index_S = np.arange(first, len(series_T))
    var_S = np.maximum(var_S * forecast_T[index_S], 0.0)
    loss_S = -series_T[index_S]
    judged = enough & np.isfinite(var_S) & np.isfinite(loss_S)
    frame = pl.DataFrame({"index": index_S[judged], "var": var_S[judged], "loss": loss_S[judged]})
    frame = frame.with_columns(exceeded=pl.col("loss") > pl.col("var"))
    hits, count = int(frame["exceeded"].sum()), frame.height
    share = kupiec(hits, count, 1.0 - level) if count else nan
    apart = christoffersen(frame["exceeded"].to_numpy()) if count else nan
    return Coverage(frame, level, count, hits, share, apart)


def _series(weights_N: Array, returns_TN: Array, conf: RiskModelConf) -> tuple[Array, Array]:
    """Return the portfolio's returns (T) and the volatility forecast before each (T + 1)."""
    if returns_TN.shape[1] != len(weights_N):
        raise ValueError(f"{len(weights_N)} weights for {returns_TN.shape[1]} columns of returns.")
    held = np.flatnonzero(weights_N)
    held_TN = returns_TN[:, held]
    seen = np.isfinite(held_TN)
    series = np.where(seen, held_TN, 0.0) @ weights_N[held]
    series = np.where(seen.any(1), series, np.nan)
    model = VOLATILITY_MODELS["ewma"]
    forecast = model(series[:, None], conf.volatility_half_life)[:, 0]
    early = np.concatenate([[0], np.cumsum(np.isfinite(series))]) < WARM_UP
    return series, np.where(early, np.nan, forecast)


def _scaled(series_T: Array, forecast_T: Array) -> Array:
    """Return each session's return over the volatility that was forecast for it; NaN where none."""
    forecast = forecast_T[:-1]
    usable = np.isfinite(forecast) & (forecast > 0)
    return np.divide(series_T, forecast, out=np.full_like(series_T, np.nan), where=usable)


def _var_es(losses: Array, level: float) -> tuple[float, float]:
    """Return VaR and the mean loss at or beyond it; never negative."""
    var = float(np.quantile(losses, level))
    beyond = losses[losses >= var]
    es = float(beyond.mean()) if len(beyond) else var
    return max(var, 0.0), nan if isnan(es) else max(es, 0.0)
