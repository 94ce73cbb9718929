"""Walk a book through its past, by the same functions as the night; touches no target.

Run it here and now with `afterclose backtest sample --from 2022-01-03`, or from the Prefect UI:
Deployments > backtest > Custom run.
"""

from datetime import date

from prefect import flow
from prefect.states import State

from flows.forms import USUAL_BOOK, BookName, run_name_with_session, scheduled_start
from flows.outcomes import Outcome, final_state
from flows.steps import forecasted, ingested, tried
from tasks.backtest import walk_book
from tasks.settings import calendar, load_book, resolve_session

A_YEAR = 252


@flow(flow_run_name=run_name_with_session)
def backtest(
    book: BookName = USUAL_BOOK, first: date | None = None, last: date | None = None
) -> State:
    """Walk `book` session by session beside equal weight and minimum variance.

    Args:
        book: A file name in `conf/books`, without `.yaml`.
        first: The first session; the book opens with its capital at its close. Empty: a year
            before the last.
        last: The last session. Empty: the newest.
    """
    name, mandate = str(book), load_book(book)
    end = resolve_session(mandate.source, last, scheduled_start()).session
    days = calendar(mandate.calendar)
    start = days.on_or_after(first) if first else days.offset(end, -A_YEAR)
    if start >= end:
        return final_state([Outcome(name, "failed", f"{start} does not lie before {end}", end)])
    failed = ingested(mandate.source, end) or forecasted(mandate.contest, end)
    if failed:
        return final_state([failed._replace(what=name)])
    page, failed = tried(name, end, walk_book, name, start, end)
    return final_state([failed or Outcome(name, "walked", page, end)])
