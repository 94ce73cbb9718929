"""Nets learn side by side as they would alone, and a broken-off training ends like another."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import torch as safetensors

from tasks.learning import trainer
from tasks.learning.forecaster import Forecaster
from tasks.learning.model import Examples, How, Learned, settled
from tasks.learning.panel import standardised_labels
from tasks.learning.seeds import Seeds
from tasks.learning.segments import Feed
from tasks.learning.training import NetLearner
from tasks.models.nets import NETS
from tasks.models.nets.tcn import Tcn

MIXED = "bf16-mixed"
QUIET = {"channels": 8, "levels": 2, "dropout": 0.0, "epochs": 4, "patience": 4}


def examples(*, names: int = 30, sessions: int = 120, edge: float = 0.5, seed: int = 3) -> Examples:
    rng = np.random.default_rng(seed)
    features = rng.uniform(-1, 1, (names, sessions, 5)).astype(np.float32)
    member = rng.random((sessions, names)) < 0.9
    label = edge * features[:, :, 1].T + rng.normal(size=(sessions, names))
    label = standardised_labels(label, member, min_names=5)
    return Examples(features, member, label, np.arange(30, 90), np.arange(94, 120))


def fit(
    seeds: list[int],
    *,
    model: str = "tcn",
    loss: str = "ic",
    scratch: Path | None = None,
    **changes: float,
) -> list[Learned]:
    learner = NetLearner(NETS[model]())
    given = (QUIET if model == "tcn" else {"epochs": 4}) | changes
    return learner.fit_seeds(
        examples(),
        How(settled(given, learner.known, model=model), loss, 1, "cpu"),
        seeds=seeds,
        scratch=scratch,
    )


def states(learned: list[Learned]) -> list[dict[str, torch.Tensor]]:
    return [safetensors.load(one.weights) for one in learned]


def close(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.allclose(one[name], other[name], rtol=1e-4, atol=1e-6) for name in one)


# --- seeds ---------------------------------------------------------------------------------------


def test_seeds_score_together_what_they_score_one_after_the_other():
    nets = [Tcn.build(5, {"channels": 8, "levels": 2, "kernel": 3, "dropout": 0.0})] * 1
    nets += [Tcn.build(5, {"channels": 8, "levels": 2, "kernel": 3, "dropout": 0.0})]
    features, member = torch.rand(6, 9, 5), torch.ones(6, 3, dtype=torch.bool)
    together, apart = Seeds(nets), Seeds(nets, together=False)
    found = together(features, member)
    assert found.shape == (2, 6, 3)
    assert torch.allclose(found, apart(features, member), atol=1e-6)
    assert torch.allclose(found[1], nets[1](features, member), atol=1e-6)


def test_seeds_end_with_the_weights_that_each_has_alone(monkeypatch):
    monkeypatch.setattr(Feed, "train", _same_order(Feed.train))
    together = states(fit([1, 2, 3], loss="mse"))
    for seed, state in zip([1, 2, 3], together, strict=True):
        assert close(state, states(fit([seed], loss="mse"))[0]), seed
    assert not close(together[0], together[1])


def _same_order(train):
    def ordered(self, epoch):
        self.seed = 0
        return train(self, epoch)

    return ordered


def test_each_seed_is_clipped_by_its_own_norm():
    nets = Seeds([Tcn.build(5, {"channels": 8, "levels": 1, "kernel": 2, "dropout": 0.0})] * 2)
    for weight in nets.weights:
        weight.grad = torch.ones_like(weight)
        weight.grad[1] *= 1e-6
    before = [weight.grad[1].clone() for weight in nets.weights]
    nets.clip(1.0)
    norm = torch.sqrt(sum(weight.grad[0].square().sum() for weight in nets.weights))
    assert norm == pytest.approx(1.0, rel=1e-4)
    for weight, kept in zip(nets.weights, before, strict=True):
        assert torch.equal(weight.grad[1], kept), "a seed with a small gradient is left alone"


def test_every_step_of_a_training_is_clipped():
    tight, loose = (states(fit([1], clip=clip, epochs=1))[0] for clip in (1e-6, 1e6))
    assert not close(tight, loose)


@pytest.mark.parametrize(
    ("mixed", "gpu", "precision"),
    [(1, True, "bf16-mixed"), (0, True, "32-true"), (1, False, "32-true")],
)
def test_precision_is_mixed_where_asked_for_and_a_gpu_is_there(monkeypatch, mixed, gpu, precision):
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(trainer, "Trainer", lambda **given: made.append(given))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    settings = settled({"mixed": mixed}, NetLearner(Tcn).known, model="tcn")
    trainer.trainer_of(settings, accelerator="auto", callbacks=[], scratch=None)
    assert made[0]["precision"] == precision
    assert made[0]["deterministic"]


@pytest.mark.parametrize("model", ["tcn", "mlp", "transformer"])
def test_mixed_precision_learns_what_the_whole_does(monkeypatch, model):
    """A processor can do it too, if asked to: that is how it is shown without a GPU."""
    whole = states(fit([1], model=model))[0]
    of = trainer.Trainer
    monkeypatch.setattr(trainer, "Trainer", lambda **given: of(**given | {"precision": MIXED}))
    mixed = states(fit([1], model=model))[0]
    assert all(weight.dtype == torch.float32 for weight in mixed.values())
    flat, exact = (
        torch.cat([one[name].flatten() for name in sorted(one)]) for one in (mixed, whole)
    )
    assert not torch.equal(flat, exact), "nothing was rounded"
    assert torch.corrcoef(torch.stack([flat, exact]))[0, 1] > 0.95


def test_a_seed_that_ended_does_not_learn_from_the_longer_patience_of_others():
    learned = fit([1, 2], epochs=12, patience=1)
    for one in learned:
        curve = one.curves["valid_rank_ic"]
        assert len(curve) == one.facts["epochs"]
        assert max(curve) == one.facts["valid_rank_ic"] == curve[one.facts["best_epoch"]]
        assert len(curve) <= one.facts["best_epoch"] + 2


# --- what a pass sees ----------------------------------------------------------------------------


def test_a_pass_shows_each_training_session_once_and_no_other_label():
    given = examples()
    feed = Feed(given, look_back=7, longest=11, seed=1, device=torch.device("cpu"))
    seen = torch.zeros(0)
    for epoch in range(3):
        segments = list(feed.train(epoch))
        known = sum(int(one.known_NK.sum()) for one in segments)
        assert known == np.isfinite(given.label_TN[given.train]).sum()
        for one in segments:
            assert one.features_NTF.shape[1] == 6 + one.label_NK.shape[1]
        first = segments[0].label_NK.flatten()
        assert seen.shape != first.shape or not torch.equal(seen, first), "a new order each pass"
        seen = first
    known = sum(int(one.known_NK.sum()) for one in feed.valid())
    assert known == np.isfinite(given.label_TN[given.valid]).sum()


def test_the_same_epoch_comes_in_the_same_order():
    feed = Feed(examples(), look_back=7, longest=11, seed=1, device=torch.device("cpu"))
    assert feed.train(2).spans == feed.train(2).spans
    assert feed.train(2).spans != feed.train(3).spans


# --- when something goes wrong -------------------------------------------------------------------


def test_a_loss_that_is_no_number_stops_the_training_with_a_reason():
    with pytest.raises(ValueError, match=r"training loss of epoch \d+ is .*nan.*learning_rate"):
        fit([1], learning_rate=1.0, clip=1e6, model="broken")


class Broken(Tcn):
    """Gives NaN as soon as its weights have moved."""

    def forward(self, features_NTF, member_NK):
        return super().forward(features_NTF, member_NK) * torch.nan


@pytest.fixture(autouse=True)
def _broken(monkeypatch):
    monkeypatch.setitem(NETS, "broken", lambda: Broken)
    monkeypatch.setitem(NETS, "greedy", lambda: Greedy)


class Greedy(Tcn):
    """Has no memory for more than two sessions at once."""

    def forward(self, features_NTF, member_NK):
        if self.training and member_NK.shape[1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().forward(features_NTF, member_NK)


def test_where_memory_runs_out_the_segments_are_halved():
    (one,) = fit([1], model="greedy", epochs=2)
    assert one.facts["segment"] <= 2


class GreedyOnCpu(Tcn):
    """Asks the processor for more memory than there is, for more than two sessions at once."""

    def forward(self, features_NTF, member_NK):
        if self.training and member_NK.shape[1] > 2:
            torch.empty(1 << 55)
        return super().forward(features_NTF, member_NK)


def test_where_the_processors_memory_runs_out_they_are_too(monkeypatch):
    monkeypatch.setitem(NETS, "greedy_on_cpu", lambda: GreedyOnCpu)
    (one,) = fit([1], model="greedy_on_cpu", epochs=2)
    assert one.facts["segment"] <= 2


def test_a_seed_that_has_ended_may_go_astray_without_harm(monkeypatch):
    plain = fit([1, 2], epochs=12, patience=1)
    ended = [one.facts["epochs"] for one in plain]
    assert ended[0] != ended[1], "one goes on longer"
    first = int(np.argmin(ended))
    losses = Forecaster.train_losses

    def astray(self):
        found = losses(self)
        if self.current_epoch >= ended[first]:
            found[first] = float("nan")
        return found

    monkeypatch.setattr(Forecaster, "train_losses", astray)
    again = fit([1, 2], epochs=12, patience=1)
    assert [one.weights for one in again] == [one.weights for one in plain]


def test_another_error_is_not_taken_for_lack_of_memory(monkeypatch):
    def fails(*_):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(Tcn, "forward", fails)
    with pytest.raises(RuntimeError, match="shapes differ"):
        fit([1])


# --- settings ------------------------------------------------------------------------------------


def test_the_average_of_the_weights_is_what_is_kept():
    plain, averaged = states(fit([1])), states(fit([1], average=0.9))
    assert not close(plain[0], averaged[0])
    assert all(torch.isfinite(one).all() for one in averaged[0].values())


def test_a_step_size_is_found_before_the_training_and_leaves_no_trace(capfd):
    found, again = fit([1, 2], find_rate=1), fit([1, 2], find_rate=1)
    rate = found[0].facts["learning_rate"]
    assert 1e-5 <= rate <= 1e-1
    assert [one.weights for one in found] == [one.weights for one in again]
    named = fit([1, 2], learning_rate=rate)
    assert [one.weights for one in named] == [one.weights for one in found]
    assert capfd.readouterr() == ("", ""), "nor a bar"


def test_memory_that_is_kept_between_steps_changes_no_weight(monkeypatch):
    kept = fit([1, 2], dropout=0.2)
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))  # another library than glibc
    assert [one.weights for one in fit([1, 2], dropout=0.2)] == [one.weights for one in kept]


def test_dropout_is_at_work_in_training_after_a_validation_too(monkeypatch):
    seen: list[tuple[bool, bool]] = []
    forward = Tcn.forward

    def watched(self, features_NTF, member_NK):
        seen.append((self.training, torch.is_grad_enabled()))
        return forward(self, features_NTF, member_NK)

    monkeypatch.setattr(Tcn, "forward", watched)
    fit([1], epochs=3)
    assert {(True, True), (False, False)} == set(seen)
