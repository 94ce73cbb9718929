"""Information coefficients equal the textbook's, session by session and to the bit."""

import numpy as np
import pytest
from scipy import stats

from tasks.statistics.ic import ic_series, quantile_returns, rank_ic_series

NAN = float("nan")
MEASURES = [ic_series, rank_ic_series, quantile_returns]


def table(sessions: int = 40, names: int = 30, *, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return scores with ties and labels that resemble them, with holes in both."""
    generator = np.random.default_rng(seed)
    score_TN = generator.normal(size=(sessions, names)).round(1)
    label_TN = 0.3 * score_TN + generator.normal(size=(sessions, names))
    score_TN[generator.random(score_TN.shape) < 0.1] = NAN
    label_TN[generator.random(label_TN.shape) < 0.1] = NAN
    return score_TN, label_TN


def test_is_one_for_scores_in_line_with_labels_and_minus_one_against():
    label = [[0.01, 0.02, 0.03], [0.01, 0.02, 0.03]]
    score = [[1, 2, 3], [30, 20, 10]]
    assert ic_series(score, label, min_names=2) == pytest.approx([1, -1])
    assert rank_ic_series(score, label, min_names=2) == pytest.approx([1, -1])


def test_ranks_see_order_only():
    assert rank_ic_series([[1, 2, 900]], [[-5, 0.1, 0.2]], min_names=2) == pytest.approx([1])


def test_ties_share_their_mean_rank():
    found = rank_ic_series([[1, 1, 2, 3]], [[1, 2, 3, 3]], min_names=2)[0]
    by_hand = np.corrcoef([1.5, 1.5, 3, 4], [1, 2, 3.5, 3.5])[0, 1]
    assert found == pytest.approx(by_hand)


def test_agrees_with_scipy_on_names_that_have_both():
    score_TN, label_TN = table()
    ic = ic_series(score_TN, label_TN, min_names=5)
    rank_ic = rank_ic_series(score_TN, label_TN, min_names=5)
    for session, (score, label) in enumerate(zip(score_TN, label_TN, strict=True)):
        both = ~np.isnan(score + label)
        assert ic[session] == pytest.approx(stats.pearsonr(score[both], label[both])[0])
        assert rank_ic[session] == pytest.approx(stats.spearmanr(score[both], label[both])[0])


def test_is_nan_below_the_fewest_names_and_without_spread():
    score = [[1, 2, NAN], [0.1, 0.1, 0.1], [1, 2, 3], [1, np.inf, 3]]
    label = [[1, 2, 3], [1, 2, 3], [0.7, 0.7, 0.7], [1, 2, 3]]
    assert np.isnan(ic_series(score, label, min_names=3)).all()
    assert np.isnan(rank_ic_series(score, label, min_names=3)).all()


@pytest.mark.parametrize("measure", MEASURES)
def test_one_session_does_not_depend_on_the_others(measure):
    score_TN, label_TN = table()
    whole = measure(score_TN, label_TN, min_names=5)
    for session in range(len(score_TN)):
        one = slice(session, session + 1)
        alone = measure(score_TN[one], label_TN[one], min_names=5)
        assert alone.tobytes() == whole[one].tobytes()


@pytest.mark.parametrize("measure", MEASURES)
def test_absent_names_do_not_count_wherever_they_stand(measure):
    score_TN, label_TN = table(names=300)
    whole = measure(score_TN, label_TN, min_names=5)
    for session in range(len(score_TN)):
        both = ~np.isnan(score_TN[session] + label_TN[session])
        alone = measure(score_TN[[session]][:, both], label_TN[[session]][:, both], min_names=5)
        assert alone.tobytes() == whole[session : session + 1].tobytes()


def test_quantiles_hold_the_mean_labels_from_lowest_to_highest_scores():
    found = quantile_returns([[4, 3, 2, 1]], [[0.4, 0.2, 0.1, -0.1]], quantiles=2, min_names=2)
    np.testing.assert_allclose(found, [[0.0, 0.3]])


def test_names_with_equal_scores_share_a_quantile():
    found = quantile_returns([[1, 1, 1, 9]], [[1, 2, 3, 8]], quantiles=4, min_names=2)
    np.testing.assert_allclose(found, [[NAN, 2, NAN, 8]])


def test_quantiles_split_names_evenly():
    score = np.arange(50.0)[None]
    counts = [
        (quantile_returns(score, (score // 5 == q) * 1.0, min_names=2)[0] == 1).sum()
        for q in range(10)
    ]
    assert counts == [1] * 10


def test_quantiles_are_nan_below_the_fewest_names():
    assert np.isnan(quantile_returns([[1, 2]], [[1, 2]], quantiles=2, min_names=3)).all()


def test_refuses_tables_of_different_shape():
    with pytest.raises(ValueError, match=r"found \(1, 2\) and \(1, 3\)"):
        ic_series([[1, 2]], [[1, 2, 3]], min_names=2)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1)])
def test_empty_tables_give_empty_or_unknown(measure, shape):
    found = measure(np.ones(shape), np.ones(shape), min_names=2)
    assert len(found) == shape[0]
    assert np.isnan(found).all()
