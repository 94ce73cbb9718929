"""The companies of a simulated market: what each is called and how it behaves."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.market.history import Array

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]
AWKWARD = ("NA", "TRUE", "MAR1", "BRK.B", "1E5")  # symbols that a careless reader would mangle
SECTORS = (
    "Energy",
    "Materials",
    "Industrials",
    "Consumer Discretionary",
    "Consumer Staples",
    "Health Care",
    "Financials",
    "Technology",
    "Communication",
    "Utilities",
    "Real Estate",
)
FIRST = ("Alder", "Birch", "Cedar", "Delta", "Ember", "Fjord", "Garnet", "Harbor", "Indigo", "Juno")
SECOND = ("Systems", "Foods", "Energy", "Partners", "Works", "Labs", "Motors", "Brands", "Capital")


class Companies(NamedTuple):
    """Traits that a company keeps for life, one entry a slot of the market."""

    sector_N: Whole
    beta_N: Array  # on the market
    volatility_N: Array  # daily, of the specific return, in the long run
    liquidity_N: Array  # log of the usual dollar volume
    price_N: Array  # before its first session
    pays_N: Array  # yearly dividend yield; 0 for most
    phase_N: Whole  # session of the quarter its dividend goes ex
    split_above_N: Array  # price from which it splits
    suspended_N: Array  # chance to be suspended on a session
    moving_N: Array  # a number in [0, 1) that tells where a slot opens listed


def draw_companies(rng: np.random.Generator, slots: int, sectors: int) -> Companies:
    """Draw one company for each slot; the same generator state gives the same companies."""
    uniform = rng.random((6, slots))
    normal = rng.standard_normal((4, slots))
    liquidity = 16.8 + 1.6 * normal[2]
    return Companies(
        sector_N=(uniform[0] * sectors).astype(np.int64),
        beta_N=np.clip(1 + 0.25 * normal[0], 0.3, 1.7),
        volatility_N=np.clip(0.018 * np.exp(0.35 * normal[1]), 0.008, 0.045),
        liquidity_N=liquidity,
        price_N=np.round(np.clip(35 * np.exp(0.7 * normal[3]), 4, 400), 2),
        pays_N=np.where(uniform[1] < 0.4, 0.01 + 0.03 * uniform[2], 0.0),
        phase_N=(uniform[3] * 63).astype(np.int64),
        split_above_N=150 + 300 * uniform[4],
        suspended_N=0.0003 + np.where(liquidity < 14.5, 0.01, 0.0),
        moving_N=uniform[5],
    )


def take_over(old: Companies, new: Companies, slots: Flags) -> Companies:
    """Return `old` with the companies of `new` where `slots` is true."""
    return Companies(*(np.where(slots, fresh, kept) for kept, fresh in zip(old, new, strict=True)))


def symbol_of(number: int) -> str:
    """Return the symbol of the company with this number; no two companies share one.

    >>> [symbol_of(number) for number in (0, 1, 5, 6)]
    ['NA', 'TRUE', 'WFVL', 'XGUD']
    """
    if number < len(AWKWARD):
        return AWKWARD[number]
    width = 4 if number < 26**4 else 5
    code = (number * 315_719 + 17) % 26**width  # one to one: the factor is odd and no 13-fold
    letters = ""
    for _ in range(width):
        code, letter = divmod(code, 26)
        letters += chr(ord("A") + letter)
    return f"{letters}1" if letters in AWKWARD else letters


def name_of(number: int) -> str:
    """Return the name of the company with this number."""
    first, rest = FIRST[number % len(FIRST)], number // len(FIRST)
    return f"{first} {SECOND[rest % len(SECOND)]} {number + 1} Inc."


def sector_name(sector: int) -> str:
    """Return the name of a sector."""
    return SECTORS[sector] if sector < len(SECTORS) else f"Sector {sector + 1}"
