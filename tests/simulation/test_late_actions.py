"""A lost night, or an action that came late, makes no loss and no wrong size of a trade."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from tasks.execution.ledger import account_of, ledger_frame, nav
from tasks.market.adjust import late_actions
from tasks.market.frames import ACTIONS, BARS, shaped
from tasks.market.history import History
from tasks.market.windows import day_frame
from tasks.portfolio.snapshot import snapshot
from tasks.risk.factors import RiskModel
from tasks.simulation.policies import equal_weight
from tasks.simulation.walk import Close, Look, Step, step, walk
from tests.simulation.test_silent_names import MANDATE as DEAR

pytestmark = pytest.mark.slow

DAYS = [date(2016, 6, day) for day in (6, 7, 8, 9, 10)]
NAMES = ["s:A", "s:B", "s:C"]
FREE = {"commission_bps": 0.0, "half_spread_bps": 0.0}
MANDATE = DEAR.model_copy(update={"costs": DEAR.costs.model_copy(update=FREE)})
RISK = RiskModel(
    as_of=DAYS[0],
    instruments=tuple(NAMES),
    exposures_NK=np.full((3, 1), 0.006),
    factor_covariance_KK=np.eye(1),
    specific_variance_N=np.full(3, 1e-4),
    volatility_N=np.full(3, 0.012),
)
EX = 2  # the session of the action of s:A


class Case(NamedTuple):
    """How the action of s:A on DAYS[EX] becomes known, and what the market shows until then."""

    kind: str
    value: float
    lost: tuple[int, ...]  # sessions of which nobody had a price that night
    told: dict[tuple[str, int], int]  # a price that became known later than on its session
    known: int


ALL_LOST = {(name, EX): EX + 1 for name in NAMES}
CASES = {
    "the night was blocked": Case("split", 7.0, (), ALL_LOST, 3),
    "the night is missing": Case("split", 7.0, (EX,), {}, 3),
    "two nights are missing": Case("split", 7.0, (EX, EX + 1), {}, 4),
    "the jump was set aside": Case("split", 7.0, (), {("s:A", EX): EX + 1}, 3),
    "a split is told late": Case("split", 7.0, (), {}, 3),
    "a dividend is told late": Case("dividend", 1.4, (), {}, 3),
}


def price(name: str, at: int, case: Case) -> float:
    """Return 70 a share, and for s:A what the action leaves of it."""
    if name != "s:A" or at < EX:
        return 70.0
    return 70.0 / case.value if case.kind == "split" else 70.0 - case.value


def market(case: Case) -> tuple[pl.DataFrame, pl.DataFrame]:
    rows = [
        {
            "instrument": name,
            "session": DAYS[at],
            "open": price(name, at, case),
            "close": price(name, at, case),
            "known_on": DAYS[case.told.get((name, at), at)],
            "delivery": DAYS[case.told.get((name, at), at)],
        }
        for name in NAMES
        for at in range(len(DAYS))
        if at not in case.lost
    ]
    action = {"instrument": "s:A", "ex_session": DAYS[EX], "kind": case.kind, "value": case.value}
    known = {"known_on": DAYS[case.known], "delivery": DAYS[case.known]}
    return shaped(pl.DataFrame(rows), BARS), shaped(pl.DataFrame([action | known]), ACTIONS)


def closes(case: Case, bars: pl.DataFrame, actions: pl.DataFrame) -> Iterator[Close]:
    history = History(bars, actions, DAYS, prints="last")
    for at, session in enumerate(DAYS):
        view = history.roll(session)

        def look(account, view=view) -> Look:
            held = account.positions["instrument"].to_list()
            listings = pl.DataFrame({"instrument": NAMES, "symbol": ["A", "B", "C"]})
            forecast = pl.DataFrame({"instrument": NAMES, "score": 0.0, "expected_return": 0.0})
            table = snapshot(view, members=NAMES, held=held, listings=listings, forecast=forecast)
            return Look(table, RISK)

        late = late_actions(actions, session, since=DAYS[max(at - 1, 0)])
        yield Close(session, day_frame(view), look, late.with_columns(unit_value=pl.lit(1.0)))


def policy(close, account):
    """Go for equal weights, but not on a night that brought nothing new of anyone."""
    return None if close.day.is_empty() else equal_weight(MANDATE, book="lab")(close, account)


def walked(case: Case) -> list[Step]:
    days = closes(case, *market(case))
    return [s["book"] for s in walk(days, {"book": policy}, mandate=MANDATE, trades_at="open")]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_once_it_is_known_the_book_is_worth_what_it_was_and_holds_the_right_shares(case):
    steps = walked(case)
    before, after = steps[EX - 1], steps[case.known]
    held = before.account.positions.filter(instrument="s:A")["shares"].item()
    now = after.account.positions.filter(instrument="s:A")
    assert held == 46  # a third of 98 % of 10,000 at 70
    if case.kind == "split":
        assert now["shares"].item() == held * 7
        assert now["price"].item() == 10.0
    else:
        assert [one.settlement.dividends for one in steps[1:]].count(held * 1.4) == 1
    assert nav(after.account) == pytest.approx(nav(before.account), rel=1e-12)
    assert nav(steps[-1].account) == pytest.approx(nav(before.account), rel=1e-12)


@pytest.mark.parametrize("name", [name for name in CASES if name.endswith(("ed", "ing", "aside"))])
def test_until_then_it_is_worth_its_last_price_in_its_own_shares(name):
    values = [nav(one.account) for one in walked(CASES[name])]
    assert values == pytest.approx([values[0]] * len(DAYS), rel=1e-12)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_next_targets_are_sized_from_the_right_shares(case):
    one = walked(case)[case.known]
    assert one.decision is not None
    target = one.decision.targets.filter(instrument="s:A")
    held = one.account.positions.filter(instrument="s:A")["shares"].item()
    assert target["current_shares"].item() == held
    assert target["reference_price"].item() == price("s:A", case.known, case)
    assert target["weight"].item() == pytest.approx(0.98 / 3, abs=0.006)
    assert abs(target["shares"].item() - held) <= 4  # only what lots and the dividend leave


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_nights_with_the_ledger_between_them_equal_the_walk_to_the_bit(case):
    kept: list[pl.DataFrame] = []
    for close, one in zip(closes(case, *market(case)), walked(case), strict=True):
        account = account_of(kept[-1]) if kept else None
        past = pl.concat(kept) if kept else None
        night = step(account, close, policy, mandate=MANDATE, trades_at="open", past=past)
        kept.append(ledger_frame(night.account, night.settlement))
        assert kept[-1].equals(ledger_frame(one.account, one.settlement))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_nothing_moves_before_it_is_known_when_the_action_is_altered(case):
    bars, actions = market(case)
    later = pl.col("known_on") > DAYS[case.known - 1]
    wild = bars.with_columns(
        pl.when(later).then(pl.col(name) * 3).otherwise(name).alias(name)
        for name in ("open", "close")
    )
    other = walk(
        closes(case, wild, actions.with_columns(value=pl.lit(99.0))),
        {"book": policy},
        mandate=MANDATE,
        trades_at="open",
    )
    for one, altered in zip(walked(case)[: case.known], other, strict=False):
        left, right = ledger_frame(one.account), ledger_frame(altered["book"].account)
        assert left.equals(right)
