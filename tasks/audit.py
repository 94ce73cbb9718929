"""The leak audit of what is ours: feature sets, contests and models, by the night's functions.

What is audited gets a small market in which much happens (or a file of bars), and is run again
over it with other futures. A set or model of your own is audited by its name once it is listed.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl

from conf.schema import (
    AllUniverse,
    Contest,
    ListedUniverse,
    NoSelection,
    Recipe,
    ScreenedUniverse,
    StabilitySelection,
    Universe,
)
from tasks.features import FEATURE_SETS
from tasks.features.engine import FeatureSet
from tasks.features_file import bars_of
from tasks.market.eventful import eventful_tape
from tasks.market.frames import FUNDAMENTALS, LISTINGS, MEMBERS, SERIES, empty
from tasks.market.leaks import MOMENTS as SET_MOMENTS
from tasks.market.leaks import Audit, Study, StudyError, audit, failed
from tasks.market.tampered import Tape
from tasks.models.baselines import BASELINES
from tasks.models.nets import NETS
from tasks.progress import steps
from tasks.settings import load_contest, load_source, load_universe, names_in
from tasks.studies import (
    Price,
    study_of_contest,
    study_of_labels,
    study_of_set,
    study_on_own_bars,
)

SEED, NAMES = 5, 40
JUDGED = 60  # sessions of a set
REFIT, TRAINED = 20, 45  # sessions between two fits, and that a fit learns from
SELECTED, HORIZONS = 90, 8  # sessions and horizons more for a recipe that selects features
BLOCKS = 6  # of a recipe that draws blocks of sessions
MOMENTS = 4  # fewer than for a set: models are fitted in every run
EPOCHS = 2  # of a net: an audit asks what it reads, not how well it does


class Target(NamedTuple):
    """What to audit, the market to do it on, and how many closes of it to look at."""

    studies: tuple[Study, ...]
    tape: Tape
    moments: int


def audits(name: str | None, *, bars: Path | None = None) -> Iterator[Audit]:
    """Yield the audit of a feature set, contest or model; without a name of all sets and contests.

    What fails is yielded as such, with the reason, and does not keep the others from being judged.

    Args:
        name: In `FEATURE_SETS`, `conf/models`, `NETS` or `BASELINES`, looked up in this order.
        bars: A CSV or Parquet file to audit a set on, in the place of the simulated market.
    """
    if bars is not None and name not in FEATURE_SETS:
        raise ValueError(
            f"Only a feature set is audited on a file of bars, found {name!r}; there is: "
            f"{', '.join(sorted(FEATURE_SETS))}."
        )
    names = [name] if name else [*FEATURE_SETS, *names_in("models")]
    for one in steps(names, "auditing"):
        try:
            target = _target(one, bars)
        except (FileNotFoundError, ValueError) as error:
            if name:
                raise
            yield failed(one, error)
            continue
        for study in target.studies:
            yield judged_study(study, target)


def judged_study(study: Study, target: Target) -> Audit:
    """Return the audit of one study; where it cannot be run, that is what is found."""
    try:
        return audit(study, target.tape, moments=target.moments)
    except (StudyError, ValueError) as error:
        return failed(study.name, error)


def _target(name: str, bars: Path | None) -> Target:
    if name in FEATURE_SETS:
        return _of_set(FEATURE_SETS[name](), bars)
    if name in names_in("models"):
        rules = load_contest(name)
        universe, source = load_universe(rules.universe), load_source(rules.source)
        return target_of_contest(name, rules, universe, source.trades_at)
    if name in NETS or name in BASELINES:
        return _of_model(name)
    raise ValueError(
        f"Nothing named {name!r} can be audited; there are the feature sets "
        f"{', '.join(sorted(FEATURE_SETS))}, the contests {', '.join(names_in('models'))} and the "
        f"models {', '.join(sorted([*NETS, *BASELINES]))}."
    )


# --- feature sets --------------------------------------------------------------------------------


def _of_set(chosen: FeatureSet, bars: Path | None) -> Target:
    if bars is None:
        tape = eventful_tape(seed=SEED, names=NAMES, sessions=chosen.look_back + JUDGED)
        return Target((study_of_set(chosen, since=chosen.look_back),), tape, SET_MOMENTS)
    tape = _tape_of(bars, sessions=chosen.look_back + JUDGED)
    study = study_on_own_bars(chosen, since=max(len(tape.sessions) - JUDGED, 0))
    return Target((study,), tape, SET_MOMENTS)


def _tape_of(path: Path, *, sessions: int) -> Tape:
    """Return the newest sessions of a file of bars, each row known on its own session."""
    if not path.is_file():
        raise FileNotFoundError(f"No file {path}: name a CSV or Parquet file of bars.")
    told = bars_of(path, None)
    for odd in told.warnings:
        warnings.warn(f"{path.name}: {odd}", stacklevel=2)
    days = told.rows["session"].unique().sort().tail(sessions)
    rows = told.rows.filter(pl.col("session") >= days[0])
    splits = told.splits.filter(pl.col("session") >= days[0]).select(
        "instrument", ex_session="session", kind=pl.lit("split"), value="split"
    )
    return Tape(
        tuple(days.to_list()),
        rows.with_columns(known_on="session", delivery="session"),
        splits.with_columns(known_on="ex_session", delivery="ex_session"),
        *(empty(columns) for columns in (LISTINGS, MEMBERS, FUNDAMENTALS, SERIES)),
    )


# --- contests and models -------------------------------------------------------------------------


def _of_model(model: str) -> Target:
    """Return the audit of a model with its own settings, on the first of the feature sets."""
    loss = "ic" if model in NETS else "mse"
    rules = Contest(
        title=f"Audit of {model}",
        source="audit",
        universe="audit",
        features=next(iter(FEATURE_SETS)),
        first_fit=TRAINED,
        refit_every=REFIT,
        candidates=(Recipe(name=model, model=model, loss=loss),),
    )
    return target_of_contest(model, rules, AllUniverse(kind="all", title="Every name"), "open")


def target_of_contest(name: str, rules: Contest, universe: Universe, trades_at: Price) -> Target:
    """Return the audit of a contest's features, labels, panel and candidates, fitted in small."""
    chosen = FEATURE_SETS[rules.features]()
    wait = max(_look_back(one) + _to_select(one, rules.horizon) for one in rules.candidates)
    first_fit = TRAINED + 2 * (rules.horizon + 1) + wait
    small = rules.model_copy(
        update={
            "first_fit": first_fit,
            "refit_every": REFIT,
            "train_sessions": None,
            "min_names": min(rules.min_names, 5),
            "candidates": tuple(map(_short, rules.candidates)),
        }
    )
    since = chosen.look_back
    judged = first_fit + REFIT + 1 + rules.horizon
    tape = eventful_tape(
        seed=SEED,
        names=NAMES,
        sessions=since + judged,
        symbols=universe.symbols if isinstance(universe, ListedUniverse) else (),
    )
    if isinstance(universe, ScreenedUniverse) and universe.index:
        tape = tape._replace(members=tape.members.with_columns(index=pl.lit(universe.index)))
    studies = (
        study_of_contest(name, small, universe, trades_at, since=since),
        study_of_labels(name, small, trades_at, since=since),
    )
    return Target(studies, tape, MOMENTS)


def _look_back(recipe: Recipe) -> int:
    if recipe.members:
        return max(map(_look_back, recipe.members))
    if recipe.model not in NETS:
        return 1
    from tasks.learning.model import settled
    from tasks.learning.training import NetLearner

    learner = NetLearner(NETS[recipe.model]())
    return learner.look_back(settled(recipe.settings, learner.known, model=recipe.model))


def _to_select(recipe: Recipe, horizon: int) -> int:
    """Return how many sessions more a recipe trains on for its selection of features."""
    if isinstance(recipe.selection, NoSelection):
        return 0
    block = recipe.selection.block if isinstance(recipe.selection, StabilitySelection) else 0
    return max(SELECTED + HORIZONS * horizon, BLOCKS * block)


def _short(recipe: Recipe) -> Recipe:
    """Return the recipe as it stands, but for the passes of a net and its seeds: one of them."""
    changed: dict[str, object] = {"seeds": 1, "members": tuple(map(_short, recipe.members))}
    if recipe.model in NETS:
        changed["settings"] = {**recipe.settings, "epochs": EPOCHS}
    return recipe.model_copy(update=changed)
