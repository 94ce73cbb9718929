"""One session of a small account, for the tests of the ledger and of its orders."""

from datetime import date

import polars as pl

from conf.schema import Costs
from tasks.execution.ledger import POSITIONS, Account, Settlement, open_account, settle

MONDAY, TUESDAY = date(2016, 6, 6), date(2016, 6, 7)
FREE = Costs(commission_bps=0, half_spread_bps=0)
DEAR = Costs(commission_bps=1, half_spread_bps=4, borrow_bps_per_year=252)


def day(**names: tuple[float | None, float | None] | dict[str, float | None]) -> pl.DataFrame:
    rows = []
    for name, given_ in names.items():
        prices = given_ if isinstance(given_, dict) else {"open": given_[0], "close": given_[1]}
        rows.append({"instrument": name, "split": 1.0, "dividend": 0.0} | prices)
    kinds = dict.fromkeys(("open", "close", "split", "dividend"), pl.Float64)
    return pl.DataFrame(rows, schema={"instrument": pl.String, **kinds})


def orders(**quantities: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "instrument": list(quantities),
            "side": ["buy" if q > 0 else "sell" for q in quantities.values()],
            "quantity": [abs(q) for q in quantities.values()],
        },
        schema={"instrument": pl.String, "side": pl.String, "quantity": pl.Int64},
    )


def limited(**asked: tuple[int, float | None]) -> pl.DataFrame:
    """Return orders of name=(quantity, limit price)."""
    limits = pl.Series("limit_price", [limit for _, limit in asked.values()], dtype=pl.Float64)
    return orders(**{name: quantity for name, (quantity, _) in asked.items()}).with_columns(limits)


def holding(cash: float = 0.0, *, price: float = 10.0, stale: int = 0, **shares: int) -> Account:
    positions = pl.DataFrame(
        {
            "instrument": list(shares),
            "shares": list(shares.values()),
            "price": [price] * len(shares),
            "price_session": [MONDAY] * len(shares),
            "stale": [stale] * len(shares),
        },
        schema=POSITIONS,
    )
    return open_account(1.0, MONDAY)._replace(cash=cash, positions=positions.sort("instrument"))


def after(
    account: Account,
    prices: pl.DataFrame,
    costs: Costs = FREE,
    trades_at: str = "open",
    delisting_return: float = 0.0,
) -> tuple[Account, Settlement]:
    return settle(
        account,
        prices,
        session=TUESDAY,
        costs=costs,
        trades_at=trades_at,  # type: ignore[arg-type]
        delisting_sessions=3,
        delisting_return=delisting_return,
    )


def shares(account: Account) -> dict[str, int]:
    return dict(account.positions.select("instrument", "shares").iter_rows())
