"""A price that stands still though the name trades is odd; a quiet name at rest is not."""

from datetime import date, timedelta

import polars as pl
import pytest

from expectations.oddities import idle
from expectations.scales import RECENT
from tasks.market import frames

NIGHT = date(2019, 6, 28)
PAST = [NIGHT - timedelta(days=back) for back in range(40, 0, -1)]


def row(day: date, symbol: str, close: float, *, spread: float = 0.02, volume: float = 1e5):
    high, low = close * (1 + spread), close * (1 - spread)
    return (day, symbol, close * (1 - spread / 2), high, low, close, volume)


def walk(symbol: str, sessions: int, *, step: float = 0.02, spread: float = 0.02):
    """Return so many sessions up to the eve, up and down by `step`."""
    prices = [100 * (1 + step * (0, 1, -1, 3, 2, -2)[n % 6]) for n in range(sessions)]
    days = PAST[-sessions:]
    return [row(day, symbol, price, spread=spread) for day, price in zip(days, prices, strict=True)]


def odd(*tonight: tuple, past: list[tuple]) -> list[tuple[str, str]]:
    recent = pl.DataFrame(past + walk("QUIET", 40, step=0.0, spread=0.0), RECENT, orient="row")
    rows = frames.shaped(pl.DataFrame(tonight, RECENT, orient="row"), frames.RAW_BARS)
    symbols = rows["symbol"].unique().to_list()
    kinds = pl.DataFrame({"symbol": symbols, "asset_class": "equity", "currency": "USD"})
    return idle(rows, recent, kinds).select("symbol", "rule").rows()


def again(past: list[tuple], *, volume: float = 9e4) -> tuple:
    """Return tonight's row with the four prices of the eve."""
    return (NIGHT, *past[-1][1:6], volume)


@pytest.mark.parametrize("sessions", [40, 7, 2], ids=["old", "young", "newborn"])
def test_names_a_moving_price_that_repeats_its_eve(sessions):
    past = walk("A", sessions)
    assert odd(again(past), past=past) == [("A", "stuck price")]


@pytest.mark.parametrize("sessions", [40, 7])
def test_says_nothing_of_a_price_that_moved_by_a_cent(sessions):
    past = walk("A", sessions)
    other = (*again(past)[:5], again(past)[5] + 0.01, 9e4)
    assert odd(other, past=past) == []


def test_says_nothing_of_a_row_that_repeats_while_nothing_trades():
    past = walk("A", 40)
    quiet = [(*each[:6], 0.0) for each in past]
    assert odd(again(quiet, volume=0.0), past=quiet) == []


def test_says_nothing_of_a_name_that_hardly_ever_moves():
    past = walk("A", 40, step=0.001, spread=0.001)
    assert odd(again(past), past=past) == []
    young = walk("A", 7, step=0.001, spread=0.001)
    assert odd(again(young), past=young) == []


def test_names_no_volume_on_a_name_that_always_trades_and_asks_none_of_a_new_one():
    past = walk("A", 40)
    idle_row = row(NIGHT, "A", 100.0, volume=0.0)
    assert odd(idle_row, past=past) == [("A", "no volume on a liquid name")]
    assert odd(idle_row, past=walk("A", 7)) == []


def test_what_comes_later_changes_nothing():
    past = walk("A", 40)
    later = [row(NIGHT + timedelta(days=1), "A", 500.0)]
    assert odd(again(past), past=past + later) == odd(again(past), past=past)
