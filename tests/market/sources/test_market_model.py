"""The simulated market: no day depends on a later one, prices are consistent, the edge is true."""

from itertools import pairwise

import numpy as np
import pytest

from tasks.market.sources.companies import symbol_of
from tasks.market.sources.market_events import draw_events
from tasks.market.sources.market_model import Day, Market, rank_score
from tasks.market.sources.planted_edge import planted_edge


def days(count: int, *, seed: int = 1, slots: int = 60, strength: float = 0.0) -> list[Day]:
    return list(Market(seed=seed, slots=slots, sectors=5, strength=strength).days(count))


def stacked(found: list[Day], name: str) -> np.ndarray:
    return np.stack([getattr(day, name) for day in found])


def mean_ic(found: list[Day], horizon: int) -> float:
    """Mean correlation of signals and open-to-open labels, both as anyone could compute them."""
    signal_TN, level_TN = stacked(found, "signal_N"), stacked(found, "level_N")
    traded_TN, company_TN = stacked(found, "traded_N"), stacked(found, "company_N")
    ics = []
    for at in range(21, len(found) - horizon - 1):
        start, end = at + 1, at + 1 + horizon
        valid = traded_TN[start] & traded_TN[end] & np.isfinite(signal_TN[at])
        valid &= company_TN[at] == company_TN[end]
        label_N = level_TN[end, valid] / level_TN[start, valid] - 1
        ics.append(np.corrcoef(signal_TN[at, valid], label_N)[0, 1])
    return float(np.mean(ics))


def test_a_session_never_depends_on_later_ones():
    short, long = days(80, strength=0.1), days(160, strength=0.1)
    for early, late in zip(short, long, strict=False):
        for left, right in zip(early, late, strict=True):
            assert left.tobytes() == right.tobytes()


def test_another_seed_is_another_market():
    assert not np.array_equal(days(3, seed=1)[2].close_N, days(3, seed=2)[2].close_N)


def test_prices_are_consistent():
    for day in days(300):
        chosen = day.traded_N
        assert (day.low_N <= np.minimum(day.open_N, day.close_N))[chosen].all()
        assert (day.high_N >= np.maximum(day.open_N, day.close_N))[chosen].all()
        assert (day.low_N[chosen] > 0).all()
        assert (day.volume_N[chosen] >= 1).all()
        assert (day.volume_N[chosen] == np.round(day.volume_N[chosen])).all()


def test_the_level_is_the_total_return_of_printed_prices_and_actions():
    found = days(400, slots=200)
    checked = splits = dividends = 0
    for eve, day in pairwise(found):
        both = eve.traded_N & day.traded_N & (eve.company_N == day.company_N)
        worth_N = day.open_N * day.split_N + day.dividend_N
        assert (np.abs(worth_N / eve.close_N - 1)[both] < 0.7).all()
        checked += both.sum()
        splits += (day.split_N != 1)[both].sum()
        dividends += (day.dividend_N > 0)[both].sum()
    assert checked > 50_000
    assert splits > 0
    assert dividends > 200


def test_companies_come_go_and_pause():
    found = days(600, slots=200)
    listed = sum(int(day.listed_N.sum()) for day in found[1:])
    traded_TN, company_TN = stacked(found, "traded_N"), stacked(found, "company_N")
    assert listed > 10
    assert (company_TN.max(axis=0) >= 200).any()
    paused = ~traded_TN[1:-1] & traded_TN[:-2] & traded_TN[2:]
    assert paused.any()


def test_symbols_are_never_shared():
    assert len({symbol_of(number) for number in range(30_000)}) == 30_000


def test_returns_have_fat_tails_and_clusters_of_volatility():
    found = days(1200, slots=100)
    close_TN, open_TN = stacked(found, "close_N"), stacked(found, "open_N")
    intraday_TN = (close_TN / open_TN - 1)[:, stacked(found, "company_N")[-1] < 100]
    market_T = intraday_TN.mean(axis=1)
    standard_T = (market_T - market_T.mean()) / market_T.std()
    assert np.mean(standard_T**4) > 3.5
    shock_T = np.abs(intraday_TN).mean(axis=1)
    assert np.corrcoef(shock_T[1:], shock_T[:-1])[0, 1] > 0.1


def test_wild_days_are_rare_and_fall_either_way():
    events = [draw_events(np.random.default_rng([7, day]), 1) for day in range(20_000)]
    shocks = np.array([event.market for event in events if event.market])
    assert 30 < len(shocks) < 75
    assert np.abs(shocks).min() >= 5
    assert 0.3 < np.mean(shocks < 0) < 0.7


def test_on_a_wild_day_the_whole_market_moves_and_the_days_after_stay_wild():
    found = days(1200, seed=1, slots=60)
    close_TN, traded_TN = stacked(found, "close_N"), stacked(found, "traded_N")
    level_TN = stacked(found, "level_N")
    wild = [
        day
        for day in range(1, 1180)
        if draw_events(np.random.Generator(np.random.Philox(key=[1, 4 * (day + 1) + 2])), 60).market
    ]
    assert wild
    for day in wild:
        same = traded_TN[day] & traded_TN[day - 1] & (level_TN[day] != 1)
        moves = (close_TN[day] / close_TN[day - 1])[same] - 1
        assert abs(np.median(moves)) > 0.03
        assert np.mean(np.sign(moves) == np.sign(np.median(moves))) > 0.9


def test_parts_of_companies_are_paid_out_now_and_then_and_leave_the_price():
    found, large = days(900, slots=200), 0
    for eve, day in pairwise(found):
        both = eve.traded_N & day.traded_N & (eve.company_N == day.company_N)
        big = both & (day.dividend_N > 0.05 * eve.close_N)
        worth_N = day.open_N + day.dividend_N
        assert (np.abs(worth_N / eve.close_N - 1)[big] < 0.3).all()
        large += int(big.sum())
    assert large > 15


def test_without_an_edge_nothing_is_tilted():
    assert planted_edge(0.0, horizon=5, sectors=5).strength == 0
    assert not any(day.tilt_N.any() for day in days(60))


def test_ranks_are_scaled_and_ignore_absent_names():
    score_N = rank_score(np.array([3.0, np.nan, 1.0, 2.0, 9.0]))
    assert np.isnan(score_N[1])
    assert np.nanmean(score_N) == pytest.approx(0)
    assert np.nanvar(score_N) == pytest.approx(1)
    assert np.isnan(rank_score(np.array([1.0, np.nan]))).all()


@pytest.mark.slow
@pytest.mark.parametrize(("ic", "horizon"), [(0.05, 5), (0.05, 1), (0.15, 10)])
def test_the_planted_edge_adds_its_information_coefficient(ic, horizon):
    """The same shocks with and without the edge: their difference is all but free of noise."""
    edge = planted_edge(ic, horizon=horizon, sectors=5)
    with_edge = mean_ic(days(400, slots=300, strength=edge.strength), horizon)
    without = mean_ic(days(400, slots=300), horizon)
    assert with_edge - without == pytest.approx(ic, rel=0.1)


@pytest.mark.slow
def test_the_mean_information_coefficient_over_long_samples_is_the_planted_one():
    edge = planted_edge(0.05, horizon=5, sectors=5)
    found = [
        mean_ic(days(2500, seed=seed, slots=1000, strength=edge.strength), 5)
        for seed in range(1, 9)
    ]
    assert np.mean(found) == pytest.approx(0.05, rel=0.1)
