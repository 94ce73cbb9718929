"""The night: from the closing bell to tomorrow's target portfolio, for one book or many.

Run it here and now with `afterclose night`, on its schedule, or again for an earlier session from
the Prefect UI: Deployments > nightly > Custom run.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated

from prefect import flow
from prefect.states import State
from pydantic import Field

from flows.forms import (
    USUAL_BOOK,
    BookName,
    run_name_with_session,
    scheduled_start,
)
from flows.outcomes import Outcome, final_state
from flows.steps import closed, forecasted, ingested, rebalanced, tried
from tasks.releases import check_release, newest
from tasks.settings import load_book, resolve_session

Books = Annotated[list[BookName], Field(min_length=1)]


@flow(flow_run_name=run_name_with_session)
def nightly(
    books: Books = [USUAL_BOOK],  # noqa: B006 - a form's default, never changed
    as_of: date | None = None,
    force_reason: str | None = None,
) -> State:
    """Ingest, judge, prepare, train what is due, forecast, and release each book's target.

    A book that fails or is blocked keeps its last target and stops no other.

    Args:
        books: File names in `conf/books`, without `.yaml`.
        as_of: The last session whose close may be known. Empty: the newest, as of the scheduled
            start. A session that is released already ends as `Nothing new`.
        force_reason: Why a released target may be replaced by other content.

    """
    names = [str(book) for book in books]
    sources = sorted({load_book(name).source for name in names})
    outcomes: list[Outcome] = []
    for source in sources:
        own = [name for name in names if load_book(name).source == source]
        outcomes += _night_of(source, own, as_of, force_reason, scheduled_start())
    return final_state(outcomes)


def _night_of(
    source: str,
    books: list[str],
    as_of: date | None,
    force_reason: str | None,
    started: datetime | None,
) -> Iterator[Outcome]:
    """Yield what became of the books that live on one source."""
    moment = resolve_session(source, as_of, started)
    if moment.skip:
        stop = ingested(source, moment.night)
        odd = stop if stop and stop.status != "missing" else None
        yield from (odd or Outcome(book, "skipped", moment.skip) for book in books)
        return
    if as_of is None:
        done = {book: outcome for book in books if (outcome := _done(book, moment.session))}
        yield from done.values()
        books = [book for book in books if book not in done]
    if not books:
        return
    stop = ingested(source, moment.session)
    contests = {} if stop else _forecasts(books, moment.session)
    for book in books:
        failed = stop or contests.get(load_book(book).contest)
        if failed:
            yield closed(failed._replace(what=book, session=moment.session))
        else:
            yield rebalanced(book, moment.session, force_reason)


def _done(book: str, session: date) -> Outcome | None:
    """Return the outcome of a book that has nothing left to do for `session`, or cannot go on."""
    released = newest(book)
    if released is None or released.session < session:
        return None
    complete, failed = tried(book, session, check_release, book, released.session)
    if failed:
        return failed
    told = Outcome(book, "nothing new", "", released.session, released.content_hash)
    return told if complete else None


def _forecasts(books: list[str], session: date) -> dict[str, Outcome | None]:
    """Return, contest by contest, how forecasting failed, if it did."""
    contests = sorted({load_book(book).contest for book in books})
    return {contest: forecasted(contest, session) for contest in contests}
