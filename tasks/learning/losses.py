"""What nets are asked to make small, over a segment of sessions with whole cross-sections.

Shapes are (N, K): names × sessions of a segment. Names without a label are ignored wherever
`known_NK` is false; a session where fewer than two names have one counts for nothing.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def information_coefficients(score_NK: Tensor, label_NK: Tensor, known_NK: Tensor) -> Tensor:
    """Return the correlation of scores and labels across names (K,); 0 where either is constant."""
    weight_NK = known_NK.to(score_NK.dtype)
    count_K = weight_NK.sum(dim=0).clamp_min(1.0)
    score_NK, label_NK = score_NK * weight_NK, torch.where(known_NK, label_NK, 0.0)
    score_NK = (score_NK - score_NK.sum(dim=0) / count_K) * weight_NK
    label_NK = (label_NK - label_NK.sum(dim=0) / count_K) * weight_NK
    scale_K = (score_NK.square().sum(dim=0) * label_NK.square().sum(dim=0)).clamp_min(1e-12).sqrt()
    return (score_NK * label_NK).sum(dim=0) / scale_K


def rank_information_coefficients(score_NK: Tensor, label_NK: Tensor, known_NK: Tensor) -> Tensor:
    """Return the correlation of the scores' ranks with labels that are ranks already (K,).

    Tied scores share their mean rank, so a net that gives all names one score has 0.
    """
    score_KN = torch.where(known_NK, score_NK, torch.inf).T.contiguous()
    sorted_KN = score_KN.sort(dim=1).values
    below_KN = torch.searchsorted(sorted_KN, score_KN, right=False)
    upto_KN = torch.searchsorted(sorted_KN, score_KN, right=True)
    rank_NK = (below_KN + upto_KN).T.to(label_NK.dtype)
    return information_coefficients(rank_NK, label_NK, known_NK)


def ic_loss(score_NK: Tensor, label_NK: Tensor, known_NK: Tensor) -> Tensor:
    """Return 1 less the mean information coefficient of the sessions."""
    counts_K = known_NK.sum(dim=0) >= 2
    ic_K = information_coefficients(score_NK, label_NK, known_NK)
    return 1.0 - (ic_K * counts_K).sum() / counts_K.sum().clamp_min(1)


def mse_loss(score_NK: Tensor, label_NK: Tensor, known_NK: Tensor) -> Tensor:
    """Return the mean squared error, every session with the same weight."""
    error_NK = torch.where(known_NK, score_NK - label_NK, 0.0)
    count_K = known_NK.sum(dim=0)
    mean_K = error_NK.square().sum(dim=0) / count_K.clamp_min(1)
    return (mean_K * (count_K >= 2)).sum() / (count_K >= 2).sum().clamp_min(1)


LOSSES: dict[str, Loss] = {"ic": ic_loss, "mse": mse_loss}
