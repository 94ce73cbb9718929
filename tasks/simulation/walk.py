"""A book's past, session by session, by the very functions that run at night.

Several policies walk side by side over the same closes, each with an account of its own: the book
as mandated, and what it is held against.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Literal, NamedTuple

import polars as pl

from conf.schema import Book
from tasks.execution.ledger import (
    Account,
    Settlement,
    ledger_frame,
    nav,
    open_account,
    place,
    settle,
)
from tasks.portfolio.decide import Decision, Infeasible
from tasks.risk.factors import RiskModel

WALKED = {
    "session": pl.Date,
    "nav": pl.Float64,
    "cash": pl.Float64,
    "cost": pl.Float64,  # paid in the session: fills and borrow, in the book's currency
    "turnover": pl.Float64,  # half of what was traded over the NAV before
    "gross": pl.Float64,
    "net": pl.Float64,
    "names": pl.Int64,
    "volatility": pl.Float64,  # ex ante, a year; null where nothing was decided
    "status": pl.String,  # decided, kept, or infeasible and why
}


class Look(NamedTuple):
    """What a policy may see of one close when it decides for one account."""

    snapshot: pl.DataFrame  # portfolio.problem.SNAPSHOT
    risk: RiskModel


class Close(NamedTuple):
    """One session's close: the day that accounts settle at, and what may be seen of it then."""

    session: date
    day: pl.DataFrame  # instrument, open, close, split, dividend, perhaps unit_value
    look: Callable[[Account], Look]
    late: pl.DataFrame | None = None  # actions known only now, of sessions before; None: none


Policy = Callable[[Close, Account], Decision | None]


class Step(NamedTuple):
    """What one session did to one account, and what was decided at its close."""

    account: Account  # with the orders decided now
    settlement: Settlement | None  # None on the session the account was opened
    decision: Decision | None
    nav_before: float
    status: str


def walk(
    closes: Iterable[Close],
    policies: Mapping[str, Policy],
    *,
    mandate: Book,
    trades_at: Literal["open", "close"],
    accounts: Mapping[str, Account] | None = None,
) -> Iterator[dict[str, Step]]:
    """Yield each session's step of every policy, oldest first.

    A policy that gives None, or finds its limits in conflict, keeps its last target: orders that
    still wait go on waiting. Policies without one of `accounts` open with the mandate's capital on
    the first close, and trade on the second. No action of before it was taken up moves an account.
    """
    standing: dict[str, Account] = dict(accounts or {})
    pasts: dict[str, list[tuple[Account, Settlement | None]]] = {
        name: [(standing[name], None)] if name in standing else [] for name in policies
    }
    for close in closes:
        steps = {
            name: step(
                standing.get(name),
                close,
                policy,
                mandate=mandate,
                trades_at=trades_at,
                past=_ledger_before(close, pasts[name]),
            )
            for name, policy in policies.items()
        }
        standing = {name: one.account for name, one in steps.items()}
        for name, one in steps.items():
            pasts[name].append((one.account, one.settlement))
        yield steps


def step(
    account: Account | None,
    close: Close,
    policy: Policy,
    *,
    mandate: Book,
    trades_at: Literal["open", "close"],
    past: pl.DataFrame | None = None,
) -> Step:
    """Settle `account` over the session, or open it there, then place what `policy` decides.

    Where `close` has late actions, `past` are the account's `LEDGER` rows so far.
    """
    settlement = None
    if account is None:
        account = open_account(mandate.capital, close.session)
        before = mandate.capital
    else:
        before = nav(account)
        account, settlement = settle(
            account,
            close.day,
            session=close.session,
            costs=mandate.costs,
            trades_at=trades_at,
            delisting_sessions=mandate.delisting_sessions,
            delisting_return=mandate.delisting_return,
            late=close.late,
            past=past,
        )
    try:
        decision = policy(close, account)
    except Infeasible as conflict:
        return Step(account, settlement, None, before, f"infeasible: {conflict}")
    if decision is None:
        return Step(account, settlement, None, before, "kept")
    return Step(place(account, decision.orders), settlement, decision, before, "decided")


def _ledger_before(
    close: Close, past: Sequence[tuple[Account, Settlement | None]]
) -> pl.DataFrame | None:
    """Return the ledger of `past` where `close` has late actions to hold against it."""
    if close.late is None or close.late.is_empty() or not past:
        return None
    return pl.concat([ledger_frame(*one) for one in past])


def walked_frame(steps: Iterable[Step]) -> pl.DataFrame:
    """Return one policy's steps as `WALKED` rows."""
    return pl.DataFrame([_row(one) for one in steps], schema=WALKED)


def _row(one: Step) -> dict[str, object]:
    value = nav(one.account)
    held = one.account.positions.select(value=pl.col("shares") * pl.col("price"))["value"]
    traded = one.settlement.traded_notional if one.settlement else 0.0
    return {
        "session": one.account.session,
        "nav": value,
        "cash": one.account.cash,
        "cost": one.settlement.cost if one.settlement else 0.0,
        "turnover": traded / one.nav_before / 2,
        "gross": float(held.abs().sum()) / value,
        "net": float(held.sum()) / value,
        "names": held.len(),
        "volatility": one.decision.summary.get("volatility") if one.decision else None,
        "status": one.status,
    }
