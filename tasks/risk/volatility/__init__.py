"""Volatility models by name: (returns_TN, half_life) -> daily volatility (T + 1, N).

Row t is the forecast for session t, made from the sessions before it; the last row is the next.
"""

from collections.abc import Callable

from tasks.market.history import Array


def _ewma(returns_TN: Array, half_life: float) -> Array:
    from tasks.risk.volatility.ewma import ewma_volatility

    return ewma_volatility(returns_TN, half_life)


VOLATILITY_MODELS: dict[str, Callable[[Array, float], Array]] = {"ewma": _ewma}
