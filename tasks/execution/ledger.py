"""What a book holds: cash, positions and orders still to fill, moved one session at a time.

Everything here is pure. Money is in the book's currency, and so are prices: of one share or
contract, with the multiplier and the exchange rate of their session. A limit alone stays as
quoted. Shares are whole and negative when short; a price may be negative too, as oil's was. An
account is written to the lake as `LEDGER` rows and read back to the bit.
"""

import math
from collections.abc import Iterable
from datetime import date
from typing import Literal, NamedTuple

import polars as pl

from conf.schema import BPS, Costs
from tasks.execution.day import after_actions, after_fills, beside_prices, marked, paid_out
from tasks.execution.ledger_late import caught_up
from tasks.market.frames import LEDGER, empty, shaped

POSITIONS = {
    "instrument": pl.String,
    "shares": pl.Int64,
    "price": pl.Float64,  # last close known, or the fill price where none came yet
    "price_session": pl.Date,
    "stale": pl.Int64,  # sessions since that price
}
PENDING = {
    "instrument": pl.String,
    "quantity": pl.Int64,  # signed: bought above zero
    "limit_price": pl.Float64,  # as quoted: buys no higher, sells no lower; null: any price
    "stale": pl.Int64,  # sessions without a price: of the holding, else since it was placed
}
FILLS = {
    "instrument": pl.String,
    "traded": pl.Int64,
    "fill_price": pl.Float64,
    "cost": pl.Float64,
}
CASH = "CASH"
SESSIONS_A_YEAR = 252


class Account(NamedTuple):
    """What a book holds after the close of `session`, orders for the next one included."""

    session: date
    cash: float
    positions: pl.DataFrame  # POSITIONS, sorted by instrument, no zero shares
    pending: pl.DataFrame  # PENDING, sorted by instrument, no zero quantities


class Settlement(NamedTuple):
    """What one session did to an account."""

    session: date
    fills: pl.DataFrame  # FILLS; a delisted holding is paid out here, at no cost
    dividends: float  # received, less those paid on shorts; late ones too
    in_lieu: float  # cash for the fractions that splits left over
    borrow: float  # fee on shorts, paid
    delisted: tuple[str, ...]

    @property
    def cost(self) -> float:
        """Return commissions, half spreads and borrow of the session."""
        return _total(self.fills["cost"]) + self.borrow

    @property
    def traded_notional(self) -> float:
        """Return the value bought plus the value sold, delistings left out."""
        dealt = self.fills.filter(~pl.col("instrument").is_in(list(self.delisted)))
        return _total(dealt["traded"].abs() * dealt["fill_price"].abs())


def open_account(capital: float, session: date) -> Account:
    """Return an account that holds nothing but `capital`."""
    if not (math.isfinite(capital) and capital > 0):
        raise ValueError(f"An account opens with money, found capital {capital}.")
    return Account(session, float(capital), empty(POSITIONS), empty(PENDING))


def nav(account: Account) -> float:
    """Return net asset value: cash plus shares at their last price."""
    return math.fsum([account.cash, *(account.positions["shares"] * account.positions["price"])])


def place(account: Account, orders: pl.DataFrame) -> Account:
    """Return `account` with its open orders replaced by `orders`.

    Takes `orders` (instrument, side, quantity, limit_price); without limits the last may be absent.
    Limits are as quoted, and may be zero or negative where prices can be.
    """
    if unknown := sorted(set(orders["side"]) - {"buy", "sell"}):
        raise ValueError(f"An order is to buy or to sell, found side {', '.join(unknown)}.")
    signed = pl.when(pl.col("side") == "buy").then("quantity").otherwise(-pl.col("quantity"))
    pending = (
        shaped(orders.with_columns(quantity=signed), PENDING)
        .drop("stale")
        .join(account.positions.select("instrument", "stale"), on="instrument", how="left")
        .with_columns(pl.col("limit_price").fill_nan(None), pl.col("stale").fill_null(0))
        .filter(pl.col("quantity") != 0)
        .sort("instrument")
    )
    if pending["limit_price"].is_infinite().any():
        raise ValueError("A limit price is a finite number, or null for none.")
    if twice := pending.filter(pending["instrument"].is_duplicated())["instrument"].to_list():
        raise ValueError(f"Two orders for {', '.join(sorted(set(twice)))}; one a name is taken.")
    return account._replace(pending=pending)


def settle(
    account: Account,
    day: pl.DataFrame,
    *,
    session: date,
    costs: Costs,
    trades_at: Literal["open", "close"],
    delisting_sessions: int,
    delisting_return: float = 0.0,
    late: pl.DataFrame | None = None,
    past: pl.DataFrame | None = None,
) -> tuple[Account, Settlement]:
    """Move `account` over the one session that follows it.

    In this order: what became known only now of actions of earlier sessions (see `caught_up`),
    splits and dividends of shares held over the last close (shorts pay theirs; fractions are paid
    out), orders fill at the open or close, positions are marked at the close, names silent for
    `delisting_sessions` are paid their last price × (1 + `delisting_return`), shorts accrue a day's
    borrow. An order whose price is absent or beyond its limit waits until it is replaced; in a name
    that stays silent for `delisting_sessions`, held or not, it lapses. Fills pay commission and
    half spread; impact is an estimate used in decisions and is not charged here.

    Takes `day` (instrument, open, close, split, dividend) in the book's currency, and `unit_value`,
    what a point of a quoted price is worth in it, where that is not 1 throughout; names without a
    row did not trade. Where something is `late`, `past` are the book's `LEDGER` rows so far.
    """
    if session <= account.session:
        raise ValueError(f"The account stands at {account.session}; cannot settle {session} after.")
    book = caught_up(
        _held_or_ordered(account),
        late,
        past,
        since=account.session,
        delisting_sessions=delisting_sessions,
    )
    book = after_actions(beside_prices(book, day))
    book = after_fills(book, trades_at=trades_at, costs=costs)
    book = marked(book, session=session)
    book = paid_out(book, delisting_sessions, delisting_return)

    fills = book.filter(pl.col("traded") != 0).select(list(FILLS))
    in_lieu = _total([*book["left_over"], *book["in_lieu"]])
    dividends = _total([*book["owed"], *book["received"]])
    paid = _total(book["traded"] * book["fill_price"])
    kept = book.filter(pl.col("shares") != 0)
    short_value = _total(kept.filter(pl.col("shares") < 0).select(_value().abs()).to_series())
    borrow = short_value * costs.borrow_bps_per_year * BPS / SESSIONS_A_YEAR
    settlement = Settlement(
        session=session,
        fills=fills,
        dividends=dividends,
        in_lieu=in_lieu,
        borrow=borrow,
        delisted=tuple(book.filter("delisted")["instrument"]),
    )
    cash = math.fsum([account.cash, dividends, in_lieu, -paid, -settlement.cost])
    pending = book.filter(pl.col("quantity") != 0).select(list(PENDING))
    return Account(session, cash, kept.select(list(POSITIONS)), pending), settlement


def ledger_frame(account: Account, settlement: Settlement | None = None) -> pl.DataFrame:
    """Return the account as `LEDGER` rows, cash in the row `CASH`, whose cost is the borrow."""
    fills = settlement.fills if settlement else empty(FILLS)
    borrow = settlement.borrow if settlement else 0.0
    held = (
        _held_or_ordered(account)
        .join(fills, on="instrument", how="full", coalesce=True)
        .with_columns(pl.col("shares", "quantity", "traded", "cost").fill_null(0))
        .with_columns(value=_value().fill_null(0.0), pending="quantity")
    )
    cash = pl.DataFrame({"instrument": [CASH], "shares": [account.cash], "cost": [borrow]})
    cash = cash.with_columns(
        price=1.0, price_session=pl.lit(account.session), value="shares", traded=0.0, pending=0.0
    )
    rows = pl.concat([shaped(held, LEDGER), shaped(cash, LEDGER)])
    return rows.with_columns(session=pl.lit(account.session), nav=pl.lit(nav(account))).sort(
        "instrument"
    )


def account_of(rows: pl.DataFrame) -> Account:
    """Return the account that `ledger_frame` wrote; `rows` are those of one session."""
    sessions = rows["session"].unique().sort().to_list()
    cash = rows.filter(pl.col("instrument") == CASH)
    if len(sessions) != 1 or cash.height != 1:
        raise ValueError(
            f"An account is the ledger of one session with one {CASH} row; found "
            f"{len(sessions)} sessions and {cash.height} {CASH} rows."
        )
    names = rows.filter(pl.col("instrument") != CASH).sort("instrument")
    held = names.filter(pl.col("shares") != 0)
    waiting = names.filter(pl.col("pending") != 0)
    return Account(
        session=sessions[0],
        cash=cash["value"].item(),
        positions=shaped(held, POSITIONS),
        pending=shaped(waiting.with_columns(quantity="pending"), PENDING),
    )


def _held_or_ordered(account: Account) -> pl.DataFrame:
    """Return positions beside the orders that wait, one row a name."""
    both = account.positions.join(account.pending, on="instrument", how="full", coalesce=True)
    return both.with_columns(stale=pl.coalesce("stale", "stale_right")).drop("stale_right")


def _value() -> pl.Expr:
    return pl.col("shares") * pl.col("price")


def _total(numbers: Iterable[float | None]) -> float:
    """Add up without an order: the same bits whatever the rows' arrangement; null counts 0."""
    return math.fsum(number for number in numbers if number is not None)
