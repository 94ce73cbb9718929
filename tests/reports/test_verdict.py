"""The verdict page says what failed and shows all text as text."""

import json
import re
from datetime import date

import polars as pl
import pytest

from tasks.market import frames
from tasks.reports.verdict import CAME_OF, MOST_ROWS, verdict_page

NIGHT = date(2015, 4, 6)
FINDINGS = [
    {
        "rule": "exact duplicates",
        "layer": "rows",
        "passed": False,
        "reason": "exact duplicates",
        "rows": 24107,
        "share": 0.6648,
        "examples": ["A 2015-04-02"],
        "action_taken": "dropped",
    },
    {
        "rule": "some_copies",
        "layer": "suite",
        "passed": False,
        "reason": "exact duplicates dropped",
        "rows": 36261,
        "share": None,
        "observed": 24107.0,
        "bounds": {"min_value": -1e12, "max_value": 36.261},
        "examples": [],
        "action_taken": "warned",
    },
    {"rule": "rows", "layer": "suite", "passed": True, "reason": "empty delivery", "rows": 36261},
]


def verdicts(**changed: object) -> pl.DataFrame:
    row = {
        "source": "us_deliveries",
        "delivery": NIGHT,
        "known_on": NIGHT,
        "verdict": "warn",
        "reasons": "exact duplicates dropped",
        "rows": 36261,
        "clean": 12047,
        "quarantined": 111,
        "findings": json.dumps(FINDINGS),
    }
    return pl.DataFrame([{**row, **changed}], schema=frames.VERDICTS)


def quarantine(*symbols: str) -> pl.DataFrame:
    rows = [("us_deliveries", NIGHT, NIGHT, s, "not a session", "holiday", 3) for s in symbols]
    return pl.DataFrame(rows, schema=frames.QUARANTINE, orient="row")


def test_says_what_failed_how_much_where_and_what_was_done():
    page = verdict_page(verdicts(), quarantine("AIRI"))
    for said in ("24,107 rows (66.48%)", "A 2015-04-02, ...", "at most 36.261", "dropped", "AIRI"):
        assert said in page
    assert "1 of 3 findings are as they should be" in page


@pytest.mark.parametrize("verdict", ["block", "skip"])
def test_says_what_came_of_a_night_that_is_not_used(verdict):
    assert CAME_OF[verdict] in verdict_page(verdicts(verdict=verdict), quarantine())
    assert CAME_OF[verdict] not in verdict_page(verdicts(), quarantine())


def test_counts_its_verdicts_and_names_a_place_once():
    one = json.dumps([{**FINDINGS[0], "rows": 1, "examples": ["A 2015-04-02"] * 3}])
    both = pl.concat([verdicts(findings=one), verdicts(delivery=date(2015, 4, 7))])
    page = verdict_page(both, quarantine())
    assert "The newest 2 deliveries: 2 warn." in page
    assert "1 row (66.48%)" in page
    assert "A 2015-04-02, A" not in page


def test_leaves_what_passed_out():
    assert "empty delivery" not in verdict_page(verdicts(), quarantine())


def test_shows_rows_of_other_deliveries_elsewhere():
    other = quarantine("AIRI").with_columns(delivery=pl.lit(date(2015, 4, 7)))
    assert "AIRI" not in verdict_page(verdicts(), other)


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "\"><img src=x onerror='a'>"])
def test_shows_text_of_the_data_escaped(text):
    sly = json.dumps([{**FINDINGS[0], "examples": [text], "reason": text}])
    page = verdict_page(verdicts(reasons=text, findings=sly), quarantine(text))
    assert "<script" not in page
    assert "<img" not in page
    assert "onerror='" not in page


def test_asks_nothing_of_the_network():
    page = verdict_page(verdicts(), quarantine("AIRI"))
    assert not re.search(r"https?://|src=|href=|@import|url\(", page)
    assert "default-src 'none'" in page


def test_is_the_same_whatever_the_order_of_rows():
    both = pl.concat([verdicts(), verdicts(delivery=date(2015, 4, 7))])
    aside = quarantine("B", "A")
    assert verdict_page(both, aside) == verdict_page(both.reverse(), aside.reverse())


def test_stays_small_when_thousands_of_rows_are_set_aside():
    page = verdict_page(verdicts(), quarantine(*(f"S{i:04}" for i in range(MOST_ROWS + 7))))
    assert "and 7 more lines" in page
    assert len(page) < 100_000


def test_says_so_when_nothing_was_judged():
    assert "No delivery was judged" in verdict_page(frames.empty(frames.VERDICTS), quarantine())
