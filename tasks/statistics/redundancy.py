"""Which signals say the same, and which of them to keep."""

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from tasks.statistics.ranks import Array, Flags, Whole, in_order, ranks_of

CELLS_AT_ONCE = 2**20  # of ranks over all signals, and of correlations between them


def mean_rank_correlation(signals_NTF: NDArray[np.floating], counts_TN: Flags) -> Array:
    """Return the mean over sessions of the rank correlation between signals: (F, F).

    Takes signals that are finite wherever a name counts. A session in which one of two signals
    does not vary is left out of their mean; two that never vary together have correlation 0.
    """
    names, sessions, signals = signals_NTF.shape
    total_FF, count_FF = np.zeros((signals, signals)), np.zeros((signals, signals))
    step = max(1, CELLS_AT_ONCE // max(names * signals, signals**2, 1))
    for start in range(0, sessions, step):
        some = slice(start, start + step)
        rank_TFN = np.stack(
            [
                ranks_of(in_order(signals_NTF[:, some, place].T), counts_TN[some])
                for place in range(signals)
            ],
            axis=1,
        )
        # Ranks are whole numbers: these products are exact, whatever the threads of the library.
        product_TFF = rank_TFN @ rank_TFN.transpose(0, 2, 1)
        scale_TF = np.sqrt(np.einsum("tff->tf", product_TFF))
        scale_TFF = scale_TF[:, :, None] * scale_TF[:, None, :]
        known_TFF = scale_TFF > 0
        total_FF += (product_TFF / np.where(known_TFF, scale_TFF, 1.0)).sum(axis=0)
        count_FF += known_TFF.sum(axis=0)
    return np.where(count_FF > 0, total_FF / np.maximum(count_FF, 1), 0.0)


def clusters(correlation_FF: Array, *, correlation: float) -> Whole:
    """Return the number of each signal's cluster, from 0 in the order of their first signals.

    Average linkage on 1 - |correlation|: two clusters are one while the mean absolute correlation
    between their signals is at least `correlation`.
    """
    signals = len(correlation_FF)
    if signals < 2:
        return np.zeros(signals, np.int64)
    distance_FF = np.clip(1 - np.abs(correlation_FF), 0.0, 1.0)
    distance_FF = (distance_FF + distance_FF.T) / 2
    np.fill_diagonal(distance_FF, 0.0)
    tree = linkage(squareform(distance_FF, checks=False), method="average")
    label_F = fcluster(tree, t=1 - correlation, criterion="distance")
    _, first_F, inverse_F = np.unique(label_F, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first_F))[inverse_F].astype(np.int64)
