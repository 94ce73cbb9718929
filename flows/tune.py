"""The command `afterclose tune`: search a recipe's settings, and say what to write down."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from tasks.tune import Answer, Trial


def tune(
    contest: Annotated[str, typer.Argument(help="A name in conf/models.")],
    recipe: Annotated[str, typer.Argument(help="One of its candidates.")],
    trials: Annotated[
        int, typer.Option(min=1, help="Trials in all, those of earlier runs counted.")
    ] = 30,
    budget: Annotated[
        float | None, typer.Option(min=0, help="Seconds of all trials together; empty: no end.")
    ] = None,
    validation: Annotated[
        Literal["walk_forward", "combinatorial"],
        typer.Option(help="Folds that learn from the past alone, or from both sides of a stretch."),
    ] = "walk_forward",
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last session known; empty: the newest prepared."),
    ] = None,
) -> None:
    """Search a recipe's settings inside what a fit could learn from; broken off, it goes on."""
    from flows.cli import ready

    ready()
    from tasks.tune import Search, tune_recipe

    wanted = Search(contest, recipe, validation, trials, budget)
    try:
        answer = tune_recipe(wanted, as_of.date() if as_of else None, _say_trial)
    except (LookupError, ValueError, FileNotFoundError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if answer.warning:
        typer.echo(answer.warning, err=True)
    typer.echo("\n".join(_told(contest, answer)))


def _say_trial(trials: "list[Trial]") -> None:
    newest = trials[-1]
    worth = newest.why if newest.value is None else f"rank IC {newest.value:+.4f}"
    typer.echo(f"trial {len(trials)}: {newest.state}, {worth}, {newest.seconds:.1f} s", err=True)


def _told(contest: str, answer: "Answer") -> list[str]:
    tuned = answer.tuned
    best, first = tuned.best, tuned.trials[0]
    pruned = sum(trial.state == "pruned" for trial in tuned.trials)
    failed = sum(trial.state == "failed" for trial in tuned.trials)
    before = "unknown" if first.value is None else f"{first.value:+.4f}"
    ever = "unknown" if answer.ever is None else f"{answer.ever:,}"
    lines = [
        f"# best of {len(tuned.trials)} trials at {answer.as_of} ({pruned} given up, {failed} "
        f"failed): rank IC {best.value or 0.0:+.4f}, as it stood {before}",
        "# the greatest of many flatters: judge it on later sessions",
        f"# trials ever made for {contest}: {ever}",
    ]
    if tuned.paths:
        least, most = min(tuned.paths), max(tuned.paths)
        lines.append(f"# on {len(tuned.paths)} paths: rank IC {least:+.4f} to {most:+.4f}")
    fields = tuned.recipe.model_dump(mode="json", exclude_defaults=True)
    return [*lines, f"  - {yaml_of(fields)}"]


def yaml_of(value: Any) -> str:
    """Return plain values as YAML on one line, to be read back as they are.

    >>> yaml_of({"name": "trees", "settings": {"rate": 1e-05, "leaves": 8}, "tags": ["on", 0.5]})
    '{name: trees, settings: {rate: 1.0e-05, leaves: 8}, tags: ["on", 0.5]}'
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {yaml_of(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(yaml_of, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        number = repr(value)  # YAML takes an exponent for a number only behind a point
        return number.replace("e", ".0e") if "e" in number and "." not in number else number
    if isinstance(value, str):
        plain = value.isidentifier() and value.lower() not in _WORDS
        return value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


_WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")  # YAML reads more into them
