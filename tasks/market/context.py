"""What is known beside bars at each close: series (yields, rates, volatility) and filed figures.

Every row is what was known at the close of its own session, and stays so: nothing that became known
later restates it.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Context:
    """Series and filings of the sources beside a history.

    Args:
        series: `SERIES` of all prints.
        fundamentals: `FUNDAMENTALS` of all prints.
    """

    def __init__(self, series: pl.DataFrame, fundamentals: pl.DataFrame):
        self._series, self._fundamentals = series, fundamentals

    def inputs(
        self, wanted: Sequence[str], sessions: Sequence[date], instruments: Sequence[str]
    ) -> dict[str, Array]:
        """Return `series/<name>` as (sessions, 1) and `figure/<item>` as (sessions, names)."""
        return {}
