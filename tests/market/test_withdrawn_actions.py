"""An action that was told before and is told no more is taken back, and nothing else is."""

from datetime import date

import polars as pl
import pytest

from tasks.market.adjust import is_nothing, with_nothing_elsewhere
from tasks.market.frames import RAW_ACTIONS, RAW_BARS, shaped

EVE, DAY = date(2020, 8, 28), date(2020, 8, 31)


def bars(*keys: tuple[date, str]) -> pl.DataFrame:
    columns = {"session": pl.Date, "symbol": pl.String}
    return shaped(pl.DataFrame(keys, columns, orient="row"), RAW_BARS)


def told(*rows: tuple[date, str, str, float | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, RAW_ACTIONS, orient="row")


def test_each_session_with_a_bar_and_without_an_action_says_so():
    found = with_nothing_elsewhere(
        told((DAY, "A", "split", 4.0), (DAY, "B", "dividend", None)),
        bars((EVE, "A"), (DAY, "A"), (DAY, "B")),
    )
    assert found.rows() == [
        (EVE, "A", "dividend", 0.0),
        (EVE, "A", "split", 1.0),
        (DAY, "A", "dividend", 0.0),
        (DAY, "A", "split", 4.0),
        (DAY, "B", "dividend", None),
        (DAY, "B", "split", 1.0),
    ]


def test_a_session_without_a_bar_says_nothing():
    action = told((DAY, "A", "split", 4.0))
    assert with_nothing_elsewhere(action, bars()).equals(action)


@pytest.mark.parametrize(
    ("kind", "value", "nothing"),
    [
        ("split", 1.0, True),
        ("dividend", 0.0, True),
        ("split", 0.0, False),
        ("dividend", 1.0, False),
        ("roll", 0.0, False),
        ("split", None, False),
        (None, 0.0, False),
    ],
)
def test_nothing_is_one_share_for_one_and_no_cash(kind, value, nothing):
    assert told((DAY, "A", kind, value)).select(is_nothing()).item() is nothing
