"""What each baseline says it is, beyond what all of them keep."""

import numpy as np
import pytest
from scipy.optimize import minimize

from tasks.learning.model import Examples, How, settled
from tasks.models.baselines.equal import Equal
from tasks.models.baselines.linear_svm import LinearSvm
from tasks.models.baselines.random_forest import RandomForest
from tasks.models.baselines.reversal import Reversal
from tasks.statistics.ic import ic_series, rank_ic_series

COLUMNS = ("a", "return_5", "b")
TRAIN, VALID = np.arange(50), np.arange(53, 60)


def examples(columns: tuple[str, ...] = COLUMNS, *, names: int = 20) -> Examples:
    rng = np.random.default_rng(2)
    features = rng.uniform(-1, 1, (names, 60, len(columns))).astype(np.float32)
    label = features[:, :, 0].T + rng.normal(size=(60, names))
    return Examples(features, np.ones((60, names), bool), label, TRAIN, VALID, columns)


def learned(model, given: Examples, **settings: float):
    learner = model()
    every = settled(settings, learner.known, model="one")
    found = learner.fit(given, How(every, "mse", 1), seed=1)
    return found, learner.scorer(
        found.weights, features=given.features_NTF.shape[2], settings=every, threads=1
    )


def test_reversal_ranks_last_weeks_losers_first():
    given = examples()
    found, score = learned(Reversal, given)
    assert found.facts == {"column": "return_5"}
    np.testing.assert_array_equal(score(given.features_NTF[:, :9]), -given.features_NTF[:, 8, 1])


def test_reversal_reads_the_old_close_over_the_new_one_the_other_way():
    given = examples(("ROC5", "ROC10"))
    _, score = learned(Reversal, given, sessions=10)
    np.testing.assert_array_equal(score(given.features_NTF[:, :9]), given.features_NTF[:, 8, 1])


def test_reversal_says_which_feature_it_misses():
    with pytest.raises(ValueError, match="needs the feature return_1 or ROC1, found: a, return_5"):
        learned(Reversal, examples(), sessions=1)


def test_equal_scores_order_nothing_and_so_have_no_information_coefficient():
    given = examples()
    _, score = learned(Equal, given)
    score_N = score(given.features_NTF)
    assert not score_N.any()
    for series in (ic_series, rank_ic_series):
        assert np.isnan(series(score_N[None], given.label_TN[-1:], min_names=2)).all()


def test_the_linear_svm_is_the_minimum_of_what_it_says():
    given = examples()
    found, score = learned(LinearSvm, given, penalty=0.1, tolerance=0.7)
    rows = np.concatenate([TRAIN, VALID])
    x = given.features_NTF[:, rows].reshape(-1, 3).astype(np.float64)
    y = given.label_TN[rows].T.ravel()
    scale = (x**2).sum() / 3

    def cost(b: np.ndarray) -> float:
        beyond = np.maximum(np.abs(y - x @ b) - 0.7, 0)
        return (beyond**2).sum() / scale + 0.1 * b @ b

    wanted = minimize(cost, np.zeros(3), tol=1e-12).x
    np.testing.assert_allclose(score(np.eye(3, dtype=np.float32)[:, None]), wanted, atol=1e-4)
    assert found.facts["rows"] == len(y)


def test_a_forest_is_the_mean_of_its_trees_and_more_trees_do_not_raise_its_scores():
    given = examples(names=40)
    spread = []
    for trees in (50, 400):
        found, score = learned(RandomForest, given, trees=trees)
        assert found.facts["trees"] == trees
        spread.append(score(given.features_NTF).std())
    assert spread[1] == pytest.approx(spread[0], rel=0.2)
    part_NF, base_N = RandomForest().explainer(found.weights, features=3, threads=1)(
        given.features_NTF
    )
    np.testing.assert_allclose(part_NF.sum(axis=1) + base_N, score(given.features_NTF))
