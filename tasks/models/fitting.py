"""From a recipe and a panel to weights, and from weights to scores.

A fit sees what was known on its night and nothing else; scores come session by session, each from
its own members alone, so that they are the same whichever sessions are asked for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conf.schema import Contest, Recipe
from tasks.learning.model import (
    Array,
    Examples,
    Explainer,
    How,
    Scorer,
    settled,
)
from tasks.learning.panel import Panel, standardised_labels
from tasks.learning.splits import purged_split
from tasks.models.known import as_known, data_hash, stretches
from tasks.models.learners import learner_of
from tasks.models.once import Made, fit_once
from tasks.models.seeds import Bundle, SeedScorer, packed, told, unpacked
from tasks.models.selection import choose, narrowed

SCORES = {"session": pl.Date, "instrument": pl.String, "score": pl.Float64}


class Fit(NamedTuple):
    """One fit of a recipe: its weights, the card that says what they are, and its curves."""

    recipe: Recipe
    fitted_on: date
    weights: bytes
    weights_hash: str
    card: dict[str, Any]
    curves: dict[str, list[float]]


class Model(NamedTuple):
    """Weights that were read back and can score."""

    recipe: Recipe
    fitted_on: date
    weights_hash: str
    columns: tuple[str, ...]
    look_back: int
    score: Scorer  # the average of the seeds
    by_seed: SeedScorer
    explainer: Callable[[], Explainer | None]  # made when asked for; None: none is exact


def fit_recipe(
    recipe: Recipe,
    panel: Panel,
    label_TN: Array,
    *,
    fitted_on: date,
    contest: Contest,
    threads: int,
    accelerator: str = "auto",
    scratch: Path | None = None,
    made: Made | None = None,
) -> Fit:
    """Fit `recipe` to what was known at the close of `fitted_on`; the same inputs, the same bytes.

    Everything of the panel after `fitted_on` is cut off first, and so are the labels of sessions
    whose horizon had not passed by then. Columns that say nothing so far are left out; of the
    others the recipe's selection chooses, by the training sessions alone.

    Args:
        recipe: Model, loss, settings and seed.
        panel: Consecutive sessions; may reach past `fitted_on`.
        label_TN: Labels on the panel's axes as known at `fitted_on`, NaN where unknown.
        fitted_on: A session of the panel.
        contest: Horizon, validation share, fewest names, longest history.
        threads: CPU threads; part of what the bits depend on.
        accelerator: Where nets train, as Lightning names it.
        scratch: A folder from which a training that was broken off goes on.
        made: What was fitted before in this training, not to be fitted again.
    """
    learner = learner_of(recipe, made)
    settings = settled(recipe.settings, learner.known, model=recipe.model)
    look_back = learner.look_back(settings)
    seen, examples, seeing = _offered(recipe, panel, label_TN, fitted_on, contest, look_back)
    learned = fit_once(
        made,
        recipe.model,
        learner,
        examples,
        How(settings, recipe.loss, threads, accelerator),
        seeds=range(recipe.seed, recipe.seed + recipe.seeds),
        scratch=scratch,
    )
    facts, curves = told(learned)
    bundle = Bundle(learner, [one.weights for one in learned])
    seeing |= {"settings": settings, "look_back": look_back, "threads": threads, "facts": facts}
    card = seeing | _card(recipe, contest, fitted_on, seen, examples)
    card |= _named(bundle, seen.columns)
    return Fit(recipe, fitted_on, packed(bundle.weights), card["weights_hash"], card, curves)


def _offered(
    recipe: Recipe,
    panel: Panel,
    label_TN: Array,
    fitted_on: date,
    contest: Contest,
    look_back: int,
) -> tuple[Panel, Examples, dict[str, Any]]:
    """Return the panel of the chosen columns, what may be learned from it, and what was chosen."""
    seen, known_TN = as_known(panel, label_TN, fitted_on, contest)
    label_TN = standardised_labels(known_TN, seen.member_TN, min_names=contest.min_names)
    labelled = np.flatnonzero(np.isfinite(label_TN).any(axis=1))
    train, valid = purged_split(
        labelled[labelled >= look_back - 1],
        horizon=contest.horizon,
        valid_share=contest.valid_share,
    )
    offered = Examples(seen.features_NTF, seen.member_TN, label_TN, train, valid)
    chosen = choose(
        recipe.selection,
        offered,
        seen.columns,
        horizon=contest.horizon,
        min_names=contest.min_names,
        seed=recipe.seed,
    )
    seeing: dict[str, Any] = {"selection": chosen.facts, "data_hash": data_hash(seen, label_TN)}
    seen = narrowed(seen, chosen.places)
    examples = offered._replace(features_NTF=seen.features_NTF, columns=seen.columns)
    return seen, examples, seeing


def _card(
    recipe: Recipe, contest: Contest, fitted_on: date, seen: Panel, examples: Examples
) -> dict[str, Any]:
    """Return what was fitted, on what."""
    return {
        "recipe": recipe.model_dump(mode="json"),
        "fitted_on": fitted_on.isoformat(),
        "columns": list(seen.columns),
        "contest": contest.model_dump(mode="json", exclude={"candidates", "title"}),
        **stretches(seen, examples),
    }


def _named(bundle: Bundle, columns: Sequence[str]) -> dict[str, Any]:
    """Return what the weights' file is known by."""
    return {
        "suffix": bundle.learner.suffix if len(bundle.weights) == 1 else "safetensors",
        "sha256": sha256(packed(bundle.weights)).hexdigest(),
        "weights_hash": bundle.weights_hash(columns),
    }


def load_fit(recipe: Recipe, card: Mapping[str, Any], weights: bytes, *, threads: int = 1) -> Model:
    """Read weights back into our own class for `recipe`, after checking them against their card.

    The class comes from the registries, never from the bytes. Refused are another recipe's card,
    bytes that are not the card's, wrong shapes, and numbers that are not finite.
    """
    if Recipe.model_validate(card["recipe"]) != recipe:
        asked = recipe.model_dump(mode="json")
        raise ValueError(f"The card is for recipe {card['recipe']}, asked for was {asked}.")
    if (found := sha256(weights).hexdigest()) != card["sha256"]:
        raise ValueError(
            f"The weights of {recipe.name} fitted on {card['fitted_on']} are not their card's: "
            f"expected SHA-256 {card['sha256']}, found {found}. Restore them, or fit again."
        )
    learner = learner_of(recipe)
    settings = settled(recipe.settings, learner.known, model=recipe.model)
    columns = tuple(card["columns"])
    bundle = Bundle(learner, unpacked(weights, seeds=recipe.seeds))
    if (found := bundle.weights_hash(columns)) != card["weights_hash"]:
        raise ValueError(
            f"The weights of {recipe.name} fitted on {card['fitted_on']} are known by "
            f"{found}, their card says {card['weights_hash']}. Restore them, or fit again."
        )
    by_seed = bundle.scorer(features=len(columns), settings=settings, threads=threads)
    return Model(
        recipe=recipe,
        fitted_on=date.fromisoformat(card["fitted_on"]),
        weights_hash=found,
        columns=columns,
        look_back=learner.look_back(settings),
        score=lambda features_NTF: by_seed(features_NTF).mean(axis=1),
        by_seed=by_seed,
        explainer=partial(bundle.explainer, features=len(columns), threads=threads),
    )


def hash_of(recipe: Recipe, columns: Sequence[str], weights: bytes) -> str:
    """Return what the weights of a recipe are known by; `ValueError` where they are none of it."""
    return Bundle(learner_of(recipe), unpacked(weights, seeds=recipe.seeds)).weights_hash(columns)


def score_sessions(model: Model, panel: Panel, sessions: Sequence[date]) -> pl.DataFrame:
    """Return (session, instrument, score) of the members of each session, sorted.

    Each session is one forward pass over its members' look-back and nothing else. Sessions whose
    look-back the panel does not hold, and sessions without members, are left out.
    """
    frames = [pl.DataFrame(schema=SCORES)]
    for session, names, score_NS in seed_scores(model, panel, sessions):
        rows = {"session": [session] * len(names), "instrument": names}
        frames.append(pl.DataFrame({**rows, "score": score_NS.mean(axis=1)}))
    return pl.concat(frames).sort("session", "instrument")


def seed_scores(
    model: Model, panel: Panel, sessions: Sequence[date]
) -> Iterator[tuple[date, list[str], Array]]:
    """Yield each session, its members, and their scores (names, seeds), all finite."""
    for session, names_N, window_NTF in windows(model, panel, sessions):
        score_NS = model.by_seed(window_NTF)
        if not np.isfinite(score_NS).all():
            raise ValueError(f"{model.recipe.name} gave scores that are not finite on {session}.")
        yield session, [panel.instruments[name] for name in names_N], score_NS


def windows(
    model: Model, panel: Panel, sessions: Sequence[date]
) -> Iterator[tuple[date, NDArray[np.int64], NDArray[np.float32]]]:
    """Yield each session, the places of its members, and what the model sees of them."""
    place_of = {session: place for place, session in enumerate(panel.sessions)}
    _refuse_unknown(sessions, place_of, model)
    columns = _columns(model, panel)
    for session in sorted(set(sessions)):
        place = place_of[session]
        names_N = np.flatnonzero(panel.member_TN[place])
        if place < model.look_back - 1 or not names_N.size:
            continue
        seen = panel.features_NTF[names_N, place - model.look_back + 1 : place + 1]
        yield session, names_N, np.ascontiguousarray(seen[:, :, columns])


def _refuse_unknown(sessions: Sequence[date], place_of: Mapping[date, int], model: Model) -> None:
    if outside := [str(session) for session in sessions if session not in place_of]:
        raise ValueError(f"The panel has no session {', '.join(outside)}.")
    if early := [str(session) for session in sessions if session < model.fitted_on]:
        raise ValueError(
            f"{model.recipe.name} was fitted on {model.fitted_on} and may not score what came "
            f"before: {', '.join(early[:5])}."
        )


def _columns(model: Model, panel: Panel) -> NDArray[np.int64]:
    """Return where the model's columns stand in the panel."""
    if absent := [name for name in model.columns if name not in panel.columns]:
        raise ValueError(
            f"{model.recipe.name} needs {', '.join(absent)}; the panel has: "
            f"{', '.join(panel.columns)}."
        )
    return np.array([panel.columns.index(name) for name in model.columns], np.int64)
