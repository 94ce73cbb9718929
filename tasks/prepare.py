"""Prepare tasks: features of the new sessions only, each as known that night."""

from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import polars as pl
from prefect import get_run_logger, task

from tasks.locks import source_lock
from tasks.market.context import Context
from tasks.market.history import History
from tasks.market.lake import Lake, Span, Where
from tasks.progress import batches, steps
from tasks.settings import calendar, code_hash, load_contest, load_source, open_lake

if TYPE_CHECKING:
    from conf.schema import Contest

SESSIONS_A_COMMIT = 250
VALUES_A_COMMIT = 100_000_000  # a table with many columns is written in shorter steps


@task(task_run_name="features-{contest}-{as_of}")
def prepare_features(contest: str, as_of: date) -> str:
    """Make and store the contest's features for every session up to `as_of` that lacks them.

    Its source is held meanwhile: what a late delivery makes stale would else be written after it.
    """
    rules = load_contest(contest)
    with source_lock(rules.source):
        return _prepared(contest, rules, as_of)


def _prepared(contest: str, rules: "Contest", as_of: date) -> str:
    lake, table = open_lake(), f"features/{rules.features}"
    missing = _missing_sessions(lake, table, rules, as_of)
    if not missing:
        return f"{table}: nothing new"
    made = 0
    history, context = _history(lake, rules, missing[0], as_of), _context(lake, rules, as_of)
    for chunk in steps(list(batches(missing, _size(history, rules))), f"features {contest}"):
        frame = _features(history, context, rules, chunk)
        over: Where = {"source": [rules.source], "session": Span(chunk[0], chunk[-1])}
        lake.replace(table, frame, over=over)
        made += frame.height
    absent = _absent(history, context, rules, missing[-1])
    get_run_logger().info(
        "%s: %d rows for %d sessions; null for want of an input: %s",
        table,
        made,
        len(missing),
        ", ".join(absent) or "none",
    )
    return f"{table}: {made} rows"


def _size(history: History, rules: "Contest") -> int:
    """Return how many sessions one commit holds."""
    from tasks.features import FEATURE_SETS

    wide = len(FEATURE_SETS[rules.features]().columns) * max(len(history.instruments), 1)
    return max(1, min(SESSIONS_A_COMMIT, VALUES_A_COMMIT // wide))


def _missing_sessions(lake: Lake, table: str, rules: "Contest", as_of: date) -> list[date]:
    """Return the sessions from the first on that has no features, or those of other code."""
    source = load_source(rules.source)
    days = calendar(source.calendar)
    stored = lake.read(table, where={"source": [rules.source]}, columns=["session", "made_by"])
    done = stored.group_by("session").agg((pl.col("made_by") == made_by()).all())
    stale = done.filter(~pl.col("made_by"))["session"].sort().to_list()
    fresh = done["session"].sort().to_list()
    first = stale[0] if stale else days.next(fresh[-1]) if fresh else source.starts
    return days.sessions(first, as_of) if first <= as_of else []


def made_by() -> str:
    """Return the hash of the code that makes features, kept beside each row."""
    beside = (f"tasks/market/{name}.py" for name in ("history", "context", "fundamentals"))
    return code_hash("tasks/features", *beside)[:16]


def _history(lake: Lake, rules: "Contest", first: date, as_of: date) -> History:
    """Return the first clean prints that features from `first` on can need."""
    from tasks.features import FEATURE_SETS

    days = calendar(load_source(rules.source).calendar)
    since = days.offset(first, -FEATURE_SETS[rules.features]().look_back - 1)
    bars = lake.known("bars", as_of=as_of, source=rules.source, since=since, prints="all")
    actions = lake.known("actions", as_of=as_of, source=rules.source, prints="all")
    return History(bars, actions, days.sessions(since, as_of), prints="first")


def _context(lake: Lake, rules: "Contest", as_of: date) -> Context | None:
    """Return what was known beside bars; None where the set reads none of it.

    Series are those of the source and of its context.
    """
    from tasks.features import FEATURE_SETS

    if not any("/" in name for name in FEATURE_SETS[rules.features]().reach):
        return None
    tellers = (rules.source, *load_source(rules.source).context)
    told = [lake.known("series", as_of=as_of, source=one, prints="all") for one in tellers]
    own = partial(lake.known, as_of=as_of, source=rules.source, prints="all")
    return Context(pl.concat(told), own("fundamentals"), own("actions"))


def _absent(history: History, context: Context | None, rules: "Contest", last: date) -> list[str]:
    """Return the features that the source's newest window has no input for."""
    from tasks.features import FEATURE_SETS
    from tasks.features.engine import beside, missing_inputs
    from tasks.features.grid import grid_of

    chosen = FEATURE_SETS[rules.features]()
    return missing_inputs(grid_of(history.roll(last), beside(history, chosen, context)), chosen)


def _features(
    history: History, context: Context | None, rules: "Contest", chunk: list[date]
) -> pl.DataFrame:
    from tasks.features import FEATURE_SETS
    from tasks.features.engine import features_over

    frame = features_over(history, FEATURE_SETS[rules.features](), chunk, context=context)
    return frame.with_columns(source=pl.lit(rules.source), made_by=pl.lit(made_by()))
