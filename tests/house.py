"""A small house for tests: forty simulated names, one contest, one book, nights in a blink."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

SOURCE = """
kind: simulated
title: Forty simulated names
actions: given
trades_at: open
starts: 2020-01-02
observed_from: 2020-12-14
ends: 2020-12-30
expected_rows: 30
seed: 3
names: 40
sectors: 4
planted_ic: 0.1
"""
CONTEST = """
title: A small contest
source: tiny
universe: everyone
features: price
horizon: 3
first_fit: 150
refit_every: 40
compare_refits: 2
min_names: 10
candidates:
  - {name: lightgbm, model: lightgbm, settings: {trees: 20}}
  - {name: ridge, model: ridge}
"""
BOOK = """
title: A small book
source: tiny
contest: tiny
universe: everyone
capital: 2000000
objective: {optimiser: mean_variance, risk_aversion: 10}
risk: {factors: 3, look_back: 120, min_observed: 60, coverage_sessions: 60}
costs: {commission_bps: 0.5, half_spread_bps: 2, impact: 0.3}
limits:
  long_only: true
  box: {max: 0.15}
  net: {min: 0.90, max: 0.99}
  cash: 0.005
  turnover: 0.2
  participation: 0.2
  names: {min: 5, max: 40}
"""
LAST = date(2020, 12, 30)


def unlooked(patch: pytest.MonkeyPatch) -> None:
    """Let nights take no looks and tell MLflow nothing: both have tests of their own."""
    patch.setattr("tasks.train._compare", lambda *_, **__: None)
    patch.setattr("tasks.train.training_can_be_told", lambda *_: False)


class House:
    """Settings and data of a small house, and a way to run its nights."""

    def __init__(self, folder: Path) -> None:
        self.conf, self.data = folder / "conf", folder / "data"
        self.write("sources", "tiny", SOURCE)
        self.write("universes", "everyone", "kind: all\ntitle: Everyone with a bar\n")
        self.write("models", "tiny", CONTEST)
        self.write("books", "tiny", BOOK)

    def write(self, kind: str, name: str, text: str) -> None:
        path = self.conf / kind / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Point settings at this house, and let tasks log without a run."""
        from tasks import forecast, ingest, prepare, rebalance, train

        with pytest.MonkeyPatch.context() as patch:
            for module in (forecast, ingest, prepare, rebalance, train):
                patch.setattr(module, "get_run_logger", lambda: logging.getLogger("night"))
            patch.setenv("AFTERCLOSE_CONF", str(self.conf))
            patch.setenv("AFTERCLOSE_DATA", str(self.data))
            patch.delenv("AFTERCLOSE_LAKE", raising=False)
            patch.delenv("MLFLOW_TRACKING_URI", raising=False)
            yield

    def forecast(self, as_of: date) -> None:
        """Ingest, judge, prepare, train and forecast, quietly."""
        from tasks import forecast, ingest, judge, prepare, train

        ingest.land_deliveries.fn("tiny", as_of)
        assert judge.judge_deliveries.fn("tiny", as_of) == "pass"
        prepare.prepare_features.fn("tiny", as_of)
        train.train_contest.fn("tiny", as_of)
        forecast.forecast_contest.fn("tiny", as_of)

    def release(self, as_of: date, book: str = "tiny") -> str:
        """Settle, measure, choose and release; return the content hash."""
        from tasks import rebalance, settle

        for step in (settle.settle_book, rebalance.measure_risk, rebalance.choose_targets):
            step.fn(book, as_of)
        return rebalance.release_targets.fn(book, as_of)

    def night(self, as_of: date) -> str:
        """Run one night to its release."""
        self.forecast(as_of)
        return self.release(as_of)
