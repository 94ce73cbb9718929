"""What is asked of a challenger beside its rank ICs: trials, leaks, intervals, books.

An audit or the walk of a book takes seconds to minutes: only who would be promoted is asked.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tasks.audit import judged_study, target_of_contest
from tasks.market.lake import Where
from tasks.settings import (
    calendar,
    code_hash,
    load_book,
    load_source,
    load_universe,
    names_in,
    open_lake,
    tracking_uri,
)
from tasks.simulation.policies import mandated
from tasks.simulation.walk import walk, walked_frame
from tasks.titles import stored
from tasks.untold import untold_trials
from tasks.vantage import Vantage
from tasks.walks import Seen, setup_of

if TYPE_CHECKING:
    from conf.schema import Contest, Recipe
    from tasks.market.history import Array
    from tasks.market.leaks import Audit
    from tasks.models.promotion import Proof

# One row an audit of a recipe that came to a verdict; kept since neither depends on the session.
AUDITS = {
    "session": pl.Date,  # of the look that asked first
    "recipe": pl.String,
    "setup": pl.String,
    "code": pl.String,
    "verdict": pl.String,
    "found": pl.String,
}
FAILURES = (
    ArithmeticError,
    LookupError,
    OSError,
    RuntimeError,
    ValueError,
    pl.exceptions.PolarsError,
)
DECIDED = 0.5  # share of sessions on which a book must find a target, or its walk says nothing


def proof_of(contest: str, rules: "Contest", seen: Seen, name: str, holder: str) -> "Proof":
    """Return what is known of challenger `name` of champion `holder` beside its rank ICs.

    Nothing here fails: what could not be examined is None, and the reason is told.
    """
    from tasks.models.promotion import Proof

    recipe = next(one for one in rules.candidates if one.name == name)
    leak, found = leak_of(contest, rules, recipe, seen.session)
    sure, unsure = calibration_of(rules, seen, name)
    if leak or sure is False:  # a veto needs no book
        return Proof(leak, sure, None, "; ".join(filter(None, [found, unsure])))
    net, unwalked = net_of(contest, seen, name, holder)
    return Proof(leak, sure, net, "; ".join(filter(None, [found, unsure, unwalked])))


def leak_of(
    contest: str, rules: "Contest", recipe: "Recipe", session: date
) -> tuple[bool | None, str]:
    """Return whether the leak audit of a recipe finds anything, and what; None where it cannot say.

    It is run once for its settings and the code, and kept.
    """
    alone = rules.model_copy(update={"candidates": (recipe,)})
    universe, source = load_universe(rules.universe), load_source(rules.source)
    key = {"recipe": recipe.name, "setup": setup_of(alone, recipe.name), "code": code_hash()}
    table, lake = f"audits/{contest}", open_lake()
    kept = stored(lake, table, AUDITS).filter(**key)
    if kept.is_empty():
        try:
            target = target_of_contest(contest, alone, universe, source.trades_at)
            audits = [judged_study(study, target) for study in target.studies]
        except FAILURES as error:
            return None, f"the leak audit failed: {error}"
        verdict, found = _graver(audits)
        if verdict == "failed":  # another night may be able to
            return None, found
        row = {"session": session, **key, "verdict": verdict, "found": found}
        over: Where = {name: [value] for name, value in key.items()}
        kept = pl.DataFrame([row], schema=AUDITS)
        lake.replace(table, kept, over=over)
    known = {"clean": False, "leak": True}
    return known.get(str(kept["verdict"][0])), str(kept["found"][0])


def _graver(audits: "Sequence[Audit]") -> tuple[str, str]:
    """Return the gravest verdict of the studies, and what was found."""
    grave = ["leak", "not repeatable", "failed", "nothing to judge", "last bits only", "clean"]
    worst = min(audits, key=lambda one: grave.index(one.verdict))
    if worst.verdict == "clean":
        return "clean", ""
    moved = ", ".join(f"{move.column} of {move.output}" for move in worst.moves[:3])
    told = worst.failure or moved or "nothing answered"
    return worst.verdict, f"audit of {worst.study}: {worst.verdict}, {told}"


def calibration_of(rules: "Contest", seen: Seen, name: str) -> tuple[bool | None, str]:
    """Return whether intervals of the walk covered what they said, and by how much they missed."""
    from tasks.learning.panel import on_panel, standardised_labels
    from tasks.models.uncertainty import calibrated, coverage_gap, intervals

    panel = seen.panel
    here = [seen.since <= day <= seen.session for day in panel.sessions]
    member_TN = panel.member_TN[here]
    label_TN = standardised_labels(seen.label_TN[here], member_TN, min_names=rules.min_names)
    score_TN = on_panel(seen.scores[name], "score", panel, absent=np.nan)[here]
    try:
        found = intervals(score_TN, label_TN, horizon=rules.horizon)
        sure = calibrated(found, horizon=rules.horizon)
    except FAILURES as error:
        return None, f"its intervals could not be judged: {error}"
    if sure is None:
        return None, "too few sessions judge its intervals"
    if sure:
        return True, ""
    gap = coverage_gap(found, horizon=rules.horizon)
    return False, f"the coverage of its intervals is off by {gap.value:+.3f} ± {gap.error:.3f}"


def net_of(
    contest: str, seen: Seen, name: str, holder: str
) -> "tuple[dict[str, Array] | None, str]":
    """Return for each book of the contest its net return with `name` less that with `holder`.

    Empty where no book names the contest; None, and why, where one of them could not be walked.
    """
    found: dict[str, Array] = {}
    for book in names_in("books"):
        try:
            if load_book(book).contest != contest:
                continue
            with_it, without = (_net_returns(book, seen, who) for who in (name, holder))
        except FAILURES as error:
            return None, f"book {book} could not be walked: {error}"
        found[book] = with_it - without
    return found, ""


def _net_returns(book: str, seen: Seen, recipe: str) -> "Array":
    """Return a book's net return of each session, decided by the scores of one recipe's walk.

    The book trades as at night and pays its costs. What the recipe is believed to know comes from
    its walk alone, of champion and challenger alike: as each session knew it.
    """
    vantage = Vantage(open_lake(), book, seen.since, seen.session)
    vantage.scores = seen.scores[recipe].partition_by("session", as_dict=True)
    vantage.record = _record(seen, recipe, vantage.rules)
    sessions = vantage.days.sessions(seen.since, seen.session)
    # Drift is judged of the champion's nights: it shrinks and holds neither of two walks.
    vantage.verdicts = {day: {"factor": 1.0, "hold": False} for day in sessions}
    decided = mandated(vantage.mandate, book=book, horizon=vantage.rules.horizon)
    policy = {book: vantage.where_scored(decided)}
    closes = (vantage.close(session) for session in sessions)
    walked = walk(closes, policy, mandate=vantage.mandate, trades_at=vantage.source.trades_at)
    rows = walked_frame(each[book] for each in walked)
    idle = rows.filter(pl.col("status") != "decided")
    if idle.height > (1 - DECIDED) * rows.height:
        raise LookupError(
            f"with {recipe} it found no target on {idle.height} of {rows.height} sessions, last: "
            f"{idle['status'][-1]}"
        )
    nav_T = rows["nav"].to_numpy()
    return np.asarray(nav_T[1:] / nav_T[:-1] - 1)


def _record(seen: Seen, recipe: str, rules: "Contest") -> pl.DataFrame:
    """Return (session, known_on, ic) of a walk: an IC is known once its label is."""
    days = calendar(load_source(rules.source).calendar)
    daily = seen.daily[recipe].select("session", "ic")
    reach = rules.horizon + 1
    known: list[Any] = [days.offset(session, reach) for session in daily["session"]]
    return daily.with_columns(known_on=pl.Series(known, dtype=pl.Date)).sort("known_on", "session")


def trials_since(contest: str, rules: "Contest", since: date) -> dict[str, int]:
    """Return how many trials of each candidate may have seen labels from `since` on.

    A search of an earlier session saw none, and what it chose is judged by later sessions alone.
    Trials of a recipe that is no candidate count for those of its model: it may have been renamed.
    Those that MLflow was not told of, since it was away, count as well.
    Raises `TrackingError` where MLflow is away.
    """
    from tasks.learning.tracking import opened, runs_of
    from tasks.learning.trials import KIND, STUDY, TRIAL

    trials = _untold_since(contest, since)
    with opened(tracking_uri()) as client:
        query = f"tags.contest = '{contest}' and tags.{KIND} = '{TRIAL}'"
        for run in runs_of(client, query, deleted=True):
            tags = run.data.tags
            if run.info.status != "RUNNING" and searched_at(tags[STUDY]) >= since:
                model = run.data.params.get("recipe.model", "")
                trials[tags[STUDY], tags[TRIAL]] = tags["recipe"], model
    return _by_candidate(rules, trials)


def untold_since(contest: str, rules: "Contest", since: date) -> dict[str, int]:
    """Return how many of the trials that `trials_since` counts MLflow was perhaps not told of."""
    return _by_candidate(rules, _untold_since(contest, since))


# Of each trial, by its study and number: its recipe and model.
_TrialsMade = dict[tuple[str, str], tuple[str, str]]


def _untold_since(contest: str, since: date) -> _TrialsMade:
    return {
        (study, str(number)): (one.recipe, one.model)
        for study, one in untold_trials(contest).items()
        if searched_at(study) >= since
        for number in range(one.trials)
    }


def _by_candidate(rules: "Contest", trials: _TrialsMade) -> dict[str, int]:
    made, names = Counter(trials.values()), {one.name for one in rules.candidates}
    return {
        one.name: sum(
            count
            for (name, model), count in made.items()
            if name == one.name or (name not in names and model == one.model)
        )
        for one in rules.candidates
    }


def searched_at(study: str) -> date:
    """Return the session that a study's name gives; the last of all where it gives none.

    >>> searched_at("tcn-2024-03-01-0123456789abcdef")
    datetime.date(2024, 3, 1)
    """
    try:
        return date.fromisoformat(study.rpartition("-")[0][-10:])
    except ValueError:
        return date.max
