"""Prepare tasks: features of the new sessions only, each as known that night."""

from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import polars as pl
from prefect import get_run_logger, task

from tasks.features import FEATURE_SETS
from tasks.features.engine import FeatureSet, beside, features_over, missing_inputs
from tasks.features.grid import grid_of
from tasks.locks import source_lock
from tasks.market.context import Context
from tasks.market.history import History
from tasks.market.lake import Lake, Span, Where
from tasks.progress import batches, steps
from tasks.settings import calendar, code_hash, digest, load_contest, load_source, open_lake

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
    history = _history(lake, rules, missing[0], as_of)
    context = context_of(lake, rules.source, FEATURE_SETS[rules.features](), as_of)
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
    wide = len(FEATURE_SETS[rules.features]().columns) * max(len(history.instruments), 1)
    return max(1, min(SESSIONS_A_COMMIT, VALUES_A_COMMIT // wide))


def _missing_sessions(lake: Lake, table: str, rules: "Contest", as_of: date) -> list[date]:
    """Return the sessions from the first on that has no features, or those of other code."""
    source = load_source(rules.source)
    days = calendar(source.calendar)
    stored = lake.read(table, where={"source": [rules.source]}, columns=["session", "made_by"])
    done = stored.group_by("session").agg((pl.col("made_by") == made_by(rules.source)).all())
    stale = done.filter(~pl.col("made_by"))["session"].sort().to_list()
    fresh = done["session"].sort().to_list()
    first = stale[0] if stale else days.next(fresh[-1]) if fresh else source.starts
    return days.sessions(first, as_of) if first <= as_of else []


def made_by(source: str) -> str:
    """Return the hash of what makes a source's features, kept beside each row.

    That is the code, and whose series they may read.
    """
    market = (f"tasks/market/{name}.py" for name in ("history", "context", "fundamentals"))
    told = "\n".join(load_source(source).context)
    return digest(code_hash("tasks/features", *market).encode(), told.encode())[:16]


def _history(lake: Lake, rules: "Contest", first: date, as_of: date) -> History:
    """Return the first clean prints that features from `first` on can need."""
    days = calendar(load_source(rules.source).calendar)
    since = days.offset(first, -FEATURE_SETS[rules.features]().look_back - 1)
    bars = lake.known("bars", as_of=as_of, source=rules.source, since=since, prints="all")
    actions = lake.known("actions", as_of=as_of, source=rules.source, prints="all")
    return History(bars, actions, days.sessions(since, as_of), prints="first")


def context_of(lake: Lake, source: str, chosen: FeatureSet, as_of: date) -> Context | None:
    """Return what was known beside the bars of a source; None where the set reads none of it.

    Series are those of the source and of its context.
    """
    if not any("/" in name for name in chosen.reach):
        return None
    tellers = (source, *load_source(source).context)
    told = [lake.known("series", as_of=as_of, source=one, prints="all") for one in tellers]
    own = partial(lake.known, as_of=as_of, source=source, prints="all")
    return Context(pl.concat(told), own("fundamentals"), own("actions"))


def _absent(history: History, context: Context | None, rules: "Contest", last: date) -> list[str]:
    """Return the features that the source's newest window has no input for."""
    chosen = FEATURE_SETS[rules.features]()
    return missing_inputs(grid_of(history.roll(last), beside(history, chosen, context)), chosen)


def _features(
    history: History, context: Context | None, rules: "Contest", chunk: list[date]
) -> pl.DataFrame:
    frame = features_over(history, FEATURE_SETS[rules.features](), chunk, context=context)
    return frame.with_columns(source=pl.lit(rules.source), made_by=pl.lit(made_by(rules.source)))
