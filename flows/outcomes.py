"""How a night ended, book by book, and what that makes of the whole run."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from prefect.states import Completed, Failed, State

from tasks.approvals import Held

GOOD = (
    "released",
    "released already",
    "nothing new",
    "skipped",
    "judged",
    "decided",
    "backfilled",
    "cleared",
    "trained",
    "walked",
)


class Outcome(NamedTuple):
    """What one book, or one stage, came to."""

    what: str
    status: str  # one of GOOD, `blocked`, `held` or `failed`
    reason: str
    session: date | None = None
    content_hash: str = ""

    @property
    def good(self) -> bool:
        """Whether nobody needs to look."""
        return self.status in GOOD

    def line(self) -> str:
        """Return the outcome as one line: `sample: released 2022-12-28 1a2b…`."""
        parts = [f"{self.what}: {self.status.capitalize()}"]
        if self.reason:
            parts[0] += f": {self.reason}"
        if self.session and self.status not in ("skipped",):
            parts.append(f"({self.session})")
        if self.content_hash:
            parts.append(self.content_hash[:12])
        return " ".join(parts)


def final_state(outcomes: Sequence[Outcome]) -> State[Any]:
    """Return Failed where any outcome is not good, else Completed; the message names them all."""
    message = "; ".join(outcome.line() for outcome in outcomes)
    data = [outcome._asdict() for outcome in outcomes]
    if not all(outcome.good for outcome in outcomes):
        return Failed(message=message, data=data)
    names = {outcome.status for outcome in outcomes}
    name = {"skipped": "Skipped", "nothing new": "Nothing new"}.get(
        next(iter(names)) if len(names) == 1 else "", "Completed"
    )
    return Completed(message=message, name=name, data=data)


def failure(what: str, session: date | None, state: State[Any]) -> Outcome:
    """Return the outcome of a task that failed: its own words, without a traceback."""
    error = state.data if isinstance(state.data, BaseException) else None
    if error is None:
        error = state.result(raise_on_failure=False)
    words = str(error) if isinstance(error, BaseException) else str(state.message)
    status = "held" if isinstance(error, Held) else "failed"
    return Outcome(what, status, words.rstrip("."), session)


def outcomes_of(state: State[Any]) -> list[dict[str, Any]]:
    """Return the outcomes a finished flow gave, or one that says why it gave none."""
    data = state.result(raise_on_failure=False)
    if isinstance(data, list):
        return data
    words = str(data) if isinstance(data, BaseException) else str(state.message)
    return [Outcome("run", "failed", words)._asdict()]
