"""Exposures and states of volatility, yields, currencies and oil, against plain arithmetic."""

import itertools
import math
import statistics
from datetime import date, timedelta

import numpy as np
import pytest

from tasks.features.engine import grid_features
from tasks.features.grid import Grid
from tasks.features.surroundings import SERIES, SURROUNDINGS
from tests.features.by_hand import CLOSE, MARKET, RETURN, ROWS, mean

NAMES = {*SERIES, "series/yield_3m", "series/yield_aaa", "series/yield_baa"}
GENERATOR = np.random.default_rng(21)
PATHS = {
    name: (15 * np.exp(np.cumsum(GENERATOR.normal(0, 0.02, ROWS)))).tolist()
    for name in sorted(NAMES)
}


def features(close=CLOSE, market=MARKET, **changed: list[float]) -> dict[str, float | None]:
    """Return the features of one name; `changed` are other values of a series."""
    told = PATHS | {f"series/{name}": values for name, values in changed.items()}
    told = {"close": close, "market": market} | told
    columns = {name: np.array(values, float)[:, None] for name, values in told.items()}
    sessions = tuple(date(2020, 1, 1) + timedelta(days=i) for i in range(ROWS))
    grid = Grid(sessions, ("N",), columns, np.ones((ROWS, 1)))
    frame = next(grid_features(grid, SURROUNDINGS, [sessions[-1]]))
    return frame.drop("session", "instrument").row(0, named=True)


def changes(name: str) -> list[float]:
    path, relative = PATHS[name], SERIES[name] in ("eurusd", "oil")
    pairs = itertools.pairwise(path)
    return [math.nan, *(b / a - 1 if relative else b - a for a, b in pairs)]


def exposure(name: str, rows: int) -> float:
    """Return the slope on the change, with the change and the next one as its instrument."""
    moved, kept = changes(name), range(ROWS - rows, ROWS - 1)
    regressors = np.array([[MARKET[i], moved[i]] for i in kept])
    instruments = np.array([[MARKET[i], moved[i] + moved[i + 1]] for i in kept])
    own = np.array([RETURN[i] for i in kept])
    return float(np.linalg.solve(instruments.T @ regressors, instruments.T @ own)[1])


def level(name: str) -> float:
    path = PATHS[name][-252:]
    return (path[-1] - mean(path)) / statistics.stdev(path)


def move(name: str) -> float:
    path, relative = PATHS[name], SERIES[name] in ("eurusd", "oil")
    change = path[-1] / path[-21] - 1 if relative else path[-1] - path[-21]
    return change / (statistics.stdev(changes(name)[1:]) * math.sqrt(20))


BY_HAND = {
    **{f"{s}_exposure_{k}": exposure(name, k) for name, s in SERIES.items() for k in (120, 252)},
    **{f"{short}_level": level(name) for name, short in SERIES.items()},
    **{f"{short}_move": move(name) for name, short in SERIES.items()},
    "term_spread": PATHS["series/yield_10y"][-1] - PATHS["series/yield_3m"][-1],
    "credit_spread": PATHS["series/yield_baa"][-1] - PATHS["series/yield_aaa"][-1],
}


def test_every_feature_has_its_number_by_hand():
    assert list(BY_HAND) == SURROUNDINGS.columns


@pytest.mark.parametrize("name", BY_HAND)
def test_gives_the_number_by_hand(name):
    assert features()[name] == pytest.approx(BY_HAND[name], rel=5e-6, abs=1e-7)


def moved_by(vix: list[float], *, late: int) -> list[float]:
    """Return closes that fall by a hundredth for each point of the index, told `late` after."""
    close = [30.0]
    for i in range(1, ROWS):
        told = min(i + late, ROWS - 1)
        close.append(close[-1] * (1 + MARKET[i] - (vix[told] - vix[told - 1]) / 100))
    return close


@pytest.mark.parametrize("late", [0, 1])
def test_finds_the_exposure_whether_a_series_is_told_at_the_close_or_a_session_later(late):
    vix = PATHS["series/vix"]
    found = features(close=moved_by(vix, late=late))["vix_exposure_252"]
    assert found == pytest.approx(-0.01, rel=0.25)


def test_what_is_alike_for_all_names_is_named_so():
    whole = {name for name in BY_HAND if "exposure" not in name}
    assert set(SURROUNDINGS.whole_session) == whole


def test_a_series_that_stands_still_or_is_not_known_makes_no_number():
    still = features(vix=[20.0] * ROWS)
    assert still["vix_level"] is None
    assert still["vix_exposure_120"] is None
    gone = features(vix=[*PATHS["series/vix"][:-1], math.nan])
    assert gone["vix_level"] is None
    assert gone["vix_move"] is None
    assert gone["vix_exposure_120"] is not None  # one pair of 119 lacks
    assert gone["yield_level"] == features()["yield_level"]


def test_oil_below_nothing_has_no_relative_change():
    wti = list(PATHS["series/wti"])
    wti[-10] = -37.0
    found = features(wti=wti)
    assert found["oil_exposure_120"] is not None
    assert math.isfinite(found["oil_move"])
    wti[-1] = wti[-21] = -37.0
    assert features(wti=wti)["oil_move"] is None
