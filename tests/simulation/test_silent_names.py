"""Names that do not trade are worth the same to the ledger, the decision and its rivals."""

from collections.abc import Iterator
from datetime import date

import numpy as np
import polars as pl
import pytest

from conf.schema import Book, Costs
from tasks.execution.ledger import Account, nav, open_account, place, settle
from tasks.market.frames import ACTIONS, BARS, shaped
from tasks.market.history import History, View
from tasks.market.windows import day_frame, last_prices
from tasks.portfolio.decide import Holdings
from tasks.portfolio.problem import make_problem
from tasks.portfolio.snapshot import snapshot
from tasks.risk.factors import RiskModel
from tasks.simulation.policies import equal_weight
from tasks.simulation.walk import Close, Look, step

SESSIONS = [date(2016, 6, day) for day in (6, 7, 8, 9, 10)]
NAMES = ["s:A", "s:B", "s:C"]
MANDATE = Book.model_validate(
    {
        "title": "A book",
        "source": "sample",
        "contest": "sample",
        "universe": "sample",
        "capital": 10_000,
        "objective": {"optimiser": "mean_variance", "risk_aversion": 10},
        "risk": {"factors": 1},
        "costs": {"commission_bps": 1, "half_spread_bps": 2},
        "limits": {"box": {"max": 1.0}, "cash": 0.02},
    }
)
FREE = Costs(commission_bps=0, half_spread_bps=0)
RISK = RiskModel(
    as_of=SESSIONS[0],
    instruments=tuple(NAMES),
    exposures_NK=np.full((3, 1), 0.006),
    factor_covariance_KK=np.eye(1),
    specific_variance_N=np.full(3, 1e-4),
    volatility_N=np.full(3, 0.012),
)


def views(
    bars: dict[tuple[str, int], tuple[float | None, float | None]],
    splits: dict[tuple[str, int], float],
) -> Iterator[View]:
    """Yield the market session by session; (name, place) -> (open, close), and the splits."""
    prices = [
        {"instrument": name, "session": SESSIONS[at], "open": first, "close": last}
        for (name, at), (first, last) in bars.items()
    ]
    actions = [
        {"instrument": name, "ex_session": SESSIONS[at], "kind": "split", "value": value}
        for (name, at), value in splits.items()
    ]
    as_known = {"known_on": "session", "delivery": "session"}
    history = History(
        shaped(pl.DataFrame(prices, infer_schema_length=None).with_columns(**as_known), BARS),
        shaped(
            pl.DataFrame(
                actions, schema=["instrument", "ex_session", "kind", "value"]
            ).with_columns(known_on="ex_session", delivery="ex_session"),
            ACTIONS,
        ),
        SESSIONS,
        prints="first",
    )
    for session in SESSIONS:
        yield history.roll(session)


def settled(account: Account, view: View) -> Account:
    return settle(
        account,
        day_frame(view),
        session=view.as_of,
        costs=MANDATE.costs,
        trades_at="open",
        delisting_sessions=10,
    )[0]


def looked_at(view: View, account: Account) -> pl.DataFrame:
    return snapshot(
        view,
        members=NAMES,
        held=account.positions["instrument"].to_list(),
        listings=pl.DataFrame({"instrument": NAMES, "symbol": ["A", "B", "C"]}),
        forecast=pl.DataFrame({"instrument": NAMES, "score": 0.0, "expected_return": 0.0}),
    )


def bought(view: View) -> Account:
    orders = pl.DataFrame({"instrument": NAMES, "side": "buy", "quantity": [20, 50, 30]})
    return place(open_account(10_000, view.as_of), orders)


ALL = {(name, at): (50.0 + at, 50.3 + at) for name in NAMES for at in range(5)}
SILENT = {cell: price for cell, price in ALL.items() if cell[0] != "s:A" or cell[1] < 2}
NO_CLOSE = SILENT | {("s:A", 1): (49.0, None)}  # bought on a day without a close


@pytest.mark.parametrize("bars", [ALL, SILENT, NO_CLOSE])
@pytest.mark.parametrize("splits", [{}, {("s:A", 2): 3.0, ("s:A", 4): 7.0}, {("s:A", 3): 0.1}])
def test_the_decision_sizes_against_the_nav_of_the_ledger(bars, splits):
    first, *rest = views(bars, splits)
    account = bought(first)
    for view in rest:
        account = settled(account, view)
        holdings = Holdings(account.cash, account.positions)
        problem = make_problem(looked_at(view, account), RISK, holdings, MANDATE, 5)
        held = dict(account.positions.select("instrument", "price").iter_rows())
        seen = dict(zip(problem.instruments, problem.price_N.tolist(), strict=True))
        assert {name: seen[name] for name in held} == held
        assert problem.nav == pytest.approx(nav(account), rel=1e-15)


def test_a_close_before_a_split_is_told_in_the_newest_shares():
    *_, last = views(SILENT, {("s:A", 2): 3.0, ("s:A", 4): 7.0, ("s:B", 4): 2.0})
    told = last_prices(last, sessions=5)
    assert told["price"].to_list() == [51.3 / 3 / 7, 54.3, 54.3]
    assert told["price_session"].to_list() == [SESSIONS[1], SESSIONS[4], SESSIONS[4]]
    assert told["stale_sessions"].to_list() == [3, 0, 0]


def test_equal_weights_do_not_spend_what_lies_in_names_that_cannot_be_sold():
    first, *rest = views(SILENT, {})
    account = bought(first)
    for view in rest:
        account = settled(account, view)
    close = Close(view.as_of, day_frame(view), lambda of: Look(looked_at(view, of), RISK))
    decision = equal_weight(MANDATE, book="lab")(close, account)
    assert decision is not None
    weights = dict(decision.targets.select("instrument", "weight").iter_rows())
    stuck = 20 * 51.3 / nav(account)
    assert weights["s:A"] == pytest.approx(stuck)
    assert weights["s:B"] == pytest.approx((0.98 - stuck) / 2, abs=0.006)
    assert sum(weights.values()) <= 0.98


def test_equal_weights_buy_nothing_where_all_of_the_money_is_stuck():
    _, second, third, *_ = views(SILENT, {})
    orders = pl.DataFrame({"instrument": ["s:A"], "side": ["buy"], "quantity": [195]})
    account = settled(settled(place(open_account(10_000, SESSIONS[0]), orders), second), third)
    close = Close(SESSIONS[2], day_frame(third), lambda of: Look(looked_at(third, of), RISK))
    decision = equal_weight(MANDATE, book="lab")(close, account)
    assert decision is not None
    assert decision.orders.is_empty()


def test_equal_weights_ask_for_no_limit():
    first, *_ = views(ALL, {})
    account = open_account(10_000, first.as_of)
    close = Close(first.as_of, day_frame(first), lambda of: Look(looked_at(first, of), RISK))
    decision = equal_weight(MANDATE, book="lab")(close, account)
    assert decision is not None
    assert decision.orders["type"].to_list() == ["market"] * 3
    assert decision.orders["limit_price"].null_count() == 3


def test_a_walk_pays_a_delisted_holding_what_its_book_says():
    for returned in (0.0, -0.3):
        mandate = MANDATE.model_copy(
            update={"delisting_return": returned, "delisting_sessions": 2, "costs": FREE}
        )
        first, *rest = views(SILENT, {})
        account = bought(first)
        for view in rest[:3]:
            close = Close(view.as_of, day_frame(view), lambda of: Look(pl.DataFrame(), RISK))
            done = step(account, close, lambda *_: None, mandate=mandate, trades_at="open")
            account = done.account
        assert done.settlement is not None
        assert done.settlement.delisted == ("s:A",)
        gone = done.settlement.fills.filter(pl.col("instrument") == "s:A")
        assert gone["fill_price"].item() == pytest.approx(51.3 * (1 + returned))
        assert "s:A" not in account.positions["instrument"]
