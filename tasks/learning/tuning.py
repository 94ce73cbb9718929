"""Search a recipe's settings: propose, judge fold by fold, give up what falls behind, keep all.

Optuna proposes and remembers, in a database of its own: this is the one door to it. What it
proposes depends on the seed and on the trials that have ended, on nothing else, so a search that
was broken off goes on as if it had not been.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from tasks.learning.model import Setting, Value

STARTING = 10  # trials drawn at random before the others teach where to look
COMPARED = 5  # trials that must be whole before another is given up
FOLDS, WHY = "folds", "why"  # what a trial tells beside its value
Judge = Callable[[Mapping[str, Value]], Iterable[tuple[float, ...]]]


class Range(NamedTuple):
    """Where a search looks for one setting, both ends included."""

    least: float
    most: float
    whole: bool
    log: bool


class Effort(NamedTuple):
    """How long a search goes on, and where it remembers."""

    storage: Path  # the database; made when first needed, and searched by one process at a time
    trials: int  # that the search should have in all, those of earlier runs counted
    budget_s: float | None  # of all trials together, earlier ones too; None: no end


class Trial(NamedTuple):
    """One choice of settings and how it was judged; `number` counts those that ended, from 0."""

    number: int
    settings: dict[str, Value]
    state: Literal["complete", "pruned", "failed"]
    value: float | None  # mean rank IC of the stretches judged; None where none was
    folds: tuple[tuple[float, ...], ...]  # by fold, the rank IC of each of its stretches
    seconds: float
    why: str  # it failed; empty else


def space_of(
    known: Mapping[str, Setting], settings: Mapping[str, Value], *, model: str
) -> dict[str, Range]:
    """Return where a search looks: the range of each setting that has one, with what stands.

    A range that reaches down to 0 is looked through evenly, also where others go by logarithms.

    Args:
        known: What the model knows.
        settings: All settings of the recipe as it stands; the first trial.
        model: For the error where there is nothing to search.

    >>> space_of({"depth": Setting(3, 1, 99, "levels", (2, 6))}, {"depth": 8}, model="tree")
    {'depth': Range(least=2, most=8, whole=True, log=False)}
    >>> space_of({"decay": Setting(0.1, 0, 9, "decay", (0.01, 1), True)}, {"decay": 0}, model="net")
    {'decay': Range(least=0.0, most=1, whole=False, log=False)}
    """
    space = {}
    for name, one in sorted(known.items()):
        if one.tune is not None:
            stands = float(settings[name])
            least, most = min(one.tune[0], stands), max(one.tune[1], stands)
            whole = isinstance(one.default, int)
            space[name] = Range(
                int(least) if whole else least,
                int(most) if whole else most,
                whole,
                one.log and least > 0,
            )
    if not space:
        raise ValueError(f"{model} has no setting with a range to search: nothing to tune.")
    return space


def search(
    judge: Judge,
    space: Mapping[str, Range],
    start: Mapping[str, Value],
    *,
    folds: int,
    name: str,
    effort: Effort,
    seed: int,
    told: Callable[[list[Trial]], None],
) -> list[Trial]:
    """Go on with the search `name` until its trials or its seconds are used up; give all trials.

    The first trial is the recipe as it stands, so nothing that is worse on these folds is chosen.
    The trial in which the seconds end is finished.
    A trial is given up once its mean so far lies below the median of the others. One that raises
    `ValueError` has failed and counts; one that was broken off is begun again.

    Args:
        judge: Settings -> by fold, the rank IC of each stretch that judges.
        space: Where to look.
        start: The recipe's settings; those that are not searched stay as they are.
        folds: How many there are to judge by.
        name: What makes trials comparable: another name begins anew.
        effort: When to end, and where to remember.
        seed: Of what is proposed.
        told: Called after each trial with all that ended, the new one last.
    """
    study = _study(effort.storage, name)
    _begin_again(study)
    while len(ended := _ended(study)) < effort.trials and not _spent(ended, effort.budget_s):
        _ask_next(study, space, start, judge, folds=folds, seed=seed, before=len(ended))
        told(_ended(study))
    return ended


def best_of(trials: Sequence[Trial]) -> Trial:
    """Return the complete trial with the greatest value, the earlier of equals."""
    whole = [trial for trial in trials if trial.state == "complete" and trial.value is not None]
    if not whole:
        reasons = "; ".join(sorted({trial.why for trial in trials if trial.why})) or "none ended"
        raise ValueError(f"None of {len(trials)} trials is whole: {reasons}")
    return max(whole, key=lambda trial: (trial.value or 0.0, -trial.number))


def _study(storage: Path, name: str) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage.parent.mkdir(parents=True, exist_ok=True)
    return optuna.create_study(
        storage=optuna.storages.RDBStorage(f"sqlite:///{storage}"),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=COMPARED),
        study_name=name,
        direction="maximize",
        load_if_exists=True,
    )


def _begin_again(study: optuna.Study) -> None:
    """Let go of trials that a process left behind when it was killed: they say nothing."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def _ask_next(
    study: optuna.Study,
    space: Mapping[str, Range],
    start: Mapping[str, Value],
    judge: Judge,
    *,
    folds: int,
    seed: int,
    before: int,
) -> None:
    """Propose settings by the `before` trials that ended, judge them, and write down the end."""
    study.sampler = optuna.samplers.TPESampler(
        n_startup_trials=STARTING,
        seed=int(np.random.SeedSequence([seed, before]).generate_state(1)[0]),
    )
    if not before and not study.get_trials(states=(TrialState.WAITING,)):
        study.enqueue_trial({name: start[name] for name in space})
    trial = study.ask()
    settings = {name: _proposed(trial, name, one) for name, one in space.items()}
    judged: list[tuple[float, ...]] = []
    try:
        for stretches in judge({**start, **settings}):
            judged.append(stretches)
            trial.report(_mean(judged), len(judged) - 1)
            if len(judged) < folds and trial.should_prune():
                break
    except ValueError as error:  # such as losses that are not finite: others may do better
        trial.set_user_attr(WHY, str(error))
        study.tell(trial, state=TrialState.FAIL)
        return
    trial.set_user_attr(FOLDS, judged)
    if len(judged) < folds:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, _mean(judged))


def _proposed(trial: optuna.Trial, name: str, one: Range) -> Value:
    if one.whole:
        return trial.suggest_int(name, int(one.least), int(one.most), log=one.log)
    return trial.suggest_float(name, one.least, one.most, log=one.log)


def _mean(folds: Sequence[tuple[float, ...]]) -> float:
    return float(np.mean([value for stretches in folds for value in stretches]))


def _ended(study: optuna.Study) -> list[Trial]:
    """Return the trials that ended, oldest first; those that were broken off did not."""
    states: dict[Any, Literal["complete", "pruned", "failed"]] = {
        TrialState.COMPLETE: "complete",
        TrialState.PRUNED: "pruned",
        TrialState.FAIL: "failed",
    }
    found = [
        one
        for one in study.get_trials(deepcopy=False)
        if one.state in states and (one.state != TrialState.FAIL or WHY in one.user_attrs)
    ]
    return [_plain(number, one, states[one.state]) for number, one in enumerate(found)]


def _plain(number: int, one: FrozenTrial, state: Literal["complete", "pruned", "failed"]) -> Trial:
    folds = tuple(tuple(stretches) for stretches in one.user_attrs.get(FOLDS, ()))
    return Trial(
        number=number,
        settings=dict(one.params),
        state=state,
        value=_mean(folds) if folds else None,
        folds=folds,
        seconds=one.duration.total_seconds() if one.duration else 0.0,
        why=one.user_attrs.get(WHY, ""),
    )


def _spent(ended: Sequence[Trial], budget_s: float | None) -> bool:
    return budget_s is not None and sum(trial.seconds for trial in ended) >= budget_s
