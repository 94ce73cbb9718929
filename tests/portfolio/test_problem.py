"""The door of the room: what may be held, what must go, and inputs that are refused."""

import polars as pl
import pytest

from tasks.portfolio.decide import Holdings
from tasks.portfolio.problem import make_problem

NAMES = ["AAA", "BBB", "CCC", "DDD"]
LIMITS = {"box": {"max": 1.0}}


@pytest.fixture
def make(book, snapshot, risk, positions):
    def make_it(shares=None, *, cash=1e5, known=NAMES, **columns):
        held = Holdings(cash, positions(shares or {}))
        return make_problem(snapshot(NAMES, **columns), risk(known), held, book(LIMITS), 5)

    return make_it


def test_only_members_with_risk_and_a_price_may_be_held(make):
    made = make(
        {"BBB": 1, "CCC": 1, "DDD": 1},
        known=["AAA", "BBB", "DDD"],
        member=[True, False, True, True],
        price=[100.0, 100.0, 100.0, None],
    )
    assert dict(zip(made.instruments, made.open_N.tolist(), strict=True)) == {
        "AAA": True,
        "BBB": False,
        "CCC": False,
        "DDD": False,
    }
    assert made.assumed == ("CCC",)
    assert made.priced_N.tolist() == [True, True, True, False]


def test_names_that_can_neither_be_held_nor_are_drop_out(make):
    assert make(known=["AAA", "BBB"]).instruments == ["AAA", "BBB"]


def test_nav_is_cash_and_all_positions(make):
    made = make({"AAA": 10, "BBB": -5}, cash=1_000.0)
    assert made.nav == 1_500.0
    assert made.current_N.tolist() == [pytest.approx(2 / 3), pytest.approx(-1 / 3), 0, 0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"price": [0.0, 1.0, 1.0, 1.0]}, "No usable price for AAA"),
        ({"price": [1.0, float("inf"), 1.0, 1.0]}, "No usable price for BBB"),
    ],
)
def test_refuses_prices_that_nothing_can_be_sized_by(make, columns, message):
    with pytest.raises(ValueError, match=message):
        make({"AAA": 1}, **columns)


def test_a_name_at_a_price_not_above_zero_is_not_opened_and_is_to_be_sold(make):
    prices = [-37.0, 0.0, -1.0, 20.0]
    made = make({"AAA": 10}, price=prices)
    assert made.instruments == ["AAA", "DDD"]
    assert made.open_N.tolist() == [False, True]
    assert made.priced_N.tolist() == [True, True]
    assert made.nav == 1e5 - 370.0


def test_a_snapshot_that_does_not_say_how_it_is_quoted_is_in_the_books_currency(make):
    made = make({"AAA": 1, "DDD": 2}, price=[100.0, 100.0, 100.0, None])
    assert made.names.select("currency", "quoted", "unit_value").rows() == [("USD", 100.0, 1.0)] * 4


def test_a_price_known_to_the_ledger_alone_is_told_in_the_books_currency(make):
    quotes = {
        "currency": "GBP",
        "quoted": [20.0, None, 20.0, 20.0],
        "unit_value": [5.0, None, 5.0, 5.0],
    }
    made = make({"BBB": 1}, price=[100.0, None, 100.0, 100.0], **quotes)
    assert made.names.select("currency", "quoted", "unit_value").rows() == [
        ("GBP", 20.0, 5.0),
        ("USD", 100.0, 1.0),
        ("GBP", 20.0, 5.0),
        ("GBP", 20.0, 5.0),
    ]


def test_refuses_a_holding_that_nobody_described(make):
    with pytest.raises(ValueError, match="Held but not in the snapshot: ZZZ"):
        make({"ZZZ": 5})


def test_refuses_a_book_without_value(make):
    with pytest.raises(ValueError, match="nothing to size positions against"):
        make(cash=0.0)


def test_refuses_names_given_twice(book, snapshot, risk, positions):
    twice = pl.concat([snapshot(NAMES), snapshot(["AAA"])])
    with pytest.raises(ValueError, match="Twice in the snapshot: AAA"):
        make_problem(twice, risk(NAMES), Holdings(1e5, positions({})), book(LIMITS), 5)


def test_refuses_a_snapshot_without_its_columns(book, snapshot, risk, positions):
    with pytest.raises(ValueError, match="lacks the columns adv"):
        make_problem(
            snapshot(NAMES).drop("adv"), risk(NAMES), Holdings(1e5, positions({})), book(LIMITS), 5
        )
