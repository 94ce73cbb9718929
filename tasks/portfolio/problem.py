"""The choice a book has to make, as arrays over the names it may hold or does hold.

Weights are fractions of the NAV before the trade, and may be negative (short).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conf.schema import Book, Limits
from tasks.market.frames import shaped
from tasks.market.history import Array
from tasks.portfolio.costs import borrow_rate, impact_rates, linear_rate, trading_cost
from tasks.risk.covariance import chosen, loadings
from tasks.risk.factors import RiskModel

Shares = NDArray[np.int64]
Flags = NDArray[np.bool_]

SNAPSHOT = {
    "instrument": pl.String,
    "symbol": pl.String,
    "member": pl.Boolean,
    "score": pl.Float64,
    "expected_return": pl.Float64,  # over the horizon; null counts as 0
    "price": pl.Float64,  # the last one, in today's shares and the book's currency; null: none
    "price_session": pl.Date,
    "adv": pl.Float64,  # median daily volume in the book's currency; null: unknown
    "stale_sessions": pl.Int64,  # since the last price
}
# How each name is quoted; a snapshot that lacks these is in the book's currency, a point worth 1.
QUOTES = {
    "asset_class": pl.String,
    "currency": pl.String,
    "quoted": pl.Float64,  # the price as quoted, in `currency`
    "unit_value": pl.Float64,  # of one point of it, in the book's currency
}
POSITIONS = {
    "instrument": pl.String,
    "shares": pl.Int64,
    "price": pl.Float64,
    "price_session": pl.Date,
}


class Holdings(NamedTuple):
    """What a book holds before it trades: cash, and positions with their last known prices."""

    cash: float
    positions: pl.DataFrame  # instrument, shares, price, price_session


class Problem(NamedTuple):
    """Everything the choice of weights depends on; arrays over names, sorted by instrument."""

    names: pl.DataFrame  # the snapshot's rows of these names, with `shares` held
    limits: Limits
    switched_off: Mapping[str, str]
    nav: float
    lot: int
    horizon: int
    risk_aversion: float
    rate: float  # linear cost of what is traded
    borrow: float  # cost of what is short, over the horizon
    impact_N: Array  # cost of traded^1.5
    shares_N: Shares
    price_N: Array
    current_N: Array  # weights before the trade
    lot_N: Array  # weight of one lot
    alpha_N: Array  # expected return over the horizon
    volume_N: Array  # median daily volume over NAV; NaN unknown
    stale_N: Array  # sessions since the last price; NaN unknown
    priced_N: Flags  # has a price to trade at
    open_N: Flags  # may be held: a member, with risk and a price
    risk: RiskModel  # of exactly these names
    loadings_NK: Array  # exposures to uncorrelated factors of variance 1, daily
    assumed: tuple[str, ...]  # held names whose risk had to be assumed

    @property
    def instruments(self) -> list[str]:
        """The names, sorted."""
        return self.names["instrument"].to_list()

    @property
    def first(self) -> bool:
        """Whether nothing is held yet."""
        return not self.shares_N.any()

    def weights(self, shares_N: Shares) -> Array:
        """Return the weights of these positions."""
        return shares_N * self.price_N / self.nav

    def costs(self, weights_N: Array) -> Array:
        """Return the trading cost of moving to `weights_N`, a fraction of NAV, per name."""
        return trading_cost(np.abs(weights_N - self.current_N), self.rate, self.impact_N)


def make_problem(
    snapshot: pl.DataFrame, risk: RiskModel, holdings: Holdings, mandate: Book, horizon: int
) -> Problem:
    """Return the choice `mandate` has to make. Names that can neither be held nor are, drop out.

    A held name that may not be held any more, being no member, without risk or at a price not above
    zero, is to be sold; a held name without any price keeps the price of the ledger and cannot be
    traded. The ledger's price also stands where it is newer, being a fill on a day without a close.
    """
    rows = _with_holdings(snapshot, holdings)
    in_risk = np.isin(rows["instrument"].to_numpy(), np.array(risk.instruments, object))
    priced = rows["price"].is_not_null().to_numpy()
    worth_holding = (rows["price"] > 0).fill_null(False).to_numpy()
    may_hold = rows["member"].fill_null(False).to_numpy() & in_risk & worth_holding
    rows, priced, may_hold = _only(
        rows, (rows["shares"] != 0).to_numpy() | may_hold, priced, may_hold
    )
    rows = with_quotes(rows.with_columns(pl.coalesce("price", "ledger_price")), mandate.currency)
    price = rows["price"].to_numpy().astype(float)
    shares = rows["shares"].to_numpy().astype(np.int64)
    nav = holdings.cash + float((shares * price).sum())
    if not nav > 0 or not np.isfinite(nav):
        raise ValueError(f"NAV is {nav:,.2f}: there is nothing to size positions against.")
    known, assumed = chosen(risk, rows["instrument"].to_list())
    volume = rows["adv"].to_numpy().astype(float) / nav
    return Problem(
        names=rows,
        limits=mandate.limits,
        switched_off={str(name): why for name, why in mandate.switched_off.items()},
        nav=nav,
        lot=mandate.lot,
        horizon=horizon,
        risk_aversion=mandate.objective.risk_aversion,
        rate=linear_rate(mandate.costs),
        borrow=borrow_rate(mandate.costs, horizon),
        impact_N=impact_rates(mandate.costs, known.volatility_N, volume),
        shares_N=shares,
        price_N=price,
        current_N=shares * price / nav,
        lot_N=mandate.lot * price / nav,
        alpha_N=np.nan_to_num(rows["expected_return"].to_numpy().astype(float)),
        volume_N=volume,
        stale_N=rows["stale_sessions"].to_numpy().astype(float),
        priced_N=priced,
        open_N=may_hold,
        risk=known,
        loadings_NK=loadings(known),
        assumed=assumed,
    )


def with_quotes(rows: pl.DataFrame, currency: str) -> pl.DataFrame:
    """Return `rows` of a snapshot with all of `QUOTES`; in `currency` where nothing is said."""
    absent = [pl.lit(None, kind).alias(n) for n, kind in QUOTES.items() if n not in rows.columns]
    said = pl.col("unit_value").is_not_null()
    return rows.with_columns(absent).with_columns(
        currency=pl.when(said).then("currency").fill_null(currency),
        unit_value=pl.col("unit_value").fill_null(1.0),
        quoted=pl.coalesce("quoted", pl.col("price") / pl.col("unit_value").fill_null(1.0)),
    )


def _with_holdings(snapshot: pl.DataFrame, holdings: Holdings) -> pl.DataFrame:
    """Return the checked snapshot, sorted, with `shares` and `ledger_price` beside each name."""
    if missing := [name for name in SNAPSHOT if name not in snapshot.columns]:
        raise ValueError(f"The snapshot lacks the columns {', '.join(missing)}.")
    rows = shaped(snapshot, SNAPSHOT | QUOTES)
    rows = rows.with_columns(pl.col("price", "adv", "expected_return", "score").fill_nan(None))
    held = holdings.positions.select(
        pl.col("instrument").cast(pl.String),
        pl.col("shares").cast(pl.Int64),
        ledger_price=pl.col("price").cast(pl.Float64),
        ledger_session=pl.col("price_session").cast(pl.Date),
    ).filter(pl.col("shares") != 0)
    for frame, where in ((rows, "snapshot"), (held, "holdings")):
        if twice := frame.filter(pl.col("instrument").is_duplicated())["instrument"].to_list():
            raise ValueError(f"Twice in the {where}: {', '.join(sorted(set(twice)))}.")
    if lost := sorted(set(held["instrument"]) - set(rows["instrument"])):
        raise ValueError(f"Held but not in the snapshot: {', '.join(lost)}.")
    joined = rows.join(held, on="instrument", how="left").sort("instrument")
    newer = (pl.col("ledger_session") > pl.col("price_session")).fill_null(False)
    joined = joined.with_columns(
        pl.col("shares").fill_null(0),
        price=pl.when(newer).then("ledger_price").otherwise("price"),
        price_session=pl.when(newer).then("ledger_session").otherwise("price_session"),
        quoted=pl.when(newer).then(None).otherwise("quoted"),
    )
    at, held_now = pl.coalesce("price", "ledger_price"), pl.col("shares") != 0
    bad = joined.filter(at.is_infinite() | (held_now & (at.is_null() | (at == 0))))
    if not bad.is_empty():
        raise ValueError(f"No usable price for {', '.join(bad['instrument'])}: cannot size them.")
    return joined


def _only(
    rows: pl.DataFrame, keep: Flags, priced: Flags, may_hold: Flags
) -> tuple[pl.DataFrame, Flags, Flags]:
    return rows.filter(pl.Series(keep)), priced[keep], may_hold[keep]
