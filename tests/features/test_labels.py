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


def one(market: View, *, horizon: int = 2, trades_at: str = "close") -> list[float]:
    return labels(market, horizon=horizon, trades_at=trades_at)[:, 0].tolist()


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


def test_is_unknown_for_what_could_not_be_bought():
    assert np.isnan(one(view([1, NAN, 8, 9]))[0])
    assert np.isnan(one(view([1, 0, 8, 9]))[0])


def test_has_none_at_opens_where_the_source_gives_closes_only():
    market = view([1, 2, 3, 4], opens=[NAN] * 4)
    assert np.isnan(one(market, trades_at="open")).all()


def test_refuses_a_horizon_of_nothing():
    with pytest.raises(ValueError, match="at least 1 session, found 0"):
        labels(view([1, 2, 3]), horizon=0, trades_at="close")


def wild(sessions: int = 60, names: int = 9) -> View:
    generator = np.random.default_rng(3)
    close_TN = np.exp(generator.normal(3, 0.3, (sessions, names)))
    close_TN[generator.random(close_TN.shape) < 0.1] = NAN
    places = [(row, name) for row in range(sessions) for name in range(names)]
    split = {place: 1.5 for place in places if generator.random() < 0.05}
    dividend = {place: 0.3 for place in places if generator.random() < 0.1}
    return view(close_TN.tolist(), split=split, dividend=dividend)


def cut(market: View, rows: slice, names: slice = slice(None)) -> View:
    arrays = (np.ascontiguousarray(array[rows, names]) for array in market[3:])
    sessions = market.sessions[rows]
    return View(sessions[-1], sessions, market.instruments[names], *arrays)


@pytest.mark.parametrize("trades_at", ["open", "close"])
def test_does_not_move_when_the_future_is_altered(trades_at):
    market, horizon, now = wild(), 5, 40
    garbage = [np.concatenate([array[: now + 1], array[now + 1 :] * 7 + 1]) for array in market[3:]]
    altered = View(market.as_of, market.sessions, market.instruments, *garbage)
    known = slice(0, now - horizon)
    before = labels(market, horizon=horizon, trades_at=trades_at)[known]
    assert (
        before.tobytes() == labels(altered, horizon=horizon, trades_at=trades_at)[known].tobytes()
    )
    seen = labels(cut(market, slice(0, now + 1)), horizon=horizon, trades_at=trades_at)
    assert before.tobytes() == seen[known].tobytes()


def test_does_not_depend_on_earlier_sessions_or_other_names():
    market = wild()
    whole = labels(market, horizon=5, trades_at="close")
    for name in range(9):
        part = cut(market, slice(23, None), slice(name, name + 1))
        alone = labels(part, horizon=5, trades_at="close")
        assert alone.tobytes() == whole[23:, name : name + 1].tobytes()


def test_agrees_with_the_formula_name_by_name():
    market, horizon = wild(), 4
    found = labels(market, horizon=horizon, trades_at="close")
    for s in range(60 - horizon - 1):
        for name in range(9):
            assert found[s, name] == pytest.approx(slow(market, s + 1, horizon, name), nan_ok=True)


def slow(market: View, begin: int, horizon: int, name: int) -> float:
    shares, cash, worth = 1.0, 0.0, NAN
    start = market.close_TN[begin, name]
    for row in range(begin, begin + horizon + 1):
        if row > begin:
            shares *= market.split_TN[row, name]
            cash += market.dividend_TN[row, name] * shares
        if not np.isnan(market.close_TN[row, name]):
            worth = market.close_TN[row, name] * shares
    return (worth + cash) / start - 1
