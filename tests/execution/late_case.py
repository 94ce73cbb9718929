"""A small account lived session by session, with actions that become known late."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import polars as pl

from tasks.execution.ledger import (
    Account,
    Settlement,
    account_of,
    ledger_frame,
    nav,
    open_account,
    place,
    settle,
)
from tasks.market.adjust import late_actions
from tasks.market.frames import ACTIONS, shaped
from tests.execution.ledger_case import FREE, day, orders

DAYS = [date(2016, 6, 6 + at) for at in range(5)] + [date(2016, 6, 13 + at) for at in range(5)]


class Told(NamedTuple):
    """One print of an action: which session it is of, and which knew it."""

    kind: str
    value: float
    ex: int
    known: int
    name: str = "AAA"


Prices = dict[tuple[str, int], float]


def actions_of(told: Sequence[Told]) -> pl.DataFrame:
    rows = [
        {
            "instrument": one.name,
            "kind": one.kind,
            "value": one.value,
            "ex_session": DAYS[one.ex],
            "known_on": DAYS[one.known],
            "delivery": DAYS[one.known],
        }
        for one in told
    ]
    return shaped(pl.DataFrame(rows), ACTIONS) if rows else pl.DataFrame(schema=ACTIONS)


def day_of(prices: Prices, actions: pl.DataFrame, at: int) -> pl.DataFrame:
    """Return the day of DAYS[at], by what was known of it then."""
    own = actions.filter(pl.col("ex_session") == DAYS[at], pl.col("known_on") <= DAYS[at])
    rows: dict[str, dict[str, float | None]] = {}
    for name in {n for n, t in prices if t == at} | set(own["instrument"]):
        price = prices.get((name, at))
        rows[name] = {"open": price, "close": price}
    for name, kind, value in own.sort("known_on").select("instrument", "kind", "value").rows():
        rows[name][kind] = value
    return day(**rows).with_columns(pl.col("split").fill_null(1.0), pl.col("dividend").fill_null(0))


def lived(
    account: Account,
    prices: Prices,
    told: Sequence[Told],
    wishes: dict[int, pl.DataFrame],
    *,
    until: int = len(DAYS) - 1,
    delisting_sessions: int = 99,
    reread: bool = False,
) -> list[tuple[Account, Settlement | None]]:
    """Return the account of every session; `wishes` are the orders placed at its close."""
    actions = actions_of(told)
    account = account._replace(session=DAYS[0])
    account = place(account, wishes[0]) if 0 in wishes else account
    steps: list[tuple[Account, Settlement | None]] = [(account, None)]
    past = [ledger_frame(account)]
    for at in range(1, until + 1):
        late = late_actions(actions, DAYS[at], since=DAYS[at - 1])
        account, settled = settle(
            account_of(past[-1]) if reread else account,
            day_of(prices, actions, at),
            session=DAYS[at],
            costs=FREE,
            trades_at="open",
            delisting_sessions=delisting_sessions,
            late=late.with_columns(unit_value=pl.lit(1.0)),
            past=pl.concat(past),
        )
        account = place(account, wishes[at]) if at in wishes else account
        steps.append((account, settled))
        past.append(ledger_frame(account, settled))
    return steps


def flat(price: float, *, until: int, then: float, name: str = "AAA") -> Prices:
    """Return `price` before session `until` and `then` from it on."""
    return {(name, at): price if at < until else then for at in range(len(DAYS))}


def without(prices: Prices, *silent: int, name: str = "AAA") -> Prices:
    return {
        cell: price for cell, price in prices.items() if cell not in {(name, s) for s in silent}
    }


def bought(quantity: int = 10, cash: float = 7_000.0) -> tuple[Account, dict[int, pl.DataFrame]]:
    return open_account(cash, DAYS[0]), {0: orders(AAA=quantity)}


def navs(steps: list[tuple[Account, Settlement | None]]) -> list[float]:
    return [nav(account) for account, _ in steps]
