"""An action that becomes known late moves an account once, as if it had been known on its day."""

from collections.abc import Sequence

import polars as pl
import pytest

from tasks.execution.ledger import Account, ledger_frame, settle
from tests.execution.late_case import (
    DAYS,
    Prices,
    Told,
    actions_of,
    bought,
    flat,
    lived,
    navs,
    without,
)
from tests.execution.ledger_case import DEAR, day, limited, orders, shares

SPLIT_NIGHT = flat(700.0, until=3, then=100.0)


@pytest.mark.parametrize("known", [3, 4, 6])
def test_a_split_that_no_price_showed_moves_the_shares_once_and_not_the_nav(known):
    prices = without(SPLIT_NIGHT, *range(3, known))  # nothing is known of the nights between
    steps = lived(*_at(bought(), prices, [Told("split", 7.0, 3, known)]))
    assert navs(steps) == pytest.approx([7_000.0] * len(DAYS), rel=1e-12)
    assert [shares(account).get("AAA", 0) for account, _ in steps] == (
        [0] + [10] * (known - 1) + [70] * (len(DAYS) - known)
    )
    assert sum(settled.in_lieu + settled.dividends for _, settled in steps[1:] if settled) == 0.0


def test_until_it_is_known_the_position_stands_at_its_last_price_in_its_own_shares():
    prices = without(SPLIT_NIGHT, 3, 4)
    steps = lived(*_at(bought(), prices, [Told("split", 7.0, 3, 5)]))
    assert steps[4][0].positions.rows() == [("AAA", 10, 700.0, DAYS[2], 2)]
    assert steps[5][0].positions.rows() == [("AAA", 70, 100.0, DAYS[5], 0)]


def test_a_split_of_a_name_that_is_silent_still_puts_the_price_in_the_new_shares():
    prices = without(SPLIT_NIGHT, *range(3, 8))
    steps = lived(*_at(bought(), prices, [Told("split", 7.0, 3, 5)]))
    assert steps[5][0].positions.rows() == [("AAA", 70, 100.0, DAYS[2], 3)]


def test_a_price_that_fell_with_the_split_is_left_as_it_is_when_the_split_is_known():
    steps = lived(*_at(bought(), SPLIT_NIGHT, [Told("split", 7.0, 3, 5)]))
    assert navs(steps)[3:6] == pytest.approx([1_000.0, 1_000.0, 7_000.0])
    assert steps[5][0].positions.rows() == [("AAA", 70, 100.0, DAYS[5], 0)]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_late_dividend_is_paid_once_for_what_was_held_over_the_close_before(sign):
    account, wishes = bought(10 * sign)
    wishes |= {2: orders(AAA=-4 * sign), 3: orders(AAA=-6 * sign)}  # on the ex session, and after
    steps = lived(account, flat(20.0, until=3, then=19.0), [Told("dividend", 1.0, 3, 4)], wishes)
    assert [s.dividends for _, s in steps[1:] if s] == [0.0] * 3 + [10.0 * sign] + [0.0] * 5
    assert navs(steps)[-1] == pytest.approx(7_000.0 - 4 * sign - 6 * sign + 10 * sign)


def test_trades_since_the_ex_session_were_in_the_new_shares():
    account, wishes = bought(10)
    wishes |= {2: orders(AAA=-6), 3: orders(AAA=5)}
    steps = lived(account, SPLIT_NIGHT, [Told("split", 7.0, 3, 5)], wishes)
    assert shares(steps[-1][0]) == {"AAA": 10 * 7 - 6 + 5}
    assert navs(steps)[-1] == pytest.approx(7_000.0)


@pytest.mark.parametrize(("ratio", "left"), [(7.0, 60), (0.1, -9)])
def test_a_name_sold_out_while_its_split_was_unknown_is_held_again(ratio, left):
    account, wishes = bought(10)
    wishes |= {2: orders(AAA=-10)}
    prices = without(flat(700.0, until=3, then=700.0 / ratio), 5, 6)
    steps = lived(account, prices, [Told("split", ratio, 3, 5)], wishes)
    assert steps[4][0].positions.is_empty()
    assert steps[5][0].positions.rows() == [("AAA", left, 700.0 / ratio, DAYS[3], 2)]
    assert navs(steps)[5:] == pytest.approx([7_000.0] * 5)


def test_a_holding_that_was_paid_out_for_its_silence_stays_paid_out():
    prices = without(SPLIT_NIGHT, *range(3, 8))
    told = [Told("split", 7.0, 3, 8), Told("dividend", 2.0, 4, 8)]
    steps = lived(*_at(bought(), prices, told), delisting_sessions=3)
    assert [settled.delisted for _, settled in steps[5:6] if settled] == [("AAA",)]
    assert steps[-1][0].positions.is_empty()
    assert steps[-1][0].cash == 7_000.0 + 10 * 7 * 2.0  # what it paid while it was held


def test_orders_sized_before_the_split_was_known_are_withdrawn_and_others_stand():
    account, wishes = bought(10)
    wishes |= {4: limited(AAA=(5, 10.0), BBB=(3, 10.0))}
    told = [Told("split", 7.0, 3, 5), Told("dividend", 1.0, 3, 5, "BBB")]
    prices = SPLIT_NIGHT | flat(20.0, until=9, then=20.0, name="BBB")
    steps = lived(account, prices, told, wishes)
    assert steps[4][0].pending["instrument"].to_list() == ["AAA", "BBB"]
    assert steps[5][0].pending["instrument"].to_list() == ["BBB"]


def test_a_fraction_that_a_late_split_leaves_is_paid_out_without_its_dividend():
    told = [Told("split", 1.5, 3, 5), Told("dividend", 1.0, 3, 5)]
    prices = without(flat(7.5, until=3, then=4.0), 3, 4, 5)
    steps = lived(*_at(bought(7), prices, told))
    settled = steps[5][1]
    assert settled is not None
    assert (settled.dividends, settled.in_lieu) == (10.5, 0.5 * 4.0)
    assert navs(steps)[-1] == pytest.approx(7_000.0)


def test_an_action_that_is_told_again_moves_nothing_and_one_corrected_moves_the_difference():
    told = [Told("split", 2.0, 3, 3), Told("split", 2.0, 3, 5), Told("dividend", 1.0, 4, 4)]
    steps = lived(*_at(bought(), flat(700.0, until=3, then=350.0), told))
    assert shares(steps[-1][0]) == {"AAA": 20}
    corrected = [*told, Told("split", 3.0, 3, 6), Told("dividend", 0.5, 4, 7)]
    steps = lived(*_at(bought(), flat(700.0, until=3, then=350.0), corrected))
    assert [shares(account)["AAA"] for account, _ in steps[5:]] == [20, 30, 30, 30, 30]
    paid = [settled.dividends for _, settled in steps[4:] if settled]
    assert paid == [20.0, 0.0, 10.0, -15.0, 0.0, 0.0]


def test_a_late_split_raises_the_dividends_that_were_paid_since():
    told = [Told("split", 7.0, 3, 6), Told("dividend", 1.0, 4, 4)]
    steps = lived(*_at(bought(), SPLIT_NIGHT, told))
    assert [s.dividends for _, s in steps[4:7] if s] == [10.0, 0.0, 60.0]


def test_actions_of_before_the_book_opened_move_nothing():
    told = [Told("split", 7.0, 0, 4), Told("dividend", 1.0, 0, 4)]
    steps = lived(*_at(bought(), flat(10.0, until=9, then=10.0), told))
    assert shares(steps[-1][0]) == {"AAA": 10}
    assert navs(steps) == [7_000.0] * len(DAYS)


def test_a_late_dividend_is_worth_what_its_currency_is_on_the_night_it_is_known():
    account, wishes = bought(10)
    steps = lived(account, flat(20.0, until=9, then=20.0), [], wishes, until=4)
    past = pl.concat([ledger_frame(*one) for one in steps])
    told = actions_of([Told("dividend", 1.0, 3, 5)])
    calm = {"session": DAYS[5], "costs": DEAR, "trades_at": "open", "delisting_sessions": 9}
    late = told.with_columns(unit_value=pl.lit(1.25))
    _, settled = settle(steps[-1][0], day(), late=late, past=past, **calm)
    assert settled.dividends == 12.5
    late = told.with_columns(unit_value=pl.lit(float("nan")))
    with pytest.raises(ValueError, match="late dividend of AAA has no exchange rate"):
        settle(steps[-1][0], day(), late=late, past=past, **calm)
    with pytest.raises(ValueError, match="give the ledger's past"):
        settle(steps[-1][0], day(), late=late, **calm)
    bad = actions_of([Told("split", 0.0, 3, 5)]).with_columns(unit_value=pl.lit(1.0))
    with pytest.raises(ValueError, match="not above zero for AAA"):
        settle(steps[-1][0], day(), late=bad, past=past, **calm)


def _at(
    opened: tuple[Account, dict[int, pl.DataFrame]], prices: Prices, told: Sequence[Told]
) -> tuple[Account, Prices, Sequence[Told], dict[int, pl.DataFrame]]:
    account, wishes = opened
    return account, prices, told, wishes
