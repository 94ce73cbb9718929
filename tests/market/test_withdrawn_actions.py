"""An action that was told before and is told no more is taken back, and nothing else is."""

from datetime import date

import polars as pl
import pytest

from tasks.market.adjust import is_nothing, with_nothing_elsewhere, without_idle
from tasks.market.frames import ACTIONS, RAW_ACTIONS, RAW_BARS, shaped

EVE, DAY = date(2020, 8, 28), date(2020, 8, 31)


def bars(*keys: tuple[date, str]) -> pl.DataFrame:
    columns = {"session": pl.Date, "symbol": pl.String}
    return shaped(pl.DataFrame(keys, columns, orient="row"), RAW_BARS)


def told(*rows: tuple[date, str, str, float | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, RAW_ACTIONS, orient="row")


def known(*rows: tuple[str, float, int], day: date = DAY) -> pl.DataFrame:
    """Return `ACTIONS` of one instrument by (kind, value, day of September it was told)."""
    found = [
        {"ex_session": day, "instrument": "a", "kind": kind, "value": value}
        | {"delivery": date(2020, 9, told_on), "known_on": date(2020, 9, told_on)}
        for kind, value, told_on in rows
    ]
    return shaped(pl.DataFrame(found), ACTIONS)


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


def test_only_what_was_known_can_be_taken_back():
    tonight = known(("dividend", 0.0, 2), ("split", 1.0, 2))
    assert without_idle(tonight, known()).is_empty()
    assert without_idle(tonight, known(("dividend", 0.4, 1))).equals(tonight.head(1))
    assert without_idle(tonight, known(("dividend", 0.4, 1), day=EVE)).is_empty()


def test_what_was_taken_back_is_not_taken_back_again():
    before = known(("dividend", 0.4, 1), ("dividend", 0.0, 2))
    assert without_idle(known(("dividend", 0.0, 3)), before).is_empty()
    again = known(("dividend", 0.4, 3))
    assert without_idle(again, before).equals(again), "it may be told anew"
