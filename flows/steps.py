"""The steps that several flows share, in order."""

from collections.abc import Callable
from datetime import date
from typing import Any

from prefect.states import State

from flows.outcomes import Outcome, failure
from tasks.forecast import forecast_contest
from tasks.ingest import land_deliveries
from tasks.judge import judge_deliveries
from tasks.night import close_night
from tasks.prepare import prepare_features
from tasks.rebalance import choose_targets, measure_risk, release_targets
from tasks.report import write_gate_page, write_report
from tasks.settings import load_source
from tasks.settle import settle_book
from tasks.train import train_contest


def tried(
    what: str, session: date, task: Callable[..., Any], *arguments: Any
) -> tuple[Any, Outcome | None]:
    """Run one task; return its result, or None and how it failed."""
    state: State[Any] = task(*arguments, return_state=True)
    if state.is_completed():
        return state.result(), None
    return None, failure(what, session, state)


def ingested(source: str, night: date) -> Outcome | None:
    """Land and judge what `source` offers up to `night`; return why the night must stop, if so."""
    bring_others(source, night)
    for task in (land_deliveries, judge_deliveries):
        verdict, failed = tried(source, night, task, source, night)
        if failed:
            return failed
    _, failed = tried(source, night, write_gate_page, source, night)
    return _stop(source, night, verdict) or failed


def bring_others(source: str, night: date, since: date | None = None) -> None:
    """Land and judge what checks `source` and what its features read beside it, before it.

    No night stops where that fails: the verdict on `source` warns that nothing checked it, and
    features that read nothing are null. Of the context all that is missing is brought, since
    features look back beyond `since`.
    """
    settings = load_source(source)
    if settings.cross_check:
        _bring(settings.cross_check.source, night, since)
    for other in settings.context:
        _bring(other, night, None)


def _bring(source: str, night: date, since: date | None) -> None:
    _, failed = tried(source, night, land_deliveries, source, night, since)
    if not failed:
        tried(source, night, judge_deliveries, source, night)


def judged(source: str, night: date) -> Outcome | None:
    """Return why `night` must stop by the verdict that stands, if so; nothing is pulled."""
    verdict, failed = tried(source, night, judge_deliveries, source, night)
    return failed or _stop(source, night, verdict)


def _stop(source: str, night: date, verdict: str) -> Outcome | None:
    if verdict == "missing":
        return Outcome(source, "missing", f"no delivery of {night}", night)
    if verdict.startswith("block"):
        return Outcome(source, "blocked", verdict.partition(": ")[2], night)
    return None


def forecasted(contest: str, session: date, *, train: bool = True) -> Outcome | None:
    """Prepare, train what is due and forecast; return how it failed, if it did."""
    stages = [prepare_features, *([train_contest] if train else []), forecast_contest]
    for task in stages:
        _, failed = tried(contest, session, task, contest, session)
        if failed:
            return failed
    return None


def rebalanced(book: str, session: date, force_reason: str | None) -> Outcome:
    """Bring one book to its released target; whatever fails, its last target stands."""
    for task in (settle_book, measure_risk, choose_targets):
        _, failed = tried(book, session, task, book, session)
        if failed:
            return closed(failed)
    content_hash, failed = tried(book, session, release_targets, book, session, force_reason)
    if failed:
        return closed(failed)
    outcome = closed(Outcome(book, "released", "", session, content_hash))
    _, failed = tried(book, session, write_report, book, session)
    return failed or outcome


def closed(outcome: Outcome) -> Outcome:
    """Write the outcome into the ledger of nights."""
    if outcome.session:
        close_night(
            outcome.what, outcome.session, outcome.status, outcome.reason, outcome.content_hash
        )
    return outcome
