"""What the forms in the Prefect UI offer, and how runs are named."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from prefect import runtime

from tasks.settings import conf_folder, load_book, load_contest, names_in, resolve_session


def _choice(title: str, folder: str) -> Any:
    """Return an enumeration of the files in `conf/<folder>`: a form shows it as a list."""
    names = names_in(folder)
    if not names:
        raise FileNotFoundError(
            f"No YAML file in {conf_folder() / folder}: put one there, or let AFTERCLOSE_CONF name "
            "a folder with books, models and sources; unset it for those that came along."
        )
    return StrEnum(title, {name: name for name in names})


BookName = _choice("BookName", "books")
ContestName = _choice("ContestName", "models")
SourceName = _choice("SourceName", "sources")


def _usual(names: type[StrEnum]) -> Any:
    """Return what a form shows first: the sample where there is one."""
    return names["sample"] if "sample" in names.__members__ else next(iter(names))


USUAL_BOOK, USUAL_SOURCE = _usual(BookName), _usual(SourceName)
USUAL_CONTEST = _usual(ContestName)


def scheduled_start() -> datetime | None:
    """Return when this run was meant to start, or None outside a run."""
    return runtime.flow_run.scheduled_start_time


def run_name_with_session() -> str:
    """Return `<flow>-<what>-<session>`, the name of a run in the UI."""
    given = runtime.flow_run.parameters
    about = given.get("books") or [given[k] for k in ("book", "contest", "source") if k in given]
    names = [str(one) for one in about]
    day = _day(given)  # whether it can be meant is for the flow to say
    if day is None:
        day = resolve_session(_source(given, names[0]), None, scheduled_start()).session
    return f"{runtime.flow_run.flow_name}-{'-'.join(names)}-{day}"


def _source(given: dict[str, Any], name: str) -> str:
    if "source" in given:
        return name
    return load_contest(name).source if "contest" in given else load_book(name).source


def _day(given: dict[str, Any]) -> date | None:
    day = given.get("as_of") or given.get("last") or given.get("night")
    return date.fromisoformat(day) if isinstance(day, str) else day
