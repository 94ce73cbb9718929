"""Losses see labelled names only, and agree with the statistics they stand for."""

import numpy as np
import torch
from scipy.stats import rankdata, spearmanr

from tasks.learning.losses import (
    LOSSES,
    information_coefficients,
    rank_information_coefficients,
)


def batch(seed: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    known = torch.rand(12, 5) > 0.3
    return torch.randn(12, 5), torch.randn(12, 5), known


def test_the_information_coefficient_is_the_correlation_over_labelled_names():
    score, label, known = batch()
    found = information_coefficients(score, label, known)
    for session in range(5):
        there = known[:, session]
        wanted = np.corrcoef(score[there, session], label[there, session])[0, 1]
        assert abs(found[session].item() - wanted) < 1e-5


def test_the_rank_form_is_spearmans_where_labels_are_ranks():
    score, _, known = batch()
    score[3] = score[4]  # ties share their mean rank
    label = torch.zeros_like(score)
    found = []
    for session in range(5):
        there = known[:, session]
        label[there, session] = torch.tensor(
            rankdata(torch.randn(int(there.sum())).numpy()), dtype=torch.float32
        )
        found.append(spearmanr(score[there, session], label[there, session]).statistic)
    ics = rank_information_coefficients(score, label, known)
    assert np.allclose(ics.numpy(), found, atol=1e-5)


def test_one_score_for_all_is_worth_nothing():
    _, label, known = batch()
    assert not rank_information_coefficients(torch.ones(12, 5), label, known).any()
    assert not information_coefficients(torch.ones(12, 5), label, known).any()


def test_masked_names_move_no_loss_and_no_gradient():
    score, label, known = batch()
    known[:, 4] = False
    for loss in LOSSES.values():
        first = score.clone().requires_grad_()
        value = loss(first, label, known)
        value.backward()
        moved = loss(torch.where(known, score, 1e3), torch.where(known, label, torch.nan), known)
        assert torch.isfinite(value)
        assert moved.item() == value.item()
        assert not first.grad[~known].any()
