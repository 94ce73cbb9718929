"""A seeded futures market: contracts of one root that list, fill with trading, and expire."""

from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl

from tasks.market.calendar import Calendar
from tasks.market.frames import RAW_BARS, RAW_LISTINGS, shaped

DAYS = Calendar("XNYS")


class Curve(NamedTuple):
    """Bars of all contracts as `RAW_BARS`, and what is said of them as `RAW_LISTINGS`."""

    bars: pl.DataFrame
    contracts: pl.DataFrame


def curve(
    *, seed: int = 7, contracts: int = 6, spacing: int = 21, life: int = 70, crash: bool = False
) -> Curve:
    """Return contracts that expire `spacing` sessions apart and trade for `life` sessions.

    The curve is in contango. Trading wanders from a contract to the next some ten sessions before
    it expires. With `crash` the contract in the middle ends below zero.
    """
    rng = np.random.default_rng(seed)
    sessions = DAYS.sessions(date(2019, 1, 2), date(2022, 12, 30))[: life + spacing * contracts]
    spot_T = 50.0 * np.exp(np.cumsum(rng.normal(0, 0.02, len(sessions))))
    rows, told = [], []
    for place in range(contracts):
        last = life + spacing * place - 1
        symbol = f"CL{place:02d}"
        about = {
            "symbol": symbol,
            "name": f"Oil {place}",
            "from_session": sessions[last - life + 1],
        }
        told.append(about | {"to_session": sessions[last]})
        for at in range(last - life + 1, last + 1):
            left = last - at
            close = spot_T[at] * (1.0 + 0.0005 * left)
            if crash and place == contracts // 2 and left == 0:
                close = -36.98
            volume = 1e5 * np.exp(-(((left - 18) / 12) ** 2)) * rng.uniform(0.9, 1.1) + 10.0
            bar = dict.fromkeys(("open", "high", "low", "close"), close)
            rows.append({"session": sessions[at], "symbol": symbol, "volume": volume} | bar)
    kind = {"asset_class": pl.lit("future"), "root": pl.lit("CL"), "multiplier": pl.lit(1000.0)}
    listings = pl.DataFrame(told).with_columns(currency=pl.lit("USD"), **kind)
    frame = shaped(pl.DataFrame(rows), RAW_BARS).sort("session", "symbol")
    return Curve(frame, shaped(listings, RAW_LISTINGS))
