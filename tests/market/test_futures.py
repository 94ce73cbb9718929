"""The continuous series pays what its contracts paid, rolls forward only, and decides ahead."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from conf.schema import Continuous
from tasks.market.adjust import total_returns
from tasks.market.frames import RAW_BARS, RAW_LISTINGS, empty, shaped
from tasks.market.futures import Chained, chained
from tasks.market.history import History
from tests.market.curves import DAYS, Curve, curve

NOTHING = empty(RAW_BARS)
CALENDAR = {"CL": Continuous(root="CL", roll="calendar", sessions_before=5)}
VOLUME = {"CL": Continuous(root="CL", roll="volume", sessions_before=3)}
BOTH = pytest.mark.parametrize("chains", [CALENDAR, VOLUME], ids=["calendar", "volume"])


def in_one_go(market: Curve, chains: dict[str, Continuous]) -> Chained:
    return chained(market.bars, market.contracts, NOTHING, chains, DAYS)


def fronts(found: Chained) -> list[tuple[date, str]]:
    return list(found.listings.select("from_session", "name").iter_rows())


def small(*rows: tuple[int, str, float, float]) -> pl.DataFrame:
    """Return bars of (day of June 2020, symbol, close, volume)."""
    table = [
        {"session": date(2020, 6, day), "symbol": name, "close": close, "volume": volume}
        for day, name, close, volume in rows
    ]
    return shaped(pl.DataFrame(table), RAW_BARS)


def listed(**lasts: date) -> pl.DataFrame:
    rows = [{"symbol": name, "to_session": last} for name, last in lasts.items()]
    return shaped(pl.DataFrame(rows).with_columns(root=pl.lit("CL")), RAW_LISTINGS)


AB = listed(A=date(2020, 6, 10), B=date(2020, 7, 10))


def test_a_roll_pays_the_old_close_less_the_new_of_the_session_before():
    bars = small((1, "A", 40.0, 9), (1, "B", 42.0, 5), (2, "A", 41.0, 4), (2, "B", 44.0, 6))
    bars = pl.concat([bars, small((3, "A", 41.5, 1), (3, "B", 45.1, 9))])
    found = chained(bars, AB, NOTHING, VOLUME, DAYS)
    assert found.bars.select("session", "symbol", "close").rows() == [
        (date(2020, 6, 1), "CL", 40.0),
        (date(2020, 6, 2), "CL", 41.0),
        (date(2020, 6, 3), "CL", 45.1),
    ]
    assert found.actions.rows() == [(date(2020, 6, 3), "CL", "roll", 41.0 - 44.0)]
    assert fronts(found) == [(date(2020, 6, 1), "A"), (date(2020, 6, 3), "B")]
    assert returns(found)[-1] == pytest.approx((45.1 - 44.0) / 41.0)


def returns(found: Chained) -> np.ndarray:
    """Return the total returns of the continuous series."""
    known = {"instrument": pl.col("symbol"), "delivery": pl.lit(date(2030, 1, 1))}
    bars = found.bars.with_columns(known_on="session", **known)
    actions = found.actions.with_columns(known_on="ex_session", **known)
    sessions = DAYS.sessions(bars["session"].min(), bars["session"].max())
    return total_returns(History(bars, actions, sessions, prints="last").roll(sessions[-1]))[:, 0]


def test_by_calendar_the_front_gives_way_as_many_sessions_before_its_last_trade_as_it_says():
    market = curve()
    lasts = dict(market.contracts.select("symbol", "to_session").iter_rows())
    rolled = fronts(in_one_go(market, CALENDAR))
    assert [name for _, name in rolled] == sorted(lasts)
    for (since, _), (_, old) in zip(rolled[1:], rolled, strict=False):
        assert since == DAYS.offset(lasts[old], -5)


def test_by_volume_it_gives_way_the_session_after_the_next_traded_more():
    market = curve()
    volumes = {(day, name): volume for day, name, volume in rows_of(market, "volume")}
    for (since, new), (_, old) in zip(*staggered(in_one_go(market, VOLUME)), strict=True):
        day = DAYS.previous(since)
        assert volumes[day, new] > volumes[day, old]
        assert volumes[DAYS.previous(day), new] <= volumes[DAYS.previous(day), old]


def rows_of(market: Curve, column: str) -> list[tuple[date, str, float]]:
    return list(market.bars.select("session", "symbol", column).iter_rows())


def staggered(found: Chained) -> tuple[list[tuple[date, str]], list[tuple[date, str]]]:
    """Return who came to the front, and beside it who was there before."""
    rolled = fronts(found)
    return rolled[1:], rolled[:-1]


def test_by_volume_it_gives_way_at_the_latest_before_its_last_trade():
    bars = [
        (day, name, 40.0, volume)
        for day in (1, 2, 3, 4, 5, 8)
        for name, volume in (("A", 9), ("B", 1))
    ]
    found = chained(small(*bars), AB, NOTHING, VOLUME, DAYS)
    assert fronts(found) == [(date(2020, 6, 1), "A"), (date(2020, 6, 5), "B")]


@BOTH
@pytest.mark.parametrize("seed", range(5))
def test_it_earns_to_the_cent_what_the_contracts_in_front_earned(chains, seed):
    market = curve(seed=seed, crash=True)
    found = in_one_go(market, chains)
    closes = {(day, name): close for day, name, close in rows_of(market, "close")}
    held = dict(fronts(found))
    paid = dict(found.actions.select("ex_session", "value").iter_rows())
    before, front = None, None
    for session, price in found.bars.select("session", "close").iter_rows():
        front = held.get(session, front)
        if before is not None:
            earned = price - before + paid.get(session, 0.0)
            own = closes[session, front] - closes[DAYS.previous(session), front]
            assert earned == pytest.approx(own, abs=1e-9)
        before = price
    assert len(paid) >= 4


@BOTH
def test_it_only_ever_goes_forward_in_expiry(chains):
    for seed in range(5):
        names = [name for _, name in fronts(in_one_go(curve(seed=seed), chains))]
        assert names == sorted(names)
        assert len(set(names)) == len(names)


def test_it_never_goes_back_to_a_contract_that_trades_again():
    bars = [(1, "A", 40, 9), (1, "B", 42, 5), (2, "A", 40, 1), (2, "B", 42, 5)]
    bars += [(3, "A", 40, 99), (3, "B", 42, 5), (4, "A", 40, 99), (4, "B", 42, 5)]
    found = chained(small(*bars), AB, NOTHING, VOLUME, DAYS)
    assert fronts(found) == [(date(2020, 6, 1), "A"), (date(2020, 6, 3), "B")]


def test_it_passes_over_a_contract_that_hardly_trades():
    three = pl.concat([AB, listed(C=date(2020, 8, 10))])
    rows = [(day, *row) for day in (1, 2) for row in (("A", 40, 5), ("B", 41, 1), ("C", 42, 9))]
    rows[0] = (1, "A", 40, 99)
    found = chained(small(*rows, (3, "C", 43, 9)), three, NOTHING, VOLUME, DAYS)
    assert fronts(found)[-1] == (date(2020, 6, 3), "C")


def test_it_waits_for_a_contract_that_closed_on_the_session_before():
    rows = [
        (8, "A", 40.0, 9),
        (9, "A", 41.0, 9),
        (9, "B", 43.0, 1),
        (10, "A", 39.0, 1),
        (10, "B", 42.0, 3),
    ]
    found = chained(small(*rows), AB, small((5, "A", 1.0, 9)), CALENDAR, DAYS)
    assert fronts(found)[0][1] == "B"
    known = pl.concat([AB, front_row("A", date(2020, 6, 1))])
    found = chained(small(*rows), known, small((5, "A", 1.0, 9)), CALENDAR, DAYS)
    assert fronts(found) == [(date(2020, 6, 10), "B")]
    assert found.actions["value"].to_list() == [41.0 - 43.0]


def front_row(name: str, since: date) -> pl.DataFrame:
    row = {"symbol": "CL", "name": name, "from_session": since}
    return shaped(pl.DataFrame([row]), RAW_LISTINGS)


@BOTH
def test_bars_from_a_session_on_move_no_decision_up_to_it(chains):
    market = curve(seed=3)
    sessions = market.bars["session"].unique().sort().to_list()
    whole = in_one_go(market, chains)
    rng = np.random.default_rng(1)
    for session in sessions[60::7]:
        wild = pl.Series(rng.uniform(1, 1e6, market.bars.height))
        now = pl.col("session") >= session
        altered = market.bars.with_columns(
            close=pl.when(now).then(wild).otherwise("close"),
            volume=pl.when(now).then(wild.reverse()).otherwise("volume"),
        )
        other = in_one_go(Curve(altered, market.contracts), chains)
        for mine, theirs, day in zip(
            whole, other, ["session", "ex_session", "from_session"], strict=True
        ):
            at = pl.col(day) < session if day == "session" else pl.col(day) <= session
            assert mine.filter(at).equals(theirs.filter(at))


def test_a_corrected_row_is_that_of_the_contract_in_front_then():
    known = pl.concat([AB, front_row("A", date(2020, 6, 1)), front_row("B", date(2020, 6, 3))])
    recent = small((3, "A", 40, 1), (3, "B", 42, 9), (3, "CL", 42, 9))
    rows = small((2, "A", 39.5, 9), (2, "B", 41.5, 1), (3, "B", 42.5, 9), (4, "B", 43, 9))
    found = chained(rows, known, recent, VOLUME, DAYS)
    assert found.bars["close"].to_list() == [39.5, 42.5, 43.0]
    assert found.actions.is_empty()
    assert found.listings.is_empty()


def test_a_session_without_a_bar_of_the_front_has_none_and_brings_no_roll():
    rows = small((1, "A", 40, 9), (1, "B", 42, 1), (2, "B", 43, 5), (3, "A", 41, 9))
    found = chained(rows, AB, NOTHING, VOLUME, DAYS)
    assert found.bars["session"].to_list() == [date(2020, 6, 1), date(2020, 6, 3)]
    assert found.actions.is_empty()


def test_prices_below_zero_are_chained_like_any_other():
    rows = small((1, "A", 18.27, 9), (1, "B", 25.0, 1), (2, "A", -37.63, 2), (2, "B", 20.4, 9))
    found = chained(pl.concat([rows, small((3, "B", 11.6, 9))]), AB, NOTHING, VOLUME, DAYS)
    assert found.bars["close"].to_list() == [18.27, -37.63, 11.6]
    assert found.actions["value"].to_list() == [pytest.approx(-37.63 - 20.4)]


def test_the_series_is_said_to_be_what_its_contract_is():
    found = in_one_go(curve(), CALENDAR)
    row = found.listings.row(0, named=True)
    assert (row["asset_class"], row["root"], row["multiplier"]) == ("future", "CL", 1000.0)
    assert (row["currency"], row["to_session"], row["name"]) == ("USD", None, "CL00")


def test_contracts_of_other_roots_and_without_a_last_trade_are_left_alone():
    other = AB.with_columns(pl.col("symbol") + "X", root=pl.lit("NG"))
    vague = listed(C=date(2020, 8, 10)).with_columns(to_session=pl.lit(None, pl.Date))
    rows = small((1, "A", 40, 1), (1, "AX", 3, 9), (1, "C", 41, 9))
    found = chained(rows, pl.concat([AB, other, vague]), NOTHING, VOLUME, DAYS)
    assert found.bars["close"].to_list() == [40.0]


def test_says_what_cannot_be_chained():
    rows = small((1, "A", 40, 1))
    with pytest.raises(ValueError, match="source has bars of A: name its chains otherwise"):
        chained(rows, AB, NOTHING, {"A": VOLUME["CL"]}, DAYS)
    lost = pl.concat([AB, front_row("Z", date(2020, 5, 1))])
    with pytest.raises(ValueError, match="CL stands on Z, of which no listing"):
        chained(rows, lost, NOTHING, VOLUME, DAYS)


def test_without_chains_or_rows_there_is_nothing():
    for found in (
        chained(small((1, "A", 40, 1)), AB, NOTHING, {}, DAYS),
        chained(empty(RAW_BARS), AB, NOTHING, VOLUME, DAYS),
    ):
        assert all(frame.is_empty() for frame in found)
