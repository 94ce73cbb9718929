"""The surroundings of all names: volatility, yields, exchange rates and oil, as known at the close.

Some features are of a name: how its returns go with what moves around it, beside the market. A
series may be told at the close or a day later; a return is held against the change told in its own
session and in the next one, so either is seen. Others are alike for all names of a session: where a
series stands against its own last 252 sessions, and how far it moved.

Sources: exposure to volatility, Ang, Hodrick, Xing & Zhang (2006); to yields, currencies and oil,
Chen, Roll & Ross (1986) and Jorion (1990); changes told late, Scholes & Williams (1977); term and
credit spread, Fama & French (1989).
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.features import moments
from tasks.features.block import ENOUGH, Block
from tasks.features.engine import Feature, FeatureSet
from tasks.features.market import market, own

Array = NDArray[np.float64]
PRICES = {"series/EURUSD": "eurusd", "series/wti": "oil"}  # their changes are relative
LEVELS = {"series/vix": "vix", "series/yield_10y": "yield"}  # and of these plain differences
SERIES = LEVELS | PRICES
YEAR, MONTH = 252, 20  # sessions


def _changes(block: Block, name: str) -> Array:
    """Return the changes of a series from session to session; NaN over what is no price."""
    values_R1 = block.raw(name)
    if name in LEVELS:
        return values_R1[1:] - values_R1[:-1]
    priced_R1 = np.where(values_R1 > 0, values_R1, np.nan)
    return priced_R1[1:] / priced_R1[:-1] - 1


# --- of a name -----------------------------------------------------------------------------------


def _known(block: Block, name: str) -> tuple[Array, ...]:
    """Return return, market, change, and change with the next one, where all are known.

    Elsewhere all are 0; the last says with NaN where. The newest return has no next change.
    """
    return_RN, change_R1 = block.once(own)[:-1], block.once(_changes, name)
    market_RN = block.once(market)[:-1]
    rows = min(len(return_RN), len(change_R1) - 1)
    now_R1, next_R1 = change_R1[-rows - 1 : -1], change_R1[-rows:]
    one_RN = 1 + 0 * (return_RN[-rows:] + now_R1 + next_R1)
    gap_RN = np.isnan(one_RN)
    parts = return_RN[-rows:], market_RN[-rows:], now_R1 * one_RN, (now_R1 + next_R1) * one_RN
    return *(np.where(gap_RN, 0.0, part) for part in parts), one_RN


def _product(block: Block, name: str, first: int, second: int) -> Array:
    parts = block.once(_known, name)
    return parts[first] * parts[second]


def _ones(block: Block, name: str) -> Array:
    return block.once(_known, name)[-1]


def _exposure(block: Block, *, name: str, rows: int) -> Array:
    """Return the slope of returns on a series, beside the market; means are taken as zero.

    The slope b of y = a m + b x, by sums of products with m and with z, the change with the next
    one, in the place of x: b = (yz mm - ym zm) / (xz mm - xm zm).
    """
    y, m, x, z = range(4)

    def total(first: int, second: int) -> Array:
        return block.total(_product, rows - 1, name, first, second)

    above_TN = total(y, z) * total(m, m) - total(y, m) * total(m, z)
    below_TN = total(x, z) * total(m, m) - total(m, x) * total(m, z)
    count_TN = block.number(_ones, rows - 1, name)
    least = 1 if block.partial else ENOUGH * (rows - 1)
    enough_TN = block.complete("close", rows + 1) & (count_TN >= least)
    return block.where(enough_TN, above_TN / below_TN)


# --- of a session --------------------------------------------------------------------------------


def _level_moments(block: Block, name: str) -> moments.Moved:
    return moments.moments(block.raw(name), block.sessions)


def _change_moments(block: Block, name: str) -> moments.Moved:
    return moments.moments(block.once(_changes, name), block.sessions)


def _level(block: Block, *, name: str, rows: int) -> Array:
    """Return how many standard deviations a series stands above its mean over the window."""
    found = block.once(_level_moments, name)(rows)
    return block.where(
        block.complete(name, rows), (block.newest(name) - found.mean) / found.deviation
    )


def _move(block: Block, *, name: str, recent: int, rows: int) -> Array:
    """Return the recent change over what is usual for so many sessions, by the window's changes."""
    values_R1 = block.raw(name)
    newest_T1, before_T1 = block.newest(name), block.back(values_R1, recent)
    change_T1 = newest_T1 - before_T1
    if name in PRICES:
        change_T1 = newest_T1 / np.where(before_T1 > 0, before_T1, np.nan) - 1
    usual_T1 = block.once(_change_moments, name)(rows).deviation * np.sqrt(recent)
    return block.where(block.complete(name, rows + 1), change_T1 / usual_T1)


def _spread(block: Block, *, above: str, below: str) -> Array:
    """Return the newest value of one series less that of another."""
    return block.newest(above) - block.newest(below)


def _between(name: str, above: str, below: str) -> Feature:
    return Feature(name, "session", (above, below), 1, partial(_spread, above=above, below=below))


SURROUNDINGS = FeatureSet(
    "context",
    (
        *(
            Feature(
                f"{short}_exposure_{k}",
                "exposure",
                ("close", "market", name),
                k + 1,
                partial(_exposure, name=name, rows=k),
            )
            for name, short in SERIES.items()
            for k in (120, YEAR)
        ),
        *(
            Feature(
                f"{short}_level", "session", (name,), YEAR, partial(_level, name=name, rows=YEAR)
            )
            for name, short in SERIES.items()
        ),
        *(
            Feature(
                f"{short}_move",
                "session",
                (name,),
                YEAR + 1,
                partial(_move, name=name, recent=MONTH, rows=YEAR),
            )
            for name, short in SERIES.items()
        ),
        _between("term_spread", "series/yield_10y", "series/yield_3m"),
        _between("credit_spread", "series/yield_baa", "series/yield_aaa"),
    ),
)
