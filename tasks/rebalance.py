"""Rebalance tasks: measure risk, choose targets, release them whole or not at all.

Every task takes keys and gives a key. The numbers travel through the lake, so any task can be run
again alone, from the Prefect UI or a shell, and writes the same rows.
"""

import json
import math
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
from prefect import get_run_logger, runtime, task

from tasks.approvals import Held, approvals, approve, approver
from tasks.execution.release import Conflict, Released, latest_revision, release
from tasks.execution.writers import WRITERS
from tasks.market import frames
from tasks.market.lake import Lake, seen_hash
from tasks.portfolio.decide import Holdings, decide
from tasks.risk.covariance import risk_frame, risk_of
from tasks.settings import (
    book_hash,
    code_hash,
    constraints_hash,
    data_folder,
    load_book,
    load_contest,
    open_lake,
)
from tasks.settle import account_at, keep_pending, refuse_passed_over
from tasks.vantage import Vantage
from tasks.verdicts import judged_hash, serving


@task(task_run_name="risk-{book}-{as_of}")
def measure_risk(book: str, as_of: date) -> str:
    """Measure how the names that the book may hold, or holds, move together."""
    lake = open_lake()
    vantage = Vantage(lake, book, as_of, as_of)
    held = account_at(lake, book, as_of).positions["instrument"].to_list()
    risk = vantage.risk(vantage.roll(as_of), held)
    lake.replace(f"risk/{book}", risk_frame(risk), over={"session": [as_of]})
    get_run_logger().info("%s: risk of %d names", book, len(risk.instruments))
    return f"risk/{book}: {len(risk.instruments)} names"


@task(task_run_name="approve-{book}-{as_of}")
def approve_book(book: str, as_of: date, reason: str, approved_by: str) -> str:
    """Let a book that is held at `as_of` go on, for a reason that is kept.

    It holds until the watch over its champion begins anew; the verdict itself goes on to count.
    Said again, where the release failed after it, it stands as it was said.
    """
    lake = open_lake()
    if not reason.strip():
        raise ValueError("A held book goes on for a reason: say which.")
    refuse_passed_over(lake, book, as_of)
    vantage = Vantage(lake, book, as_of, as_of)
    contest = vantage.mandate.contest
    since = vantage.drift(as_of)["watched_since"]
    row = {"session": as_of, "contest": contest, "watched_since": since}
    if vantage.held(as_of):
        said = {"reason": reason.strip(), "approved_by": approved_by}
        approve(lake, book, row | said)
    elif approvals(lake, book, contest).filter(**row).is_empty():
        raise LookupError(f"{book} is not held at {as_of}: there is nothing to approve.")
    who = approver(lake, book, contest, as_of)
    get_run_logger().info("%s: goes on after %s, says %s", book, as_of, who)
    return f"{book} goes on after {as_of}"


@task(task_run_name="targets-{book}-{as_of}")
def choose_targets(book: str, as_of: date) -> str:
    """Choose the book's targets and orders, and keep them as a draft.

    Raises `Infeasible`, naming the limits that exclude each other, and `Held`, saying why, where a
    person has to look first.
    """
    revision = latest_revision(data_folder(), book, as_of)
    return _choose(open_lake(), book, as_of, revision=revision or 0)


def _choose(lake: Lake, book: str, as_of: date, *, revision: int) -> str:
    judged = judged_hash(lake, load_book(book).source, as_of)  # before anything is read
    vantage = Vantage(lake, book, as_of, as_of)
    if why := vantage.held(as_of):
        raise Held(
            f"{why}; look at the model, then let the book go on with `afterclose approve {book} "
            f"--as-of {as_of} --reason ...`"
        )
    view, account = vantage.roll(as_of), account_at(lake, book, as_of)
    risk = risk_of(lake.read(f"risk/{book}", where={"session": [as_of]}))
    look, outlook = vantage.look(view, account, risk)
    decision = decide(
        look.snapshot,
        look.risk,
        Holdings(account.cash, account.positions),
        mandate=vantage.mandate,
        horizon=vantage.rules.horizon,
        as_of=as_of,
        book=book,
        revision=revision,
    )
    drift = vantage.drift(as_of)
    told = {
        "checks": decision.checks,
        "solver": decision.solver,
        "summary": decision.summary,
        "ic": {**_finite(outlook.ic._asdict()), "shrunk": outlook.shrunk},
        "drift": {name: str(one) if isinstance(one, date) else one for name, one in drift.items()},
        "revision": revision,
        "judged": judged,
    }
    over = {"session": [as_of]}
    day = pl.lit(as_of).alias("session")
    lake.replace(f"drafts/{book}/targets", decision.targets.with_columns(day), over=over)
    lake.replace(f"drafts/{book}/orders", decision.orders.with_columns(day), over=over)
    notes = pl.DataFrame({"session": [as_of], "told": [json.dumps(told, sort_keys=True)]})
    lake.replace(f"drafts/{book}/notes", notes, over=over)
    return f"drafts/{book}: {decision.targets.height} targets, {decision.orders.height} orders"


def _finite(numbers: dict[str, float]) -> dict[str, float | None]:
    """Return the numbers with None for those that are not known yet."""
    return {name: one if math.isfinite(one) else None for name, one in numbers.items()}


def draft(lake: Lake, book: str, as_of: date) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    """Return the targets, orders and notes that `choose_targets` kept."""
    where = {"session": [as_of]}
    notes = lake.read(f"drafts/{book}/notes", where=where)
    if notes.is_empty():
        raise LookupError(f"no draft of {book} for {as_of}: run choose_targets first")
    targets = lake.read(f"drafts/{book}/targets", where=where).sort("instrument")
    orders = lake.read(f"drafts/{book}/orders", where=where).sort("instrument")
    return (
        frames.shaped(targets, frames.DRAFT_TARGETS),
        frames.shaped(orders, frames.DRAFT_ORDERS),
        json.loads(notes["told"][0]),
    )


@task(task_run_name="release-{book}-{as_of}")
def release_targets(book: str, as_of: date, force_reason: str | None = None) -> str:
    """Judge the draft once more, release it whole or not at all, and place its orders.

    The same inputs give the same bytes, and end as `released already`. Other inputs for a released
    session need a `force_reason`, and become its next revision. Returns the content hash.
    """
    lake = open_lake()
    try:
        released = _release(lake, book, as_of, None)
    except Conflict:
        if not force_reason:
            raise
        standing = latest_revision(data_folder(), book, as_of) or 0
        _choose(lake, book, as_of, revision=standing + 1)
        released = _release(lake, book, as_of, force_reason)
    keep_pending(lake, book, as_of)
    word = "released already" if released.already else "released"
    get_run_logger().info("%s: %s %s %s", book, as_of, word, released.content_hash[:12])
    return released.content_hash


def _release(lake: Lake, book: str, as_of: date, force_reason: str | None) -> Released:
    from expectations.gate import judge_targets

    mandate = load_book(book)
    targets, orders, told = draft(lake, book, as_of)
    judged = judged_hash(lake, mandate.source, as_of)
    if told.get("judged") != judged and latest_revision(data_folder(), book, as_of) is None:
        raise RuntimeError(
            f"What is known of {mandate.source} has changed since the targets of {book} were "
            "chosen: run the night of the book again."
        )
    verdict = judge_targets(targets, mandate)
    if verdict.verdict == "block":
        raise ValueError(f"The targets of {book} are blocked: {'; '.join(verdict.reasons)}.")
    extra: dict[str, bytes] = {}
    for writer in mandate.writers:
        extra |= WRITERS[writer](targets, orders)
    return release(
        data_folder(),
        book,
        as_of,
        targets=targets,
        orders=orders,
        checks=told["checks"],
        manifest=_manifest(lake, book, as_of, told),
        run=_run(approver(lake, book, mandate.contest, as_of)),
        extra=extra,
        revision=told["revision"],
        force_reason=force_reason,
    )


def _manifest(lake: Lake, book: str, as_of: date, told: dict[str, Any]) -> dict[str, Any]:
    mandate = load_book(book)
    title = _title(lake, mandate.contest, as_of)
    verdict = serving(lake, mandate.source, as_of) or {}
    seen = {
        table: seen_hash(lake.known(table, as_of=as_of, source=mandate.source, prints="all"))
        for table in ("bars", "actions", "listings", "series")
    }
    return {
        "as_of": as_of,
        "verdict": {name: verdict.get(name) for name in ("delivery", "verdict", "reasons")},
        "contest": mandate.contest,
        "champion": title,
        "information_coefficient": told["ic"],
        "drift": told["drift"],
        "features": load_contest(mandate.contest).features,
        "config": book_hash(book),
        "code": code_hash(),
        "constraints": constraints_hash(),
        "seen": seen,
        "solver": told["solver"],
        "summary": told["summary"],
    }


def _title(lake: Lake, contest: str, as_of: date) -> dict[str, Any]:
    from tasks.forecast import champions

    return champions(lake, contest, as_of).row(-1, named=True)


def _run(approved_by: str) -> dict[str, Any]:
    return {
        "released_at": datetime.now(UTC),
        "flow_run": runtime.flow_run.id,
        "flow_run_name": runtime.flow_run.name,
        "approver": approved_by,
    }
