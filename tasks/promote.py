"""Promote tasks: a person gives the title with a reason, and sees who holds it."""

from datetime import date

import polars as pl
from prefect import get_run_logger, task

from tasks.forecast import champions
from tasks.looks import LOOKS
from tasks.market.lake import Lake, Where
from tasks.settings import calendar, load_contest, load_source, open_lake
from tasks.titles import DECISIONS, REFITS, decisions, stored

PEOPLE = ["promote", "rollback"]


@task(task_run_name="promote-{recipe}-{contest}-{as_of}")
def promote_recipe(contest: str, recipe: str, as_of: date, reason: str, decided_by: str) -> str:
    """Give `recipe` the title from the session after `as_of` on, for a reason that is kept.

    Its weights are fitted on that session's night. Raises `ValueError` without a reason and
    `LookupError` where it cannot be done, both for whoever asks.
    """
    rules = load_contest(contest)
    names = [one.name for one in rules.candidates]
    if recipe not in names:
        raise LookupError(
            f"{recipe!r} is no candidate of {contest!r}; there is: {', '.join(names)}."
        )
    holder = _holder(open_lake(), contest, as_of)
    if recipe == holder:
        raise LookupError(f"{recipe!r} holds the title of {contest!r} already.")
    return _decide(contest, recipe, as_of, "promote", reason, decided_by)


@task(task_run_name="rollback-{contest}-{as_of}")
def rollback_title(contest: str, as_of: date, reason: str, decided_by: str) -> str:
    """Take back the last change of the title, from the session after `as_of` on, for a reason.

    A change that has not come into force is called off; else the recipe that held the title
    before gets it again. Raises as `promote_recipe` does.
    """
    lake, rules = open_lake(), load_contest(contest)
    holder = _holder(lake, contest, as_of)
    waiting = decisions(lake, contest, as_of).filter(pl.col("from_session") > as_of)
    if waiting.height and waiting["recipe"][-1] != holder:
        return _decide(contest, holder, as_of, "rollback", reason, decided_by)
    names = [one.name for one in rules.candidates]
    held = [name for name in champions(lake, contest, as_of)["recipe"] if name != holder]
    if not held or held[-1] not in names:
        there = f"{held[-1]!r}, which is no candidate any more" if held else "no other"
        raise LookupError(f"Before {holder!r}, {there} held the title of {contest!r}.")
    return _decide(contest, held[-1], as_of, "rollback", reason, decided_by)


def _holder(lake: Lake, contest: str, as_of: date) -> str:
    """Return who holds the title, or say why it cannot be given now."""
    held = champions(lake, contest, as_of)
    if held.is_empty():
        raise LookupError(f"No champion of {contest!r} is known at {as_of}: train it first.")
    scored = lake.read(f"forecasts/{contest}", columns=["session"])["session"]
    if len(scored) and scored[-1] > as_of:
        raise LookupError(
            f"{contest!r} is scored up to {scored[-1]}: a title of the past stays as it was. "
            "Decide as of that session or a later one."
        )
    return str(held["recipe"][-1])


def _decide(contest: str, recipe: str, as_of: date, kind: str, reason: str, decided_by: str) -> str:
    """Keep a person's decision; of several on one session the last counts."""
    if not reason.strip():
        raise ValueError("A title changes for a reason: say which.")
    days = calendar(load_source(load_contest(contest).source).calendar)
    start = days.next(as_of)
    said = {
        "session": as_of,
        "from_session": start,
        "recipe": recipe,
        "kind": kind,
        "reason": f"{kind} by {decided_by}: {reason.strip()}",
        "decided_by": decided_by,
    }
    over: Where = {"session": [as_of], "kind": PEOPLE}
    open_lake().replace(f"decisions/{contest}", pl.DataFrame([said], schema=DECISIONS), over=over)
    get_run_logger().info("%s: %s from %s on, says %s", contest, recipe, start, decided_by)
    return f"{recipe} holds the title of {contest} from {start} on"


def overview(contest: str) -> dict[str, pl.DataFrame]:
    """Return a contest's titles, decisions, last look and refits at fault, oldest first."""
    lake = open_lake()
    load_contest(contest)  # it names those there are
    looks = stored(lake, f"promotions/{contest}", LOOKS)
    refits = stored(lake, f"refits/{contest}", REFITS)
    return {
        "titles": champions(lake, contest, date.max).drop("contest"),
        "decisions": decisions(lake, contest, date.max),
        "last look": looks.filter(pl.col("session") == pl.col("session").max()),
        "refits that are not used": refits.filter(pl.col("fault") != ""),
    }
