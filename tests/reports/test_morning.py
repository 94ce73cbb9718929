"""The morning page is one file that asks for nothing, says what is so, and runs no one's text."""

import re
from html.parser import HTMLParser

import polars as pl
import pytest

from tasks.market.frames import DRAFT_ORDERS, DRAFT_TARGETS
from tasks.reports.charts import thinned
from tasks.reports.morning import morning_page
from tests.reports.morning_case import NAV, SYMBOLS, morning, orders_of, targets_of

EVIL = "<script>alert(1)</script>\"'&"


class Reader(HTMLParser):
    """Collects every tag with its attributes, and the text outside scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside not in ("script", "style"):
            self.words.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def words(page: str) -> str:
    return re.sub(r"\s+", " ", "".join(read(page).words))


def test_the_page_asks_nothing_of_any_network():
    page = morning_page(morning())
    reader = read(page)
    for _, attributes in reader.tags:
        assert not {"src", "href", "srcset", "data", "action", "poster"} & attributes.keys()
    assert [
        tag for tag, _ in reader.tags if tag in ("link", "img", "iframe", "object", "base")
    ] == []
    style = re.search(r"<style>(.*?)</style>", page, re.S)[1]
    assert "url(" not in style
    assert "@import" not in style
    assert "@font-face" not in style
    assert "default-src 'none'" in page


def test_plotly_stands_in_the_page_once_and_the_page_is_the_same_each_time():
    page = morning_page(morning())
    assert page.count("<script>") == page.count("</script>") == 2
    assert 4e6 < len(page) < 7e6
    assert page == morning_page(morning())


def test_the_page_says_what_to_hold_what_changes_and_what_it_costs():
    page = words(morning_page(morning()))
    for symbol in SYMBOLS:
        assert symbol in page
    assert "Hold 20 names." in page
    assert "Value at risk" in page
    assert "$1,037,212" in page
    assert "3 of 3 limits met" in page
    assert "not judged: the sample has closes only" in page
    assert "volume: the source has closes only" in page
    assert "20 survivors" in page


def test_no_text_of_the_data_runs():
    targets = targets_of([EVIL, *SYMBOLS]).with_columns(binding=pl.lit(EVIL))
    case = morning(
        targets=targets,
        orders=orders_of(targets).with_columns(side=pl.lit("buy"), symbol=pl.lit(EVIL)),
        warn=EVIL,
        title=EVIL,
        book=EVIL,
        currency=EVIL,
        verdict={"verdict": EVIL, "reasons": [EVIL]},
        checks=[{"limit": EVIL, "bound": EVIL, "value": None, "passed": True, "off": EVIL}],
        record={"recipe": EVIL, "contest": EVIL, "sessions": 5, "ic": 0.1, "ic_error": 0.1},
        solver={"status": EVIL},
        summary=morning().summary | {"leaving": [EVIL], "risk_assumed": [EVIL]},
        truth=pl.DataFrame(
            {"symbol": [EVIL] * 3, "expected_return": [0.1, 0.2, 0.3], "truth": [0.1, 0.1, 0.4]}
        ),
    )
    page = morning_page(case)
    assert "<script>alert" not in page
    assert "</script>\\" not in page
    assert sum(tag == "script" for tag, _ in read(page).tags) == 2
    assert "<script>alert(1)</script>" in words(page)


@pytest.mark.parametrize(
    ("ic", "error", "said"),
    [
        (0.004, 0.009, "It cannot be told from zero."),
        (0.05, 0.006, "It can be told from zero."),
        (-0.05, 0.006, "It was wrong more often than right"),
        (None, None, "has no record yet"),
    ],
)
def test_the_record_is_told_in_honest_words(ic, error, said):
    record = morning().record | {"ic": ic, "ic_error": error, "t": None, "shrunk_ic": 0.04}
    assert said in words(morning_page(morning(record=record)))


@pytest.mark.parametrize(
    ("hits", "kupiec", "said"),
    [(25, 0.9, "as it should be"), (60, 0.001, "too often"), (5, 0.001, "too seldom")],
)
def test_coverage_is_told_in_honest_words(hits, kupiec, said):
    coverage = morning().coverage.with_columns(exceeded=pl.int_range(pl.len()) < hits)
    assert said in words(morning_page(morning(coverage=coverage, kupiec=kupiec)))


def test_a_thousand_names_are_folded_away():
    targets = targets_of([f"N{n}" for n in range(1000)], short=True)
    page = morning_page(morning(targets=targets, orders=orders_of(targets)))
    held = int((targets["weight"] != 0).sum())
    assert f"<summary>{held - 50} more lines</summary>" in page
    assert page.index("<details>") > page.index("<b>N")
    assert len(page) < 7e6


def test_an_empty_first_morning_still_makes_a_page():
    case = morning(
        targets=pl.DataFrame(schema=DRAFT_TARGETS),
        orders=pl.DataFrame(schema=DRAFT_ORDERS),
        checks=[],
        solver={},
        tail={},
        coverage=morning().coverage.clear(),
        kupiec=None,
        nav=morning().nav.tail(1),
        record={},
        ic=morning().ic.clear(),
        warn="",
        summary={"nav": NAV},
        verdict={},
    )
    page = words(morning_page(case))
    assert "The account opened today" in page
    assert "nothing trades" in page
    assert "has no record yet" in page


def test_yesterdays_profit_is_that_of_the_last_session():
    nav = morning().nav.head(3).with_columns(nav=pl.Series([100.0, 200.0, 150.0]))
    page = words(morning_page(morning(nav=nav, summary=morning().summary | {"nav": 150.0})))
    assert "\u2212$50 (\u221225.00%)" in page
    assert "+50.0%" in page


def test_numbers_that_are_none_leave_a_dash_not_a_word():
    targets = targets_of(list(SYMBOLS)).with_columns(
        score=pl.lit(float("nan")), expected_return=pl.lit(None, pl.Float64)
    )
    page = morning_page(morning(targets=targets, tail={"var_95": float("nan")}))
    shown = words(page)
    assert " nan" not in shown.lower()
    assert "None" not in shown


def test_thinning_keeps_both_ends():
    frame = pl.DataFrame({"n": range(1001)})
    kept = thinned(frame, most=100)["n"]
    assert (kept[0], kept[-1]) == (0, 1000)
    assert kept.len() <= 102
