"""A neutral value is what its name does not share with its peers of the same session."""

import numpy as np
import pytest

from tasks.learning.neutral import (
    FEWEST,
    cleared,
    neutral_features,
    neutral_labels,
    sector_codes,
)
from tasks.learning.transforms import Cells

NAN = float("nan")
SECTORS = np.array([0] * 5 + [1] * 5)


def one(values, sector=None, beta=None) -> np.ndarray:
    column = np.array(values, float)[:, None]
    codes = None if sector is None else np.array(sector)
    return cleared(column, codes, None if beta is None else np.array(beta, float))[:, 0]


def test_is_less_the_mean_of_all_where_nothing_is_said_of_sectors():
    assert one([1, 2, 6, NAN]).tolist() == pytest.approx([-2, -1, 3, NAN], nan_ok=True)


def test_is_less_the_mean_of_its_sector():
    found = one([1, 2, 3, 4, 5, 10, 20, 30, 40, 50], SECTORS)
    assert found.tolist() == pytest.approx([-2, -1, 0, 1, 2, -20, -10, 0, 10, 20])


def test_without_a_sector_or_with_few_in_it_a_name_is_compared_with_all():
    values = [1, 2, 3, 4, 5, 10, 20, 30, 40]
    found = one(values, [0] * FEWEST + [1] * (FEWEST - 1))
    assert found[:5].tolist() == pytest.approx([-2, -1, 0, 1, 2])
    assert found[5:].tolist() == pytest.approx([one - sum(values) / 9 for one in values[5:]])
    unknown = one([*values, 50], [0] * FEWEST + [-1] * FEWEST)
    assert unknown[5:].tolist() == pytest.approx([one - 165 / 10 for one in (10, 20, 30, 40, 50)])


def test_only_names_that_have_the_value_make_the_mean_of_their_sector():
    found = one([1, 2, 3, 4, 5, 10, 20, 30, 40, NAN], SECTORS)
    assert np.isnan(found[9])
    assert found[5:9].tolist() == pytest.approx([each - 115 / 9 for each in (10, 20, 30, 40)])


def test_is_the_residual_of_a_regression_on_beta():
    generator = np.random.default_rng(1)
    beta, noise = generator.normal(1, 0.4, 50), generator.normal(size=50)
    values = 0.3 + 2 * beta + noise
    design = np.column_stack([np.ones(50), beta])
    expected = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    assert np.allclose(one(values, beta=beta), expected)


def test_is_the_residual_on_sectors_and_beta_together():
    generator = np.random.default_rng(2)
    beta, sector = generator.normal(1, 0.4, 60), np.repeat([0, 1, 2], 20)
    values = 2 * beta + sector + generator.normal(size=60)
    design = np.column_stack([sector == code for code in range(3)] + [beta]).astype(float)
    expected = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    assert np.allclose(one(values, sector, beta), expected)


def test_a_name_without_a_beta_counts_as_average():
    values, beta = [1.0, 2.0, 3.0, 10.0], [0.5, 1.0, 1.5, NAN]
    found = one(values, beta=beta)
    assert found[3] == pytest.approx(10 - 4)
    assert found.tolist() == pytest.approx(one(values, beta=[0.5, 1.0, 1.5, 1.0]).tolist())


def test_nothing_is_left_of_what_beta_explains_and_no_rounding_is_ranked():
    generator = np.random.default_rng(3)
    beta = generator.normal(1, 0.4, 300).astype(np.float32).astype(float)
    twice = (2 * beta + 7).astype(np.float32).astype(float)
    assert not one(twice, beta=beta).any()
    assert not one(twice, np.repeat([0, 1, 2], 100), beta).any()
    assert not one(np.repeat([0.1, 0.3, 0.7], 100), np.repeat([0, 1, 2], 100)).any()


def test_betas_that_are_all_alike_explain_nothing():
    assert one([1, 2, 6], beta=[1.1, 1.1, 1.1]).tolist() == pytest.approx([-2, -1, 3])
    assert one([1, 2, 6], beta=[NAN] * 3).tolist() == pytest.approx([-2, -1, 3])


@pytest.mark.parametrize("transform", ["rank", "zscore"])
@pytest.mark.parametrize("empty", [0, 1])
def test_a_session_of_no_one_or_of_one_name_is_no_fault(transform, empty):
    cells = Cells(np.zeros(empty, int), np.zeros(empty, int), (2, 1))
    found = neutral_features(
        np.ones((empty, 2)),
        cells,
        transform=transform,
        sector=np.zeros(empty, int),
        beta=np.ones(empty),
    )
    assert found.shape == (empty, 2)
    assert not found.any()


@pytest.mark.parametrize("transform", ["rank", "zscore"])
def test_features_tell_neither_their_sector_nor_their_beta(transform):
    generator = np.random.default_rng(4)
    sector, beta = generator.integers(0, 5, 1000), generator.normal(1, 0.3, 1000)
    own = generator.normal(size=1000)
    values = np.column_stack([own + 3 * sector, own + 10 * beta, beta])
    cells = Cells(np.repeat([0, 1], 500), np.tile(np.arange(500), 2), (2, 500))
    asked = {"transform": transform, "sector": sector, "beta": beta}
    found = neutral_features(values, cells, **asked)
    for rows in (slice(0, 500), slice(500, 1000)):
        assert np.corrcoef(values[rows, 1], beta[rows])[0, 1] > 0.9
        assert abs(np.corrcoef(found[rows, 1], beta[rows])[0, 1]) < 0.1  # ranks bend a line
        means = [found[rows, 0][sector[rows] == code].mean() for code in range(5)]
        assert np.abs(means).max() < 0.05
        assert np.corrcoef(found[rows, 1], own[rows])[0, 1] > 0.8
    assert not found[:, 2].any()  # beta itself


# --- labels --------------------------------------------------------------------------------------

LABEL = np.array([[0.1, 0.2, 0.6, NAN, 9.0], [0.3, 0.1, 0.2, 0.4, 5.0]])
MEMBER = np.array([[True, True, True, True, False], [True, True, True, True, False]])


def test_total_returns_stay_as_they_are():
    assert neutral_labels(LABEL, MEMBER, kind="total") is LABEL


def test_market_neutral_labels_are_less_the_mean_of_the_members():
    found = neutral_labels(LABEL, MEMBER, kind="market_neutral")
    assert found[0].tolist() == pytest.approx([-0.2, -0.1, 0.3, NAN, NAN], nan_ok=True)
    assert found[1].tolist() == pytest.approx([0.05, -0.15, -0.05, 0.15, NAN], nan_ok=True)


def test_names_that_are_no_members_move_no_label():
    other = np.where(MEMBER, LABEL, -7.0)
    peers = {"sector_TN": np.zeros((2, 5), int), "beta_TN": np.arange(10.0).reshape(2, 5)}
    for kind in ("market_neutral", "sector_neutral", "beta_neutral"):
        found = neutral_labels(LABEL, MEMBER, kind=kind, **peers)
        assert found.tobytes() == neutral_labels(other, MEMBER, kind=kind, **peers).tobytes()


def random_labels(seed: int = 5):
    generator = np.random.default_rng(seed)
    label_TN = generator.normal(size=(6, 40))
    label_TN[generator.random((6, 40)) < 0.1] = NAN
    member_TN = generator.random((6, 40)) < 0.9
    sector_TN = generator.integers(-1, 4, (6, 40))
    return label_TN, member_TN, sector_TN, generator.normal(1, 0.4, (6, 40))


@pytest.mark.parametrize("kind", ["market_neutral", "sector_neutral", "beta_neutral"])
def test_a_session_depends_on_no_other(kind):
    label_TN, member_TN, sector_TN, beta_TN = random_labels()
    asked = {"kind": kind, "sector_TN": sector_TN, "beta_TN": beta_TN}
    whole = neutral_labels(label_TN, member_TN, **asked)
    label_TN[3:], sector_TN[3:], beta_TN[3:], member_TN[3:] = 7.0, 2, -1.0, True
    moved = neutral_labels(label_TN, member_TN, **asked)
    assert whole[:3].tobytes() == moved[:3].tobytes()
    assert whole[3:].tobytes() != moved[3:].tobytes()


def test_what_a_label_is_cleared_of_is_gone():
    label_TN, member_TN, sector_TN, beta_TN = random_labels()
    sector_TN = np.maximum(sector_TN, 0)
    by_sector = neutral_labels(label_TN, member_TN, kind="sector_neutral", sector_TN=sector_TN)
    by_beta = neutral_labels(label_TN, member_TN, kind="beta_neutral", beta_TN=beta_TN)
    for row in range(6):
        for code in range(4):
            peers = np.flatnonzero((sector_TN[row] == code) & np.isfinite(by_sector[row]))
            assert peers.size < FEWEST or by_sector[row, peers].mean() == pytest.approx(0)
        names = np.flatnonzero(np.isfinite(by_beta[row]))
        assert np.dot(by_beta[row, names], beta_TN[row, names]) == pytest.approx(0)


def test_says_what_a_kind_of_label_needs():
    with pytest.raises(ValueError, match="sector_neutral need sectors, found none"):
        neutral_labels(LABEL, MEMBER, kind="sector_neutral")
    with pytest.raises(ValueError, match="beta_neutral need betas, found none"):
        neutral_labels(LABEL, MEMBER, kind="beta_neutral")


def test_the_number_of_a_sector_is_its_place_among_their_names():
    assert sector_codes(["b", "", "a", None, "b"]).tolist() == [1, -1, 0, -1, 1]
