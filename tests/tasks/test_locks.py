"""One at a time for each source: nothing is made of what another process is just replacing."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import polars as pl
import pytest
from prefect.states import Failed

from tasks import forecast, ingest, locks, prepare
from tasks.locks import Busy, source_lock
from tasks.market.lake import Lake

DAY = date(2020, 12, 22)


def busy(source: str) -> bool:
    """Say whether somebody else would have to wait for `source`."""
    with ThreadPoolExecutor() as another:
        return isinstance(another.submit(source_lock(source).__enter__).exception(), Busy)


def features_while(looking) -> None:
    """Make one session's features, and look on just before they are written."""
    rows = pl.DataFrame({"session": [DAY], "instrument": ["A"], "source": ["tiny"]})
    parts = {
        "_missing_sessions": lambda *_: [DAY],
        "_history": lambda *_: None,
        "_size": lambda *_: 1,
        "_features": lambda *_: rows,
        "_absent": lambda *_: [],
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, part in parts.items():
            patch.setattr(prepare, name, part)
        patch.setattr(Lake, "replace", lambda *_, **__: looking())
        prepare.prepare_features.fn("tiny", DAY)


def forecasts_while(looking) -> None:
    """Score and measure, and judge the drift, and look on at the end of each."""
    verdict = {DAY: {"factor": 1.0, "reason": "steady"}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forecast, "champions", lambda *_: pl.DataFrame({"one": [1]}))
        patch.setattr(forecast, "_brought_up", lambda *_: looking() or (0, 0))
        patch.setattr(forecast, "judge_drift", lambda *_: looking() or verdict)
        forecast.forecast_contest.fn("tiny", DAY)


@pytest.mark.parametrize("work", [features_while, forecasts_while])
def test_no_delivery_is_judged_while_something_is_made_of_its_source(build, monkeypatch, work):
    """What was just taken away for being stale would else be written after all, and stay."""
    monkeypatch.setattr(locks, "PATIENCE", 0.1)
    seen = []
    with build("held").open():
        work(lambda: seen.append(busy("tiny")))
        assert seen
        assert all(seen)
        assert not busy("tiny"), "it is let go of in the end"


def test_whoever_waits_says_for_whom_and_gets_his_turn(monkeypatch, caplog):
    monkeypatch.setattr(locks, "get_logger", logging.getLogger)
    monkeypatch.setattr(
        locks.runtime, "task_run", type("Run", (), {"name": "judge-us-2020", "id": None})
    )

    def took_it() -> str:
        with source_lock("us"):
            return "his turn"

    with caplog.at_level(logging.WARNING), ThreadPoolExecutor() as another:
        with source_lock("us"):
            waiting = another.submit(took_it)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
        assert waiting.result(timeout=10) == "his turn"
    assert [one.message.split(" (process ")[0] for one in caplog.records] == [
        "us is in use: waiting for judge-us-2020"
    ]


def test_sources_do_not_wait_for_each_other():
    with source_lock("us"), ThreadPoolExecutor() as another:
        with source_lock("eu"):
            pass
        assert another.submit(source_lock("asia").__enter__).exception() is None


def test_patience_that_is_over_is_no_failure_to_try_again(monkeypatch):
    """A retry would wait as long again, and again, for what somebody holds."""
    monkeypatch.setattr(locks, "PATIENCE", 0.1)
    with source_lock("us"), ThreadPoolExecutor() as another:
        over = another.submit(source_lock("us").__enter__).exception()
    assert isinstance(over, Busy)
    assert str(over).startswith("us was in use for")
    state = Failed(data=over)
    assert not ingest._may_pass(ingest.land_deliveries, None, state)
    assert ingest._may_pass(ingest.land_deliveries, None, Failed(data=ConnectionError("gone")))
