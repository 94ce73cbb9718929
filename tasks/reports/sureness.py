"""How sure a forecast is and whether its model has drifted, in a few plain words."""

from collections.abc import Mapping
from typing import Any

from tasks.reports.paper import badge
from tasks.reports.words import known, number, percent, text

TONES = {"watch": "warn", "drifted": "bad"}
BELIEVED = {
    0.5: "<b>Half of its alpha is believed.</b>",
    0.0: "<b>None of its alpha is believed.</b>",
}


def drift_badges(drift: Mapping[str, Any]) -> list[str]:
    """Return a badge for each sign of drift; none where all is steady or not known."""
    found = [(what, drift.get(what)) for what in ("features", "skill")]
    return [badge(f"{what}: {state}", TONES[state]) for what, state in found if state in TONES]


def drift_words(drift: Mapping[str, Any], switched_off: Mapping[str, str]) -> str:
    """Return the verdict on drift with its figures, and what it costs, escaped."""
    if not drift:
        return ""
    words = f"Drift: {_features(drift)}; {_skill(drift)}."
    cost = BELIEVED.get(drift["factor"], "")
    if "shrink" in switched_off and cost:
        cost = f"This book believes it all the same: {text(switched_off['shrink'])}."
    if drift["hold"]:
        why, looked = switched_off.get("hold"), "A person has looked and let the book go on."
        cost += f" The book is not held: {text(why)}." if why else f" {looked}"
    return f"{words} {cost}".strip()


def _features(drift: Mapping[str, Any]) -> str:
    if drift["features"] is None:
        return "too short a past to judge the features"
    return (
        f"features {text(drift['features'])}, of {drift['judged']} "
        f"<code>{text(drift['feature'])}</code> moved most, by a stability index of "
        f"{number(drift['shift'], 2)} where luck gives {number(drift['luck'], 2)}"
    )


def _skill(drift: Mapping[str, Any]) -> str:
    if drift["skill"] is None:
        return "too short a record to judge the skill"
    return (
        f"skill {text(drift['skill'])}, its shortfall {number(drift['highest'], 1)} where a watch "
        f"begins at {number(drift['watch'], 1)} and an alarm at {number(drift['alarm'], 1)}"
    )


def sure_words(record: Mapping[str, Any]) -> str:
    """Return how far labels should fall from what is expected, and how often they did."""
    width, covered = record.get("half_width"), record.get("covered")
    if not known(width):
        return "Too few labels are known to say how far returns fall from what is expected."
    words = (
        f"Nine labels in ten should fall within {number(width)} deviations of what a score expects"
    )
    return f"{words}; lately {percent(covered)} did." if known(covered) else f"{words}."
