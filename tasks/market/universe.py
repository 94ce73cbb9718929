"""Which instruments may be held at a close, by the rules of a universe and what was known then."""

import re
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conf.schema import AllUniverse, Liquidity, ListedUniverse, ScreenedUniverse, Universe
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


def members(
    universe: Universe,
    view: View,
    listings: pl.DataFrame,
    *,
    index_members: pl.DataFrame | None = None,
    unit_TN: Array | None = None,
) -> list[str]:
    """Return the instruments that may be held at the close of `view.as_of`, sorted.

    All have a close at `as_of`. The cut between equal volumes is made by instrument.

    Args:
        universe: Its rules.
        view: Prices as known at `as_of`, of `sessions_needed(universe)` sessions or of all there
            are.
        listings: Rows of `LISTINGS` known at `as_of`; of several for one instrument the one that
            became known last counts, and the earliest says since when it is listed.
        index_members: Rows of `MEMBERS` known at `as_of`; only a universe with an index needs them.
        unit_TN: What a point of each price was worth in the source's currency, over the sessions
            that liquidity looks at or more; NaN where no rate is known. None: 1 everywhere.
    """
    closed = np.isfinite(view.close_TN[-1])
    if isinstance(universe, AllUniverse):
        return _named(view, closed)
    listed = _newest(listings)
    if isinstance(universe, ListedUniverse):
        return _named(view, closed & _is_in(view, _of_symbols(listed, universe.symbols)))
    eligible_N = closed & _screened(universe, view, listed)
    if universe.min_age:
        eligible_N &= _old_enough(view, listings, sessions=universe.min_age)
    if universe.index is not None:
        symbols = _in_index(universe.index, view, index_members)
        eligible_N &= _is_in(view, _of_symbols(listed, symbols))
    return _liquid(universe.liquidity, view, eligible_N, unit_TN)


def sessions_needed(universe: Universe) -> int:
    """Return how many sessions a view must show for `members` to judge by these rules."""
    if not isinstance(universe, ScreenedUniverse):
        return 1
    traded = universe.liquidity.sessions if universe.liquidity else 1
    return max(traded, universe.min_age + 1)


def _screened(universe: ScreenedUniverse, view: View, listed: pl.DataFrame) -> NDArray[np.bool_]:
    """Return who passes the screens of asset class, sector and price."""
    passed_N = np.ones(len(view.instruments), dtype=bool)
    for column, wanted in (
        ("asset_class", universe.asset_classes),
        ("sector", universe.sectors),
    ):
        if wanted:
            rows = listed.filter(pl.col(column).is_in(wanted))
            passed_N &= _is_in(view, rows["instrument"].to_list())
    if universe.min_price:
        passed_N &= view.close_TN[-1] >= universe.min_price
    return passed_N


def _old_enough(view: View, listings: pl.DataFrame, *, sessions: int) -> NDArray[np.bool_]:
    """Return who was listed, or had a close, `sessions` sessions before `as_of` or earlier.

    Where the view does not reach back that far, only a listing from before its first session
    counts: how long a name has traded cannot be told from fewer sessions.
    """
    shown = len(view.sessions) - sessions
    before = view.sessions[shown - 1] if shown > 0 else view.sessions[0] - timedelta(days=1)
    since = listings.filter(pl.col("from_session") <= before)["instrument"].to_list()
    traded_N = np.isfinite(view.close_TN[: max(shown, 0)]).any(axis=0)
    return traded_N | _is_in(view, since)


def _in_index(index: str, view: View, told: pl.DataFrame | None) -> tuple[str, ...]:
    """Return the symbols that were members of `index` at `as_of`."""
    if told is None:
        raise ValueError(f"This universe asks who is in {index}: pass `index_members`.")
    names = told["index"].unique().sort().to_list()
    if index not in names:
        raise ValueError(
            f"Nobody says by {view.as_of} who is in {index!r}; known is: "
            f"{', '.join(names) or 'no index at all'}. Name a source that delivers memberships, "
            "and sessions it tells of."
        )
    events = told.filter(pl.col("index") == index, pl.col("session") <= view.as_of)
    newest = events.sort("session", "known_on", "delivery").unique("symbol", keep="last")
    return tuple(newest.filter(pl.col("member") == 1)["symbol"].sort().to_list())


def _liquid(
    rules: Liquidity | None, view: View, eligible_N: NDArray[np.bool_], unit_TN: Array | None
) -> list[str]:
    """Return the eligible that traded enough, by the median value of what changed hands."""
    if rules is None:
        return _named(view, eligible_N)
    value_TN = dollar_volume(view, sessions=rules.sessions, unit_TN=unit_TN)
    observed_N = np.isfinite(value_TN).sum(axis=0)
    eligible_N = eligible_N & (observed_N >= min(rules.min_observed, rules.sessions))
    places = np.flatnonzero(eligible_N)
    if not places.size:
        return []
    median = np.nanmedian(value_TN[:, places], axis=0)
    places, median = places[median >= rules.least], median[median >= rules.least]
    ranked = places[np.argsort(-median, kind="stable")][: rules.count]
    return [view.instruments[place] for place in np.sort(ranked)]


def dollar_volume(view: View, *, sessions: int, unit_TN: Array | None = None) -> Array:
    """Return close times volume, both as traded, of the newest `sessions`, as (T, N).

    In one currency where `unit_TN` says what a point of price was worth. NaN where any of them is
    missing; a session of volume 0 counts as 0.
    """
    result: Array = view.close_TN[-sessions:] * view.volume_TN[-sessions:]
    return result if unit_TN is None else result * unit_TN[-sessions:]


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
