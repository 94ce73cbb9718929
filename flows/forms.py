"""What the forms in the Prefect UI offer, and how runs are named."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

from prefect import runtime
from pydantic import Field

from tasks.settings import names_in


def _choice(title: str, folder: str) -> Any:
    """Return an enumeration of the files in `conf/<folder>`: a form shows it as a list."""
    return StrEnum(title, {name: name for name in names_in(folder)})


BookName = _choice("BookName", "books")
ContestName = _choice("ContestName", "models")
SourceName = _choice("SourceName", "sources")


def _usual(names: type[StrEnum]) -> Any:
    """Return what a form shows first: the sample where there is one."""
    return names["sample"] if "sample" in names.__members__ else next(iter(names))


USUAL_BOOK, USUAL_SOURCE = _usual(BookName), _usual(SourceName)
USUAL_CONTEST = _usual(ContestName)

AsOf = Annotated[
    date | None,
    Field(
        title="As of",
        description="The last session whose close may be known. Empty: the newest one, as of the "
        "scheduled start.",
    ),
]
ForceReason = Annotated[
    str | None,
    Field(
        title="Reason to release again",
        description="Only to replace a released target by other content: why. It becomes the "
        "next revision.",
    ),
]


def scheduled_start() -> datetime | None:
    """Return when this run was meant to start, or None outside a run."""
    return runtime.flow_run.scheduled_start_time


def run_name_with_session() -> str:
    """Return `<flow>-<what>-<session>`, the name of a run in the UI."""
    parameters = runtime.flow_run.parameters
    about = parameters.get("book") or parameters.get("contest") or parameters.get("source")
    if not about:
        about = "-".join(str(each) for each in parameters.get("books") or ())
    started = scheduled_start()
    session = parameters.get("as_of") or parameters.get("last")
    session = session or (f"due-{started:%Y-%m-%d}" if started else "due-now")
    return f"{runtime.flow_run.flow_name}-{about}-{session}"
