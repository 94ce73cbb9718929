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


def held_after(chosen: Decision) -> dict[str, int]:
    return dict(chosen.targets.select("instrument", "shares").iter_rows())


def test_sells_out_what_is_no_member_or_has_no_risk(book, snapshot, risk, positions):
    held = Holdings(1e5, positions({"AAA": 3_000, "BBB": 3_000, "CCC": 2_000}))
    table = snapshot(NAMES, member=[True, False, True, True])
    chosen = run(book({**LONG_ONLY, "box": {"max": 0.5}}), table, risk(["AAA", "BBB", "DDD"]), held)
    assert held_after(chosen)["BBB"] == 0
    assert held_after(chosen)["CCC"] == 0
    assert chosen.summary["leaving"] == []


def test_sells_out_as_far_as_volume_allows(book, snapshot, risk, positions):
    held = Holdings(7e5, positions({"AAA": 3_000}))
    table = snapshot(NAMES, member=[False, True, True, True], adv=[1e6, 1e8, 1e8, 1e8])
    chosen = run(book({"box": {"max": 0.5}, "participation": 0.1}), table, risk(NAMES), held)
    assert held_after(chosen)["AAA"] == 2_000
    assert chosen.summary["leaving"] == ["AAA"]


def test_sells_out_as_far_as_turnover_allows(book, snapshot, risk, positions):
    held = Holdings(1e5, positions({"AAA": 4_500, "BBB": 4_500}))
    table = snapshot(NAMES, member=[False, True, True, True])
    limits = {**LONG_ONLY, "box": {"max": 0.6}, "turnover": 0.1}
    chosen = run(book(limits), table, risk(NAMES), held)
    assert chosen.summary["turnover"] == pytest.approx(0.1, abs=2e-4)
    assert held_after(chosen)["AAA"] == pytest.approx(3_500, abs=60)
    assert chosen.summary["leaving"] == ["AAA"]


def test_keeps_what_has_no_fresh_price(book, snapshot, risk, positions):
    held = Holdings(5e5, positions({"AAA": 2_000, "DDD": 3_000}))
    table = snapshot(NAMES, stale_sessions=[3, 0, 0, 9], price=[100.0, 100.0, 100.0, None])
    limits = {**LONG_ONLY, "stale": 2, "net": {"min": 0.5, "max": 1}}
    chosen = run(book(limits), table, risk(NAMES), held)
    assert held_after(chosen)["AAA"] == 2_000
    assert held_after(chosen)["DDD"] == 3_000
    binding = dict(chosen.targets.select("instrument", "binding").iter_rows())
    assert "stale" in binding["AAA"]
    assert "stale" in binding["DDD"]


def test_says_which_limit_holds_a_name_back(book, snapshot, risk, positions):
    table = snapshot(NAMES, expected_return=[0.05, 0.0, 0.0, 0.0])
    chosen = run(book(LONG_ONLY), table, risk(NAMES), Holdings(1e6, positions({})))
    assert chosen.targets.row(0, named=True)["binding"] == "box"


def test_only_rounding_in_the_way_is_called_whole_shares(book, snapshot, risk, positions):
    mandate = book({"long_only": True, "box": {"max": 0.5}, "net": {"min": 0.9, "max": 0.95}})
    table = snapshot(NAMES, price=400.0)
    with pytest.raises(Infeasible, match="lots of 1, NAV 1,000") as caught:
        run(mandate, table, risk(NAMES), Holdings(1_000.0, positions({})))
    assert caught.value.conflicts == ["net", "whole shares"]


def test_names_conflicts_that_have_nothing_to_do_with_each_other(book, snapshot, risk, positions):
    limits = {"long_only": True, "box": {"max": 0.1}, "net": {"min": 0.9, "max": 1}, "stale": 0}
    held = positions({"DDD": -1_000})
    table = snapshot(NAMES, stale_sessions=[0, 0, 0, 4])
    with pytest.raises(Infeasible) as caught:
        run(book(limits), table, risk(NAMES), Holdings(1.1e6, held))
    assert set(caught.value.conflicts) == {"long_only", "stale", "box", "net"}


def test_a_short_book_meets_gross_and_net(book, snapshot, risk, positions):
    limits = {"box": {"min": -0.4, "max": 0.4}, "gross": 1.2, "net": {"min": -0.01, "max": 0.01}}
    table = snapshot(NAMES, expected_return=[0.03, 0.02, -0.02, -0.03])
    chosen = run(book(limits), table, risk(NAMES), Holdings(1e6, positions({})))
    assert chosen.summary["gross"] == pytest.approx(1.2, abs=1e-3)
    assert abs(chosen.summary["net"]) <= 0.01
    assert held_after(chosen)["AAA"] > 0 > held_after(chosen)["DDD"]


def test_expecting_more_than_costs_trades_and_less_does_not(book, snapshot, risk, positions):
    held = Holdings(5e5, positions({"AAA": 1_250, "BBB": 1_250, "CCC": 1_250, "DDD": 1_250}))
    quiet = {"objective": {"optimiser": "mean_variance", "risk_aversion": 0.001}}
    mandate = book({**LONG_ONLY, "net": {"min": 0, "max": 1}}, **quiet)
    for gain, trades in ((2.0e-4, False), (4.0e-4, True)):
        table = snapshot(NAMES, expected_return=[gain, 0.0, 0.0, 0.0])
        bought = held_after(run(mandate, table, risk(NAMES), held))["AAA"] > 1_250
        assert bought is trades
