"""Labels are what a buyer at the next price would have earned, and are not known too early."""

from datetime import date, timedelta

import numpy as np
import pytest

from tasks.features.labels import labels
from tasks.market.history import View

NAN = float("nan")


def view(closes, *, opens=None, split=None, dividend=None) -> View:
    """Return a view of one name (a list) or several (a list of lists, sessions first)."""
    close_TN = np.array(closes, float).reshape(len(closes), -1)
    open_TN = close_TN if opens is None else np.array(opens, float).reshape(close_TN.shape)
    split_TN, dividend_TN = np.ones(close_TN.shape), np.zeros(close_TN.shape)
    for (row, name), value in (split or {}).items():
        split_TN[row, name] = value
    for (row, name), value in (dividend or {}).items():
        dividend_TN[row, name] = value
    sessions = tuple(date(2020, 1, 1) + timedelta(days=i) for i in range(len(closes)))
    names = tuple(f"N{i}" for i in range(close_TN.shape[1]))
    bars = (open_TN, close_TN, close_TN, close_TN, np.ones(close_TN.shape))
    return View(sessions[-1], sessions, names, *bars, split_TN, dividend_TN)


def one(market: View, *, horizon: int = 2, trades_at: str = "close", **gone) -> list[float]:
    return labels(market, horizon=horizon, trades_at=trades_at, **gone)[:, 0].tolist()


def test_starts_at_the_next_close_and_ends_a_horizon_later():
    assert one(view([1, 10, 11, 12, 24]))[:2] == pytest.approx([0.2, 24 / 11 - 1])


def test_is_unknown_where_its_end_lies_after_as_of():
    assert np.isnan(one(view([1, 10, 11, 12, 24]))[2:]).all()
    assert np.isnan(one(view([1, 10, 11]))).all()


def test_starts_and_ends_at_opens_where_the_market_trades_there():
    market = view([1, 2, 3, 4], opens=[9, 10, 11, 15])
    assert one(market, trades_at="open")[0] == pytest.approx(0.5)


def test_multiplies_shares_by_splits_after_the_first_price():
    market = view([1, 10, 5, 6], split={(2, 0): 2.0})
    assert one(market)[0] == pytest.approx(6 * 2 / 10 - 1)


def test_leaves_out_splits_and_dividends_of_the_session_it_starts_in():
    acted = view([1, 10, 11, 12], split={(1, 0): 3.0}, dividend={(1, 0): 5.0})
    assert one(acted) == pytest.approx(one(view([1, 10, 11, 12])), nan_ok=True)


def test_adds_dividends_on_the_shares_held_then():
    market = view([1, 10, 5, 6], split={(2, 0): 2.0}, dividend={(2, 0): 0.5, (3, 0): 0.25})
    assert one(market)[0] == pytest.approx((6 * 2 + 0.5 * 2 + 0.25 * 2) / 10 - 1)


def test_takes_the_last_close_where_a_name_stops_trading():
    assert one(view([1, 10, 8, NAN]))[0] == pytest.approx(-0.2)
    assert one(view([1, 10, NAN, NAN]))[0] == pytest.approx(0.0)


def test_keeps_what_a_stopped_name_still_pays_and_no_later_split():
    market = view([1, 10, 8, NAN], split={(3, 0): 4.0}, dividend={(3, 0): 0.25})
    assert one(market)[0] == pytest.approx((8 + 0.25 * 4) / 10 - 1)


def test_takes_the_close_where_only_the_last_open_is_missing():
    market = view([1, 2, 3, 12], opens=[9, 10, 11, NAN])
    assert one(market, trades_at="open")[0] == pytest.approx(0.2)


def test_is_unknown_where_no_price_follows_the_first_open():
    market = view([5, NAN, NAN, NAN, NAN], opens=[5, 10, NAN, NAN, NAN])
    for gone in ({}, {"delisting_return": -0.3, "delisting_sessions": 2}):
        assert np.isnan(one(market, trades_at="open", **gone)[0])


def test_is_unknown_for_what_could_not_be_bought():
    assert np.isnan(one(view([1, NAN, 8, 9]))[0])
    assert np.isnan(one(view([1, 0, 8, 9]))[0])


def test_has_none_at_opens_where_the_source_gives_closes_only():
    market = view([1, 2, 3, 4], opens=[NAN] * 4)
    assert np.isnan(one(market, trades_at="open")).all()


GONE = {"delisting_return": -0.3, "delisting_sessions": 3}


def test_a_name_that_is_gone_returns_so_much_less_on_its_last_close():
    market = view([1, 10, 12, NAN, NAN, NAN], dividend={(3, 0): 0.5})
    assert one(market, **GONE)[:3] == pytest.approx(
        [(12 * 0.7 + 0.5) / 10 - 1, (12 * 0.7 + 0.5) / 12 - 1, NAN], nan_ok=True
    )


def test_a_name_is_not_gone_before_it_was_silent_for_the_stated_sessions():
    closes = [1, 10, 12, NAN, NAN, NAN]
    assert one(view(closes[:5]), **GONE)[0] == pytest.approx(0.2)
    assert one(view(closes[:6]), **GONE)[0] == pytest.approx(12 * 0.7 / 10 - 1)


def test_a_label_that_ends_while_a_name_still_trades_knows_no_delisting():
    market = view([1, 10, 11, 12, NAN, NAN, NAN, NAN])
    assert one(market, **GONE)[:2] == pytest.approx([0.2, 12 * 0.7 / 11 - 1])


def test_a_suspended_name_is_not_gone():
    for silent in (1, 5):
        market = view([1, 10, 12, *[NAN] * silent, 9, 9])
        assert one(market, **GONE)[0] == pytest.approx(0.2)
    at_open = view([1, 10, 12, NAN, NAN, NAN], opens=[1, 10, 12, NAN, NAN, 5])
    assert one(at_open, **GONE)[0] == pytest.approx(0.2)


def test_splits_and_dividends_before_the_end_count_on_what_a_gone_name_leaves():
    market = view(
        [1, 10, 5, NAN, NAN, NAN],
        split={(2, 0): 2.0, (3, 0): 4.0},
        dividend={(1, 0): 9.0, (2, 0): 0.5},
    )
    assert one(market, **GONE)[0] == pytest.approx((5 * 2 * 0.7 + 0.5 * 2) / 10 - 1)


def test_a_whole_loss_leaves_the_dividends():
    market = view([1, 10, 8, NAN, NAN], dividend={(3, 0): 1.0})
    assert one(market, delisting_return=-1.0, delisting_sessions=2)[0] == pytest.approx(-0.9)


@pytest.mark.parametrize("trades_at", ["open", "close"])
def test_looks_sixty_sessions_ahead(trades_at):
    closes = [1.0, *range(100, 170)]
    acts = {"split": {(30, 0): 2.0, (61, 0): 3.0}, "dividend": {(10, 0): 1.0, (60, 0): 1.0}}
    found = one(view(closes, **acts), horizon=60, trades_at=trades_at)
    assert found[0] == pytest.approx((160 * 2 * 3 + 1 + 1 * 2) / 100 - 1)
    assert np.isfinite(found).sum() == len(closes) - 61


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"horizon": 0}, "1 to 60 sessions, found 0"),
        ({"horizon": 61}, "1 to 60 sessions, found 61"),
        ({"delisting_return": 0.1}, "between -1 and 0, found 0.1"),
        ({"delisting_return": NAN}, "between -1 and 0, found nan"),
        ({"delisting_sessions": 0}, "at least 1 session without a bar, found 0"),
    ],
)
def test_refuses_what_makes_no_label(asked, told):
    with pytest.raises(ValueError, match=told):
        one(view([1, 2, 3]), **asked)


def wild(sessions: int = 60, names: int = 9) -> View:
    generator = np.random.default_rng(3)
    close_TN = np.exp(generator.normal(3, 0.3, (sessions, names)))
    close_TN[generator.random(close_TN.shape) < 0.1] = NAN
    places = [(row, name) for row in range(sessions) for name in range(names)]
    split = {place: 1.5 for place in places if generator.random() < 0.05}
    dividend = {place: 0.3 for place in places if generator.random() < 0.1}
    open_TN = close_TN * np.exp(generator.normal(0, 0.05, close_TN.shape))
    open_TN[generator.random(close_TN.shape) < 0.05] = NAN
    return view(close_TN.tolist(), opens=open_TN.tolist(), split=split, dividend=dividend)


def cut(market: View, rows: slice, names: slice = slice(None)) -> View:
    arrays = (np.ascontiguousarray(array[rows, names]) for array in market[3:])
    sessions = market.sessions[rows]
    return View(sessions[-1], sessions, market.instruments[names], *arrays)


def altered(market: View, rows: slice, *, keep_gaps: bool = False) -> View:
    """Return `market` with everything in `rows` replaced: prices, splits, dividends."""
    generator = np.random.default_rng(9)
    fresh = [array.copy() for array in market[3:]]
    for number, array in enumerate(fresh):
        found = array[rows]
        wild_TN = np.exp(generator.normal(0, 2, found.shape))
        if number < 5 and not keep_gaps:
            wild_TN[generator.random(found.shape) < 0.3] = NAN
        array[rows] = np.where(np.isnan(found), NAN, wild_TN) if keep_gaps else wild_TN
    return View(market.as_of, market.sessions, market.instruments, *fresh)


BOTH = pytest.mark.parametrize("trades_at", ["open", "close"])
SHORT_AND_LONG = pytest.mark.parametrize("horizon", [1, 5, 30])


@BOTH
@SHORT_AND_LONG
def test_does_not_move_when_what_comes_after_its_end_is_altered(trades_at, horizon):
    market, now = wild(), 40
    known = slice(0, now - horizon)
    asked = {"horizon": horizon, "trades_at": trades_at}
    before = labels(market, **asked)[known]
    assert np.isfinite(before).any()
    changed = altered(market, slice(now + 1, None))
    assert before.tobytes() == labels(changed, **asked)[known].tobytes()
    seen = labels(cut(market, slice(0, now + 1)), **asked)
    assert before.tobytes() == seen[known].tobytes()
    assert before.tobytes() != labels(altered(market, slice(now, None)), **asked)[known].tobytes()


@BOTH
@SHORT_AND_LONG
def test_depends_on_nothing_at_or_before_its_own_session(trades_at, horizon):
    market, asked = wild(), {"horizon": horizon, "trades_at": trades_at}
    for s in (0, 7, 20):
        changed = labels(altered(market, slice(0, s + 1)), **asked)
        assert labels(market, **asked)[s:].tobytes() == changed[s:].tobytes()
    moved = labels(altered(market, slice(0, 21)), **asked)[19]
    assert moved.tobytes() != labels(market, **asked)[19].tobytes()


@BOTH
def test_of_what_comes_after_its_end_only_that_a_name_was_seen_again_counts(trades_at):
    market, now, horizon = wild(), 40, 5
    for array in market[3:8]:
        array[36:, :3] = NAN  # three names are gone
    asked = {"horizon": horizon, "trades_at": trades_at, **GONE}
    known = slice(0, now - horizon)
    before = labels(market, **asked)[known]
    changed = altered(market, slice(now + 1, None), keep_gaps=True)
    assert before.tobytes() == labels(changed, **asked)[known].tobytes()
    seen_again = labels(altered(market, slice(50, None)), **asked)[known]
    suspended = labels(market, horizon=horizon, trades_at=trades_at)[known]
    assert before.tobytes() != suspended.tobytes() == seen_again.tobytes()


@BOTH
@pytest.mark.parametrize("gone", [{}, GONE])
def test_does_not_depend_on_earlier_sessions_or_other_names_or_on_blocks(
    monkeypatch, trades_at, gone
):
    market = wild()
    market.close_TN[50:, :3] = market.open_TN[50:, :3] = NAN
    whole = labels(market, horizon=5, trades_at=trades_at, **gone)
    for name in range(9):
        part = cut(market, slice(23, None), slice(name, name + 1))
        alone = labels(part, horizon=5, trades_at=trades_at, **gone)
        assert alone.tobytes() == whole[23:, name : name + 1].tobytes()
    monkeypatch.setattr("tasks.features.labels.BLOCK", 60)
    assert whole.tobytes() == labels(market, horizon=5, trades_at=trades_at, **gone).tobytes()


@BOTH
@pytest.mark.parametrize("gone", [{}, GONE])
def test_agrees_with_the_formula_name_by_name(trades_at, gone):
    market, horizon = wild(), 4
    market.close_TN[50:, :3] = market.open_TN[50:, :3] = NAN
    found = labels(market, horizon=horizon, trades_at=trades_at, **gone)
    for s in range(60 - horizon - 1):
        for name in range(9):
            one_by_one = slow(market, s + 1, horizon, name, trades_at, **gone)
            assert found[s, name] == pytest.approx(one_by_one, nan_ok=True)


def slow(
    market: View,
    begin: int,
    horizon: int,
    name: int,
    trades_at: str,
    delisting_return: float = 0.0,
    delisting_sessions: int = 1,
) -> float:
    price_T = (market.open_TN if trades_at == "open" else market.close_TN)[:, name]
    shares, cash, worth, end = 1.0, 0.0, NAN, begin + horizon
    for row in range(begin, end + 1):
        if row > begin:
            shares *= market.split_TN[row, name]
            cash += market.dividend_TN[row, name] * shares
        if not np.isnan(market.close_TN[row, name]):
            worth = market.close_TN[row, name] * shares
    seen = [row for row, close in enumerate(market.close_TN[:, name]) if not np.isnan(close)]
    if end > seen[-1] and len(market.close_TN) - 1 - seen[-1] >= delisting_sessions:
        worth *= 1 + delisting_return
    if not np.isnan(price_T[end]):
        worth = price_T[end] * shares
    return (worth + cash) / price_T[begin] - 1
