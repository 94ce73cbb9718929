"""At the desk prices, adjusted closes and actions must agree, night by night and all in one go."""

import copy
from collections.abc import Callable
from datetime import date

import polars as pl
import pytest

from conf.schema import SimulatedSource
from expectations.desk import Desk, Judged
from tasks.market import frames
from tasks.market.calendar import Calendar
from tasks.market.sources.protocol import Delivery
from tests.expectations.accounts import PRICES, START, Told, adjusted, day, market

pytestmark = pytest.mark.slow

SPLIT, PAID = 75, 80  # rows of a split and of a dividend
LAST = 90  # the last row that is delivered
TOLD = market(names=3)
SETTINGS = SimulatedSource(
    kind="simulated",
    title="Three accounts",
    calendar="24/7",
    actions="given",
    starts=START,
    observed_from=day(1),
    ends=day(LAST),
    expected_rows=3,
)


def delivery(told: Told, night: date, vintage: str) -> Delivery:
    return Delivery(
        night=night,
        vintage=vintage,
        bars=told.bars,
        actions=told.actions,
        listings=frames.empty(frames.RAW_LISTINGS),
        series=frames.empty(frames.RAW_SERIES),
    )


def until(row: int) -> Told:
    """Return what the vendor tells on the night of a row: adjusted closes as of then."""
    bars = TOLD.bars.filter(pl.col("session") <= day(row))
    return adjusted(Told(bars, TOLD.actions.filter(pl.col("ex_session") <= day(row))))


def tonight(row: int) -> Told:
    """Return one night's delivery: its session, the one before it, and the actions between."""
    told = until(row)
    return Told(
        told.bars.filter(pl.col("session") >= day(row - 1)),
        told.actions.filter(pl.col("ex_session") == day(row)),
    )


def new_desk() -> Desk:
    nothing = frames.empty(frames.BARS), frames.empty(frames.LISTINGS)
    return Desk("vendor", SETTINGS, Calendar("24/7"), bars=nothing[0], listings=nothing[1])


@pytest.fixture(scope="module")
def desks() -> dict[int, Desk]:
    """Give the desk before each of the two nights, all that was before known in one go."""
    desks = {}
    for row in (SPLIT, PAID):
        desks[row] = new_desk()
        desks[row].judge(delivery(until(row - 1), day(row - 1), "assumed"))
    return desks


def acted(told: Told, factor: float) -> Told:
    """Send the action of the first name at another size."""
    hit = pl.col("symbol") == "S0"
    value = pl.when(hit).then(pl.col("value") * factor).otherwise("value")
    return told._replace(actions=told.actions.with_columns(value))


def not_acted(told: Told) -> Told:
    return told._replace(actions=told.actions.filter(pl.col("symbol") != "S0"))


def eve_as_if(factor: float) -> Callable[[Told], Told]:
    """Change the adjusted close of the first name's eve, that alone carries the action."""

    def spoil(told: Told) -> Told:
        hit = (pl.col("symbol") == "S0") & (pl.col("session") == pl.col("session").min())
        close = pl.when(hit).then(pl.col("adj_close") * factor).otherwise("adj_close")
        return told._replace(bars=told.bars.with_columns(adj_close=close))

    return spoil


def unmoved(told: Told) -> Told:
    """Print tonight's prices of the first name as if it had not split, in all accounts."""
    hit = (pl.col("symbol") == "S0") & (pl.col("session") == pl.col("session").max())
    columns = (*PRICES, "adj_close")
    tripled = [pl.when(hit).then(pl.col(c) * 3).otherwise(c).alias(c) for c in columns]
    return told._replace(bars=told.bars.with_columns(tripled))


def judged(desks: dict[int, Desk], row: int, told: Told) -> Judged:
    return copy.deepcopy(desks[row]).judge(delivery(told, day(row), "observed"))


def of_first(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("instrument") == f"vendor:S0:{START}")


@pytest.mark.parametrize("row", [SPLIT, PAID])
def test_believes_actions_that_the_eves_adjusted_close_bears_out(desks, row):
    done = judged(desks, row, tonight(row))
    assert (done.verdicts["verdict"].item(), done.quarantine.height) == ("pass", 0)
    assert done.actions.height == 3
    assert done.bars.height == 6


@pytest.mark.parametrize(
    ("row", "spoil", "rule", "row_kept"),
    [
        (PAID, lambda told: acted(told, 100), "dividend at another size", True),
        (PAID, lambda told: acted(told, 0.1), "dividend at another size", True),
        (PAID, lambda told: acted(told, 0.5), "dividend carried twice", True),
        (PAID, eve_as_if(1.03), "dividend at another size", True),
        (PAID, not_acted, "adjustment without action", False),
        (SPLIT, not_acted, "adjustment without action", False),
        (SPLIT, eve_as_if(3.0), "split not carried", False),
        (SPLIT, unmoved, "split not followed", False),
        (SPLIT, lambda told: acted(told, 2 / 3), "split at another size", False),
    ],
)
def test_believes_no_action_that_speaks_against_the_rest(desks, row, spoil, rule, row_kept):
    done = judged(desks, row, spoil(tonight(row)))
    assert rule in done.quarantine.filter(symbol="S0")["rule"].to_list()
    assert of_first(done.actions).is_empty()
    assert done.actions.height == 2
    assert of_first(done.bars).filter(session=day(row)).height == row_kept
    assert done.quarantine["symbol"].unique().to_list() == ["S0"]


def test_believes_an_action_that_a_person_cleared(desks):
    desk = copy.deepcopy(desks[PAID])
    said = {"reason": "special dividend", "cleared_by": "operator", "source": "vendor"}
    key = {"delivery": day(PAID), "session": day(PAID), "symbol": "S0"}
    desk.cleared = pl.DataFrame([key | said], schema=frames.CLEARED)
    done = desk.judge(delivery(acted(tonight(PAID), 10), day(PAID), "observed"))
    assert of_first(done.actions)["value"].to_list() == [8.0]


def test_refuses_the_wrong_one_of_many_actions_in_history_known_in_one_go():
    told = until(LAST)
    wrong = (pl.col("ex_session") == day(PAID)) & (pl.col("symbol") == "S0")
    value = pl.when(wrong).then(pl.col("value") * 100).otherwise("value")
    spoilt = told._replace(actions=told.actions.with_columns(value))
    clean = new_desk().judge(delivery(told, day(LAST), "assumed"))
    done = new_desk().judge(delivery(spoilt, day(LAST), "assumed"))
    assert clean.quarantine.is_empty()
    assert clean.actions.height == told.actions.height
    missing = clean.actions.join(done.actions, on=["instrument", "ex_session", "kind"], how="anti")
    assert missing.select("ex_session", "kind").rows() == [(day(PAID), "dividend")]
    assert done.bars.equals(clean.bars)


def test_sees_the_close_before_in_a_row_that_is_set_aside_for_another_price():
    told = until(LAST)
    eve = (pl.col("session") == day(PAID - 1)) & (pl.col("symbol") == "S0")
    low = pl.when(eve).then(pl.col("high") * 1.5).otherwise("low")
    done = new_desk().judge(
        delivery(told._replace(bars=told.bars.with_columns(low=low)), day(LAST), "assumed")
    )
    assert done.quarantine.select("session", "rule").rows() == [
        (day(PAID - 1), "prices out of order")
    ]
    assert done.actions.height == told.actions.height
