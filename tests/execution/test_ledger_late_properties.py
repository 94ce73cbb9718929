"""Whatever becomes known when, the account ends as if all had been known in time."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.execution.ledger import ledger_frame, nav, open_account
from tests.execution.late_case import DAYS, Prices, Told, lived
from tests.execution.ledger_case import orders, shares

pytestmark = pytest.mark.slow
QUIET = len(DAYS) - 1  # nothing happens there but that all is known


@st.composite
def lives(draw, ratios):
    """Draw prices, actions with all their prints, and orders, of two names."""
    prices, told = {}, []
    for name in ("AAA", "BBB"):
        for at in range(len(DAYS)):
            if at == QUIET or draw(st.integers(0, 3)):
                prices[name, at] = float(draw(st.integers(1, 900)))
        for kind, values in (("split", ratios), ("dividend", [0.25, 1.0, 3.0])):
            for ex in draw(st.sets(st.integers(1, QUIET - 1), max_size=3)):
                knowing = draw(st.sets(st.integers(max(ex - 1, 0), QUIET), min_size=1, max_size=2))
                told += [Told(kind, draw(st.sampled_from(values)), ex, k, name) for k in knowing]
    wishes = {
        at: orders(**{n: q for n in ("AAA", "BBB") if (q := draw(st.integers(-30, 30)))})
        for at in draw(st.sets(st.integers(0, QUIET - 2)))
    }
    return prices, told, wishes


def replayed(prices: Prices, told: Sequence[Told], steps) -> tuple[dict[str, int], float]:
    """Return shares and cash had all actions been known on their day, the fills the same."""
    held, cash = {"AAA": 0, "BBB": 0}, 1e6
    value = {(one.name, one.kind, one.ex): one.value for one in sorted(told, key=lambda o: o.known)}
    for at, (_, settled) in enumerate(steps[1:], start=1):
        for name in held:
            exact = held[name] * value.get((name, "split", at), 1.0)
            held[name] = int(exact + (1e-9 if exact > 0 else -1e-9))
            cash += exact * value.get((name, "dividend", at), 0.0)
        for name, quantity, price, _ in settled.fills.iter_rows():
            held[name] += quantity
            cash -= quantity * price
    return {name: count for name, count in held.items() if count}, cash


@settings(max_examples=60, deadline=None)
@given(lives([2.0, 3.0, 7.0]))
def test_once_all_is_known_the_account_is_as_if_all_had_been_known_in_time(life):
    prices, told, wishes = life
    steps = lived(open_account(1e6, DAYS[0]), prices, told, wishes)
    held, cash = replayed(prices, told, steps)
    account = steps[-1][0]
    assert shares(account) == held
    assert account.cash == pytest.approx(cash, rel=1e-12)
    worth = sum(count * prices[name, QUIET] for name, count in held.items())
    assert nav(account) == pytest.approx(cash + worth, rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(lives([1.5, 0.1, 4 / 3, 2.0]))
def test_fractions_too_leave_the_shares_that_the_actions_say(life):
    prices, told, wishes = life
    steps = lived(open_account(1e6, DAYS[0]), prices, told, wishes)
    assert shares(steps[-1][0]) == replayed(prices, told, steps)[0]


@settings(max_examples=25, deadline=None)
@given(lives([2.0, 1.5, 7.0]), st.integers(1, QUIET))
def test_nothing_moves_when_what_becomes_known_later_is_altered(life, now):
    prices, told, wishes = life
    altered = [one._replace(value=one.value * 5) if one.known > now else one for one in told]
    later = {cell: p * 3 if cell[1] > now else p for cell, p in prices.items()}
    honest = lived(open_account(1e6, DAYS[0]), prices, told, wishes)[: now + 1]
    wild = lived(open_account(1e6, DAYS[0]), later, altered, wishes)[: now + 1]
    for one, other in zip(honest, wild, strict=True):
        assert ledger_frame(*one).equals(ledger_frame(*other))


@settings(max_examples=25, deadline=None)
@given(lives([2.0, 1.5, 7.0]))
def test_an_account_read_back_every_night_lives_the_same_to_the_bit(life):
    prices, told, wishes = life
    kept = lived(open_account(1e6, DAYS[0]), prices, told, wishes)
    read = lived(open_account(1e6, DAYS[0]), prices, told, wishes, reread=True)
    for one, other in zip(kept, read, strict=True):
        assert ledger_frame(*one).equals(ledger_frame(*other))
