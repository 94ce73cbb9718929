"""What goes wrong with a simulated night goes wrong with what is sent, never with the market."""

from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from conf.schema import SimulatedSource
from tasks.market.sources.protocol import Delivery, Unreadable
from tasks.market.sources.simulated import SimulatedData

FRIDAY, NIGHT, AFTER = date(2019, 6, 14), date(2019, 6, 17), date(2019, 6, 18)
SATURDAY = date(2019, 6, 15)


def lab(mishaps: dict[date, str] | None = None) -> SimulatedData:
    return SimulatedData(
        SimulatedSource(
            kind="simulated",
            title="Lab",
            expected_rows=20,
            names=30,
            starts=date(2019, 5, 1),
            observed_from=date(2019, 6, 3),
            ends=date(2019, 6, 28),
            mishaps=mishaps or {},
        )
    )


def delivery(source: SimulatedData, night: date = NIGHT) -> Delivery:
    return source.normalise(list(source.pull([night])))


RIGHT = delivery(lab())


def test_an_empty_night_has_payloads_and_no_rows():
    got = delivery(lab({NIGHT: "empty"}))
    assert (got.bars.height, got.actions.height, got.listings.height) == (0, 0, 0)


def test_a_stale_night_sends_last_nights_delivery_again():
    got = delivery(lab({NIGHT: "stale"}))
    assert_frame_equal(got.bars, delivery(lab(), FRIDAY).bars)
    assert got.bars["session"].max() == FRIDAY


def test_the_first_live_night_can_be_stale_too():
    got = delivery(lab({date(2019, 6, 3): "stale"}), date(2019, 6, 3))
    assert got.bars["session"].max() == date(2019, 5, 31)
    assert got.bars["session"].n_unique() == 2


def test_half_a_night_lacks_half_the_names_of_both_its_sessions():
    got = delivery(lab({NIGHT: "half"})).bars
    assert got["symbol"].n_unique() == RIGHT.bars["symbol"].n_unique() // 2
    assert got["session"].n_unique() == 2
    assert got.join(RIGHT.bars, on=["session", "symbol", "close"], how="anti").is_empty()


def test_a_doubled_night_sends_every_row_twice():
    got = delivery(lab({NIGHT: "doubled"})).bars
    assert got.height == 2 * RIGHT.bars.height
    assert_frame_equal(got.unique().sort("session", "symbol"), RIGHT.bars)


def test_a_garbled_night_cannot_be_read():
    with pytest.raises(Unreadable, match=str(NIGHT)):
        delivery(lab({NIGHT: "garbled"}))


def test_a_night_in_cents_has_every_price_a_hundredfold_and_the_same_volume():
    got = delivery(lab({NIGHT: "times_100"})).bars
    for column in ("open", "high", "low", "close"):
        assert_frame_equal(got.select(column), RIGHT.bars.select(pl.col(column) * 100))
    assert got["volume"].equals(RIGHT.bars["volume"])


def test_a_late_night_is_on_offer_when_the_next_one_is():
    late = lab({NIGHT: "late"})
    assert NIGHT not in late.nights(until=NIGHT)
    assert {NIGHT, AFTER} <= set(late.nights(until=AFTER))
    assert_frame_equal(delivery(late).bars, RIGHT.bars)


def test_a_holiday_night_carries_rows_of_a_day_that_was_none():
    odd = lab({SATURDAY: "holiday_rows"})
    assert odd.nights() == sorted([*lab().nights(), SATURDAY])
    got = delivery(odd, SATURDAY)
    assert got.bars["session"].unique().sort().to_list() == [FRIDAY, SATURDAY]
    assert got.actions.is_empty()


@pytest.mark.parametrize("wrong", [{SATURDAY: "empty"}, {NIGHT: "holiday_rows"}])
def test_a_mishap_on_a_day_that_cannot_have_it_is_named(wrong):
    with pytest.raises(ValueError, match="needs a"):
        lab(wrong).nights()


@pytest.mark.parametrize("kind", ["empty", "stale", "half", "doubled", "garbled", "times_100"])
def test_no_other_night_changes(kind):
    odd, nights = lab({NIGHT: kind}), lab().nights()
    others = [night for night in nights if night != NIGHT]
    assert odd.nights() == nights
    assert list(odd.pull(others)) == list(lab().pull(others))
    assert list(odd.pull([NIGHT])) != list(lab().pull([NIGHT]))
