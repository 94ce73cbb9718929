"""Which instruments may be held at a close, by the rules of a universe and what was known then."""

import re

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conf.schema import AllUniverse, ListedUniverse, ScreenedUniverse, Universe
from tasks.market.history import Array, View

EQUITY, FUND, UNKNOWN = "equity", "fund", "unknown"
# Words that only pooled or synthetic products carry in their names ("Bancshares" are banks).
FUND_WORDS = re.compile(
    r"\b(?:ETFs?|ETNs?|ETP|Funds?|Fd|Index|Exchange[- ]Traded|Municipals?|Muni\w+|Fixed Income"
    r"|\w+(?<!banc)(?<!bank)shares|iPath|SPDR|Direxion|AlphaDEX|Teucrium|VIX|Market Vectors"
    r"|[23]x|Global X|Floating[- ]Rate|Total Return|Income (?:Securities|Shares|Builder)"
    r"|(?:Bond|Gold|Silver|Platinum|Palladium|Bullion|Value|Term|STRATS|PPlus|Series \S+) Trust"
    r"|WisdomTree(?! Invest))\b|^Vanguard (?!Natural)|\bPortfolio(?: \w+)?$",
    re.IGNORECASE,
)
# Houses that run listed funds, with what their funds (and not the houses) are called.
HOUSE_FUNDS = re.compile(
    r"^(?:The )?(?:BlackRock|Duff & Phelps|Eaton Vance Tax|Franklin|Gabelli|Guggenheim|Invesco"
    r"|John Hancock|MFS|Nuveen|PIMCO|Pioneer|Putnam|Royce|Sprott|Voya|Western Asset)\b"
    r".*\b(?:Trust|Income|Bond|Global|International)\b",
    re.IGNORECASE,
)
INCOME_TRUST = re.compile(r"\bIncome\b.*\bTrust\b", re.IGNORECASE)
OWNS_BUILDINGS = re.compile(r"\b(?:Realty|Propert\w+|Real Estate|REIT|Mortgage)\b", re.IGNORECASE)


def asset_class_of(name: str) -> str:
    """Return `equity`, `fund` or `unknown`, as far as a company's name can tell.

    Real estate trusts are equity. A fund whose name says nothing of it (an old closed-end fund)
    passes as equity, and so do preferred shares and warrants: they carry the company's name.

    >>> asset_class_of("iShares MSCI Australia Index Fund")
    'fund'
    >>> asset_class_of("Acadia Realty Trust")
    'equity'
    """
    if not name.strip():
        return UNKNOWN
    if FUND_WORDS.search(name) or HOUSE_FUNDS.search(name):
        return FUND
    if INCOME_TRUST.search(name) and not OWNS_BUILDINGS.search(name):
        return FUND
    return EQUITY


def members(universe: Universe, view: View, listings: pl.DataFrame) -> list[str]:
    """Return the instruments that may be held at the close of `view.as_of`, sorted.

    All have a close at `as_of`. The cut between equal volumes is made by instrument.

    Args:
        universe: Its rules.
        view: Prices as known at `as_of`.
        listings: Rows of `LISTINGS` known at `as_of`; of several for one instrument the one that
            became known last counts.
    """
    closed = np.isfinite(view.close_TN[-1])
    if isinstance(universe, AllUniverse):
        return _named(view, closed)
    listed = _newest(listings)
    if isinstance(universe, ListedUniverse):
        return _named(view, closed & _is_in(view, _of_symbols(listed, universe.symbols)))
    if universe.asset_classes:
        of_class = listed.filter(pl.col("asset_class").is_in(universe.asset_classes))
        closed = closed & _is_in(view, of_class["instrument"].to_list())
    return _most_liquid(universe, view, closed)


def _most_liquid(
    universe: ScreenedUniverse, view: View, eligible_N: NDArray[np.bool_]
) -> list[str]:
    """Return the first `count` of the eligible by median close times volume."""
    eligible_N = eligible_N & (view.close_TN[-1] >= universe.min_price)
    rules = universe.liquidity
    if rules is None:
        return _named(view, eligible_N)
    value_TN = dollar_volume(view, sessions=rules.sessions)
    observed_N = np.isfinite(value_TN).sum(axis=0)
    eligible_N = eligible_N & (observed_N >= min(rules.min_observed, rules.sessions))
    places = np.flatnonzero(eligible_N)
    if not places.size:
        return []
    median = np.nanmedian(value_TN[:, places], axis=0)
    ranked = places[np.argsort(-median, kind="stable")][: rules.count]
    return [view.instruments[place] for place in np.sort(ranked)]


def dollar_volume(view: View, *, sessions: int) -> Array:
    """Return close times volume, both as traded, of the newest `sessions`, as (T, N).

    NaN where either is missing; a session of volume 0 counts as 0.
    """
    result: Array = view.close_TN[-sessions:] * view.volume_TN[-sessions:]
    return result


def _newest(listings: pl.DataFrame) -> pl.DataFrame:
    age = ["from_session", "known_on", "delivery"]
    return listings.sort("instrument", *age).unique("instrument", keep="last", maintain_order=True)


def _of_symbols(listed: pl.DataFrame, symbols: tuple[str, ...]) -> list[str]:
    found = listed.filter(pl.col("symbol").is_in(symbols))
    return found["instrument"].to_list()


def _is_in(view: View, instruments: list[str]) -> NDArray[np.bool_]:
    wanted = set(instruments)
    return np.array([name in wanted for name in view.instruments], dtype=bool)


def _named(view: View, chosen_N: NDArray[np.bool_]) -> list[str]:
    return sorted(view.instruments[place] for place in np.flatnonzero(chosen_N))
