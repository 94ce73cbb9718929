"""What a walk was worth, each figure with its error.

Returns are those of NAV, after costs; cash earns nothing, so Sharpe ratios are over a rate of zero.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from tasks.market.history import Array
from tasks.statistics.bootstrap import difference, stationary_bootstrap
from tasks.statistics.performance import (
    SESSIONS_A_YEAR,
    annual_return,
    deflated_sharpe,
    drawdown,
    sharpe,
    volatility,
)

BLOCK, DRAWS, LAGS = 21, 400, 10
FEWEST = 60  # sessions below which a figure says more about luck than about the book

FIGURES = {
    "name": pl.String,
    "sessions": pl.Int64,
    "annual_return": pl.Float64,
    "annual_return_error": pl.Float64,
    "volatility": pl.Float64,
    "volatility_error": pl.Float64,
    "sharpe": pl.Float64,
    "sharpe_error": pl.Float64,
    "deflated_sharpe": pl.Float64,  # probability that it is more than the best of `trials` by luck
    "trials": pl.Int64,
    "drawdown": pl.Float64,  # the deepest, negative
    "turnover": pl.Float64,  # a year
    "cost": pl.Float64,  # a year, as a fraction of NAV
}


class Ratio(NamedTuple):
    """A ratio of yearly volatilities, its error, and the range that holds 95 % of the draws."""

    value: float
    error: float
    low: float
    high: float


def nav_returns(walked: pl.DataFrame) -> Array:
    """Return the simple returns of `nav`, one fewer than sessions."""
    nav = walked.sort("session")["nav"].to_numpy()
    return np.asarray(nav[1:] / nav[:-1] - 1)


def figures(walks: Mapping[str, pl.DataFrame], *, trials: int, seed: int = 1) -> pl.DataFrame:
    """Return one row of `FIGURES` a walk, in the order given.

    Takes frames of `walk.WALKED`. `trials` is how many variants the deflated Sharpe ratio reckons
    with, the book's own among them. The backtest passes the number of candidate recipes in the
    book's contest as it is written today: the choices that are on record. Settings, features,
    horizons, mandates and recipes that were tried and dropped are not counted, so the probability
    is an upper bound. All walks are held against the same number.
    """
    rows = [_figures(name, walked, trials, seed) for name, walked in walks.items()]
    return pl.DataFrame(rows, schema=FIGURES)


def volatility_ratio(first: pl.DataFrame, second: pl.DataFrame, *, seed: int = 1) -> Ratio:
    """Return the volatility of `first` over that of `second`, resampled in the same blocks."""
    gap = difference(
        nav_returns(first),
        nav_returns(second),
        _log_volatility,
        seed=seed,
        block=BLOCK,
        draws=DRAWS,
    )
    ratio = float(np.exp(gap.value))
    return Ratio(ratio, ratio * gap.error, float(np.exp(gap.low)), float(np.exp(gap.high)))


def _figures(name: str, walked: pl.DataFrame, trials: int, seed: int) -> dict[str, object]:
    returns = nav_returns(walked)
    if returns.size < FEWEST:
        raise ValueError(f"Walk {name!r} has {returns.size} returns; figures need {FEWEST}.")
    years = returns.size / SESSIONS_A_YEAR
    places = stationary_bootstrap(returns.size, draws=DRAWS, block=BLOCK, seed=seed)
    drawn = returns[places]
    ratio = sharpe(returns, lags=LAGS)
    return {
        "name": name,
        "sessions": returns.size,
        "annual_return": annual_return(returns),
        "annual_return_error": float(np.std(_compound(drawn), ddof=1)),
        "volatility": volatility(returns),
        "volatility_error": float(np.std(np.exp(_log_volatility(drawn)), ddof=1)),
        "sharpe": ratio.value,
        "sharpe_error": ratio.error,
        "deflated_sharpe": deflated_sharpe(returns, trials=trials).probability,
        "trials": trials,
        "drawdown": float(drawdown(returns).min()),
        "turnover": float(walked["turnover"].sum()) / years,
        "cost": float((walked["cost"] / walked["nav"]).sum()) / years,
    }


def _compound(returns_DT: Array) -> Array:
    growth = np.maximum(np.prod(1 + returns_DT, axis=1), 0.0)
    return np.asarray(growth ** (SESSIONS_A_YEAR / returns_DT.shape[1]) - 1)


def _log_volatility(returns_DT: Array) -> Array:
    spread = returns_DT.std(axis=1, ddof=1) * np.sqrt(SESSIONS_A_YEAR)
    return np.asarray(np.log(np.maximum(spread, 1e-12)))
