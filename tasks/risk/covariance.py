"""Questions to a factor model of risk, answered without ever forming an N x N matrix.

Sigma = B F B' + diag(s): exposures B, factor covariance F, specific variances s, all daily.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from tasks.market.history import Array
from tasks.risk.factors import RiskModel


def loadings(risk: RiskModel) -> Array:
    """Return L with L L' = B F B': exposures to uncorrelated factors of variance 1, (N, K)."""
    if not risk.factor_covariance_KK.size:
        return risk.exposures_NK
    return risk.exposures_NK @ np.linalg.cholesky(risk.factor_covariance_KK)


def covariance_times(risk: RiskModel, weights_N: Array) -> Array:
    """Return Sigma w, (N,): each name's covariance with the portfolio, daily."""
    factors = risk.factor_covariance_KK @ (risk.exposures_NK.T @ weights_N)
    return risk.exposures_NK @ factors + risk.specific_variance_N * weights_N


def portfolio_variance(risk: RiskModel, weights_N: Array) -> float:
    """Return w' Sigma w, daily."""
    return float(weights_N @ covariance_times(risk, weights_N))


def risk_contributions(risk: RiskModel, weights_N: Array) -> Array:
    """Return each name's share of the portfolio's variance; they sum to 1, all 0 without risk."""
    parts = weights_N * covariance_times(risk, weights_N)
    total = float(parts.sum())
    return parts / total if total > 0 else np.zeros_like(parts)


def chosen(risk: RiskModel, instruments: Sequence[str]) -> tuple[RiskModel, tuple[str, ...]]:
    """Return the risk of exactly `instruments`, in order, and the names that were assumed.

    A name without risk of its own moves like the average name on each factor and has the largest
    specific variance of all, so that it never looks safer than it may be. Without any known name
    every specific variance is that of 4 % a day.
    """
    place = {name: i for i, name in enumerate(risk.instruments)}
    rows = np.array([place.get(name, -1) for name in instruments], np.int64)
    known, count = rows >= 0, len(risk.instruments)
    average = risk.exposures_NK.mean(0) if count else risk.exposures_NK.sum(0)
    worst = float(risk.specific_variance_N.max()) if count else 0.04**2
    exposures = np.tile(average, (len(rows), 1))
    exposures[known] = risk.exposures_NK[rows[known]]
    specific, volatility = np.full(len(rows), worst), np.zeros(len(rows))
    specific[known] = risk.specific_variance_N[rows[known]]
    volatility[known] = risk.volatility_N[rows[known]]
    total = np.sqrt(((exposures @ risk.factor_covariance_KK) * exposures).sum(1) + specific)
    names = tuple(instruments)
    model = risk._replace(
        instruments=names,
        exposures_NK=exposures,
        specific_variance_N=specific,
        volatility_N=np.where(known, volatility, total),
    )
    return model, tuple(name for name, there in zip(names, known, strict=True) if not there)


def risk_frame(risk: RiskModel) -> pl.DataFrame:
    """Return rows (session, instrument, volatility, specific_variance, factor_01, ...).

    The factors are uncorrelated with variance 1, so that exposures and specific variances say all.
    """
    factors = loadings(risk)
    columns = {f"factor_{k + 1:02d}": factors[:, k] for k in range(factors.shape[1])}
    fixed = {"volatility": risk.volatility_N, "specific_variance": risk.specific_variance_N}
    return pl.DataFrame({"instrument": list(risk.instruments), **fixed, **columns}).select(
        pl.lit(risk.as_of, pl.Date).alias("session"), pl.all()
    )


def risk_of(frame: pl.DataFrame) -> RiskModel:
    """Return the model that `risk_frame` wrote, of one session."""
    sessions = frame["session"].unique().to_list()
    if len(sessions) != 1:
        raise ValueError(f"Expected the risk of one session, found {len(sessions)}.")
    rows = frame.sort("instrument")
    factors = sorted(name for name in rows.columns if name.startswith("factor_"))
    return RiskModel(
        as_of=sessions[0],
        instruments=tuple(rows["instrument"]),
        exposures_NK=np.ascontiguousarray(rows.select(factors).to_numpy()),
        factor_covariance_KK=np.eye(len(factors)),
        specific_variance_N=rows["specific_variance"].to_numpy(),
        volatility_N=rows["volatility"].to_numpy(),
    )
