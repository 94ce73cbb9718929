"""The simulated source delivers its market like a vendor: history first, then night by night."""

from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from conf.schema import SimulatedSource
from tasks.market.sources.protocol import Delivery
from tasks.market.sources.simulated import SimulatedData


def lab(**changes: Any) -> SimulatedData:
    settings = {
        "kind": "simulated",
        "title": "Lab",
        "expected_rows": 40,
        "names": 50,
        "starts": date(2019, 1, 2),
        "observed_from": date(2019, 6, 3),
        "ends": date(2019, 6, 28),
        "planted_ic": 0.1,
    }
    return SimulatedData(SimulatedSource(**settings | changes))


def delivery(source: SimulatedData, night: date) -> Delivery:
    return source.normalise(list(source.pull([night])))


def test_history_is_one_assumed_night_and_later_sessions_are_observed():
    source = lab()
    nights = source.nights()
    assert nights[0] == date(2019, 5, 31)
    assert len(nights) == 1 + 20
    past, live = delivery(source, nights[0]), delivery(source, nights[1])
    assert (past.vintage, live.vintage) == ("assumed", "observed")
    assert past.bars["session"].min() == date(2019, 1, 2)
    assert past.bars["session"].max() == nights[0]
    assert live.bars["session"].unique().sort().to_list() == nights[:2]


def test_a_live_night_repeats_its_eve_and_brings_its_own_actions_and_listings_alone():
    source = lab(names=400)
    nights = source.nights()
    found = [delivery(source, night) for night in nights]
    for before, after in pairwise(found):
        eve = after.bars.filter(session=before.night)
        assert_frame_equal(eve, before.bars.filter(session=before.night))
        assert (after.actions["ex_session"] == after.night).all()
        assert (after.listings["from_session"] == after.night).all()


def test_the_end_changes_nothing_before_it():
    short, long = lab(), lab(ends=date(2019, 9, 30))
    nights = short.nights()
    assert list(short.pull(nights)) == list(long.pull(nights))
    cut = long.truth().filter(pl.col("session") <= nights[-1])
    assert_frame_equal(short.truth(), cut)


def test_where_live_nights_begin_changes_no_bar():
    early, late = lab(observed_from=date(2019, 3, 1)), lab()
    seen = [delivery(early, night).bars for night in early.nights()]
    whole = pl.concat(seen).unique().sort("session", "symbol")
    cut = whole.filter(pl.col("session") <= date(2019, 5, 31))
    assert_frame_equal(cut, delivery(late, date(2019, 5, 31)).bars)


def test_every_bar_has_a_listing_known_by_then():
    source = lab()
    past = delivery(source, source.nights()[0])
    listed = past.bars.join(past.listings, on="symbol", how="left")
    assert (listed["from_session"] <= listed["session"]).all()
    assert past.listings["symbol"].is_unique().all()
    assert {"NA", "TRUE", "MAR1", "BRK.B"} <= set(past.listings["symbol"])


def test_the_truth_follows_the_trailing_total_return():
    source = lab(names=200)
    past = delivery(source, source.nights()[0])
    acted = set(past.actions["symbol"])
    plain = past.bars.filter(~pl.col("symbol").is_in(acted)).sort("symbol", "session")
    counted = plain.with_columns(
        trailing=pl.col("close") / pl.col("close").shift(20).over("symbol") - 1
    )
    last = counted.filter(session=date(2019, 5, 31)).join(source.truth(), on=["session", "symbol"])
    ranks = last.select(pl.corr("trailing", "expected_return", method="spearman")).item()
    assert last.height > 80
    assert ranks > 0.9
    spread = source.truth()["expected_return"].to_numpy()
    assert abs(np.mean(spread)) < 0.1 * np.std(spread)


def test_without_an_edge_the_truth_is_zero_everywhere():
    truth = lab(planted_ic=0.0).truth()
    assert truth.height > 0
    assert (truth["expected_return"] == 0).all()


def test_half_days_trade_half_the_volume_at_prices_as_usual():
    """Two calendars print the same market; only New York closes early before the fourth of July."""
    dates = {"starts": date(2019, 6, 3), "observed_from": date(2019, 7, 2), "names": 100}
    dates["ends"] = date(2019, 7, 3)
    early = delivery(lab(**dates), date(2019, 7, 3)).bars.filter(session=date(2019, 7, 3))
    whole = delivery(lab(**dates, calendar="XTSE"), date(2019, 7, 3)).bars
    volumes = early.sort("close")["volume"].median(), whole["volume"].median()
    assert 0.35 < volumes[0] / volumes[1] < 0.65
    assert (early["high"] >= early["low"]).all()


def test_dates_out_of_order_are_refused():
    with pytest.raises(ValidationError, match="starts < observed_from <= ends"):
        lab(observed_from=date(2018, 6, 1))
