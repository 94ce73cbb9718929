"""Orders fill at a price within their limit, wait, or lapse."""

import math

import polars as pl
import pytest

from tasks.execution.ledger import account_of, ledger_frame, open_account, place
from tests.execution.ledger_case import MONDAY, after, day, holding, limited, orders, shares


def test_an_order_without_a_price_waits_and_one_that_is_replaced_is_gone():
    waiting, _ = after(place(open_account(1_000, MONDAY), orders(AAA=10)), day(BBB=(5, 5)))
    assert waiting.pending.rows() == [("AAA", 10, None, 1)]
    assert place(waiting, orders(CCC=-1)).pending.rows() == [("CCC", -1, None, 0)]


@pytest.mark.parametrize(
    ("quantity", "limit", "fills"),
    [
        (10, 20.0, True),
        (10, 19.99, False),
        (10, None, True),
        (10, math.nan, True),
        (-10, 20.0, True),
        (-10, 20.01, False),
        (-10, None, True),
    ],
)
def test_an_order_fills_within_its_limit_or_waits(quantity, limit, fills):
    placed = place(holding(1_000, AAA=10), limited(AAA=(quantity, limit)))
    account, settled = after(placed, day(AAA=(20, 21)))
    assert settled.fills.height == fills
    assert account.pending.height == (not fills)
    assert shares(account).get("AAA", 0) == 10 + quantity * fills


def test_a_waiting_order_fills_when_its_price_comes():
    waiting, _ = after(
        place(open_account(1_000, MONDAY), limited(AAA=(10, 19.0))), day(AAA=(20, 18))
    )
    assert waiting.pending.rows() == [("AAA", 10, 19.0, 0)]
    account, settled = after(waiting._replace(session=MONDAY), day(AAA=(18, 18)))
    assert (settled.fills["fill_price"].item(), account.pending.height) == (18.0, 0)


def test_a_split_moves_the_limit_with_the_quantity():
    split = {"open": 8.0, "close": 8.0, "split": 2.0, "dividend": 0.0}
    account, settled = after(
        place(open_account(1_000, MONDAY), limited(AAA=(5, 15.0))), day(AAA=split)
    )
    assert settled.fills.is_empty()
    assert account.pending.rows() == [("AAA", 10, 7.5, 0)]
    _, settled = after(place(open_account(1_000, MONDAY), limited(AAA=(5, 16.0))), day(AAA=split))
    assert settled.fills["traded"].item() == 10


def test_refuses_a_limit_that_is_no_price():
    with pytest.raises(ValueError, match="limit price"):
        place(holding(), limited(AAA=(1, float("inf"))))


def test_an_order_in_a_silent_name_lapses_whether_it_is_held_or_not():
    account = place(open_account(1_000, MONDAY), orders(AAA=10))
    for waited in (1, 2, 3):
        account, settled = after(account_of(ledger_frame(account)), day())
        assert account.pending["stale"].to_list() == ([waited] if waited < 3 else [])
        assert settled.delisted == ()
        account = account._replace(session=MONDAY)
    assert account.cash == 1_000


def test_an_order_in_a_name_that_trades_again_waits_anew():
    account, _ = after(place(open_account(1_000, MONDAY), limited(AAA=(10, 5.0))), day())
    account, _ = after(account._replace(session=MONDAY), day(AAA=(20, 21)))
    assert account.pending["stale"].to_list() == [0]


def test_refuses_two_orders_for_one_name_and_unknown_sides():
    with pytest.raises(ValueError, match="Two orders for AAA"):
        place(holding(), pl.concat([orders(AAA=1), orders(AAA=2)]))
    with pytest.raises(ValueError, match="found side hold"):
        place(holding(), orders(AAA=1).with_columns(side=pl.lit("hold")))
