"""Fundamentals by the day they became known: what a name is worth, earns, owns and owes.

A figure is the newest that was known at the close, null once its period ended more than 400 days
ago; a change is against what was known 252 sessions before. Prices and shares are as traded.
Of what filings tell, revenue, operating income and net income are flows told by the quarter (in
10-Qs) or the year (in 10-Ks), so their sum over a year can be had. Cash flows are told since the
start of the fiscal year, and are not used; cost of sales is not told, so profit is operating
profit. Where no shares are told, income over diluted earnings a share implies them.

Sources: size, Banz (1981); book to price, Fama & French (1992); earnings to price, Basu (1977);
sales to price, Barbee, Mukherji & Raines (1996); profit to assets, Novy-Marx (2013) and Ball,
Gerakos, Linnainmaa & Nikolaev (2015), here operating; margin and turnover of assets, Soliman
(2008); debt, Bhandari (1988), here all that is owed, to assets; current ratio, Ou & Penman (1989);
cash, Palazzo (2012); growth of assets, Cooper, Gulen & Schill (2008); growth of sales, Lakonishok,
Shleifer & Vishny (1994); accruals, Sloan (1996), without depreciation; issuance, Daniel & Titman
(2006); turnover of shares, Datar, Naik & Radcliffe (1998).
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.features.block import Block
from tasks.features.engine import Feature, FeatureSet
from tasks.features.returns import close, volume

Array = NDArray[np.float64]
YEAR = 252  # sessions
REVENUE, OPERATING, INCOME = (
    f"figure/{item}:year" for item in ("revenue", "operating_income", "net_income")
)
ASSETS, EQUITY, CASH, SHARES = (f"figure/{i}" for i in ("assets", "equity", "cash", "shares"))
OWNED, OWED = "figure/current_assets", "figure/current_liabilities"
ISSUED = ("close", SHARES)


def _over(above_TN: Array, below_TN: Array) -> Array:
    """Return a ratio to something above zero; NaN where it is not."""
    return above_TN / np.where(below_TN > 0, below_TN, np.nan)


def _value(block: Block, ago: int = 0) -> Array:
    """Return the value of all shares `ago` sessions back, at the close as traded."""
    shares_TN = block.back(block.raw(SHARES), ago)
    return block.back(block.raw("close"), ago) * np.where(shares_TN > 0, shares_TN, np.nan)


def _size(block: Block) -> Array:
    """Return the logarithm of the value of all shares."""
    return np.log(block.once(_value))


def _to_price(block: Block, *, item: str) -> Array:
    """Return a figure over the value of all shares."""
    return block.newest(item) / block.once(_value)


def _ratio(block: Block, *, above: str, below: str) -> Array:
    """Return a figure over another."""
    return _over(block.newest(above), block.newest(below))


def _leverage(block: Block) -> Array:
    """Return what is owed over all assets."""
    return 1 - _ratio(block, above=EQUITY, below=ASSETS)


def _growth(block: Block, *, item: str) -> Array:
    """Return a figure over what was known of it a year before, less 1."""
    return _over(block.newest(item), block.back(block.raw(item), YEAR)) - 1


def _working_capital(block: Block, ago: int) -> Array:
    """Return current assets without cash, less current liabilities."""
    owned, cash, owed = (block.back(block.raw(item), ago) for item in (OWNED, CASH, OWED))
    return owned - cash - owed


def _accruals(block: Block) -> Array:
    """Return the change of working capital over a year, over mean assets."""
    change_TN = _working_capital(block, 0) - _working_capital(block, YEAR)
    return _over(change_TN, (block.newest(ASSETS) + block.back(block.raw(ASSETS), YEAR)) / 2)


def _issuance(block: Block) -> Array:
    """Return the growth of the value of all shares that its price does not explain, in logs."""
    close_RN = block.once(close)
    price_TN = block.back(close_RN, 0) / block.back(close_RN, YEAR)
    return np.log(block.once(_value) / block.once(_value, YEAR) / price_TN)


def _turnover(block: Block, *, rows: int) -> Array:
    """Return the mean share of all shares that is traded in a session."""
    share_TN = _over(block.mean(volume, rows), block.newest(SHARES))
    return block.where(block.complete("volume", rows), share_TN)


def _feature(
    name: str,
    family: str,
    inputs: tuple[str, ...],
    compute: Callable[[Block], Array],
    rows: int = 1,
) -> Feature:
    return Feature(name, family, inputs, rows, compute)


def _priced(name: str, item: str) -> Feature:
    return _feature(name, "value", (*ISSUED, item), partial(_to_price, item=item))


def _between(name: str, family: str, above: str, below: str) -> Feature:
    return _feature(name, family, (above, below), partial(_ratio, above=above, below=below))


FUNDAMENTALS = FeatureSet(
    "fundamentals",
    (
        _feature("size", "size", ISSUED, _size),
        _priced("book_to_price", EQUITY),
        _priced("earnings_to_price", INCOME),
        _priced("sales_to_price", REVENUE),
        _between("operating_profit_to_assets", "quality", OPERATING, ASSETS),
        _between("income_to_assets", "quality", INCOME, ASSETS),
        _between("income_to_equity", "quality", INCOME, EQUITY),
        _between("operating_margin", "quality", OPERATING, REVENUE),
        _between("sales_to_assets", "quality", REVENUE, ASSETS),
        _between("current_ratio", "quality", OWNED, OWED),
        _between("cash_to_assets", "quality", CASH, ASSETS),
        _feature("leverage", "quality", (EQUITY, ASSETS), _leverage),
        _feature("asset_growth", "growth", (ASSETS,), partial(_growth, item=ASSETS), YEAR + 1),
        _feature("sales_growth", "growth", (REVENUE,), partial(_growth, item=REVENUE), YEAR + 1),
        _feature("accruals", "growth", (OWNED, OWED, CASH, ASSETS), _accruals, YEAR + 1),
        _feature("issuance", "growth", ISSUED, _issuance, YEAR + 1),
        *(
            _feature(f"turnover_{k}", "volume", ("volume", SHARES), partial(_turnover, rows=k), k)
            for k in (20, 60)
        ),
    ),
)
