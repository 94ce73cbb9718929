"""Settle task: bring a book's account to a close, session by session.

The orders of a session are those of the release that stands for it; the ledger only mirrors them.
"""

from datetime import date

import polars as pl
from prefect import task

from tasks.execution.ledger import Account, account_of, ledger_frame, open_account, place, settle
from tasks.execution.release import current
from tasks.market import frames
from tasks.market.lake import Lake, Span, Where
from tasks.releases import release_at
from tasks.settings import data_folder, load_book, load_source, open_lake
from tasks.vantage import Vantage


@task(task_run_name="settle-{book}-{as_of}")
def settle_book(book: str, as_of: date) -> str:
    """Move the book's account to the close of `as_of`, session by session.

    Orders are those of the release that stands for a session, whatever became of the run that
    released them: a night that broke off after its release, or is run again, loses none.
    """
    lake, mandate = open_lake(), load_book(book)
    source = load_source(mandate.source)
    refuse_passed_over(lake, book, as_of)
    past = lake.read(f"ledger/{book}").filter(pl.col("session") < as_of)
    account = _account_after(past, book)
    if account is None:
        rows = [ledger_frame(_with_orders(open_account(mandate.capital, as_of), book))]
    else:
        vantage = Vantage(lake, book, account.session, as_of)
        rows = []
        for session in vantage.days.sessions(vantage.days.next(account.session), as_of):
            account, settlement = settle(
                account,
                vantage.day(session),
                session=session,
                costs=mandate.costs,
                trades_at=source.trades_at,
                delisting_sessions=mandate.delisting_sessions,
                delisting_return=mandate.delisting_return,
                late=vantage.late(session),
                past=pl.concat([past, *rows]),
            )
            account = _with_orders(account, book)
            rows.append(ledger_frame(account, settlement))
    span = Span(rows[0]["session"][0], rows[-1]["session"][0])
    lake.replace(f"ledger/{book}", pl.concat(rows), over={"session": span})
    return f"ledger/{book}: {as_of}"


def refuse_passed_over(lake: Lake, book: str, as_of: date) -> None:
    """Refuse to trade on a session that was passed over: later accounts rest on its silence."""
    released = current(data_folder(), book)
    reached = [released.session] if released else []
    where: Where = {"session": Span(as_of, date.max)}
    later = lake.read(f"ledger/{book}", where=where, columns=["session"])["session"]
    newest = max([as_of, *reached, *later])
    if newest > as_of and release_at(book, as_of) is None:
        raise ValueError(
            f"{book} stands at {newest} and has no release of {as_of}: a target for an earlier "
            f"session cannot be traded any more. Go on from {newest}; if its night ended held, "
            f"with `afterclose approve {book} --as-of {newest} --reason ...`. What {as_of} would "
            "have done, `afterclose backtest` shows."
        )


def _account_after(ledger: pl.DataFrame, book: str) -> Account | None:
    if ledger.is_empty():
        return None
    last = ledger.filter(pl.col("session") == ledger["session"].max())
    return _with_orders(account_of(last), book)


def _with_orders(account: Account, book: str) -> Account:
    """Return the account with the orders of the release of its session, where one stands."""
    released = release_at(book, account.session)
    if released is None:
        return account
    return place(account, pl.read_parquet(released.path / "orders.parquet"))


def account_at(lake: Lake, book: str, as_of: date) -> Account:
    """Return the account after the close of `as_of`; `settle_book` wrote it."""
    rows = lake.read(f"ledger/{book}", where={"session": [as_of]})
    if rows.is_empty():
        raise LookupError(f"the account of {book} is not settled at {as_of}: run settle_book first")
    return account_of(rows)


def keep_pending(lake: Lake, book: str, as_of: date) -> None:
    """Mirror the released orders in the account's rows, its fills of the day kept."""
    rows = lake.read(f"ledger/{book}", where={"session": [as_of]})
    kept = rows.select("instrument", "traded", "fill_price", "cost")
    account = _with_orders(account_at(lake, book, as_of), book)
    fresh = ledger_frame(account).drop("traded", "fill_price", "cost")
    joined = fresh.join(kept, on="instrument", how="full", coalesce=True).with_columns(
        pl.col("session").fill_null(as_of),
        pl.col("shares", "value", "pending", "traded", "cost").fill_null(0.0),
        pl.col("nav").fill_null(fresh["nav"][0]),
    )
    lake.replace(f"ledger/{book}", frames.shaped(joined, frames.LEDGER), over={"session": [as_of]})
