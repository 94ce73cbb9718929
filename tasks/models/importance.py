"""What a fitted model rests on: what it loses without a feature, and what each adds to a score."""

import re
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
from safetensors import numpy as safetensors

from conf.schema import Recipe
from tasks.learning.model import Array
from tasks.learning.panel import Panel
from tasks.models.baselines import BASELINES
from tasks.models.baselines.booster_text import checked
from tasks.models.baselines.weighted import KEY, WeightedSum
from tasks.models.fitting import Model, windows
from tasks.models.seeds import unpacked
from tasks.statistics.hac import Mean, hac_mean, label_lags
from tasks.statistics.ic import rank_ic_series

SPLITS = re.compile(r"^split_feature=(.*)\nsplit_gain=(.*)$", re.MULTILINE)


class Importance(NamedTuple):
    """Rank IC lost when a feature's values are dealt anew among a session's names, by column."""

    columns: tuple[str, ...]
    lost: tuple[Mean, ...]
    rank_ic: Mean  # with all features as they are


class Contributions(NamedTuple):
    """What each feature adds to each score: `base_R` and a row of `part_RF` make the score."""

    sessions: tuple[date, ...]  # one a row
    instruments: tuple[str, ...]
    columns: tuple[str, ...]
    part_RF: Array
    base_R: Array

    def strength(self) -> Array:
        """Return the mean absolute part of each column."""
        return np.asarray(np.abs(self.part_RF).mean(axis=0))


def permutation_importance(
    model: Model,
    panel: Panel,
    label_TN: Array,
    sessions: Sequence[date],
    *,
    horizon: int,
    min_names: int,
    seed: int,
    draws: int = 5,
) -> Importance:
    """Return how much rank IC a model loses without each feature, for any model.

    Breiman, "Random forests", Machine Learning 45 (2001), within sessions: a name gets the
    feature's whole look-back of another name of its session, so that no session's level is lost.
    What is lost in one session does not depend on the others. Features that say the same share
    what they are worth: each alone can be spared.

    Args:
        model: Weights that can score.
        panel: Holds the model's columns and look-back.
        label_TN: Labels on the panel's axes, NaN where unknown.
        sessions: To judge on; after the fit, or importance is of what was learned by heart.
        horizon: Sessions the label looks ahead.
        min_names: Fewest scored and labelled names for a session to count.
        seed: Of the deals.
        draws: Deals of each feature in a session; their mean counts.
    """
    features, place_of = len(model.columns), {day: at for at, day in enumerate(panel.sessions)}
    lost, whole = [], []
    for session, names_N, window_NTF in windows(model, panel, sessions):
        score = [model.score(window_NTF)]
        for column in range(features):
            generator = np.random.default_rng([seed, session.toordinal(), column])
            own_NT = window_NTF[:, :, column].copy()
            for _ in range(draws):
                window_NTF[:, :, column] = own_NT[generator.permutation(names_N.size)]
                score.append(model.score(window_NTF))
            window_NTF[:, :, column] = own_NT
        label_N = label_TN[place_of[session], names_N]
        ics = rank_ic_series(score, np.tile(label_N, (len(score), 1)), min_names=min_names)
        whole.append(ics[0])
        lost.append(ics[0] - ics[1:].reshape(features, draws).mean(axis=1))
    lags = label_lags(len(whole), horizon=horizon)
    lost_FT = np.reshape(lost, (-1, features)).T
    by_column = tuple(hac_mean(lost_T, lags=lags) for lost_T in lost_FT)
    return Importance(model.columns, by_column, hac_mean(whole, lags=lags))


def contributions(model: Model, panel: Panel, sessions: Sequence[date]) -> Contributions:
    """Return the Shapley values of a model's scores, where they are known exactly.

    Trees are explained against the rows they were fitted to, linear models against the names of
    the session. Raises for nets: for these there is `permutation_importance`.
    """
    explain = model.explainer()
    if explain is None:
        raise ValueError(
            f"No exact Shapley values are known for {model.recipe.model} ({model.recipe.name}): "
            "use permutation_importance."
        )
    days: list[date] = []
    names: list[str] = []
    parts, bases = [np.empty((0, len(model.columns)))], [np.empty(0)]
    for session, names_N, window_NTF in windows(model, panel, sessions):
        part_NF, base_N = explain(window_NTF)
        parts.append(part_NF)
        bases.append(base_N)
        days += [session] * names_N.size
        names += [panel.instruments[name] for name in names_N]
    return Contributions(
        tuple(days), tuple(names), model.columns, np.concatenate(parts), np.concatenate(bases)
    )


def told_by_weights(recipe: Recipe, columns: Sequence[str], weights: bytes) -> dict[str, float]:
    """Return each column's share of what the weights themselves call important; empty for nets.

    Of trees that is the error that splits by the column saved, of a weighted sum the size of its
    coefficient: features are comparable, so coefficients are. Of several seeds it is the mean
    share. Shares sum to 1, or are all 0 where nothing is weighed at all. It says what the training
    used, not what helps later: for that there is `permutation_importance`.

    Args:
        recipe: What was fitted.
        columns: Of the fit, in its order.
        weights: Of the fit, as they are kept.
    """
    if recipe.model not in BASELINES:
        return {}
    linear = issubclass(BASELINES[recipe.model](), WeightedSum)
    size_SF = [
        np.abs(safetensors.load(one)[KEY]) if linear else _gain(one, len(columns))
        for one in unpacked(weights, seeds=recipe.seeds)
    ]
    share_F = np.mean([size_F / (size_F.sum() or 1.0) for size_F in size_SF], axis=0)
    return dict(zip(columns, share_F.tolist(), strict=True))


def _gain(weights: bytes, features: int) -> Array:
    """Return by column the error that splits saved, as the trees' own text tells it."""
    gain_F = np.zeros(features)
    for columns, gains in SPLITS.findall(checked(weights, features=features).text):
        np.add.at(gain_F, np.array(columns.split(), int), np.array(gains.split(), float))
    return gain_F
