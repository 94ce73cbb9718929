"""Let rows out of quarantine, by a person and for a reason that is kept.

Run it with `afterclose data release SYMBOL --source … --night … --reason …`, or from the Prefect
UI: Deployments > release > Custom run.
"""

from datetime import UTC, date, datetime

from prefect import flow
from prefect.states import State

from flows.forms import SourceName, run_name_with_session, scheduled_start
from flows.outcomes import Outcome, final_state
from flows.steps import tried
from tasks.quarantine import clear_rows
from tasks.report import write_gate_page


@flow(flow_run_name=run_name_with_session)
def release(
    source: SourceName,
    night: date,
    symbol: str,
    reason: str,
    cleared_by: str,
    session: date | None = None,
) -> State:
    """Judge a night again as if the rows of `symbol` had broken no rule.

    Args:
        source: A file name in `conf/sources`, without `.yaml`.
        night: The vendor night whose rows were set aside.
        symbol: Whose rows.
        reason: Why they are right after all; it is kept with your name.
        cleared_by: Who says so.
        session: Only the row of this session. Empty: all of the night.

    """
    name = str(source)
    said = reason, cleared_by, scheduled_start() or datetime.now(UTC)
    done, failed = tried(name, night, clear_rows, name, night, symbol, session, *said)
    if failed:
        return final_state([failed])
    _, failed = tried(name, night, write_gate_page, name, night)
    return final_state([failed or Outcome(name, "cleared", done, night)])
