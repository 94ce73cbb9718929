"""Nightly rebalance: expected returns and risk in, one released target out.

Run it here and now with `afterclose rebalance sample`, or again for an earlier session from the
Prefect UI: Deployments > rebalance > Custom run.
"""

from datetime import date

from prefect import flow
from prefect.states import State

from flows.forms import (
    USUAL_BOOK,
    BookName,
    run_name_with_session,
    scheduled_start,
)
from flows.outcomes import Outcome, final_state
from flows.steps import closed, forecasted, judged, rebalanced
from tasks.releases import newest
from tasks.settings import load_book, resolve_session


@flow(flow_run_name=run_name_with_session)
def rebalance(
    book: BookName = USUAL_BOOK, as_of: date | None = None, force_reason: str | None = None
) -> State:
    """Release the book's target for the session after `as_of`, from data already judged.

    Args:
        book: A file name in `conf/books`, without `.yaml`.
        as_of: The last session whose close may be used. Empty: the newest, as of the scheduled
            start.
        force_reason: Why a released target may be replaced by other content.

    """
    name, mandate = str(book), load_book(book)
    moment = resolve_session(mandate.source, as_of, scheduled_start())
    if moment.skip:
        return final_state([Outcome(name, "skipped", moment.skip)])
    standing = newest(name)
    if as_of is None and standing and standing.session > moment.session:
        return final_state([Outcome(name, "skipped", f"stale: {standing.session} is released")])
    failed = judged(mandate.source, moment.session)
    failed = failed or forecasted(mandate.contest, moment.session, train=False)
    if failed:
        return final_state([closed(failed._replace(what=name, session=moment.session))])
    return final_state([rebalanced(name, moment.session, force_reason)])
