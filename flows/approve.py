"""Let a held book go on, by a person and for a reason that is kept.

Run it with `afterclose approve BOOK --reason …`, or from the Prefect UI: Deployments > approve.
"""

from datetime import date

from prefect import flow
from prefect.states import State

from flows.forms import BookName, run_name_with_session, scheduled_start
from flows.outcomes import final_state
from flows.steps import rebalanced, tried
from tasks.rebalance import approve_book
from tasks.settings import load_book, resolve_session


@flow(flow_run_name=run_name_with_session)
def approve(book: BookName, reason: str, approved_by: str, as_of: date | None = None) -> State:
    """Release the target of a book whose night ended held.

    Args:
        book: A file name in `conf/books`, without `.yaml`.
        reason: Why it may go on; it is kept with your name.
        approved_by: Who says so.
        as_of: The session of the night that ended held. Empty: the newest. One that the book's
            account has left behind is refused.

    """
    name = str(book)
    session = resolve_session(load_book(name).source, as_of, scheduled_start()).session
    _, failed = tried(name, session, approve_book, name, session, reason, approved_by)
    return final_state([failed or rebalanced(name, session, None)])
