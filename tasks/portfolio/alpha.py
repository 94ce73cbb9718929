"""From scores to expected returns: information coefficient x volatility x score."""

import numpy as np
import polars as pl

from tasks.risk.factors import RiskModel

SIGNIFICANT = 1.96  # errors an IC must be away from zero to count at all
CLIP = 3.0  # largest z-score that is believed


def shrunk_ic(mean: float, error: float) -> float:
    """Return the IC that is believed: 0 where it cannot be told from 0, and never negative.

    With t = mean / error beyond 1.96 it is mean * (1 - (1.96 / t)^2), the positive-part James-Stein
    form: none of it at the edge of significance, nearly all of a certain one.

    >>> shrunk_ic(0.02, 0.01) < 0.001
    True
    >>> shrunk_ic(0.01, 0.01)
    0.0
    """
    if not (np.isfinite(mean) and np.isfinite(error)) or error <= 0 or mean <= 0:
        return 0.0
    t = mean / error
    return mean * (1.0 - (SIGNIFICANT / t) ** 2) if t > SIGNIFICANT else 0.0


def expected_returns(
    scores: pl.DataFrame, risk: RiskModel, *, ic: float, horizon: int
) -> pl.DataFrame:
    """Return each name's score as a z-score, and its expected return over `horizon` sessions.

    expected_return = ic * specific volatility * sqrt(horizon) * z (Grinold 1994, "Alpha is
    volatility times IC times score"). z is taken across the given names and clipped at 3. Takes
    `scores` (instrument, score); gives (instrument, z, expected_return) sorted by instrument, null
    where there is no score, and for expected_return also where there is no risk.
    """
    rows = scores.select("instrument", pl.col("score").cast(pl.Float64)).sort("instrument")
    score = rows["score"].to_numpy().astype(float)
    known = np.isfinite(score)
    z = np.full(len(score), np.nan)
    if known.any():
        centred = score[known] - score[known].mean()
        spread = float(np.sqrt((centred**2).mean()))
        z[known] = np.clip(centred / spread, -CLIP, CLIP) if spread > 1e-12 else 0.0
    own = dict(zip(risk.instruments, np.sqrt(risk.specific_variance_N).tolist(), strict=True))
    volatility = np.array([own.get(name, np.nan) for name in rows["instrument"]], float)
    expected = ic * volatility * np.sqrt(horizon) * z
    return rows.select(
        "instrument",
        z=pl.Series(z, dtype=pl.Float64).fill_nan(None),
        expected_return=pl.Series(expected, dtype=pl.Float64).fill_nan(None),
    )
