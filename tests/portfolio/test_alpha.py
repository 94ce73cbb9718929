"""Expected returns follow Grinold's rule, and an IC that proves nothing expects nothing."""

import numpy as np
import polars as pl
import pytest

from tasks.portfolio.alpha import expected_returns, shrunk_ic

NAMES = ["AAA", "BBB", "CCC", "DDD"]


def test_an_ic_that_cannot_be_told_from_zero_is_zero():
    assert shrunk_ic(0.019, 0.01) == 0.0
    assert shrunk_ic(-0.05, 0.01) == 0.0
    assert shrunk_ic(float("nan"), 0.01) == shrunk_ic(0.02, float("nan")) == shrunk_ic(0.02, 0) == 0


def test_a_certain_ic_is_kept_and_a_doubtful_one_shrunk():
    assert shrunk_ic(0.05, 0.0005) == pytest.approx(0.05, rel=1e-3)
    assert shrunk_ic(0.04, 0.01) == pytest.approx(0.04 * (1 - 0.49**2))


def test_expected_return_is_ic_times_volatility_times_score(risk):
    model = risk(NAMES)
    scores = pl.DataFrame({"instrument": NAMES[::-1], "score": [4.0, 3.0, 2.0, 1.0]})
    table = expected_returns(scores, model, ic=0.05, horizon=5)
    z = (np.arange(1, 5) - 2.5) / np.sqrt(1.25)
    assert table["instrument"].to_list() == NAMES
    assert table["z"].to_numpy() == pytest.approx(z)
    wanted = 0.05 * np.sqrt(model.specific_variance_N * 5) * z
    assert table["expected_return"].to_numpy() == pytest.approx(wanted)


def test_no_score_or_no_risk_gives_no_number_and_a_wild_score_is_clipped(risk):
    names = [f"N{i:02d}" for i in range(40)]
    scores = pl.DataFrame(
        {"instrument": names, "score": [None, 1e9, *[0.1 * i for i in range(38)]]}
    )
    table = expected_returns(scores, risk(names[:-1]), ic=0.05, horizon=5)
    assert table["z"][0] is None
    assert table["expected_return"][39] is None
    assert table["z"].max() == 3.0


def test_equal_scores_expect_nothing(risk):
    scores = pl.DataFrame({"instrument": NAMES, "score": [0.3] * 4})
    assert expected_returns(scores, risk(NAMES), ic=0.05, horizon=5)["expected_return"].sum() == 0
