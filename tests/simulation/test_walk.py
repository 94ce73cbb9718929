"""A walk is nights in a row: the same steps, the same bits, and nothing seen too early."""

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from conf.schema import Book
from tasks.execution.ledger import Account, account_of, ledger_frame, nav
from tasks.portfolio.decide import Infeasible
from tasks.risk.factors import RiskModel
from tasks.simulation.performance import figures, volatility_ratio
from tasks.simulation.policies import equal_weight, mandated, minimum_variance, monthly
from tasks.simulation.walk import WALKED, Close, Look, Policy, Step, step, walk, walked_frame

NAMES = ("s:A", "s:B", "s:C", "s:D", "s:E")
SESSIONS = [d for d in (date(2016, 1, 4) + timedelta(n) for n in range(130)) if d.isoweekday() < 6]
MANDATE = Book.model_validate(
    {
        "title": "A book",
        "source": "sample",
        "contest": "sample",
        "universe": "sample",
        "capital": 1e6,
        "objective": {"optimiser": "mean_variance", "risk_aversion": 10},
        "risk": {"factors": 1},
        "costs": {"commission_bps": 1, "half_spread_bps": 2},
        "limits": {
            "long_only": True,
            "box": {"max": 0.5},
            "net": {"min": 0.9, "max": 0.99},
            "cash": 0.01,
        },
    }
)


def paths(seed: int = 1, *, garbage_after: date | None = None) -> np.ndarray:
    random = np.random.default_rng(seed)
    closes = 50 * np.exp(np.cumsum(random.normal(0, 0.01, (len(SESSIONS), 5)), axis=0))
    if garbage_after is not None:
        later = np.array(SESSIONS) > garbage_after
        closes[later] = random.uniform(1, 1e4, (int(later.sum()), 5))
    return closes


def closes(path: np.ndarray, sessions: list[date] = SESSIONS) -> Iterator[Close]:
    risk = RiskModel(
        as_of=SESSIONS[0],
        instruments=NAMES,
        exposures_NK=np.full((5, 1), 0.006),
        factor_covariance_KK=np.eye(1),
        specific_variance_N=np.linspace(0.01, 0.02, 5) ** 2,
        volatility_N=np.sqrt(0.006**2 + np.linspace(0.01, 0.02, 5) ** 2),
    )
    for session in sessions:
        at = SESSIONS.index(session)
        day = pl.DataFrame(
            {"instrument": NAMES, "open": path[at] * 0.999, "close": path[at]}
        ).with_columns(split=1.0, dividend=0.0)
        snapshot = pl.DataFrame(
            {
                "instrument": NAMES,
                "symbol": ["A", "B", "C", "D", "E"],
                "member": True,
                "score": path[at] - path[max(at - 5, 0)],
                "expected_return": (path[at] / path[max(at - 5, 0)] - 1) / 10,
                "price": path[at],
                "price_session": session,
                "adv": 1e8,
                "stale_sessions": 0,
            }
        )

        def look(account: Account, snapshot: pl.DataFrame = snapshot) -> Look:
            return Look(snapshot, risk)

        yield Close(session, day, look)


def policies() -> dict[str, Policy]:
    return {
        "book": mandated(MANDATE, book="lab", horizon=5),
        "minimum_variance": minimum_variance(MANDATE, book="lab", horizon=5),
        "equal_weight": monthly(equal_weight(MANDATE, book="lab")),
    }


def walked(path: np.ndarray, count: int = len(SESSIONS)) -> dict[str, list[Step]]:
    steps = list(
        walk(closes(path, SESSIONS[:count]), policies(), mandate=MANDATE, trades_at="open")
    )
    return {name: [one[name] for one in steps] for name in policies()}


@pytest.fixture(scope="module")
def long_walk() -> dict[str, list[Step]]:
    return walked(paths(), 70)


def test_nights_with_the_ledger_between_them_equal_the_walk_to_the_bit():
    straight = walked(paths(), 12)["book"]
    kept: list[pl.DataFrame] = []
    for close, one in zip(closes(paths(), SESSIONS[:12]), straight, strict=True):
        account = account_of(kept[-1]) if kept else None
        night = step(account, close, policies()["book"], mandate=MANDATE, trades_at="open")
        kept.append(ledger_frame(night.account, night.settlement))
        assert night.account.cash == one.account.cash
        assert night.account.positions.equals(one.account.positions)
        assert night.decision.targets.equals(one.decision.targets)
        assert night.decision.orders.equals(one.decision.orders)


def test_nothing_moves_when_the_future_is_altered():
    until = SESSIONS[9]
    honest, altered = walked(paths(), 12), walked(paths(garbage_after=until), 12)
    for name, steps in honest.items():
        for one, other in zip(steps[:10], altered[name][:10], strict=True):
            assert nav(one.account) == nav(other.account)
            assert one.account.pending.equals(other.account.pending)


def test_a_walk_may_be_taken_up_where_it_was_left():
    whole = walked(paths(), 12)["book"]
    rest = walk(
        closes(paths(), SESSIONS[6:12]),
        {"book": policies()["book"]},
        mandate=MANDATE,
        trades_at="open",
        accounts={"book": whole[5].account},
    )
    assert [nav(one["book"].account) for one in rest] == [nav(o.account) for o in whole[6:]]


def test_the_first_close_opens_the_account_and_the_second_trades():
    first, second = walked(paths(), 2)["book"]
    assert (first.settlement, nav(first.account)) == (None, 1e6)
    assert second.settlement.fills.height == first.decision.orders.height > 0


def test_rows_say_what_each_session_brought(long_walk):
    steps = long_walk
    frame = walked_frame(steps["book"])
    assert dict(frame.schema) == {name: kind() for name, kind in WALKED.items()}
    second = frame.row(1, named=True)
    traded = steps["book"][1].settlement.traded_notional
    assert second["turnover"] == traded / 1e6 / 2
    assert second["cost"] == pytest.approx(traded * 3e-4)
    assert second["gross"] == pytest.approx(second["net"])
    assert second["cash"] + second["net"] * second["nav"] == pytest.approx(second["nav"])
    assert 0.05 < second["volatility"] < 0.5


def test_the_minimum_variance_walk_is_blind_to_forecasts():
    steps = walked(paths(), 3)
    own, blind = steps["book"][2].decision, steps["minimum_variance"][2].decision
    assert (blind.targets["expected_return"] == 0).all()
    assert not own.targets["weight"].equals(blind.targets["weight"])


def test_equal_weight_trades_once_a_month(long_walk):
    steps = long_walk["equal_weight"]
    decided = [one.account.session for one in steps if one.decision]
    assert decided == [date(2016, month, day) for month, day in ((1, 4), (2, 1), (3, 1), (4, 1))]
    weights = steps[0].decision.targets["weight"]
    assert weights.to_list() == pytest.approx([0.99 / 5] * 5, abs=2e-4)
    assert all(one.account.cash > 0 for one in steps)


def test_equal_weight_sells_names_that_left_and_keeps_those_without_a_price():
    close = next(closes(paths()))
    first = step(None, close, equal_weight(MANDATE, book="x"), mandate=MANDATE, trades_at="open")
    (_, second) = list(closes(paths(), SESSIONS[:2]))

    def look(account: Account) -> Look:
        seen, risk = second.look(account)
        gone = pl.col("instrument") == "s:A"
        silent = pl.col("instrument") == "s:B"
        return Look(
            seen.with_columns(
                member=~gone,
                price_session=pl.when(silent).then(SESSIONS[0]).otherwise("price_session"),
            ),
            risk,
        )

    policy = equal_weight(MANDATE, book="x")
    after = step(
        first.account, second._replace(look=look), policy, mandate=MANDATE, trades_at="open"
    )
    held = dict(after.account.positions.select("instrument", "shares").iter_rows())
    wanted = dict(after.account.pending.select("instrument", "quantity").iter_rows())
    assert wanted["s:A"] == -held["s:A"]
    assert "s:B" not in wanted


def test_a_conflict_of_limits_keeps_the_last_target():
    def refuses(close: Close, account: Account):
        if close.session == SESSIONS[2]:
            raise Infeasible(["box"], "box and net exclude each other")
        return policies()["book"](close, account)

    steps = [
        one["book"]
        for one in walk(
            closes(paths(), SESSIONS[:4]), {"book": refuses}, mandate=MANDATE, trades_at="open"
        )
    ]
    assert [one.status.split(":")[0] for one in steps] == [
        "decided",
        "decided",
        "infeasible",
        "decided",
    ]
    assert steps[2].account.pending.is_empty()


def test_figures_carry_errors_and_the_count_of_trials(long_walk):
    frames = {name: walked_frame(steps) for name, steps in long_walk.items()}
    table = figures(frames, trials=3)
    assert table["name"].to_list() == list(frames)
    assert table.null_count().sum_horizontal().item() == 0
    row = table.row(0, named=True)
    assert 0.05 < row["volatility"] < 0.3
    assert 0 < row["volatility_error"] < row["volatility"]
    assert row["drawdown"] <= 0 < row["turnover"]
    assert figures(frames, trials=3).equals(table)


def test_the_ratio_of_a_walk_to_itself_is_one_without_error(long_walk):
    frame = walked_frame(long_walk["equal_weight"])
    assert volatility_ratio(frame, frame) == (1.0, 0.0, 1.0, 1.0)
    halved = frame.with_columns(nav=1e6 + (pl.col("nav") - 1e6) / 2)
    ratio = volatility_ratio(halved, frame)
    assert ratio.low < ratio.value < ratio.high < 0.6


def test_figures_of_a_handful_of_sessions_are_refused():
    frame = walked_frame(walked(paths(), 20)["book"])
    with pytest.raises(ValueError, match="has 19 returns; figures need 60"):
        figures({"book": frame}, trials=1)
