"""What a blocked night leaves: no bar, but what else it told, where that can be trusted."""

from collections.abc import Sequence

import polars as pl

from expectations.eve import Eve
from expectations.facts import ALLOWED, told_bounds
from expectations.findings import Finding, noted
from expectations.told import Told, nothing_of

WHO_IS_WHO = ("many_new_names",)  # rules of the night that cast doubt on all its symbols
_STRANGE = 0.05  # of the listed symbols; on a real night 0.03 at most were new or renamed


def left_by_block(told: Told, eve: Eve, findings: Sequence[Finding]) -> tuple[Told, list[Finding]]:
    """Return what may be believed of a night that was blocked for its bars, and a note of it.

    Many a listing, filing or membership is told on one night only. What passes its own rules
    therefore stays, known on the night that told it. It goes with the bars where the night does
    not know who is who, where something could not be judged, or where too much of it is wrong.
    """
    told_rows = [frame.height for frame in told]
    if not (came := sum(told_rows)):
        return told, []
    good = came - told.aside.height
    if doubts := _doubts(told, eve, findings, came):
        return nothing_of(told), [noted("told on a blocked night", doubts, good, came, "left out")]
    return told, [noted("told on a blocked night", [], good, came, "kept")]


def _doubts(told: Told, eve: Eve, findings: Sequence[Finding], came: int) -> list[str]:
    blocking = [f for f in findings if not f["passed"] and f["severity"] == "critical"]
    doubts = [f["reason"] for f in blocking if f["rule"] in WHO_IS_WHO or f["examples"]]
    if told.aside.height > told_bounds(came)["many_quarantined"]:
        doubts.append(f"{told.aside.height} of {came} rows broke their own rules")
    strange, listed = _strange(told.listings, eve.listed)
    if listed and strange > max(ALLOWED, _STRANGE * listed):
        doubts.append(f"{strange} symbols new or under another name, {listed} listed")
    return doubts


def _strange(named: pl.DataFrame, listed: pl.DataFrame) -> tuple[int, int]:
    """Return how many symbols are listed anew or under another name, and how many were listed."""
    before = listed.group_by("symbol").agg(known=pl.col("name").drop_nulls().last())
    told = named.join(before.with_columns(old=True), on="symbol", how="left")
    other = (pl.col("name") != pl.col("known")).fill_null(False) | pl.col("old").is_null()
    return told.filter(other)["symbol"].n_unique(), before.height
