"""What a book is held against: equal weights, and its own minimum risk without any forecast.

Both trade at the book's costs. Equal weights know no limit but the cash buffer, and their orders
fill at any price.
"""

import math
from datetime import date

import polars as pl

from conf.schema import BPS, Book, Objective
from tasks.execution.ledger import Account, nav
from tasks.market.frames import DRAFT_ORDERS, DRAFT_TARGETS, shaped
from tasks.portfolio.decide import Decision, Holdings, decide
from tasks.portfolio.problem import with_quotes
from tasks.portfolio.trades import order_id
from tasks.simulation.walk import Close, Look, Policy


def mandated(mandate: Book, *, book: str, horizon: int) -> Policy:
    """Return the policy that decides as the night does."""

    def policy(close: Close, account: Account) -> Decision:
        look = close.look(account)
        return decide(
            look.snapshot,
            look.risk,
            Holdings(account.cash, account.positions),
            mandate=mandate,
            horizon=horizon,
            as_of=close.session,
            book=book,
        )

    return policy


def minimum_variance(mandate: Book, *, book: str, horizon: int) -> Policy:
    """Return the mandate's limits and costs with least risk as the only wish."""
    objective = Objective(
        optimiser="minimum_variance", risk_aversion=mandate.objective.risk_aversion
    )
    blind = mandated(
        mandate.model_copy(update={"objective": objective}), book=book, horizon=horizon
    )

    def policy(close: Close, account: Account) -> Decision | None:
        def look_without_forecast(of: Account) -> Look:
            look = close.look(of)
            return look._replace(snapshot=look.snapshot.with_columns(expected_return=0.0))

        return blind(close._replace(look=look_without_forecast), account)

    return policy


def equal_weight(mandate: Book, *, book: str) -> Policy:
    """Return equal weights of all members with a price of the day above zero, in whole lots.

    Holdings without a price of the day stay; what they are worth is not spent again.
    """
    rate = (mandate.costs.commission_bps + mandate.costs.half_spread_bps) * BPS

    def policy(close: Close, account: Account) -> Decision:
        names = (
            close.look(account)
            .snapshot.join(
                account.positions.select("instrument", "shares"), on="instrument", how="left"
            )
            .with_columns(pl.col("shares").fill_null(0))
        )
        names = with_quotes(names, mandate.currency)
        fresh = (pl.col("price") > 0) & (pl.col("price_session") == close.session)
        chosen = names.filter("member", fresh).height
        stuck = names.filter(~fresh.fill_null(False))["instrument"].to_list()
        value = nav(account) * (1 - mandate.limits.cash - rate) - _worth(account, stuck)
        each = max(value, 0.0) / max(chosen, 1)
        lots = (each / pl.col("price") / mandate.lot).floor().cast(pl.Int64) * mandate.lot
        wanted = pl.when(fresh & pl.col("member")).then(lots).otherwise(0)
        rows = names.with_columns(wanted=pl.when(fresh).then(wanted).otherwise("shares"))
        return _decision(rows, account, book=book, session=close.session)

    return policy


def monthly(policy: Policy) -> Policy:
    """Return `policy` asked at the first close of each month alone; it keeps count of the month."""
    asked: list[tuple[int, int]] = []

    def at_first_close(close: Close, account: Account) -> Decision | None:
        month = (close.session.year, close.session.month)
        if asked == [month]:
            return None
        asked[:] = [month]
        return policy(close, account)

    return at_first_close


def _worth(account: Account, names: list[str]) -> float:
    held = account.positions.filter(pl.col("instrument").is_in(names))
    return math.fsum(held["shares"] * held["price"])


def _decision(rows: pl.DataFrame, account: Account, *, book: str, session: date) -> Decision:
    trade = pl.col("wanted") - pl.col("shares")
    orders = rows.filter(trade != 0).with_columns(
        side=pl.when(trade > 0).then(pl.lit("buy")).otherwise(pl.lit("sell")),
        quantity=trade.abs(),
        type=pl.lit("market"),
        notional=trade.abs() * pl.col("price").abs(),
    )
    ids = [
        order_id(book, session, 0, symbol, side, quantity)
        for symbol, side, quantity in orders.select("symbol", "side", "quantity").iter_rows()
    ]
    value = nav(account)
    targets = rows.filter((pl.col("wanted") != 0) | (pl.col("shares") != 0)).with_columns(
        weight=pl.col("wanted") * pl.col("price") / value,
        value=pl.col("wanted") * pl.col("price"),
        current_shares="shares",
        shares="wanted",
        reference_price="quoted",
    )
    return Decision(
        targets=shaped(targets, DRAFT_TARGETS).sort("instrument"),
        orders=shaped(
            orders.with_columns(client_order_id=pl.Series(ids, dtype=pl.String)), DRAFT_ORDERS
        ).sort("instrument"),
        checks=[],
        solver={},
        summary={"nav": value},
    )
