"""What a set was worth: planted strength is found, luck is not, and what is lost is told."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.learning.worth import Judged, worth_of
from tasks.statistics.yardstick import yardstick

T, N = 300, 80
GENERATOR = np.random.default_rng(8)
LABEL = GENERATOR.normal(0, 0.02, (T, N))
LABEL[-6:] = np.nan
SESSIONS = tuple(date(2019, 6, 1) + timedelta(days=i) for i in range(T))
NOISE = {f"noise_{i}": GENERATOR.normal(size=(T, N)) for i in range(8)}
SIGNAL = np.nan_to_num(LABEL) / 0.02 * 0.12 + GENERATOR.normal(size=(T, N))
SHORT = np.where(np.arange(T)[:, None] < 250, np.nan, SIGNAL)
HOLED = np.where(GENERATOR.random((T, N)) < 0.6, np.nan, SIGNAL)
VALUES = {"planted": SIGNAL, "twin": -SIGNAL, "short": SHORT, "holed": HOLED} | NOISE


def worth(values=VALUES, *, max_dropped: float = 0.35, label=LABEL):
    half = np.tile(np.arange(N) % 2, (T, 1))
    against = yardstick(
        {1: label, 5: label * 0.5 + 0.01},
        horizon=1,
        year_T=[session.year for session in SESSIONS],
        groups={"half": half},
        min_names=20,
        max_dropped=1.0,
    )
    judged = [Judged(name, "test", 251 if name == "short" else 1) for name in values]
    return worth_of(judged, values.__getitem__, SESSIONS, against, max_dropped=max_dropped)


@pytest.fixture(scope="module")
def found():
    return worth()


def test_what_is_planted_is_found_and_noise_is_not(found):
    strength = found.strength
    assert set(strength["feature"].head(2)) == {"planted", "twin"}
    told = dict(strength.select("feature", "found").iter_rows())
    assert told["planted"]
    assert told["twin"]
    assert not any(told[name] for name in NOISE)
    assert strength["p"].is_sorted()
    assert (strength["t"] - strength["rank_ic"] / strength["error"]).abs().max() < 1e-9


def test_what_cannot_be_tested_has_no_error_and_stands_last():
    few = {"planted": SIGNAL, "few": np.where(np.arange(T)[:, None] < T - 12, np.nan, SIGNAL)}
    judged = [Judged("planted", "test", 1), Judged("few", "test", T - 11)]
    against = yardstick({1: LABEL}, horizon=1, year_T=[2019] * T, min_names=20, max_dropped=1.0)
    found = worth_of(judged, few.__getitem__, SESSIONS, against, max_dropped=0.5)
    last = found.strength.row(-1, named=True)
    assert last["feature"] == "few"
    assert last["error"] is last["t"] is last["p"] is None
    assert found.years.filter(pl.col("feature") == "few")["error"].item() is None


def test_a_feature_that_lacks_too_much_is_named_and_not_judged(found):
    assert found.dropped["feature"].to_list() == ["holed"]
    assert found.dropped["share"].item() == pytest.approx(0.6, abs=0.02)
    assert "holed" not in found.strength["feature"]


def test_a_long_look_back_is_no_loss(found):
    row = found.strength.row(by_predicate=pl.col("feature") == "short", named=True)
    assert row["sessions"] == T - 250 - 6


def test_of_two_that_tell_the_same_one_is_shown(found):
    shown = found.daily["feature"].unique().to_list()
    assert len({"planted", "twin"} & set(shown)) == 1
    assert len(shown) == 6


def test_figures_by_horizon_year_group_and_tenth_cover_every_feature(found):
    judged = set(found.strength["feature"])
    for frame in (found.decay, found.years, found.groups, found.quantiles):
        assert set(frame["feature"]) == judged
    assert set(found.decay["horizon"]) == {1, 5}
    assert set(found.years["year"]) == {2019, 2020}
    assert set(found.groups["group"]) == {0, 1}
    assert found.quantiles.filter(pl.col("feature") == "planted").height == 10


def test_says_so_where_nothing_can_be_judged():
    with pytest.raises(ValueError, match="None of 1 features could be judged: more than 10%"):
        worth({"holed": HOLED}, max_dropped=0.1)


def test_scores_whose_labels_are_not_known_yet_move_nothing():
    altered = SIGNAL.copy()
    altered[-6:] = 9.0 * np.arange(N)
    before, after = (worth({"planted": values}) for values in (SIGNAL, altered))
    steady = ["feature", "rank_ic", "error", "p", "ic", "spread", "sessions"]
    assert before.strength.select(steady).equals(after.strength.select(steady))
    assert before.decay.equals(after.decay)
