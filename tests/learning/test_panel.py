"""The panel compares each session's members with each other, and with nobody else."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.learning.panel import aligned, make_panel, on_panel, standardised_labels, until

DAYS = [date(2020, 1, 6) + timedelta(days=number) for number in range(4)]


def features(seed: int = 1, names: int = 6) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [(day, f"s:{name}") for day in DAYS for name in range(names)]
    return pl.DataFrame(
        {
            "session": [day for day, _ in rows],
            "instrument": [name for _, name in rows],
            "fast": rng.normal(size=len(rows)),
            "slow": rng.normal(size=len(rows)) * 100,
        }
    ).cast({"fast": pl.Float32, "slow": pl.Float32})


def everyone(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select("session", "instrument")


def one_day(values: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "session": [DAYS[0]] * len(values),
            "instrument": [f"s:{name}" for name in range(len(values))],
            "fast": values,
        },
        schema={"session": pl.Date, "instrument": pl.String, "fast": pl.Float32},
    )


def test_ranks_run_from_minus_one_to_one_and_ties_share():
    frame = one_day([3.0, 1.0, 2.0, 2.0, 9.0])
    panel = make_panel(frame, everyone(frame), transform="rank")
    assert panel.features_NTF[:, 0, 0].tolist() == [0.5, -1.0, -0.25, -0.25, 1.0]
    assert panel.features_NTF.dtype == np.float32


def test_z_scores_have_mean_zero_and_deviation_one():
    frame = features()
    panel = make_panel(frame, everyone(frame), transform="zscore")
    assert np.allclose(panel.features_NTF.mean(axis=0), 0, atol=1e-6)
    assert np.allclose(panel.features_NTF.std(axis=0), 1, atol=1e-6)


@pytest.mark.parametrize("transform", ["rank", "zscore"])
def test_an_absent_or_infinite_feature_stands_in_the_middle(transform):
    frame = one_day([3.0, None, float("inf"), 1.0]).with_columns(other=pl.lit(1.0))
    panel = make_panel(frame, everyone(frame), transform=transform)
    assert panel.features_NTF[:, 0, 0].tolist() == [1.0, 0.0, 0.0, -1.0]
    assert not panel.features_NTF[:, 0, 1].any()  # all alike: nobody stands out


def test_a_name_without_any_feature_is_no_member():
    frame = one_day([3.0, None, 1.0])
    panel = make_panel(frame, everyone(frame), transform="rank")
    assert panel.member_TN[0].tolist() == [True, False, True]


@pytest.mark.parametrize("transform", ["rank", "zscore"])
def test_a_session_depends_on_its_own_members_alone(transform):
    frame = features()
    some = everyone(frame).filter(pl.col("instrument") != "s:3")
    panel = make_panel(frame, some, transform=transform)
    other = frame.with_columns(
        pl.when((pl.col("instrument") == "s:3") | (pl.col("session") > DAYS[1]))
        .then(pl.lit(1e6))
        .otherwise(pl.col("fast"))
        .cast(pl.Float32)
        .alias("fast")
    )
    more = pl.concat(
        [some, everyone(frame).filter(pl.col("session") > DAYS[1])], how="vertical"
    ).unique()
    moved = make_panel(other, more, transform=transform)
    old, new = until(panel, DAYS[1]), until(moved, DAYS[1])
    assert old.instruments == new.instruments
    assert old.features_NTF.tobytes() == new.features_NTF.tobytes()


def test_keeps_the_columns_asked_for_and_else_drops_the_empty_ones():
    frame = features().with_columns(empty=pl.lit(None, pl.Float32))
    assert make_panel(frame, everyone(frame), transform="rank").columns == ("fast", "slow")
    asked = make_panel(frame, everyone(frame), columns=["empty", "fast"], transform="rank")
    assert asked.columns == ("empty", "fast")
    with pytest.raises(ValueError, match="lack quick; there is: fast, slow, empty"):
        make_panel(frame, everyone(frame), columns=["quick"], transform="rank")


def test_keeps_sessions_without_members_and_the_order_of_rows_is_nothing():
    frame = features()
    held = everyone(frame).filter(pl.col("session") != DAYS[2])
    panel = make_panel(frame, held, transform="rank")
    shuffled = make_panel(frame.reverse(), held.sample(fraction=1, shuffle=True), transform="rank")
    assert panel.sessions == tuple(DAYS)
    assert not panel.member_TN[2].any()
    assert panel.features_NTF.tobytes() == shuffled.features_NTF.tobytes()


def test_aligns_values_by_session_and_name():
    frame = features(names=3)
    panel = make_panel(frame, everyone(frame), transform="rank")
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    found = aligned(values, [DAYS[1], date(2030, 1, 1)], ["s:2", "x:9"], panel)
    assert found[1, 2] == 1.0
    assert np.isnan(found).sum() == found.size - 1
    with pytest.raises(ValueError, match="1 sessions × 2 names"):
        aligned(values, DAYS[:1], ["s:1", "s:2"], panel)


def test_labels_have_mean_zero_and_variance_one_in_every_session_that_counts():
    label = np.array(
        [[0.1, 0.5, -0.2, np.nan, 9.0], [1.0, 1.0, 1.0, 1.0, 1.0], [1, 2, *[np.nan] * 3]]
    )
    member = np.ones_like(label, bool)
    member[0, 4] = False
    found = standardised_labels(label, member, min_names=3)
    assert np.allclose(found[0, :3], [0.0, 1.5**0.5, -(1.5**0.5)])
    assert np.isnan(found[0, 3:]).all()
    assert np.isnan(found[1:]).all()


# --- neutral to sectors and beta -----------------------------------------------------------------


def with_sectors(frame: pl.DataFrame, sectors: list[str | None]) -> pl.DataFrame:
    """Return everyone of `frame`, names in turn of these sectors."""
    number = pl.col("instrument").str.slice(2).cast(pl.Int64) % len(sectors)
    names = pl.Series(sectors, dtype=pl.String)
    return everyone(frame).with_columns(sector=number.map_elements(names.__getitem__, pl.String))


def test_neutral_to_sectors_ranks_a_name_against_its_sector():
    values = [float(name) + 100 * (name % 2) for name in range(10)]
    frame = one_day(values)
    held = with_sectors(frame, ["low", "high"])
    plain = make_panel(frame, held, transform="rank").features_NTF[:, 0, 0]
    assert plain[1::2].min() > plain[::2].max()
    panel = make_panel(frame, held, transform="rank", neutral_to=["sector"])
    found = panel.features_NTF[:, 0, 0]
    assert np.allclose(found[1::2], found[::2])
    assert found.min() < -0.8 < 0.8 < found.max()


@pytest.mark.parametrize("transform", ["rank", "zscore"])
def test_neutral_to_beta_leaves_no_beta(transform):
    frame = features(names=200)
    tilted = frame.with_columns(tilted=pl.col("fast") + pl.col("slow") / 50)
    panel = make_panel(
        tilted, everyone(frame), transform=transform, neutral_to=["beta"], beta="slow"
    )
    plain = make_panel(tilted, everyone(frame), transform=transform)
    for row in range(len(DAYS)):
        fast, slow, left = panel.features_NTF[:, row].T
        assert not slow.any()
        beta = plain.features_NTF[:, row, 1]
        assert np.corrcoef(plain.features_NTF[:, row, 2], beta)[0, 1] > 0.7
        assert abs(np.corrcoef(left, beta)[0, 1]) < 0.1
        assert np.corrcoef(left, fast)[0, 1] > 0.9


@pytest.mark.parametrize("transform", ["rank", "zscore"])
def test_a_neutral_session_depends_on_its_own_members_and_sectors_alone(transform):
    frame, asked = features(names=30), {"transform": transform, "neutral_to": ["sector", "beta"]}
    held = with_sectors(frame, ["a", "b", None])
    gone = pl.col("instrument") == "s:3"
    some = held.filter(~gone)
    later = pl.col("session") > DAYS[1]
    other = frame.with_columns(pl.when(gone | later).then(1e6).otherwise("fast").alias("fast"))
    moved = some.with_columns(pl.when(later).then(pl.lit("b")).otherwise("sector").alias("sector"))
    before = until(make_panel(frame, some, beta="slow", **asked), DAYS[1])
    after = until(make_panel(other, moved, beta="slow", **asked), DAYS[1])
    assert before.features_NTF.tobytes() == after.features_NTF.tobytes()
    own = some.with_columns(sector=pl.lit("b"))
    changed = until(make_panel(frame, own, beta="slow", **asked), DAYS[1])
    assert before.features_NTF.tobytes() != changed.features_NTF.tobytes()


@pytest.mark.parametrize("transform", ["rank", "zscore"])
@pytest.mark.parametrize("neutral_to", [[], ["sector"], ["beta"], ["sector", "beta"]])
def test_a_night_on_its_own_gives_the_same_bits_as_a_long_run(transform, neutral_to):
    frame = features(names=300).with_columns(tilted=pl.col("fast") ** 3 + pl.col("slow"))
    held = with_sectors(frame, ["a", "b", "c", None]).with_columns(
        pl.when(pl.col("session") == DAYS[0]).then(pl.lit("0")).otherwise("sector").alias("sector")
    )
    asked = {"transform": transform, "neutral_to": neutral_to, "beta": "slow"}
    whole = make_panel(frame, held, **asked)
    last = pl.col("session") == DAYS[-1]
    alone = make_panel(frame.filter(last), held.filter(last), **asked)
    assert whole.features_NTF[:, -1].tobytes() == alone.features_NTF[:, 0].tobytes()


def test_a_neutral_feature_that_is_absent_stands_in_the_middle():
    frame = features(names=30).with_columns(
        pl.when(pl.col("instrument") == "s:7").then(None).otherwise("fast").alias("fast")
    )
    held = with_sectors(frame, ["a", "b"])
    asked = {"transform": "zscore", "neutral_to": ["sector", "beta"], "beta": "slow"}
    panel = make_panel(frame, held, **asked)
    place = panel.instruments.index("s:7")
    assert not panel.features_NTF[place, :, 0].any()
    assert panel.features_NTF[:, :, 0].any()
    assert panel.member_TN.all()


def test_says_what_is_lacking_to_be_neutral():
    frame = features()
    for held in (everyone(frame), with_sectors(frame, [None, ""])):
        with pytest.raises(ValueError, match="No sector is known of any of the 6 members"):
            make_panel(frame, held, transform="rank", neutral_to=["sector"])
    with pytest.raises(ValueError, match="lack tilt; there is: fast, slow"):
        make_panel(frame, everyone(frame), transform="rank", neutral_to=["beta"], beta="tilt")
    with pytest.raises(ValueError, match="name the feature that is it"):
        make_panel(frame, everyone(frame), transform="rank", neutral_to=["beta"])


# --- features of a whole session -----------------------------------------------------------------


@pytest.mark.parametrize("transform", ["rank", "zscore"])
def test_a_feature_of_the_whole_session_passes_as_it_is(transform):
    fear = pl.Series([1.25, -9.0, None, float("inf")], dtype=pl.Float32)
    frame = features().with_columns(fear=pl.Series(np.repeat(fear.to_numpy(), 6)))
    asked = {"transform": transform, "neutral_to": ["beta"], "beta": "slow"}
    panel = make_panel(frame, everyone(frame), whole_session=["fear"], **asked)
    assert panel.columns == ("fast", "slow", "fear")
    assert (panel.features_NTF[:, :, 2] == [1.25, -5.0, 0.0, 0.0]).all()
    without = make_panel(frame.drop("fear"), everyone(frame), **asked)
    assert panel.features_NTF[:, :, :2].tobytes() == without.features_NTF.tobytes()


def test_a_feature_of_the_whole_session_makes_no_name_a_member():
    frame = one_day([3.0, None, 1.0]).with_columns(fear=pl.lit(1.0))
    panel = make_panel(frame, everyone(frame), transform="rank", whole_session=["fear"])
    assert panel.member_TN[0].tolist() == [True, False, True]
    with pytest.raises(ValueError, match="nothing tells them apart"):
        make_panel(
            frame, everyone(frame), columns=["fear"], transform="rank", whole_session=["fear"]
        )


def test_lays_values_out_on_the_panel():
    frame = features(names=3)
    panel = make_panel(frame, everyone(frame), transform="rank")
    told = frame.filter(pl.col("session") > DAYS[1]).head(4)
    stray = told.with_columns(pl.lit("x:9").alias("instrument"))
    laid_TN = on_panel(pl.concat([told, stray]), "fast", panel, absent=-1.0)
    assert (laid_TN[:2] == -1.0).all()
    assert laid_TN[2].tolist() == told["fast"].cast(pl.Float64).to_list()[:3]
    assert laid_TN[3].tolist() == [told["fast"].to_list()[3], -1.0, -1.0]
