"""What nets are asked to make small, over a segment of sessions with whole cross-sections.

Shapes are (N, K): names × sessions of a segment. Names without a label are ignored wherever
`known_NK` is false; a session where fewer than two names have one counts for nothing, and all
others count alike. Labels are standardised within their session.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
SHIFTS = 16  # partners of a name in the pairwise loss: its cost grows with names, not with pairs
PARTS = 10  # of the quantile loss: deciles


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
    """Return the mean squared error."""
    error_NK = torch.where(known_NK, score_NK - label_NK, 0.0)
    return _over_sessions(_over_names(error_NK.square(), known_NK), known_NK)


def huber_loss(score_NK: Tensor, label_NK: Tensor, known_NK: Tensor) -> Tensor:
    """Return Huber's error: half the square up to one deviation of the labels, straight beyond.

    Huber, "Robust Estimation of a Location Parameter" (1964).
    """
    error_NK = torch.where(known_NK, score_NK - label_NK, 0.0)
    size_NK = functional.huber_loss(error_NK, torch.zeros_like(error_NK), reduction="none")
    return _over_sessions(_over_names(size_NK, known_NK), known_NK)


def pairwise_loss(score_NK: Tensor, label_NK: Tensor, known_NK: Tensor) -> Tensor:
    """Return the logistic loss of telling the better of two names.

    Burges et al., "Learning to Rank using Gradient Descent" (2005). A session's names are ordered
    by label, and each meets those that stand 1/17, 2/17 … of the session below it: near and far
    pairs alike, always the same ones. Two names with one label are no pair.
    """
    count_K = known_NK.sum(dim=0)
    label_NK = torch.where(known_NK, label_NK, -torch.inf)
    order_NK = label_NK.argsort(dim=0, descending=True, stable=True)
    label_NK, score_NK = label_NK.gather(0, order_NK), score_NK.gather(0, order_NK)
    place_N1 = torch.arange(len(order_NK), device=order_NK.device).unsqueeze(1)
    lost_K, pairs_K = torch.zeros_like(label_NK[0]), torch.zeros_like(count_K)
    for shift in range(1, SHIFTS + 1):
        # Rounded up, so at least one place down.
        other_NK = place_N1 + (count_K * shift + SHIFTS) // (SHIFTS + 1)
        inside_NK = other_NK < count_K
        other_NK = other_NK.clamp_max(len(order_NK) - 1)
        pair_NK = inside_NK & (label_NK > label_NK.gather(0, other_NK))
        ahead_NK = torch.where(pair_NK, score_NK - score_NK.gather(0, other_NK), 0.0)
        lost_K = lost_K + torch.where(pair_NK, functional.softplus(-ahead_NK), 0.0).sum(dim=0)
        pairs_K = pairs_K + pair_NK.sum(dim=0)
    return _over_sessions(lost_K / pairs_K.clamp_min(1), known_NK)


def listwise_loss(score_NK: Tensor, label_NK: Tensor, known_NK: Tensor) -> Tensor:
    """Return how far the scores' chances to stand first are from the labels' (in nats; 0 at best).

    Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach" (2007): a name's
    chance is the softmax of its score, or label. The cross-entropy, less the labels' own entropy.
    """
    least = torch.finfo(score_NK.dtype).min  # finite: a session without labels gives no NaN
    truth_NK = torch.where(known_NK, label_NK, least).log_softmax(dim=0)
    guess_NK = torch.where(known_NK, score_NK, least).log_softmax(dim=0)
    apart_NK = torch.where(known_NK, truth_NK.exp() * (truth_NK - guess_NK), 0.0)
    return _over_sessions(apart_NK.sum(dim=0), known_NK)


def quantile_loss(score_NK: Tensor, label_NK: Tensor, known_NK: Tensor) -> Tensor:
    """Return the mean pinball loss at the nine deciles, which share one score a name.

    Composite quantile regression: Zou & Yuan, "Composite Quantile Regression and the Oracle Model
    Selection Theory" (2008). The deciles of a label are its name's score plus one offset a decile
    that the session's names share. The offsets are those of least loss: the deciles of the
    session's errors; so only the scores' differences within a session matter, and no far label
    counts for more than its side.
    """
    error_NK = torch.where(known_NK, label_NK - score_NK, 0.0)
    sorted_NK = torch.where(known_NK, error_NK.detach(), torch.inf).sort(dim=0).values
    count_1K = known_NK.sum(dim=0, keepdim=True)
    lost_K = torch.zeros_like(error_NK[0])
    for part in range(1, PARTS):
        place_1K = (count_1K * part - 1).clamp_min(0) // PARTS  # ceil(count · level), from 0
        beyond_NK = torch.where(known_NK, error_NK - sorted_NK.gather(0, place_1K), 0.0)
        level = part / PARTS
        lost_NK = torch.maximum(level * beyond_NK, (level - 1.0) * beyond_NK)
        lost_K = lost_K + _over_names(lost_NK, known_NK)
    return _over_sessions(lost_K / (PARTS - 1), known_NK)


def _over_names(value_NK: Tensor, known_NK: Tensor) -> Tensor:
    """Return the mean over labelled names (K,) of what is 0 for all others."""
    return value_NK.sum(dim=0) / known_NK.sum(dim=0).clamp_min(1)


def _over_sessions(value_K: Tensor, known_NK: Tensor) -> Tensor:
    """Return the mean over the sessions with at least two labelled names."""
    counts_K = known_NK.sum(dim=0) >= 2
    return torch.where(counts_K, value_K, 0.0).sum() / counts_K.sum().clamp_min(1)


LOSSES: dict[str, Loss] = {
    "ic": ic_loss,
    "mse": mse_loss,
    "huber": huber_loss,
    "pairwise": pairwise_loss,
    "listwise": listwise_loss,
    "quantile": quantile_loss,
}
