"""A decision is whole: targets, orders, checks and figures that agree with each other."""

from datetime import date

import polars as pl
import pytest

from tasks.market.frames import DRAFT_ORDERS, DRAFT_TARGETS
from tasks.portfolio.decide import Decision, Holdings, Infeasible, decide

AS_OF = date(2016, 6, 30)
NAMES = ["AAA", "BBB", "CCC", "DDD"]
LONG_ONLY = {"long_only": True, "box": {"max": 0.4}, "net": {"min": 0.9, "max": 1.0}}


def run(book, snapshot, risk, holdings, *, revision: int = 0) -> Decision:
    return decide(
        snapshot, risk, holdings, mandate=book, horizon=5, as_of=AS_OF, book="b", revision=revision
    )


def test_gives_the_frames_that_are_promised(book, snapshot, risk, positions):
    chosen = run(book(LONG_ONLY), snapshot(NAMES), risk(NAMES), Holdings(1e6, positions({})))
    assert dict(chosen.targets.schema) == DRAFT_TARGETS
    assert dict(chosen.orders.schema) == DRAFT_ORDERS
    assert chosen.targets["instrument"].is_sorted()
    assert chosen.targets["risk_contribution"].sum() == pytest.approx(1.0)
    assert chosen.targets["weight"].sum() == pytest.approx(chosen.summary["net"])
    assert chosen.orders["cost"].sum() == pytest.approx(chosen.summary["cost"])
    assert all(check["passed"] for check in chosen.checks)


def test_is_the_same_to_the_bit_whatever_the_order_of_rows(book, snapshot, risk, positions):
    mandate, model = book(LONG_ONLY), risk(NAMES)
    held = positions({"BBB": 300, "AAA": 500})
    first = run(mandate, snapshot(NAMES), model, Holdings(9e5, held))
    turned = model._replace(
        instruments=model.instruments[::-1],
        exposures_NK=model.exposures_NK[::-1],
        specific_variance_N=model.specific_variance_N[::-1],
        volatility_N=model.volatility_N[::-1],
    )
    second = run(mandate, snapshot(NAMES).reverse(), turned, Holdings(9e5, held.reverse()))
    assert first.targets.equals(second.targets, null_equal=True)
    assert first.orders.equals(second.orders, null_equal=True)
    assert (first.summary, first.solver, first.checks) == (
        second.summary,
        second.solver,
        second.checks,
    )


def test_names_the_limits_in_conflict(book, snapshot, risk, positions):
    mandate = book({"long_only": True, "box": {"max": 0.1}, "net": {"min": 0.9, "max": 1.0}})
    with pytest.raises(Infeasible, match=r"net \(0\.9 to 1\)") as caught:
        run(mandate, snapshot(NAMES), risk(NAMES), Holdings(1e6, positions({})))
    assert set(caught.value.conflicts) == {"box", "net"}


def test_orders_move_the_holdings_to_the_targets(book, snapshot, risk, positions):
    held = positions({"AAA": 2_000, "BBB": 3_000})
    chosen = run(book(LONG_ONLY), snapshot(NAMES), risk(NAMES), Holdings(5e5, held))
    signed = chosen.orders.select(
        "instrument",
        moved=pl.when(pl.col("side") == "buy").then("quantity").otherwise(-pl.col("quantity")),
    )
    both = chosen.targets.join(signed, on="instrument", how="left").fill_null(0)
    assert (both["current_shares"] + both["moved"] == both["shares"]).all()
