"""Nights that learn of an action late lose nothing, and are the same as the walk."""

from datetime import date

import polars as pl
import pytest

from tasks.execution.ledger import account_of, ledger_frame, nav
from tasks.execution.release import history
from tasks.settings import open_lake
from tests.house import unlooked

pytestmark = pytest.mark.slow
OPENED, EVE = date(2020, 12, 17), date(2020, 12, 18)
EX, KNOWN = date(2020, 12, 21), date(2020, 12, 22)


def held(session: date) -> pl.DataFrame:
    ledger = open_lake().read("ledger/tiny", where={"session": [session]})
    return account_of(ledger).positions.sort(pl.col("shares") * pl.col("price"), descending=True)


def split_in_the_bars(name: str, session: date, *, aside: bool) -> None:
    """Let the delivery of `session` print `name` in its new shares, or set its row aside."""
    lake = open_lake()
    bars = lake.read("bars", where={"source": ["tiny"], "delivery": [session]})
    own = pl.col("instrument") == name
    prices = [pl.when(own).then(pl.col(n) / 7).otherwise(n).alias(n) for n in ("open", "close")]
    bars = bars.filter(~own) if aside else bars.with_columns(prices)
    lake.replace("bars", bars, over={"source": ["tiny"], "delivery": [session]})


def tell_late(split: str, paying: str) -> None:
    """Add a split and a dividend of EX to what the delivery of KNOWN told."""
    lake = open_lake()
    told = lake.read("actions", where={"source": ["tiny"], "delivery": [KNOWN]})
    late = pl.DataFrame(
        {
            "ex_session": [EX] * 2,
            "instrument": [split, paying],
            "kind": ["split", "dividend"],
            "value": [7.0, 0.5],
            "origin": ["given"] * 2,
            "source": ["tiny"] * 2,
            "delivery": [KNOWN] * 2,
            "known_on": [KNOWN] * 2,
        }
    )
    both = pl.concat([told, late.select(told.columns)])
    lake.replace("actions", both, over={"source": ["tiny"], "delivery": [KNOWN]})


@pytest.fixture(scope="module")
def names(house) -> tuple[str, str]:
    """Live four nights: two names of the book act on EX, and nobody knows before KNOWN."""
    with house.open(), pytest.MonkeyPatch.context() as patch:
        unlooked(patch)
        house.night(OPENED)
        house.night(EVE)
        split, paying = held(EVE)["instrument"].head(2)
        house.forecast(EX)
        split_in_the_bars(split, EX, aside=True)
        house.release(EX)
        house.forecast(KNOWN)
        split_in_the_bars(split, KNOWN, aside=False)
        tell_late(split, paying)
        house.release(KNOWN)
        return split, paying


def test_the_split_moves_the_shares_once_and_the_dividend_is_paid_once(house, names):
    split, paying = names
    with house.open():
        lake = open_lake()
        ledger = lake.read("ledger/tiny")
        known = ledger.filter(pl.col("session") == KNOWN)
        before = ledger.filter(pl.col("session") == EX)
        row = known.filter(pl.col("instrument") == split)
        old = before.filter(pl.col("instrument") == split)
        assert old["price_session"].item() == EVE
        assert row["shares"].item() == old["shares"].item() * 7
        assert row["price"].item() == pytest.approx(old["price"].item() / 7, rel=0.2)
        assert known["nav"][0] == pytest.approx(before["nav"][0], rel=0.05)
        bought = -float((known["traded"] * known["fill_price"]).sum()) - float(known["cost"].sum())
        cash = [
            rows.filter(pl.col("instrument") == "CASH")["shares"].item() for rows in (before, known)
        ]
        at_eve = ledger.filter(pl.col("session") == EVE, pl.col("instrument") == paying)
        assert cash[1] - cash[0] - bought == pytest.approx(0.5 * at_eve["shares"].item())
    released = {one.session: one.path for one in history(house.data, "tiny")}
    targets = pl.read_parquet(released[KNOWN] / "targets.parquet").filter(instrument=split)
    assert targets["current_shares"].item() == row["shares"].item()


def moved(rows: pl.DataFrame) -> pl.DataFrame:
    """Return what the ledger rests on later, without the names whose orders were replaced."""
    kept = rows.select("instrument", "shares", "traded", "fill_price")
    return kept.filter((pl.col("shares") != 0) | (pl.col("traded") != 0))


def test_the_nights_equal_the_walk_to_the_bit(house, names):
    from tasks.backtest import walked_sessions

    with house.open():
        _, walked = walked_sessions(open_lake(), "tiny", OPENED, KNOWN)
        ledger = open_lake().read("ledger/tiny")
    for one, released in zip(walked["tiny"], history(house.data, "tiny"), strict=True):
        assert one.decision is not None
        orders = pl.read_parquet(released.path / "orders.parquet")
        assert orders.equals(one.decision.orders, null_equal=True)
        rows = ledger.filter(pl.col("session") == released.session)
        account = account_of(rows)
        assert (nav(account), account.cash) == (nav(one.account), one.account.cash)
        assert account.positions.equals(one.account.positions)
        walked_rows = ledger_frame(one.account, one.settlement)
        assert moved(rows).equals(moved(walked_rows))


def test_settling_again_writes_the_same_rows(house, names):
    from tasks.settle import keep_pending, settle_book

    with house.open():
        lake = open_lake()
        before = lake.read("ledger/tiny")
        settle_book.fn("tiny", KNOWN)
        keep_pending(lake, "tiny", KNOWN)
        assert lake.read("ledger/tiny").equals(before)
