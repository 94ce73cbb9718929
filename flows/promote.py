"""Give a contest's title to another recipe, by a person and for a reason that is kept.

Run it with `afterclose models promote CONTEST RECIPE --reason …` and `afterclose models rollback
CONTEST --reason …`.
"""

from datetime import date

from prefect import flow
from prefect.states import State

from flows.forms import ContestName, run_name_with_session, scheduled_start
from flows.outcomes import Outcome, final_state
from flows.steps import tried
from tasks.promote import promote_recipe, rollback_title
from tasks.settings import load_contest, resolve_session


@flow(flow_run_name=run_name_with_session)
def promote(
    contest: ContestName, recipe: str, reason: str, decided_by: str, as_of: date | None = None
) -> State:
    """Give `recipe` the title from the next session on.

    Args:
        contest: A file name in `conf/models`, without `.yaml`.
        recipe: The name of one of its candidates.
        reason: Why; it is kept with your name.
        decided_by: Who says so.
        as_of: The last session whose target stands. Empty: the newest.

    """
    name, session = str(contest), _session(str(contest), as_of)
    done, failed = tried(name, session, promote_recipe, name, recipe, session, reason, decided_by)
    return final_state([failed or Outcome(name, "decided", done, session)])


@flow(flow_run_name=run_name_with_session)
def rollback(
    contest: ContestName, reason: str, decided_by: str, as_of: date | None = None
) -> State:
    """Take back the last change of the title, from the next session on.

    Args:
        contest: A file name in `conf/models`, without `.yaml`.
        reason: Why; it is kept with your name.
        decided_by: Who says so.
        as_of: The last session whose target stands. Empty: the newest.

    """
    name, session = str(contest), _session(str(contest), as_of)
    done, failed = tried(name, session, rollback_title, name, session, reason, decided_by)
    return final_state([failed or Outcome(name, "decided", done, session)])


def _session(contest: str, as_of: date | None) -> date:
    return resolve_session(load_contest(contest).source, as_of, scheduled_start()).session
