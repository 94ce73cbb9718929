"""What every net must keep, whoever adds it: each test runs over the whole registry."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state

from tasks.learning.losses import LOSSES
from tasks.learning.model import Examples, How, Value, settled
from tasks.learning.net import Net
from tasks.learning.panel import standardised_labels
from tasks.learning.training import NetLearner
from tasks.models.nets import NETS

FEATURES = 4
FALLS_BACK = "ignore:There is a performance drop because we have not yet implemented the batching"
every_net = pytest.mark.parametrize("name", sorted(NETS))


def built(name: str, seed: int = 1) -> tuple[Net, dict[str, Value]]:
    """Return a net at its defaults, with scores far enough from zero to tell them apart."""
    torch.manual_seed(seed)
    net_class = NETS[name]()
    settings = settled({}, net_class.known, model=name)
    net = net_class.build(FEATURES, settings).eval()
    with torch.no_grad():
        for weight in net.parameters():
            weight += 0.05 * torch.randn_like(weight)
    return net, settings


def stretch(net: Net, settings: dict[str, Value], names: int, count: int) -> Tensor:
    return torch.rand(names, net.look_back(settings) - 1 + count, FEATURES) * 2 - 1


@every_net
def test_a_net_scores_densely_what_it_scores_session_by_session(name):
    net, settings = built(name)
    features, look_back = stretch(net, settings, 6, 4), net.look_back(settings)
    member = torch.rand(6, 4) < 0.8
    with torch.inference_mode():
        dense = net(features, member)
        single = [
            net(features[member[:, k], k : k + look_back], member[member[:, k], k : k + 1])[:, 0]
            for k in range(4)
        ]
    assert dense.shape == (6, 4)
    for k, alone in enumerate(single):
        assert torch.allclose(dense[member[:, k], k], alone, atol=1e-5), "others are not there"


@every_net
def test_a_score_moves_with_the_sessions_of_its_look_back_and_with_no_other(name):
    net, settings = built(name)
    features, member = stretch(net, settings, 6, 3), torch.ones(6, 3, dtype=torch.bool)
    look_back = net.look_back(settings)
    with torch.inference_mode():
        before = net(features, member)
        for session in range(features.shape[1]):
            moved = features.clone()
            moved[:, session] = torch.rand(6, FEATURES) * 2 - 1
            apart = (net(moved, member) - before).abs().amax(dim=0)
            sees = [k <= session < k + look_back for k in range(3)]
            assert (apart[~torch.tensor(sees)] < 1e-6).all()
            assert (apart[torch.tensor(sees)] > 1e-6).all()


@every_net
def test_a_net_treats_names_alike(name):
    net, settings = built(name)
    features, member = stretch(net, settings, 9, 3), torch.rand(9, 3) < 0.8
    order = torch.randperm(9)
    with torch.inference_mode():
        score = net(features, member)
        moved = net(features[order], member[order])
    assert torch.allclose(moved[member[order]], score[order][member[order]], atol=1e-5)
    assert score.std() > 1e-3


@every_net
@pytest.mark.parametrize("unknown", [100.0, torch.nan])
def test_names_that_are_not_there_move_no_score_whatever_they_hold(name, unknown):
    net, settings = built(name)
    features, member = stretch(net, settings, 9, 3), torch.ones(9, 3, dtype=torch.bool)
    member[[2, 7]] = False
    with torch.inference_mode():
        score = net(features, member)
        features[[2, 7]] = unknown
        again = net(features, member)
    assert torch.allclose(again[member], score[member], atol=1e-5)


@every_net
def test_a_market_of_twins_is_scored_like_the_market(name):
    net, settings = built(name)
    features, member = stretch(net, settings, 7, 2), torch.rand(7, 2) < 0.8
    with torch.inference_mode():
        score = net(features, member)
        twins = net(features.repeat(2, 1, 1), member.repeat(2, 1))
    assert torch.allclose(twins[:7][member], score[member], atol=1e-5)
    assert torch.allclose(twins[7:][member], score[member], atol=1e-5)


@every_net
def test_a_session_without_anybody_gives_finite_scores_and_gradients(name):
    net, settings = built(name)
    features, member = stretch(net.train(), settings, 5, 2), torch.ones(5, 2, dtype=torch.bool)
    member[:, 1] = False
    features[3] = 0.0
    score = net(features, member)
    score.sum().backward()
    assert torch.isfinite(score).all()
    assert all(torch.isfinite(weight.grad).all() for weight in net.parameters())


@every_net
@pytest.mark.filterwarnings(FALLS_BACK)
def test_stacked_nets_give_the_scores_they_give_alone(name):
    nets = [built(name, seed)[0] for seed in range(3)]
    settings = built(name)[1]
    features, member = stretch(nets[0], settings, 6, 2), torch.rand(6, 2) < 0.8
    stacked, buffers = stack_module_state(nets)
    assert not buffers

    def scores(weights: dict[str, Tensor]) -> Tensor:
        return functional_call(nets[0], weights, (features, member))

    together = torch.vmap(scores, randomness="different")(stacked)
    alone = torch.stack([net(features, member) for net in nets])
    assert torch.allclose(together, alone, atol=1e-5)
    together.square().sum().backward()
    alone.square().sum().backward()
    for place, net in enumerate(nets):
        for key, weight in net.named_parameters():
            assert torch.allclose(stacked[key].grad[place], weight.grad, rtol=1e-3, atol=1e-4)


@every_net
@pytest.mark.filterwarnings(FALLS_BACK)
def test_stacked_nets_each_leave_out_channels_of_their_own(name):
    net, settings = built(name)
    if "dropout" not in settings:
        return
    features, member = stretch(net, settings, 6, 2), torch.ones(6, 2, dtype=torch.bool)
    stacked = {key: weight.expand(3, *weight.shape) for key, weight in net.named_parameters()}

    def scores(weights: dict[str, Tensor]) -> Tensor:
        return functional_call(net.train(), weights, (features, member))

    first, second, third = torch.vmap(scores, randomness="different")(stacked)
    assert not torch.allclose(first, second)
    assert not torch.allclose(second, third)


@every_net
@pytest.mark.parametrize("end", [0, 1])
def test_a_search_finds_ranges_whose_ends_are_nets_too(name, end):
    known = NetLearner(NETS[name]()).known
    searched = {key: one.tune[end] for key, one in known.items() if one.tune is not None}
    own = searched.keys() & NETS[name]().known.keys()
    assert {"learning_rate", "weight_decay"} <= searched.keys()
    assert len(own) >= 3 or name == "linear", "a linear net has nothing else to choose"
    settings = settled(searched, known, model=name)
    net = NETS[name]().build(FEATURES, settings).eval()
    with torch.inference_mode():
        score = net(stretch(net, settings, 5, 2), torch.ones(5, 2, dtype=torch.bool))
    assert torch.isfinite(score).all()


def knows_by_heart(name: str, loss: str) -> bool:
    """Return whether the one session a net has learned from is ranked without a fault, and fits."""
    learner = NetLearner(NETS[name]())
    given = {"epochs": 150, "patience": 150, "learning_rate": 0.02, "weight_decay": 0.0}
    quiet = {"dropout": 0.0} if "dropout" in learner.known else {}
    settings = settled(given | quiet, learner.known, model=name)
    look_back = learner.look_back(settings)
    rng = np.random.default_rng(5)
    features = rng.uniform(-1, 1, (8, look_back, 16)).astype(np.float32)
    label = np.full((look_back, 8), np.nan)
    label[-1] = rng.normal(size=8)
    label = standardised_labels(label, np.ones_like(label, bool), min_names=2)
    only = np.array([look_back - 1])
    (learned,) = learner.fit_seeds(
        Examples(features, np.ones_like(label, bool), label, only, only),
        How(settings, loss, 1, "cpu"),
        seeds=[1],
    )
    score = learner.scorer(learned.weights, features=16, settings=settings, threads=1)(features)
    left = learned.curves["train_loss"][-1]
    return bool((score.argsort() == label[-1].argsort()).all()) and left < 0.02


@pytest.mark.slow
@every_net
@pytest.mark.parametrize("loss", ["ic", "mse"])
def test_a_net_can_learn_one_session_by_heart(name, loss):
    assert knows_by_heart(name, loss)


@pytest.mark.slow
@pytest.mark.parametrize("loss", sorted(set(LOSSES) - {"ic", "mse"}))
def test_a_session_can_be_learned_by_heart_with_every_loss(loss):
    assert knows_by_heart("tcn", loss)
