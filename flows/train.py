"""Fit what a contest's schedule asks for, and compare its recipes in MLflow.

Run it here and now with `afterclose train --contest sample`, or from the Prefect UI: Deployments >
train > Custom run.
"""

from datetime import date

from prefect import flow
from prefect.states import State

from flows.forms import USUAL_CONTEST, ContestName, run_name_with_session, scheduled_start
from flows.outcomes import Outcome, final_state
from flows.steps import forecasted, ingested
from tasks.settings import load_contest, resolve_session


@flow(flow_run_name=run_name_with_session)
def train(contest: ContestName = USUAL_CONTEST, as_of: date | None = None) -> State:
    """Prepare features, fit every recipe that is due, and score with the champion.

    Args:
        contest: A file name in `conf/models`, without `.yaml`.
        as_of: The last session whose close may be used. Empty: the newest.

    """
    source = load_contest(contest).source
    moment = resolve_session(source, as_of, scheduled_start())
    if moment.skip:
        return final_state([Outcome(str(contest), "skipped", moment.skip)])
    failed = ingested(source, moment.session) or forecasted(str(contest), moment.session)
    return final_state([failed or Outcome(str(contest), "trained", "", moment.session)])
