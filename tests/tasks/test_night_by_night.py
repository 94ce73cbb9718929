"""Nights: repeatable to the byte, blind to the future, and the same as the walk."""

import shutil
from datetime import date

import numpy as np
import polars as pl
import pytest

from tasks.execution.release import current, history, verify
from tasks.market.lake import Span
from tasks.settings import open_lake
from tests.house import unlooked

pytestmark = pytest.mark.slow
FIRST, SECOND, THIRD = date(2020, 12, 17), date(2020, 12, 18), date(2020, 12, 21)


@pytest.fixture(scope="module")
def nights(house):
    """Three nights, one after the other."""
    with house.open(), pytest.MonkeyPatch.context() as patch:
        unlooked(patch)
        return {session: house.night(session) for session in (FIRST, SECOND, THIRD)}


def files_of(released) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in released.path.iterdir() if p.name != "run.json"}


def test_each_night_leaves_one_release_that_verifies(house, nights):
    released = history(house.data, "tiny")
    assert [one.session for one in released] == [FIRST, SECOND, THIRD]
    assert [one.content_hash for one in released] == list(nights.values())
    for one in released:
        verify(one.path)


def test_the_same_night_again_is_released_already(house, nights):
    before = files_of(current(house.data, "tiny"))
    with house.open():
        assert house.night(THIRD) == nights[THIRD]
    assert files_of(current(house.data, "tiny")) == before
    assert len(history(house.data, "tiny")) == 3


def test_a_deleted_release_comes_back_to_the_byte(house, nights):
    released = current(house.data, "tiny")
    before = files_of(released)
    shutil.rmtree(released.path.parent)
    with house.open():
        house.night(THIRD)
    assert files_of(current(house.data, "tiny")) == before


def test_a_house_built_anew_gives_the_same_bytes(build, house, nights):
    other = build("other")
    with other.open():
        other.night(FIRST)
    mine = history(house.data, "tiny")[0]
    assert files_of(current(other.data, "tiny")) == files_of(mine)


def test_three_nights_equal_three_walked_sessions_to_the_bit(house, nights):
    from tasks.backtest import walked_sessions
    from tasks.execution.ledger import account_of, nav

    with house.open():
        _, walked = walked_sessions(open_lake(), "tiny", FIRST, THIRD)
        ledger = open_lake().read("ledger/tiny")
    for one, released in zip(walked["tiny"], history(house.data, "tiny"), strict=True):
        assert one.decision is not None
        targets = pl.read_parquet(released.path / "targets.parquet")
        assert targets.equals(one.decision.targets, null_equal=True)
        orders = pl.read_parquet(released.path / "orders.parquet")
        assert orders.equals(one.decision.orders, null_equal=True)
        held = account_of(ledger.filter(pl.col("session") == released.session))
        assert nav(held) == nav(one.account)
        assert held.cash == one.account.cash
        assert held.positions.equals(one.account.positions)


def test_nothing_that_comes_after_the_session_moves_anything(build, house, nights):
    """The future is there, and wild: prices tripled, splits and listings made up."""
    other = build("poisoned")
    last = date(2020, 12, 30)
    with other.open():
        other.forecast(last)
        lake = open_lake()
        _poison(lake, after=FIRST)
        _forget_all_that_was_made(lake, other)
        other.forecast(FIRST)
        other.release(FIRST)
        theirs = {t: _until(lake.read(t), FIRST) for t in MADE}
    with house.open():
        lake = open_lake()
        mine = {t: _until(lake.read(t), FIRST) for t in MADE}
    for table in MADE:
        assert theirs[table].equals(mine[table], null_equal=True), table
        assert theirs[table].height > 0, table
    assert files_of(current(other.data, "tiny")) == files_of(history(house.data, "tiny")[0])


MADE = ("features/price", "forecasts/tiny", "records/tiny", "residuals/tiny", "drift/tiny")
MADE += ("champions", "ledger/tiny")


def _until(frame: pl.DataFrame, session: date) -> pl.DataFrame:
    day = "known_on" if "known_on" in frame.columns else "session"
    kept = frame.filter(pl.col(day) <= session)
    return kept.sort([c for c in ("session", "from_session", "instrument") if c in kept.columns])


def _poison(lake, *, after: date) -> None:
    bars = lake.read("bars")
    late = pl.col("known_on") > after
    wild = [pl.when(late).then(pl.col(c) * 3).otherwise(c).alias(c) for c in ("open", "close")]
    lake.replace("bars", bars.with_columns(wild), over={"source": ["tiny"]})
    actions = lake.read("actions")
    made_up = bars.filter(late).select("instrument", "delivery", "known_on", ex_session="session")
    made_up = made_up.unique("instrument").with_columns(
        kind=pl.lit("split"), value=pl.lit(7.0), origin=pl.lit("given"), source=pl.lit("tiny")
    )
    both = pl.concat([actions, made_up.select(actions.columns)])
    both = both.unique(["ex_session", "instrument", "kind", "delivery"], keep="first")
    lake.replace("actions", both, over={"source": ["tiny"]})


def _forget_all_that_was_made(lake, house) -> None:
    everything = {"session": Span(date.min, date.max)}
    for table in ("features/price", "forecasts/tiny", "records/tiny"):
        lake.replace(table, lake.read(table).clear(), over=everything)
    lake.replace("champions", lake.read("champions").clear(), over={"contest": ["tiny"]})
    shutil.rmtree(house.data / "models")


def test_scores_find_the_planted_edge_before_the_optimiser_uses_it(house, nights):
    with house.open():
        record = open_lake().read("records/tiny")
    assert np.isfinite(record["ic"].to_numpy()).all()
    assert (record["known_on"] > record["session"]).all()
