"""The page of a feature set: whole, offline, honest about luck, and safe against its data."""

import polars as pl
import pytest

from tasks.reports.features import Studied, features_page
from tests.learning.test_worth import SESSIONS, VALUES, worth

STUDIED = Studied(
    features="price",
    data="A market, universe <all>",
    sessions=SESSIONS,
    names=90,
    members=80.0,
    horizon=1,
    trades_at="open",
    max_dropped=0.35,
    groups={"half": ["left", "<right>"]},
    warn="Survivors only.",
)


@pytest.fixture(scope="module")
def page() -> str:
    return features_page(worth(), STUDIED)


def test_says_how_many_are_more_than_luck(page):
    assert "3 of them are more than luck" in page
    assert "Survivors only." in page


def test_names_every_feature_and_what_was_not_judged(page):
    assert all(f"<b>{name}</b>" in page for name in VALUES)
    assert "Not judged" in page


def test_shows_years_and_groups(page):
    assert "By year" in page
    assert "By half" in page
    assert "left" in page


def test_asks_nothing_of_any_network_and_escapes_what_data_brings(page):
    assert "default-src 'none'" in page
    assert "&lt;right&gt;" in page
    assert "<right>" not in page
    assert "universe <all>" not in page


def test_says_when_nothing_can_be_told_from_luck():
    noise = {name: values for name, values in VALUES.items() if name.startswith("noise")}
    found = worth(noise)
    assert "none of them can be told from luck" in features_page(found, STUDIED)


def test_a_figure_that_is_unknown_leaves_its_cell_empty():
    found = worth()
    years = found.years.with_columns(
        pl.when(pl.col("year") > 2019).then("rank_ic").alias("rank_ic")
    )
    page = features_page(found._replace(years=years), STUDIED)
    assert "nan" not in page.split("<script>")[0].lower().replace("finan", "")


def test_one_year_has_no_table_by_year():
    found = worth()
    one = found._replace(years=found.years.filter(pl.col("year") == 2019))
    assert "By year" not in features_page(one, STUDIED)


def test_without_a_test_there_is_no_error_and_no_t():
    found = worth()
    bare = found.strength.with_columns(error=None, t=None, p=None)
    page = features_page(found._replace(strength=bare), STUDIED)
    assert (
        'class="soft">\u00b1'
        not in page.split("<h2>Every feature</h2>")[1].split("Errors allow")[0]
    )
