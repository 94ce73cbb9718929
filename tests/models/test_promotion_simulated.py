"""Over simulated years the rule of promotion neither fools itself nor overlooks an edge."""

import runpy

import pytest

from tests.reading import ROOT

SHAPES = ("autoregressive", "overlapping")


@pytest.fixture(scope="module")
def bench() -> dict:
    return runpy.run_path(str(ROOT / "benchmarks" / "promotion.py"))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_simulated_differences_are_as_noisy_as_they_claim(bench, shape):
    import numpy as np

    drawn = bench["SHAPES"][shape](np.random.default_rng(1), 2_000)
    assert drawn.std() == pytest.approx(1, rel=0.01)
    inflation = drawn.mean(axis=0).var() * len(drawn)
    assert inflation == pytest.approx(2.5, rel=0.12)


def test_a_few_years_without_a_better_recipe_promote_next_to_nothing(bench):
    years = bench["simulated"](bench["Case"]("overlapping"), years=8, seed=2)
    assert sum(year.look >= 0 for year in years) <= 3  # more have a chance of 1 in 1,700


def test_an_edge_of_a_hundredth_is_mostly_found_at_the_first_look(bench):
    case = bench["Case"]("autoregressive", better=1)
    years = bench["simulated"](case, years=100, seed=2, looks=1)
    assert bench["shares"](years)[0] >= 0.71  # less has a chance of 1 in 100 at 80 %


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_of_1000_years_without_a_better_recipe_64_at_most_promote(bench, shape):
    years = bench["simulated"](bench["Case"](shape), years=1000, seed=3)
    assert sum(year.look >= 0 for year in years) <= 64


@pytest.mark.slow
def test_a_second_year_whose_window_has_moved_on_promotes_no_more_than_the_first(bench):
    case = bench["Case"]("overlapping")
    years = bench["simulated"](case, years=500, seed=4, looks=2 * bench["LOOKS"])
    wrong, reached = bench["second"](years)
    assert reached > 450
    assert wrong <= 36  # of 475 more have a chance of 1 in 100 at 5 %


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_an_edge_of_a_hundredth_is_found_at_the_first_look_in_four_years_of_five(bench, shape):
    case = bench["Case"](shape, better=1)
    years = bench["simulated"](case, years=1000, seed=3, looks=1)
    assert bench["shares"](years)[0] >= 0.8
