"""A market without an edge gives no model one; a planted edge is found."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from conf.schema import Contest, Recipe, SimulatedSource
from tasks.features import FEATURE_SETS
from tasks.features.engine import features_over
from tasks.features.labels import labels
from tasks.learning.panel import Panel, aligned, make_panel
from tasks.market.calendar import Calendar
from tasks.market.history import Array, History
from tasks.market.sources.simulated import SimulatedData
from tasks.models.fitting import fit_recipe, load_fit, score_sessions
from tasks.statistics.hac import hac_mean
from tasks.statistics.ic import ic_series
from tasks.statistics.tests import joint_t, joint_wald

pytestmark = pytest.mark.slow
HORIZON = 5
RECIPES = (
    Recipe(name="lightgbm", model="lightgbm"),
    Recipe(name="ridge", model="ridge"),
    Recipe(name="linear", model="linear", loss="ic"),
    Recipe(name="tcn", model="tcn", loss="ic"),
)


def market(seed: int, *, names: int, last: date, planted: float) -> tuple[Panel, Array]:
    """Return the panel and its labels, those of one simulated market from 2018 on."""
    first = date(2018, 1, 2)
    source = SimulatedSource(
        kind="simulated",
        title="Placebo",
        actions="given",
        starts=first,
        observed_from=last,
        ends=last,
        expected_rows=names // 2,
        seed=seed,
        names=names,
        planted_ic=planted,
        planted_horizon=HORIZON,
    )
    data = SimulatedData(source)
    bars, actions = [], []
    for night in data.nights():
        delivery = data.normalise(list(data.pull([night])))
        bars.append(delivery.bars)
        actions.append(delivery.actions)
    sessions = Calendar("XNYS").sessions(first, last)
    history = [History(*_known(bars, actions), sessions, prints="first") for _ in range(2)]
    chosen = FEATURE_SETS["price"]()
    features = features_over(history[0], chosen, sessions)
    panel = make_panel(
        features, features.select("session", "instrument"), columns=chosen.columns, transform="rank"
    )
    view = history[1].roll(sessions[-1])
    label_TN = labels(view, horizon=HORIZON, trades_at="open")
    return panel, aligned(label_TN, view.sessions, view.instruments, panel)


def _known(
    bars: list[pl.DataFrame], actions: list[pl.DataFrame]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    rows = pl.concat(bars).unique(["session", "symbol"], keep="first", maintain_order=True)
    rows = rows.with_columns(instrument="symbol", known_on="session", delivery="session")
    acts = pl.concat(actions).unique(maintain_order=True)
    return rows, acts.with_columns(
        instrument="symbol", known_on="ex_session", delivery="ex_session"
    )


def ics_after_fit(recipe: Recipe, panel: Panel, label_TN: Array, *, train_share: float) -> Array:
    """Return the daily ICs of one fit after its last session."""
    cut = int(train_share * len(panel.sessions))
    contest = Contest(
        title="Placebo",
        source="none",
        universe="none",
        features="price",
        horizon=HORIZON,
        first_fit=cut,
        refit_every=1000,
        candidates=(recipe,),
    )
    fit = fit_recipe(
        recipe, panel, label_TN, fitted_on=panel.sessions[cut], contest=contest, threads=1
    )
    model = load_fit(recipe, fit.card, fit.weights)
    scores = score_sessions(model, panel, panel.sessions[cut + 1 :])
    wide = scores.pivot("instrument", index="session", values="score").sort("session")
    names = [name for name in panel.instruments if name in wide.columns]
    places = [panel.instruments.index(name) for name in names]
    rows = [panel.sessions.index(session) for session in wide["session"]]
    score_TN = wide.select(names).to_numpy().astype(float)
    return ic_series(score_TN, label_TN[np.ix_(rows, places)], min_names=10)


def test_without_an_edge_no_model_has_a_significant_ic():
    """Joint tests at 1 % over four models and ten seeds, errors allowing for overlap."""
    seeds = []
    for seed in range(10):
        panel, label_TN = market(seed, names=50, last=date(2020, 6, 30), planted=0.0)
        found = [ics_after_fit(recipe, panel, label_TN, train_share=0.6) for recipe in RECIPES]
        daily = np.column_stack(found)
        seeds.append(daily[np.isfinite(daily).all(axis=1)])
    _, p = joint_wald(seeds, lags=2 * HORIZON)
    pooled = joint_t(seeds, lags=2 * HORIZON)
    assert p > 0.01, f"joint p {p:.4f}, pooled IC {pooled.value:.4f} ± {pooled.error:.4f}"
    assert abs(pooled.t) < 2.58


def test_ridge_recovers_four_fifths_of_a_planted_edge():
    found = []
    for seed in range(20, 25):
        panel, label_TN = market(seed, names=300, last=date(2020, 12, 31), planted=0.05)
        found.append(ics_after_fit(RECIPES[1], panel, label_TN, train_share=0.5))
    mean = np.mean([hac_mean(daily, lags=2 * HORIZON).value for daily in found])
    assert mean >= 0.8 * 0.05, f"ridge recovers {mean / 0.05:.0%}"
