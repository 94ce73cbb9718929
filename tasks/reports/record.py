"""What may honestly be said of a model's past and of a risk figure's, chosen by the numbers."""

from collections.abc import Mapping
from math import isnan
from typing import Any

import polars as pl

from tasks.reports.words import counted, known, number, percent, short_day, text, with_error

SURE = 1.96  # |t| below which a mean cannot be told from zero at 5 %
DOUBTFUL = 0.05  # p-value below which a VaR is not believed


def record_words(record: Mapping[str, Any]) -> str:
    """Return what the walk-forward record says, escaped. Takes the keys of `Morning.record`."""
    who = f"<b>{text(record.get('recipe') or 'No model')}</b>"
    fitted = record.get("fitted_on")
    made = f", fitted on {short_day(fitted)}" if fitted else ""
    count, ic, error = record.get("sessions") or 0, record.get("ic"), record.get("ic_error")
    if not count or not known(ic) or not known(error):
        return (
            f"{who}{made}, has no record yet. Nothing is expected of it, and the book takes the "
            "least risk its limits allow."
        )
    t = _t(record)
    told = (
        f"{who}{made}, holds the title of contest {text(record.get('contest'))}. Over "
        f"{counted(int(count), 'session')} it never trained on, its scores met the returns of the "
        f"next {counted(int(record.get('horizon') or 0), 'session')} with an information "
        f"coefficient of {with_error(ic, error)} (t = {number(t, 1)}). "
    )
    if abs(t) < SURE:
        return (
            f"{told}<b>It cannot be told from zero.</b> Its scores are shown but move nothing; "
            "the book takes the least risk its limits allow."
        )
    if t < 0:
        return f"{told}<b>It was wrong more often than right</b>, so nothing is expected of it."
    return (
        f"{told}<b>It can be told from zero.</b> After shrinking for its own uncertainty "
        f"{number(record.get('shrunk_ic'), 3)} of it is believed."
    )


def record_rows(record: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the lines of the record's table: name, mean with its error, t."""
    names = {
        "ic": "Information coefficient",
        "rank_ic": "Rank information coefficient",
    }
    return [
        {
            "name": name,
            "mean": with_error(record[key], record.get(f"{key}_error"), 4),
            "t": number(_ratio(record[key], record.get(f"{key}_error")), 1),
        }
        for key, name in names.items()
        if known(record.get(key))
    ]


def coverage_words(coverage: pl.DataFrame, kupiec: float | None) -> str:
    """Return how VaR held in the past. Takes (session, loss, var_95, exceeded)."""
    if coverage.is_empty():
        return "There is too little past to say how well VaR would have held."
    days, hits = coverage.height, int(coverage["exceeded"].sum())
    words = (
        f"Over the last {counted(days, 'session')} today\u2019s weights would have lost more than "
        f"the VaR of the night before on {counted(hits, 'day')}, {percent(hits / days)} where 5% "
        "were promised. "
    )
    if kupiec is None or isnan(kupiec):
        return words
    p = f"Kupiec p = {number(kupiec, 2)}"
    if kupiec >= DOUBTFUL:
        return f"{words}That is as it should be ({p})."
    often = (
        "too often: take these figures as too low"
        if hits > 0.05 * days
        else ("too seldom: take these figures as too high")
    )
    return f'{words}<b class="warm">That is {often}</b> ({p}).'


def truth_words(truth: pl.DataFrame) -> str:
    """Return how the estimates met what was planted. Takes (symbol, expected_return, truth)."""
    both = truth.drop_nulls(["expected_return", "truth"])
    met = both.select(pl.corr("expected_return", "truth")).item() if both.height > 2 else None
    names = counted(both.height, "name")
    words = f"In this simulated market the true expected return of {names} is known. "
    if met is None or not known(met):
        return f"{words}The estimates do not vary, so they say nothing about it."
    return f"{words}The estimates correlate with it at {number(met, 2)}."


def _t(record: Mapping[str, Any]) -> float:
    given = record.get("t")
    return (
        float(given)
        if given is not None and known(given)
        else _ratio(record["ic"], record["ic_error"])
    )


def _ratio(value: float, error: float | None) -> float:
    return value / error if error is not None and known(error) and error > 0 else float("nan")
