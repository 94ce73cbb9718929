"""Drift costs a book belief and, where both signs are seen, a person's look; as known then."""

import json
import logging
from datetime import date

import numpy as np
import polars as pl
import pytest

from tasks.approvals import Held
from tasks.drift import DRIFT, drift_known, judge_drift
from tasks.execution.release import current
from tasks.market.lake import Span
from tasks.settings import _load, open_lake
from tasks.vantage import Vantage
from tests.house import BOOK, SOURCE, House, unlooked

pytestmark = pytest.mark.slow
FIRST, SECOND = date(2020, 12, 17), date(2020, 12, 18)
SINCE = date(2020, 9, 1)  # skill goes, and features move, in what is planted from here on


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """Return a house of three years, whose verdicts stand on a long past."""
    house = House(tmp_path_factory.mktemp("old"))
    house.write("sources", "tiny", SOURCE.replace("2020-01-02", "2018-01-02"))
    with house.open(), pytest.MonkeyPatch.context() as patch:
        unlooked(patch)
        house.forecast(SECOND)
    return house


def verdict(session: date = SECOND) -> dict:
    """Return the verdict on a session, found anew."""
    lake = open_lake()
    lake.replace("drift/tiny", lake.read("drift/tiny").clear(), over={"session": [session]})
    return judge_drift(lake, "tiny", [session])[session]


@pytest.fixture
def kept(old):
    """Open the house, and put the tables back that a test alters."""
    names = ("bars", "forecasts/tiny", "records/tiny", "features/price", "drift/tiny")
    ever = Span(date.min, date.max)
    with old.open():
        lake = open_lake()
        before = {name: lake.read(name) for name in names}
        yield lake
        for name, rows in before.items():
            lake.replace(name, rows, over={"session": ever})
        if not (said := lake.read("approvals/tiny")).is_empty():
            lake.replace("approvals/tiny", said.clear(), over={"session": ever})


def without_skill(lake, since: date = SINCE) -> None:
    gone = pl.when(pl.col("session") >= since).then(-0.2).otherwise("rank_ic")
    records = lake.read("records/tiny").with_columns(rank_ic=gone)
    lake.replace("records/tiny", records, over={"session": Span(date.min, date.max)})


def moved(lake, since: date = SINCE) -> None:
    doubled = pl.when(pl.col("session") >= since).then(pl.col("volatility_20") * 4)
    rows = lake.read("features/price")
    rows = rows.with_columns(volatility_20=doubled.otherwise("volatility_20"))
    lake.replace("features/price", rows, over={"session": Span(date.min, date.max)})


def test_the_night_leaves_a_verdict_with_its_numbers(kept):
    rows = kept.read("drift/tiny")
    assert rows.columns == list(DRIFT)
    assert rows["session"].to_list() == [SECOND]
    found = rows.row(0, named=True)
    assert found["factor"] == 1.0
    assert found["hold"] is False
    assert found["skill"] == "steady"
    assert found["judged"] > 20
    assert 0 <= found["highest"] < found["watch"] < found["alarm"]
    assert found["reason"].startswith(f"features {found['features']}: {found['feature']} moved")


def test_skill_that_is_gone_leaves_no_alpha_and_features_that_moved_halve_it(old, kept):
    usual = verdict()
    without_skill(kept)
    gone = verdict()
    assert (gone["skill"], gone["factor"], gone["hold"]) == ("drifted", 0.0, False)
    assert gone["highest"] > gone["alarm"]
    ever = {"session": Span(date.min, date.max)}
    kept.replace("records/tiny", kept.read("records/tiny").with_columns(rank_ic=0.1), over=ever)
    moved(kept)
    halved = verdict()
    assert (halved["features"], halved["feature"]) == ("drifted", "volatility_20")
    assert (halved["factor"], halved["hold"]) == (0.5, False)
    assert halved["shift"] > usual["shift"]


def test_what_comes_after_the_close_moves_no_verdict(old, kept):
    lake = kept
    now = verdict(FIRST)
    records = lake.read("records/tiny")
    wild = pl.when(pl.col("known_on") > FIRST).then(-0.9).otherwise("rank_ic")
    ever = {"session": Span(date.min, date.max)}
    lake.replace("records/tiny", records.with_columns(rank_ic=wild), over=ever)
    moved(lake, since=SECOND)
    bars = lake.read("bars")
    late = pl.when(pl.col("known_on") > FIRST).then(pl.col("close") * 9).otherwise("close")
    lake.replace("bars", bars.with_columns(close=late), over={"source": ["tiny"]})
    assert verdict(FIRST) == now
    assert judge_drift(lake, "tiny", [SECOND, FIRST])[FIRST] == now


def test_a_verdict_that_stands_is_read_and_not_made_again(old, kept):
    planted = kept.read("drift/tiny").with_columns(reason=pl.lit("as it was said"))
    kept.replace("drift/tiny", planted, over={"session": planted["session"].to_list()})
    assert judge_drift(kept, "tiny", [SECOND])[SECOND]["reason"] == "as it was said"
    assert judge_drift(kept, "tiny", []) == {}


def plant(lake, **changes) -> None:
    """Let the verdict on the second night be another."""
    usual = judge_drift(lake, "tiny", [SECOND])[SECOND]
    row = pl.DataFrame([usual | changes], schema=DRIFT)
    lake.replace("drift/tiny", row, over={"session": [SECOND]})


def expected(lake) -> tuple[float, np.ndarray]:
    vantage = Vantage(lake, "tiny", SECOND, SECOND)
    outlook = vantage.outlook(SECOND, vantage.risk(vantage.roll(SECOND), []))
    return outlook.shrunk, outlook.forecast["expected_return"].to_numpy()


def test_expected_returns_shrink_by_the_factor_unless_a_book_switches_that_off(old, kept):
    whole = expected(kept)
    assert whole[0] > 0
    plant(kept, factor=0.5)
    half = expected(kept)
    assert half[0] == pytest.approx(whole[0] / 2)
    np.testing.assert_allclose(half[1], whole[1] / 2)
    old.write("books", "tiny", BOOK + "drift_switched_off: {shrink: a test of what it costs}\n")
    _load.cache_clear()
    assert expected(kept)[0] == whole[0]
    old.write("books", "tiny", BOOK)
    _load.cache_clear()


def test_a_held_book_keeps_its_target_until_somebody_lets_it_go_on(old, kept, caplog):
    from tasks import rebalance, settle

    plant(kept, hold=True, factor=0.0, reason="features drifted: planted; skill drifted: planted")
    with pytest.raises(Held, match=r"features drifted: planted.*afterclose approve tiny --as-of"):
        old.release(SECOND)
    assert current(old.data, "tiny") is None
    with pytest.raises(ValueError, match="for a reason"):
        rebalance.approve_book.fn("tiny", SECOND, " ", "operator")
    with caplog.at_level(logging.INFO):
        rebalance.approve_book.fn("tiny", SECOND, "the feed was mended", "operator")
    assert "goes on after 2020-12-18, says operator" in caplog.text
    old.release(SECOND)
    folder = current(old.data, "tiny").path
    assert json.loads((folder / "run.json").read_text())["approver"] == "operator"
    told = json.loads((folder / "manifest.json").read_text())
    assert told["drift"]["hold"] is True
    assert told["information_coefficient"]["shrunk"] == 0.0
    later = Vantage(kept, "tiny", SECOND, SECOND)
    assert later.held(SECOND) == ""
    plant(kept, hold=True, watched_since=SECOND)
    assert Vantage(kept, "tiny", SECOND, SECOND).held(SECOND) != ""
    plant(kept, hold=False)
    with pytest.raises(LookupError, match="tiny is not held at 2020-12-18"):
        rebalance.approve_book.fn("tiny", SECOND, "again", "operator")
    assert settle.account_at(kept, "tiny", SECOND).pending.height > 0


def test_a_hold_that_is_switched_off_holds_nothing(old, kept):
    plant(kept, hold=True, factor=0.0)
    assert Vantage(kept, "tiny", SECOND, SECOND).held(SECOND)
    old.write("books", "tiny", BOOK + "drift_switched_off: {hold: nobody is up at night}\n")
    _load.cache_clear()
    assert not Vantage(kept, "tiny", SECOND, SECOND).held(SECOND)
    old.write("books", "tiny", BOOK)
    _load.cache_clear()


def test_the_walk_waits_where_the_night_would_be_held(old, kept):
    from tasks.backtest import walked_sessions

    last = date(2020, 12, 18)
    _, usual = walked_sessions(kept, "tiny", date(2020, 12, 15), last)
    assert sorted(drift_known(kept, "tiny", Span(date(2020, 12, 15), last))) == [
        date(2020, 12, 15),
        date(2020, 12, 16),
        FIRST,
        SECOND,
    ]
    assert [one.status for one in usual["tiny"]] == ["decided"] * 4
    plant(kept, hold=True, factor=0.0)
    _, held = walked_sessions(kept, "tiny", date(2020, 12, 15), last)
    assert [one.status for one in held["tiny"]] == ["decided"] * 3 + ["kept"]
    assert [one.status for one in held["minimum variance"]] == ["decided"] * 4


def test_the_walk_waits_over_a_night_that_was_blocked(old, kept):
    from tasks.backtest import walked_sessions

    blocked = date(2020, 12, 16)
    for table in ("bars", "forecasts/tiny"):
        rows = kept.read(table, where={"session": [blocked]})
        assert not rows.is_empty()
        kept.replace(table, rows.clear(), over={"session": [blocked]})
    _, walked = walked_sessions(kept, "tiny", date(2020, 12, 15), SECOND)
    said = {name: [one.status for one in steps] for name, steps in walked.items()}
    assert said["tiny"] == said["minimum variance"] == ["decided", "kept", "decided", "decided"]
    assert said["equal weight"] == ["decided", "kept", "kept", "kept"]


def test_a_session_without_a_verdict_is_named(old, kept):
    lake = kept
    lake.replace("drift/tiny", lake.read("drift/tiny").clear(), over={"session": [SECOND]})
    with pytest.raises(
        LookupError, match="no verdict on the drift of contest 'tiny' for 2020-12-18"
    ):
        Vantage(lake, "tiny", SECOND, SECOND).held(SECOND)
