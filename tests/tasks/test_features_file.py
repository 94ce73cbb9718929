"""A file of bars in, a file of features out: whole, the same numbers, or not at all."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks import features_file
from tasks.features import FEATURE_SETS, engine
from tasks.features.bars import grid_from, own_bars
from tasks.features.engine import grid_features
from tasks.features_file import write_features
from tasks.market.calendar import Calendar

SESSIONS = Calendar("XNYS").sessions(date(2019, 1, 2), date(2019, 6, 28))
NAMES = ["AAA", "NA", "TRUE", "007"]


def bars() -> pl.DataFrame:
    generator = np.random.default_rng(3)
    shape = len(SESSIONS), len(NAMES)
    close = 40 * np.exp(np.cumsum(generator.normal(0, 0.02, shape), axis=0))
    row, name = np.nonzero(generator.random(shape) > 0.01)
    return pl.DataFrame(
        {
            "session": [SESSIONS[one] for one in row],
            "symbol": [NAMES[one] for one in name],
            "open": close[row, name] * 1.001,
            "high": close[row, name] * 1.01,
            "low": close[row, name] * 0.99,
            "close": close[row, name],
            "volume": np.exp(generator.normal(12, 1, row.size)).round(),
        }
    )


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "bars.parquet"
    bars().write_parquet(path)
    return path


def expected(name: str, *, partial: bool = False) -> pl.DataFrame:
    grid = grid_from(own_bars(bars().lazy()), SESSIONS)
    frames = grid_features(grid, FEATURE_SETS[name](), SESSIONS, partial=partial)
    return pl.concat(frames).rename({"instrument": "symbol"})


@pytest.mark.parametrize("partial", [True, False])
def test_writes_what_the_engine_computes(file, tmp_path, partial):
    written = write_features("alpha158", file, tmp_path / "out.parquet", partial=partial)
    found = pl.read_parquet(tmp_path / "out.parquet")
    assert found.equals(expected("alpha158", partial=partial))
    assert (written.rows, written.features) == (found.height, 158)
    assert (written.names, written.sessions) == (len(NAMES), len(SESSIONS))
    nulls = found.drop("session", "symbol").null_count().sum_horizontal().item()
    assert written.nulls == pytest.approx(nulls / (158 * found.height))


def test_chunks_do_not_show_in_what_is_written(file, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "SESSIONS", 7)
    for name in ("out.parquet", "out.csv"):
        write_features("price", file, tmp_path / name)
    found = pl.read_parquet(tmp_path / "out.parquet")
    assert found.equals(expected("price"))
    text = pl.read_csv(tmp_path / "out.csv", schema=found.schema)
    assert text.equals(found)


def test_csv_and_parquet_give_the_same_and_symbols_survive(file, tmp_path):
    bars().write_csv(tmp_path / "bars.csv")
    for name in ("bars.csv", "bars.parquet"):
        write_features("price", tmp_path / name, tmp_path / f"{name}.out.parquet")
    found = [pl.read_parquet(tmp_path / f"bars.{kind}.out.parquet") for kind in ("csv", "parquet")]
    assert found[0].equals(found[1])
    assert sorted(found[0]["symbol"].unique()) == sorted(NAMES)


def test_says_what_is_null_for_want_of_an_input_and_what_for_want_of_sessions(tmp_path):
    path = tmp_path / "bars.parquet"
    bars().filter(pl.col("session") < SESSIONS[40]).drop("volume").write_parquet(path)
    warnings = write_features("alpha158", path, tmp_path / "out.parquet").warnings
    assert any(warning.startswith("No vwap in the bars: null is VWAP0.") for warning in warnings)
    assert any("No volume in the bars: null is CORR5" in warning for warning in warnings)
    assert any("no window was full in 40 sessions" in warning for warning in warnings)
    assert not any("BETA5," in warning for warning in warnings)


def test_a_set_that_reads_the_market_gets_that_of_the_bars(file, tmp_path):
    warnings = write_features("families", file, tmp_path / "out.parquet").warnings
    assert not any("market" in warning for warning in warnings)
    assert pl.read_parquet(tmp_path / "out.parquet")["beta_60"].drop_nulls().len() > 0


def test_splits_beside_the_bars_take_their_jump_out(tmp_path):
    after = pl.col("session") >= SESSIONS[60]
    prices = ("open", "high", "low", "close")
    halved = bars().with_columns(
        *(pl.when(after).then(pl.col(name) / 2).otherwise(name).alias(name) for name in prices),
        volume=pl.when(after).then(pl.col("volume") * 2).otherwise("volume"),
    )
    halved.write_parquet(tmp_path / "bars.parquet")
    splits = pl.DataFrame({"symbol": NAMES}).with_columns(
        ex_session=SESSIONS[60], kind=pl.lit("split"), value=2.0
    )
    splits.write_csv(tmp_path / "splits.csv")
    write_features(
        "price",
        tmp_path / "bars.parquet",
        tmp_path / "out.parquet",
        actions=tmp_path / "splits.csv",
    )
    found = pl.read_parquet(tmp_path / "out.parquet").drop("session", "symbol")
    plain = expected("price").drop("session", "symbol")
    np.testing.assert_allclose(
        found.fill_null(-9).to_numpy(), plain.fill_null(-9).to_numpy(), rtol=1e-5, atol=5e-6
    )


def test_a_calendar_shows_a_session_that_no_name_traded_on(tmp_path):
    silent = SESSIONS[50]
    bars().filter(pl.col("session") != silent).write_parquet(tmp_path / "bars.parquet")
    outs = []
    for calendar in (None, "XNYS"):
        out = tmp_path / f"{calendar}.parquet"
        written = write_features("price", tmp_path / "bars.parquet", out, calendar=calendar)
        assert written.sessions == len(SESSIONS) - (calendar is None)
        on = pl.read_parquet(out).filter(pl.col("session") == SESSIONS[51])
        outs.append(on["return_1"].null_count() == on.height)
    assert outs == [False, True]


def test_a_row_outside_the_calendar_is_refused_by_name(tmp_path):
    holiday = date(2019, 1, 21)
    more = bars().head(1).with_columns(session=pl.lit(holiday))
    pl.concat([bars(), more]).write_parquet(tmp_path / "bars.parquet")
    with pytest.raises(ValueError, match=r"1 bars on days that are none .* 2019-01-21"):
        write_features("price", tmp_path / "bars.parquet", tmp_path / "o.csv", calendar="XNYS")


def test_the_future_of_the_file_moves_nothing_before_it(tmp_path):
    now, prices = SESSIONS[80], pl.col("open", "high", "low", "close", "volume")
    later = pl.col("session") > now
    poisoned = bars().with_columns(pl.when(later).then(prices * 17 + 3).otherwise(prices))
    outs = []
    for name, frame in (("true", bars()), ("poisoned", poisoned)):
        frame.write_parquet(tmp_path / f"{name}.parquet")
        write_features("everything", tmp_path / f"{name}.parquet", tmp_path / f"{name}.out.parquet")
        outs.append(pl.read_parquet(tmp_path / f"{name}.out.parquet"))
    assert outs[0].filter(~later).equals(outs[1].filter(~later))
    assert not outs[0].filter(later).equals(outs[1].filter(later))


def test_nothing_half_written_stands_and_what_stood_stays(file, tmp_path, monkeypatch):
    out = tmp_path / "out.parquet"
    out.write_text("what was there before")

    def breaks_off(*given, **options):
        yield next(grid_features(*given, **options))
        raise RuntimeError("the power went")

    monkeypatch.setattr(features_file, "grid_features", breaks_off)
    with pytest.raises(RuntimeError, match="the power went"):
        write_features("price", file, out)
    assert out.read_text() == "what was there before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bars.parquet", "out.parquet"]


@pytest.mark.parametrize(
    ("name", "bars_name", "out_name", "said"),
    [
        ("nothing", "bars.parquet", "o.csv", "No feature set named 'nothing'; there is: price,"),
        ("price", "none.csv", "o.csv", "No file .*none.csv"),
        ("price", "bars.txt", "o.csv", "ends in '.txt', expected .parquet or .csv"),
        ("price", "broken.parquet", "o.csv", "broken.parquet cannot be read"),
        ("price", "bars.parquet", "o.xlsx", "ends in '.xlsx', expected .parquet or .csv"),
        ("price", "bars.parquet", "deep/o.csv", "No folder .*deep"),
        ("price", "bars.parquet", "bars.parquet", "is read from: write to another file"),
    ],
)
def test_says_what_cannot_be_done(file, tmp_path, name, bars_name, out_name, said):
    (tmp_path / "bars.txt").write_text("session,symbol,close\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        write_features(name, tmp_path / bars_name, tmp_path / out_name)
    assert not (tmp_path / "o.csv").exists()


def test_refuses_a_file_without_any_close(tmp_path):
    day = date(2020, 1, 6)
    rows = {"session": [day, day + timedelta(days=1)], "symbol": ["AAA"] * 2, "close": [0.0, -1.0]}
    pl.DataFrame(rows).write_parquet(tmp_path / "bars.parquet")
    with pytest.raises(ValueError, match="no close above zero"):
        write_features("price", tmp_path / "bars.parquet", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_a_symbol_that_a_spreadsheet_would_run_is_guarded(tmp_path):
    frame = bars().with_columns(pl.col("symbol").replace("AAA", "=1+1"))
    frame.write_parquet(tmp_path / "bars.parquet")
    write_features("price", tmp_path / "bars.parquet", tmp_path / "out.csv")
    assert "\n2019-01-02,'=1+1," in (tmp_path / "out.csv").read_text()
