"""A contest may be cleared of sectors and beta, by what was known of them at each session."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from tasks import ingest, judge, prepare
from tasks.market.lake import Lake
from tasks.panels import panel_of
from tasks.realised import record_known
from tasks.roster import Roster
from tasks.settings import load_contest, open_lake
from tests.house import CONTEST

pytestmark = pytest.mark.slow

NIGHT = date(2020, 12, 17)
DELISTED = "delisting_return: -0.3\n"
SECTOR_NEUTRAL = f"label: sector_neutral\nneutral_to: [sector]\n{DELISTED}"
BETA_NEUTRAL = "label: beta_neutral\nneutral_to: [sector, beta]\nbeta: volatility_60\n"


@pytest.fixture(scope="module")
def landed(house):
    """Return a house whose features are made, with contests of several kinds."""
    kinds = {"by_sector": SECTOR_NEUTRAL, "by_beta": BETA_NEUTRAL, "total": DELISTED, "tiny": ""}
    for name, text in kinds.items():
        house.write("models", name, CONTEST + text)
    with house.open():
        ingest.land_deliveries.fn("tiny", NIGHT)
        judge.judge_deliveries.fn("tiny", NIGHT)
        prepare.prepare_features.fn("tiny", NIGHT)
    return house


@pytest.fixture
def prepared(landed):
    with landed.open():
        yield landed


def sessions(lake: Lake) -> list[date]:
    return sorted(lake.read("features/price", columns=["session"])["session"].unique())[-60:]


def made(contest: str):
    """Return the panel of the last sessions, and its labels as known at the last."""
    panel, known = panel_of(contest, sessions(open_lake()), NIGHT, fits=[NIGHT])
    return panel, known[NIGHT, load_contest(contest).horizon]


def test_labels_are_less_the_mean_of_the_sector_that_was_known_then(prepared):
    panel, label_TN = made("by_sector")
    plain_TN = made("total")[1]
    roster = Roster(open_lake(), "tiny", "everyone", NIGHT)
    for row in range(0, 50, 7):
        sectors = roster.sectors_at(panel.sessions[row])
        by_sector: dict[str, list[int]] = {}
        for place in np.flatnonzero(np.isfinite(label_TN[row])):
            by_sector.setdefault(sectors[panel.instruments[place]], []).append(place)
        big = [places for places in by_sector.values() if len(places) >= 5]
        assert len(big) >= 2
        for places in big:
            less = plain_TN[row, places] - plain_TN[row, places].mean()
            assert np.allclose(label_TN[row, places], less)


def test_a_delisting_counts_as_the_contest_says(prepared):
    panel, paid_TN = made("tiny")
    label_TN = made("total")[1]
    assert (np.isfinite(label_TN) == np.isfinite(paid_TN)).all()
    rows, names = np.nonzero(np.isfinite(label_TN) & (label_TN != paid_TN))
    assert rows.size
    assert np.allclose(1 + label_TN[rows, names], 0.7 * (1 + paid_TN[rows, names]))
    last = open_lake().read("bars").group_by("instrument").agg(pl.col("session").max())
    gone = dict(last.filter(pl.col("session") < panel.sessions[-10]).iter_rows())
    assert {panel.instruments[name] for name in names} <= set(gone)


def test_sectors_that_become_known_later_move_nothing_before(prepared):
    lake, days = open_lake(), sessions(open_lake())
    told = lake.read("listings", where={"source": ["tiny"]})
    panel, label_TN = made("by_sector")
    later = told.with_columns(
        sector=pl.lit("Everything"), known_on=pl.lit(days[40]), delivery=pl.lit(days[40])
    )
    try:
        lake.replace("listings", pl.concat([told, later]), over={"source": ["tiny"]})
        moved, moved_TN = made("by_sector")
    finally:
        lake.replace("listings", told, over={"source": ["tiny"]})
    before, after = panel.features_NTF, moved.features_NTF
    assert before[:, :40].tobytes() == after[:, :40].tobytes()
    assert label_TN[:40].tobytes() == moved_TN[:40].tobytes()
    assert before[:, 40:].tobytes() != after[:, 40:].tobytes()
    assert label_TN[40:].tobytes() != moved_TN[40:].tobytes()


def test_neither_labels_nor_features_bear_the_beta_of_their_session(prepared):
    panel, label_TN = made("by_beta")
    features = open_lake().read("features/price").select("session", "instrument", "volatility_60")
    beta_of = {(day, name): beta for day, name, beta in features.iter_rows() if beta is not None}
    place = panel.columns.index("volatility_60")
    assert not panel.features_NTF[:, :, place].any()
    for row in range(0, 50, 7):
        names = np.flatnonzero(np.isfinite(label_TN[row]))
        told = [beta_of.get((panel.sessions[row], panel.instruments[name])) for name in names]
        have = [number for number, beta in enumerate(told) if beta is not None]
        assert len(have) > 20
        beta = np.array([told[number] for number in have])
        assert np.corrcoef(label_TN[row, names[have]], beta)[0, 1] == pytest.approx(0, abs=1e-8)


def test_a_source_without_sectors_and_a_set_without_the_beta_are_named(prepared):
    lake = open_lake()
    told = lake.read("listings", where={"source": ["tiny"]})
    without = told.with_columns(sector=pl.lit(None, pl.String))
    try:
        lake.replace("listings", without, over={"source": ["tiny"]})
        with pytest.raises(ValueError, match=r"No sector is known of any of the \d+ members"):
            made("by_sector")
    finally:
        lake.replace("listings", told, over={"source": ["tiny"]})
    prepared.write("models", "odd", CONTEST + BETA_NEUTRAL.replace("volatility_60", "tilt"))
    with pytest.raises(ValueError, match="'tilt', which feature set 'price' does not have; ther"):
        made("odd")


@pytest.mark.parametrize("contest", ["by_sector", "by_beta"])
def test_the_record_of_a_session_judges_by_the_label_of_the_contest(prepared, contest):
    from tasks import forecast, train
    from tasks.statistics.ic import ic_series

    train.train_contest.fn(contest, NIGHT)
    forecast.forecast_contest.fn(contest, NIGHT)
    lake = open_lake()
    records, scores = record_known(lake, contest, NIGHT), lake.read(f"forecasts/{contest}")
    assert records.height > 5
    panel, label_TN = made(contest)
    for session, ic in records.select("session", "ic").tail(3).iter_rows():
        now = scores.filter(pl.col("session") == session)
        names = [panel.instruments.index(name) for name in now["instrument"]]
        label = label_TN[panel.sessions.index(session), names]
        both = np.flatnonzero(np.isfinite(label))
        score = now["score"].to_numpy()[None, both]
        assert ic_series(score, label[None, both], min_names=10)[0] == pytest.approx(ic, abs=1e-12)
    assert load_contest(contest).min_names == 10
