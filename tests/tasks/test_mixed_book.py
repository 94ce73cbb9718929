"""One book over equities, bonds, the euro and oil, from real prices, checked by arithmetic."""

import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
import yaml

from tasks.execution.release import history, manifest_of
from tasks.settings import PACKAGED, open_lake
from tests.house import House, unlooked

pytestmark = pytest.mark.slow
# The British vote on the 23rd; on the 24th the pound falls by 8 %.
THURSDAY, FRIDAY, MONDAY = date(2016, 6, 23), date(2016, 6, 24), date(2016, 6, 27)
CAPITAL, RATE, COLLAR = 10_000_000.0, 2.5e-4, 0.02
FUNDS = ("SPY", "IWM", "EEM", "QQQ", "VGLT", "IEF", "SHY")
NAMES = {*FUNDS, "EURUSD", "EURGBP", "DCOILWTICO"}
BARRELS = 1000.0  # in a contract
FILES = {
    "mixed_raw_bars_1998_2021.parquet": ("SPY", "IWM", "EEM", "QQQ"),
    "bond_and_equity_etfs_2002_2017.parquet": ("VGLT", "IEF", "SHY"),
    "fx_ecb_1999_2026.parquet": ("EURUSD", "EURGBP", "EURJPY"),
    "oil_spot_1986_2026.parquet": ("DCOILWTICO",),
}


class Nights(NamedTuple):
    """A house that ran two nights on a folder of files."""

    house: House
    folder: Path


def changed(path: Path, **changes: object) -> None:
    """Write settings anew with other values; each key must be there, or be one of a source's."""
    conf = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**conf, **changes}))


def conf_of(house: House) -> None:
    """Give the house the packaged settings: fewer years, every name held, oil by the contract."""
    shutil.rmtree(house.conf)
    for kind in ("sources", "universes", "models", "books"):
        (house.conf / kind).mkdir(parents=True)
    for part in ("etf_bars", "bond_etfs", "fx_ecb", "oil_spot", "mixed_markets"):
        shutil.copy(PACKAGED / "sources" / f"{part}.yaml", house.conf / "sources")
    for kind in ("universes", "models", "books"):
        shutil.copy(PACKAGED / kind / "mixed.yaml", house.conf / kind)
    changed(house.conf / "sources/mixed_markets.yaml", starts=date(2013, 1, 2))
    changed(house.conf / "sources/oil_spot.yaml", listings="contracts.csv")
    changed(house.conf / "models/mixed.yaml", first_fit=378, refit_every=378, compare_refits=1)
    limits = yaml.safe_load((PACKAGED / "books/mixed.yaml").read_text())["limits"]
    risk = {"factors": 3, "look_back": 252, "min_observed": 126, "coverage_sessions": 126}
    changed(
        house.conf / "books/mixed.yaml",
        limits={**limits, "names": {"min": 10, "max": 10}},
        risk=risk,
    )


def run_nights(house: House, folder: Path, *nights: date) -> Nights:
    """Run the book's nights, each to its release."""
    from tasks import forecast, ingest, judge, prepare, train

    conf_of(house)
    (folder / "contracts.csv").write_text(
        "symbol,name,first_seen,asset_class,multiplier\n"
        f"DCOILWTICO,Crude oil,1986-01-02,commodity,{BARRELS}\n"
    )
    with house.open(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFTERCLOSE_MARKETS", str(folder))
        unlooked(patch)
        for night in nights:
            ingest.land_deliveries.fn("mixed_markets", night)
            verdict = judge.judge_deliveries.fn("mixed_markets", night)
            assert verdict.startswith(("pass", "warn")), verdict
            prepare.prepare_features.fn("mixed", night)
            train.train_contest.fn("mixed", night)
            forecast.forecast_contest.fn("mixed", night)
            house.release(night, "mixed")
    return Nights(house, folder)


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Two nights on the files as they are."""
    folder = tmp_path_factory.mktemp("markets")
    for name in FILES:
        (folder / name).symlink_to(shared_data / "multi" / name)
    house = House(tmp_path_factory.mktemp("mixed"))
    return run_nights(house, folder, THURSDAY, FRIDAY)


@pytest.fixture
def opened(real: Nights) -> Iterator[Nights]:
    with real.house.open():
        yield real


def quotes(folder: Path, day: date) -> dict[str, float]:
    """Return what each name closed at on `day`, as the files say."""
    found: dict[str, float] = {}
    for name, symbols in FILES.items():
        rows = pl.read_parquet(folder / name).filter(pl.col("date") == day)
        found |= dict(rows.filter(pl.col("symbol").is_in(symbols)).select("symbol", "close").rows())
    return found


def points(quoted: dict[str, float]) -> dict[str, float]:
    """Return what a point of each name's price is worth in dollars."""
    dollars_a_pound = quoted["EURUSD"] / quoted["EURGBP"]
    return {**dict.fromkeys(NAMES, 1.0), "EURGBP": dollars_a_pound, "DCOILWTICO": BARRELS}


def released(nights: Nights, session: date, what: str) -> dict[str, dict]:
    """Return the rows of a release by symbol."""
    one = next(one for one in history(nights.house.data, "mixed") if one.session == session)
    return {row["symbol"]: row for row in pl.read_parquet(one.path / what).iter_rows(named=True)}


def test_weights_and_values_are_price_times_point_times_shares(opened):
    quoted = quotes(opened.folder, THURSDAY)
    worth = points(quoted)
    targets = released(opened, THURSDAY, "targets.parquet")
    assert set(targets) == NAMES
    assert {symbol: row["currency"] for symbol, row in targets.items()} == {
        **dict.fromkeys(NAMES, "USD"),
        "EURGBP": "GBP",
    }
    for symbol, row in targets.items():
        assert row["reference_price"] == quoted[symbol]
        assert row["unit_value"] == pytest.approx(worth[symbol], rel=1e-12)
        value = row["shares"] * quoted[symbol] * worth[symbol]
        assert row["value"] == pytest.approx(value, rel=1e-12)
        assert row["weight"] == pytest.approx(value / CAPITAL, rel=1e-12)
        assert 0 < row["weight"] <= 0.25
    assert 0.90 <= sum(row["weight"] for row in targets.values()) <= 0.99


def test_orders_speak_to_each_market_in_its_own_money(opened):
    quoted = quotes(opened.folder, THURSDAY)
    worth = points(quoted)
    targets = released(opened, THURSDAY, "targets.parquet")
    orders = released(opened, THURSDAY, "orders.parquet")
    assert set(orders) == NAMES
    for symbol, row in orders.items():
        notional = targets[symbol]["shares"] * quoted[symbol] * worth[symbol]
        assert (row["side"], row["quantity"]) == ("buy", targets[symbol]["shares"])
        assert row["notional"] == pytest.approx(notional, rel=1e-12)
        assert row["cost"] == pytest.approx(notional * RATE, rel=1e-9)
        digits = {"EURUSD": 5, "EURGBP": 6}.get(symbol, 2)
        limit = quoted[symbol] * (1 + COLLAR)
        assert row["limit_price"] == pytest.approx(limit, abs=0.5000001 * 10**-digits)
    text = (history(opened.house.data, "mixed")[0].path / "orders.csv").read_text()
    header, *lines = text.splitlines()
    assert header.split(",").index("currency") == header.split(",").index("limit_price") + 1
    assert sum(",GBP," in line for line in lines) == 1


def settled(nights: Nights, until: date) -> pl.DataFrame:
    """Bring the account to `until`, and return all its rows."""
    from tasks.settle import settle_book

    settle_book.fn("mixed", until)
    return open_lake().read("ledger/mixed")


def test_fills_cash_and_value_add_up_by_hand_over_the_vote(opened):
    ledger = settled(opened, MONDAY)
    cash, shares = CAPITAL, dict.fromkeys(NAMES, 0)
    for eve, day in ((THURSDAY, FRIDAY), (FRIDAY, MONDAY)):
        quoted = quotes(opened.folder, day)
        worth = points(quoted)
        told = ledger.filter(pl.col("session") == day)
        rows = {
            row["instrument"].split(":")[1]: row
            for row in told.iter_rows(named=True)
            if ":" in row["instrument"]
        }
        for symbol, order in released(opened, eve, "orders.parquet").items():
            sign = 1 if order["side"] == "buy" else -1
            price = quoted[symbol] * worth[symbol]
            within = sign * quoted[symbol] <= sign * order["limit_price"]
            traded = sign * order["quantity"] * within
            shares[symbol] += traded
            cash -= traded * price + abs(traded) * price * RATE
            assert rows[symbol]["traded"] == traded
            if traded:
                assert rows[symbol]["fill_price"] == pytest.approx(price, rel=1e-12)
        value = sum(shares[name] * quoted[name] * worth[name] for name in NAMES)
        assert {name: rows[name]["shares"] for name in rows} == {
            name: shares[name] for name in rows
        }
        assert told.filter(pl.col("instrument") == "CASH")["value"].item() == pytest.approx(cash)
        assert told["nav"][0] == pytest.approx(cash + value, rel=1e-12)


def test_the_falling_pound_holds_up_an_order_that_is_quoted_in_it(opened):
    """In dollars a euro fell that day; in pounds, in which the order speaks, it rose by 5 %."""
    ledger = settled(opened, MONDAY).filter(pl.col("session") == FRIDAY)
    row = ledger.filter(pl.col("instrument").str.contains(":EURGBP:")).row(0, named=True)
    before, after = quotes(opened.folder, THURSDAY), quotes(opened.folder, FRIDAY)
    assert after["EURGBP"] > before["EURGBP"] * (1 + COLLAR)
    assert after["EURUSD"] < before["EURUSD"]
    assert row["traded"] == 0


def test_nights_equal_walked_sessions_to_the_bit(opened):
    from tasks.backtest import walked_sessions

    _, walked = walked_sessions(open_lake(), "mixed", THURSDAY, FRIDAY)
    for one, night in zip(walked["mixed"], history(opened.house.data, "mixed"), strict=True):
        assert one.decision is not None
        targets = pl.read_parquet(night.path / "targets.parquet")
        assert targets.equals(one.decision.targets, null_equal=True)
        orders = pl.read_parquet(night.path / "orders.parquet")
        assert orders.equals(one.decision.orders, null_equal=True)


def test_what_files_say_of_later_days_moves_no_target(
    real: Nights, build: Callable[[str], House], tmp_path: Path
):
    """From Friday on, dollars and pounds, funds and oil all move otherwise."""
    folder = tmp_path / "altered"
    folder.mkdir()
    for name in FILES:
        rows = pl.read_parquet(real.folder / name)
        late = pl.col("date") > THURSDAY
        numbers = [c for c in ("open", "high", "low", "close") if c in rows.columns]
        drift = 1 + 0.002 * (pl.col("date") - THURSDAY).dt.total_days().clip(0, 100)
        rows = rows.with_columns(
            pl.when(late).then(pl.col(numbers) * drift).otherwise(pl.col(numbers))
        )
        rows.write_parquet(folder / name)
    other = run_nights(build("altered"), folder, THURSDAY)
    assert released(other, THURSDAY, "targets.parquet") == released(
        real, THURSDAY, "targets.parquet"
    )
    assert quotes(folder, MONDAY) != quotes(real.folder, MONDAY)
    told = manifest_of(history(other.house.data, "mixed")[0].path)
    assert told["seen"] == manifest_of(history(real.house.data, "mixed")[0].path)["seen"]
