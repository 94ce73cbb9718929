"""Losses see labelled names only, and agree with the statistics they stand for."""

from typing import get_args

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy, rankdata, spearmanr

from conf.schema import Recipe
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


@pytest.mark.parametrize("name", LOSSES)
def test_sessions_count_alike_and_those_with_fewer_than_two_labels_not_at_all(name):
    score, label, known = batch()
    known[:, 2] = False
    known[4, 2] = True
    known[6:, 3] = False  # fewer names, the same weight
    whole = LOSSES[name](score, label, known)
    each = [
        LOSSES[name](score[:, k : k + 1], label[:, k : k + 1], known[:, k : k + 1])
        for k in (0, 1, 3, 4)
    ]
    assert torch.allclose(whole, torch.stack(each).mean(), atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_scores_that_descend_any_loss_end_in_the_order_of_the_labels(name):
    score, label, known = batch()
    for _ in range(400):
        score = score.detach().requires_grad_()
        (slope,) = torch.autograd.grad(LOSSES[name](score, label, known), score)
        score = score - 0.01 * slope.sign()
    for session in range(5):
        there = known[:, session]
        found = spearmanr(score.detach()[there, session], label[there, session]).statistic
        assert found > 0.9


@pytest.mark.parametrize("name", LOSSES)
def test_the_labels_themselves_are_better_than_their_shuffle(name):
    _, label, known = batch()
    label = label - torch.where(known, label, 0.0).sum(dim=0) / known.sum(dim=0)
    turned = torch.where(known, -label, 0.0)
    assert LOSSES[name](label, label, known) < LOSSES[name](turned, label, known) - 0.1


@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_gradients_are_finite_where_scores_or_labels_are_all_alike(name):
    _, label, known = batch()
    for labels, mask in (
        (label, known),
        (torch.ones(12, 5), known),
        (label, torch.zeros_like(known)),
    ):
        score = torch.ones(12, 5, requires_grad=True)
        value = LOSSES[name](score, labels, mask)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(score.grad).all()


@pytest.mark.parametrize("name", LOSSES)
def test_stacked_scores_have_the_losses_they_have_alone(name):
    _, label, known = batch()
    scores = torch.randn(3, 12, 5, requires_grad=True)
    stacked = torch.vmap(LOSSES[name], in_dims=(0, None, None))(scores, label, known)
    alone = torch.stack([LOSSES[name](score, label, known) for score in scores])
    assert torch.allclose(stacked, alone, atol=1e-6)
    together, one_by_one = (torch.autograd.grad(sums.sum(), scores)[0] for sums in (stacked, alone))
    assert torch.allclose(together, one_by_one, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_the_order_of_names_moves_no_loss(name):
    score, label, known = batch()
    order = torch.randperm(12)
    moved = LOSSES[name](score[order], label[order], known[order])
    assert torch.allclose(moved, LOSSES[name](score, label, known), atol=1e-6)


def test_a_recipe_may_name_every_loss_and_no_other():
    assert get_args(Recipe.model_fields["loss"].annotation) == tuple(LOSSES)


def test_hubers_loss_is_square_near_and_straight_far():
    label = torch.zeros(2, 2)
    score = torch.tensor([[0.5, 3.0], [0.0, 0.0]])
    known = torch.ones(2, 2, dtype=torch.bool)
    assert np.isclose(LOSSES["huber"](score, label, known).item(), (0.125 + 2.5) / 4)


def test_the_pairwise_loss_of_two_names_is_the_logistic_of_their_difference():
    score, label = torch.tensor([[1.0], [3.0]]), torch.tensor([[2.0], [-1.0]])
    known = torch.ones(2, 1, dtype=torch.bool)
    assert np.isclose(LOSSES["pairwise"](score, label, known).item(), np.log1p(np.exp(2.0)))


def test_the_pairwise_loss_knows_no_pair_of_names_with_one_label():
    score = torch.tensor([[1.0], [3.0], [-4.0]], requires_grad=True)
    label = torch.tensor([[1.0], [1.0], [0.0]])
    LOSSES["pairwise"](score, label, torch.ones(3, 1, dtype=torch.bool)).backward()
    assert (score.grad[:2] < 0).all()


def test_the_listwise_loss_is_the_divergence_of_the_two_softmaxes():
    score, label, known = batch()
    for session in range(5):
        there = known[:, session]
        truth, guess = softmax(label[there, session]), softmax(score[there, session])
        column = slice(session, session + 1)
        found = LOSSES["listwise"](score[:, column], label[:, column], known[:, column])
        assert np.isclose(found.item(), entropy(truth, guess), atol=1e-5)


def test_the_quantile_loss_has_the_least_offsets_there_are():
    score, label, known = batch()
    for session in range(5):
        there = known[:, session]
        error = (label - score)[there, session].numpy()
        least = [
            min(np.maximum(q * (error - b), (q - 1) * (error - b)).mean() for b in error)
            for q in np.arange(1, 10) / 10
        ]
        column = slice(session, session + 1)
        found = LOSSES["quantile"](score[:, column], label[:, column], known[:, column])
        assert np.isclose(found.item(), np.mean(least), atol=1e-6)
    shifted = LOSSES["quantile"](score + torch.arange(5), label, known)
    assert torch.allclose(shifted, LOSSES["quantile"](score, label, known), atol=1e-5)
