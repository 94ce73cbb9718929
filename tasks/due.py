"""Which fits are to be made: what the shelf lacks, or holds for other data, settings or code."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from tasks.market.lake import content_hash
from tasks.settings import (
    code_hash,
    load_source,
    load_universe,
    open_lake,
    open_shelf,
    settings_hash,
)
from tasks.titles import weights_told

if TYPE_CHECKING:
    from conf.schema import Contest, Recipe
    from tasks.models.titles import Title


CODE = (  # what decides a fit: how history is read, and all that learns from it
    "tasks/market",
    "tasks/panels.py",
    "tasks/roster.py",
    "tasks/features",
    "tasks/learning",
    "tasks/models",
    "tasks/statistics",
)


class Due(NamedTuple):
    """One fit to make."""

    recipe: "Recipe"
    fitted_on: date
    inputs: str  # hash of the settings and the deliveries it rests on


def due_fits(
    contest: str, rules: "Contest", fits: Sequence[date], held: "Sequence[Title]"
) -> list[Due]:
    """Return what is missing of the fits that hold a title and of those that are compared.

    Weights of a champion that are not those that the lake knows count as missing.
    """
    told = weights_told(contest)
    shelf, verdicts = open_shelf(), open_lake().read("verdicts", where={"source": [rules.source]})
    due = []
    for recipe in rules.candidates:
        own = {title.session for title in held if title.recipe == recipe.name}
        for fitted_on in sorted(own | set(fits)):
            one = Due(recipe, fitted_on, _inputs(rules, recipe, verdicts, fitted_on))
            there = shelf.holds(contest, recipe.name, fitted_on, inputs=one.inputs)
            known_by = told.get((recipe.name, fitted_on))
            if not there or (known_by and _weights_hash(contest, one) != known_by):
                due.append(one)
    return due


def _weights_hash(contest: str, one: Due) -> str:
    """Return what a fit's weights are known by; nothing where they are none."""
    from tasks.models.fitting import hash_of

    try:
        card, weights = open_shelf().load(contest, one.recipe.name, one.fitted_on)
        return hash_of(one.recipe, card["columns"], weights)
    except (ValueError, OSError):
        return ""


def _inputs(rules: "Contest", recipe: "Recipe", verdicts: pl.DataFrame, fitted_on: date) -> str:
    """Return the hash of what decides a fit: settings, code, and the deliveries known by then."""
    first = pl.col("delivery") == pl.col("delivery").min()  # history that came in one go
    seen = verdicts.filter((pl.col("known_on") <= fitted_on) | first)
    told_elsewhere = {"compare_refits": 1, "promotion": "by_hand"}  # change no fit
    bare = rules.model_copy(update={"candidates": (recipe,), **told_elsewhere})
    settings = settings_hash(bare, load_universe(rules.universe), load_source(rules.source))
    return settings + code_hash(*CODE) + content_hash(seen)
