"""Which features a recipe learns from: chosen inside each fit, from its training sessions alone.

What is chosen stands in the fit's card. Neither the sessions that stop a fit nor any later ones
are seen here: a choice that had seen them would flatter every figure that follows.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conf.schema import (
    ClusterSelection,
    NoSelection,
    Selection,
    StabilitySelection,
    UnivariateSelection,
)
from tasks.learning.model import Array, Examples
from tasks.learning.panel import Panel
from tasks.statistics.discoveries import discoveries, least_sessions
from tasks.statistics.ranks import Flags
from tasks.statistics.redundancy import clusters, mean_rank_correlation
from tasks.statistics.series import rank_ics_of
from tasks.statistics.yardstick import yardstick

Places = NDArray[np.int64]


class Chosen(NamedTuple):
    """The places of the chosen columns, in their old order, and for the card why these."""

    places: Places
    facts: dict[str, Any]


def choose(
    selection: Selection,
    examples: Examples,
    columns: Sequence[str],
    *,
    horizon: int,
    min_names: int,
    seed: int,
) -> Chosen:
    """Return which columns a recipe may learn from, by the training sessions of its examples.

    Columns that are 0 for all names are left out; those that are the same for all names of every
    session, and so order nothing, are kept unjudged.

    Args:
        selection: The recipe's setting.
        examples: What the recipe may learn from, with all features offered.
        columns: Names of the features.
        horizon: Sessions the label looks ahead.
        min_names: Fewest labelled names for a session to count.
        seed: Of the halves that stability selection draws.
    """
    facts: dict[str, Any] = {"kind": selection.kind, "offered": len(columns)}
    if isinstance(selection, NoSelection):
        return Chosen(np.arange(len(columns)), facts)
    ic_TF, says_F = _rank_ics(examples, horizon=horizon, min_names=min_names)
    judged = np.flatnonzero(np.isfinite(ic_TF).any(axis=0))
    if not judged.size:
        raise ValueError(
            f"None of {len(columns)} features orders {min_names} labelled names in any training "
            "session: there is nothing to choose from."
        )
    unjudged = np.setdiff1d(np.flatnonzero(says_F), judged)
    names, ic_TF = [columns[place] for place in judged.tolist()], ic_TF[:, judged]
    if isinstance(selection, UnivariateSelection):
        kept, why = _univariate(selection, ic_TF, names, horizon=horizon)
    elif isinstance(selection, ClusterSelection):
        # Neighbouring sessions look alike: one a horizon says what there is to say.
        some = examples.train[::horizon]
        everyone = np.arange(len(examples.features_NTF))
        features_NTF = examples.features_NTF[np.ix_(everyone, some, judged)]
        counts_TN = np.isfinite(examples.label_TN[some])
        correlation_FF = mean_rank_correlation(features_NTF, counts_TN)
        kept, why = _clusters(selection, ic_TF, names, correlation_FF)
    else:
        kept, why = _stable(selection, ic_TF, names, seed=seed)
    places = np.sort(np.concatenate([judged[kept], unjudged]))
    return Chosen(places, facts | why | {"unjudged": [columns[at] for at in unjudged.tolist()]})


def narrowed(panel: Panel, places: Places) -> Panel:
    """Return the panel with the columns at these places."""
    if len(places) == len(panel.columns):
        return panel
    return panel._replace(
        columns=tuple(panel.columns[place] for place in places),
        features_NTF=np.ascontiguousarray(panel.features_NTF[:, :, places]),
    )


def _rank_ics(examples: Examples, *, horizon: int, min_names: int) -> tuple[Array, Flags]:
    """Return the rank IC of every feature among the labelled names, and which say anything."""
    label_TN = examples.label_TN[examples.train]
    against = yardstick({horizon: label_TN}, horizon=horizon, min_names=min_names)
    signals = examples.features_NTF.shape[2]
    ic_TF, says_F = np.full((len(label_TN), signals), np.nan), np.zeros(signals, bool)
    for place in range(signals):
        feature_TN = examples.features_NTF[:, examples.train, place].T
        ic_TF[:, place], says_F[place] = rank_ics_of(feature_TN, against), feature_TN.any()
    return ic_TF, says_F


def _univariate(
    selection: UnivariateSelection, ic_TF: Array, names: Sequence[str], *, horizon: int
) -> tuple[Places, dict[str, Any]]:
    """Return the features that are more than luck, or else the surest few that can be tested."""
    known, least = int(np.isfinite(ic_TF).sum(axis=0).max()), least_sessions(horizon)
    if known < least:
        raise ValueError(
            f"{known} sessions are too few for horizon {horizon}: univariate selection needs "
            f"{least} training sessions in which a feature has a rank IC. Fit later."
        )
    tests = discoveries(ic_TF, horizon=horizon, level=selection.level)
    tested = int(np.isfinite(tests.p_F).sum())
    surest = np.argsort(tests.p_F, kind="stable")[:tested]  # NaN stand last
    kept = surest[: max(int(tests.found_F.sum()), selection.least)]
    return kept, {
        "found": int(tests.found_F.sum()),
        "rank_ic": {names[place]: float(tests.value_F[place]) for place in kept.tolist()},
        "adjusted_p": {names[place]: float(tests.adjusted_F[place]) for place in kept.tolist()},
    }


def _clusters(
    selection: ClusterSelection, ic_TF: Array, names: Sequence[str], correlation_FF: Array
) -> tuple[Places, dict[str, Any]]:
    """Return the strongest feature of each cluster of features that say the same.

    The strongest has the greatest absolute mean rank IC. Its t would be a worse guide: among
    features so alike, most of what tells their t apart is how their errors happened to come out.
    A feature known in less than half of the sessions that judge any stands behind all others, and
    among such the one known longest comes first: the mean of few sessions is large by luck.
    """
    cluster_F = clusters(correlation_FF, correlation=selection.correlation)
    known_TF = np.isfinite(ic_TF)
    count_F = known_TF.sum(axis=0)
    mean_F = _mean_ics(np.nansum(ic_TF, axis=0), count_F, int(known_TF.any(axis=1).sum()))
    ranked = np.lexsort((-count_F, -np.abs(mean_F)))
    _, first = np.unique(cluster_F[ranked], return_index=True)
    kept = ranked[first]
    return kept, {
        "clusters": {
            names[place]: [names[other] for other in np.flatnonzero(cluster_F == cluster).tolist()]
            for cluster, place in enumerate(kept.tolist())
        }
    }


def _stable(
    selection: StabilitySelection, ic_TF: Array, names: Sequence[str], *, seed: int
) -> tuple[Places, dict[str, Any]]:
    """Return the features that are among the strongest in most halves of the sessions.

    Meinshausen & Bühlmann, "Stability selection", Journal of the Royal Statistical Society B 72
    (2010), with the strongest mean rank ICs as what each half selects. Halves are made of blocks,
    since neighbouring sessions share their labels. A feature known in less than half of the
    sessions of a half that judge any cannot be among its strongest, and these are at most half of
    the features: being one of nearly all says nothing. `luck` is the paper's bound on the expected
    number of worthless features: strongest² / ((2 share - 1) features).
    """
    blocks = -(-len(ic_TF) // selection.block)
    if blocks < 4:
        raise ValueError(
            f"{len(ic_TF)} training sessions make {blocks} blocks of {selection.block}: stability "
            "selection needs 4 at least. Use smaller blocks, or fit later."
        )
    known_TF = np.isfinite(ic_TF)
    starts = np.arange(0, len(ic_TF), selection.block)
    total_BF = np.add.reduceat(np.where(known_TF, ic_TF, 0.0), starts, axis=0)
    count_BF = np.add.reduceat(known_TF.astype(np.int64), starts, axis=0)
    judging_B = np.add.reduceat(known_TF.any(axis=1).astype(np.int64), starts)
    strongest = min(selection.strongest, max(len(names) // 2, 1))
    generator, chosen_F = np.random.default_rng(seed), np.zeros(len(names), np.int64)
    for _ in range(selection.draws):
        half = np.sort(generator.permutation(blocks)[: blocks // 2])
        total_F, count_F = total_BF[half].sum(axis=0), count_BF[half].sum(axis=0)
        mean_F = _mean_ics(total_F, count_F, int(judging_B[half].sum()))
        first = np.argsort(-np.abs(mean_F), kind="stable")[:strongest]
        chosen_F[first[mean_F[first] != 0]] += 1
    if not chosen_F.any():
        raise ValueError(
            f"None of {len(names)} features has a rank IC in half of the sessions of any half: "
            "stability selection has nothing to compare. Fit later."
        )
    share_F = chosen_F / selection.draws
    stable = int((share_F >= selection.share).sum())
    kept = np.argsort(-share_F, kind="stable")[: max(stable, selection.least)]
    luck = strongest**2 / ((2 * selection.share - 1) * len(names))
    return kept, {
        "found": stable,
        "strongest": strongest,
        "luck": luck,
        "share": {names[place]: float(share_F[place]) for place in kept.tolist()},
    }


def _mean_ics(total_F: Array, count_F: Places, sessions: int) -> Array:
    """Return the mean rank IC of each feature; 0 where known in less than half of the sessions."""
    return np.where(2 * count_F >= sessions, total_F / np.maximum(count_F, 1), 0.0)
