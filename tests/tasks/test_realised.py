"""How sure a forecast is rests on what was known then, whichever night first asks."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from tasks.learning.panel import standardised_labels
from tasks.market.lake import Span
from tasks.models.uncertainty import LEAST_PAST, coverage_gap, intervals
from tasks.realised import forget_forecasts, record_known
from tasks.settings import calendar, open_lake
from tests.house import CONTEST, unlooked

pytestmark = pytest.mark.slow
FIRST, SECOND, THIRD = date(2020, 12, 17), date(2020, 12, 18), date(2020, 12, 21)
MADE = ("forecasts/tiny", "records/tiny", "residuals/tiny")
SEEDS = CONTEST.replace("model: lightgbm,", "model: lightgbm, seeds: 2,")


def made() -> dict[str, pl.DataFrame]:
    return {table: open_lake().read(table) for table in MADE}


def same(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame]) -> None:
    for table in MADE:
        assert one[table].height > 0, table
        assert one[table].equals(other[table], null_equal=True), table


@pytest.fixture(scope="module")
def backfilled(tmp_path_factory):
    """Return what a house holds whose sessions were all scored on one night, by two seeds."""
    from tests.house import House

    house = House(tmp_path_factory.mktemp("backfilled"))
    house.write("models", "tiny", SEEDS)
    with house.open(), pytest.MonkeyPatch.context() as patch:
        unlooked(patch)
        house.forecast(THIRD)
        yield made()


def test_nights_one_by_one_leave_the_bytes_of_one_backfill(build, backfilled):
    house = build("one_by_one")
    house.write("models", "tiny", SEEDS)
    with house.open():
        for session in (FIRST, SECOND, THIRD):
            house.forecast(session)
        same(made(), backfilled)
        forget_forecasts(open_lake(), "tiny", FIRST)
        house.forecast(THIRD)
        same(made(), backfilled)


def test_a_night_run_again_later_makes_what_it_made_then(build, backfilled):
    house = build("again")
    house.write("models", "tiny", SEEDS)
    with house.open():
        house.forecast(THIRD)
        lake, over = open_lake(), {"session": Span(SECOND, THIRD)}
        lake.replace("forecasts/tiny", lake.read("forecasts/tiny").clear(), over=over)
        house.forecast(SECOND)
        until = made()
        house.forecast(THIRD)
        same(made(), backfilled)
    assert until["forecasts/tiny"].equals(
        backfilled["forecasts/tiny"].filter(pl.col("session") <= SECOND), null_equal=True
    )


def test_a_rescoring_that_is_broken_off_is_finished_by_the_next_run(build, backfilled, monkeypatch):
    """What rests on scores that are made anew goes first: none of it is taken for done."""
    house = build("broken")
    house.write("models", "tiny", SEEDS)
    with house.open():
        house.forecast(THIRD)
        lake = open_lake()
        stale = lake.read("forecasts/tiny").with_columns(
            weights_hash=pl.when(pl.col("fitted_on") == pl.col("fitted_on").min())
            .then(pl.lit("of other weights"))
            .otherwise("weights_hash"),
            expected=pl.lit(7.0),
        )
        assert stale["fitted_on"].n_unique() > 1
        lake.replace("forecasts/tiny", stale, over={"session": Span(date.min, date.max)})
        with monkeypatch.context() as patch:
            patch.setattr("tasks.realised.Realised.keep", killed)
            with pytest.raises(KeyboardInterrupt):
                house.forecast(THIRD)
        assert lake.read("forecasts/tiny")["fitted_on"].n_unique() == 1
        house.forecast(THIRD)
        same(made(), backfilled)


def killed(*_):
    raise KeyboardInterrupt


def test_what_is_stored_is_what_the_walk_of_the_pure_function_gives(backfilled):
    forecasts, residuals = backfilled["forecasts/tiny"], backfilled["residuals/tiny"]
    score_TN = wide(forecasts, "score")
    expected_TN, residual_TN = wide(forecasts, "expected"), wide(residuals, "residual", forecasts)
    found = intervals(score_TN, expected_TN + residual_TN, horizon=3)
    np.testing.assert_allclose(found.centre_TN, expected_TN, atol=1e-12)
    np.testing.assert_allclose(found.half_width_TN, wide(forecasts, "half_width"), rtol=1e-12)
    covered_T = backfilled["records/tiny"]["covered"].cast(pl.Float64).to_numpy()
    np.testing.assert_allclose(found.covered_T[: covered_T.size], covered_T, rtol=1e-12)
    assert abs(coverage_gap(found, horizon=3).value) < 0.1


def test_the_first_sessions_have_no_interval_and_say_so_by_null(backfilled):
    widths = (
        backfilled["forecasts/tiny"]
        .group_by("session", maintain_order=True)
        .agg(
            pl.col("half_width").is_null().all().alias("unknown"),
            pl.col("half_width").is_not_null().all().alias("known"),
        )
    )
    known = LEAST_PAST + 4 - 1  # the label of a session is known four sessions later
    assert widths["unknown"].to_list() == [place < known for place in range(widths.height)]
    assert (widths["unknown"] ^ widths["known"]).all()
    assert backfilled["forecasts/tiny"].head(40)["expected"].to_list() == [0.0] * 40
    assert backfilled["forecasts/tiny"]["seed_spread"].is_between(0, 5).all()


def test_residuals_are_standardised_labels_less_what_was_expected(backfilled):
    forecasts, residuals = backfilled["forecasts/tiny"], backfilled["residuals/tiny"]
    both = residuals.join(forecasts, on=["session", "instrument"])
    label = both.with_columns(label=pl.col("residual") + pl.col("expected"))
    ranked = standardised_labels(
        wide(label, "label"), np.ones((label["session"].n_unique(), 40), bool), min_names=10
    )
    np.testing.assert_allclose(ranked, wide(label, "label"), atol=1e-12)
    days = calendar("XNYS")
    assert all(
        days.offset(session, 4) == known
        for session, known in residuals.select("session", "known_on").unique().iter_rows()
    )


def test_another_horizon_measures_and_scores_all_anew(build):
    house, fresh = build("horizon"), build("fresh")
    longer = CONTEST.replace("horizon: 3", "horizon: 2")
    from tasks import settings

    with house.open():
        house.forecast(FIRST)
        house.write("models", "tiny", longer)
        settings._load.cache_clear()
        house.forecast(FIRST)
        theirs = made()
        assert record_known(open_lake(), "tiny", FIRST)["horizon"].unique().to_list() == [2]
    fresh.write("models", "tiny", longer)
    with fresh.open():
        fresh.forecast(FIRST)
        same(theirs, made())


def test_forecasts_of_an_earlier_version_are_named_with_what_to_do(build):
    from deltalake import DeltaTable, write_deltalake

    house = build("older")
    with house.open():
        house.forecast(FIRST)
        path = str(house.data / "lake" / "forecasts" / "tiny")
        rows = pl.DataFrame(DeltaTable(path).to_pyarrow_table()).drop("half_width", "seed_spread")
        write_deltalake(path, rows.to_arrow(), mode="overwrite", schema_mode="overwrite")
        with pytest.raises(ValueError, match=r"lack half_width, seed_spread\. Delete the folders"):
            house.forecast(SECOND)


def wide(rows: pl.DataFrame, column: str, axes: pl.DataFrame | None = None) -> np.ndarray:
    """Return a column as sessions × names, NaN where there is no row."""
    given = rows if axes is None else axes
    days, names = given["session"].unique().sort(), given["instrument"].unique().sort()
    out = np.full((len(days), len(names)), np.nan)
    out[days.search_sorted(rows["session"]), names.search_sorted(rows["instrument"])] = rows[column]
    return out
