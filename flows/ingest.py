"""Pull what a source offers and let the gate judge it.

Run it here and now with `afterclose ingest --source sample`, or for an earlier night from the
Prefect UI: Deployments > ingest > Custom run.
"""

from datetime import date

from prefect import flow
from prefect.states import State

from flows.forms import USUAL_SOURCE, SourceName, run_name_with_session, scheduled_start
from flows.outcomes import Outcome, final_state
from flows.steps import ingested
from tasks.settings import resolve_session


@flow(flow_run_name=run_name_with_session)
def ingest(source: SourceName = USUAL_SOURCE, as_of: date | None = None) -> State:
    """Land and judge every delivery up to a night.

    Args:
        source: A file name in `conf/sources`, without `.yaml`.
        as_of: The vendor night up to which to look. Empty: the newest session.

    """
    moment = resolve_session(str(source), as_of, scheduled_start())
    failed = ingested(str(source), moment.night)
    if moment.skip and failed and failed.status == "missing":
        failed = None  # a holiday owes nobody a delivery
    done = Outcome(str(source), "skipped" if moment.skip else "judged", moment.skip, moment.night)
    return final_state([failed or done])
