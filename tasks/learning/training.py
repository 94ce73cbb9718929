"""Fit nets, several seeds at once, on whatever device there is, and read their weights back.

The best weights are kept in memory and leave as safetensors bytes. Given a folder, a training that
is broken off goes on from its last whole epoch; its checkpoints hold tensors and plain values only.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from tasks.learning.best import BestWeights
from tasks.learning.forecaster import CURVES, Forecaster
from tasks.learning.losses import LOSSES
from tasks.learning.model import (
    REFIT,
    REFIT_LOSS,
    Array,
    Examples,
    How,
    Learned,
    Learner,
    Scorer,
    Setting,
    Value,
)
from tasks.learning.net import Net
from tasks.learning.processes import Company, in_company
from tasks.learning.repeatable import on_threads, repeatable
from tasks.learning.seeds import Seeds
from tasks.learning.segments import ALONE, Feed, Share
from tasks.learning.trainer import begun, found_rate, trainer_of


class _Turn(NamedTuple):
    """One training of some seeds: all that it is told besides its examples."""

    how: How
    seeds: tuple[int, ...]
    longest: int  # sessions of a segment
    scratch: Path | None
    until: tuple[int, ...] | None = None  # the pass that each seed ends with; None: its best


class NetLearner(Learner):
    """Any net, trained by the one `Forecaster`.

    Args:
        net: The class that builds it, from our own registry.
    """

    training: ClassVar[Mapping[str, Setting]] = {
        "epochs": Setting(12, 1, 1000, "most passes over the training sessions"),
        "patience": Setting(3, 1, 1000, "passes without a better validation rank IC until it ends"),
        "learning_rate": Setting(2e-3, 1e-6, 1.0, "AdamW step size", (3e-4, 1e-2), True),
        "find_rate": Setting(
            0, 0, 1, "1: look for the step size first, by a sweep of growing ones"
        ),
        "weight_decay": Setting(1e-2, 0.0, 10.0, "AdamW shrinkage", (1e-4, 1.0), True),
        "average": Setting(0.0, 0.0, 0.9999, "decay of the average of the weights; 0: no average"),
        "refit": REFIT,
        "segment": Setting(64, 1, 2048, "most sessions of one step; fewer in short histories"),
        "clip": Setting(1.0, 1e-6, 1e6, "largest norm of a step's gradient"),
        "mixed": Setting(0, 0, 1, "1: bfloat16 where a GPU is, 32 bits elsewhere"),
        "processes": Setting(1, 1, 64, "processes that share the sessions of each step"),
    }
    losses: ClassVar[Sequence[str]] = tuple(LOSSES)
    suffix: ClassVar[str] = "safetensors"

    def __init__(self, net: type[Net]):
        self.net = net
        segment = self.training["segment"]._replace(default=net.segment)
        self.known = {**self.training, "segment": segment, **net.known}  # type: ignore[misc]

    def look_back(self, settings: Mapping[str, Value]) -> int:
        """Return how many sessions one score sees."""
        return self.net.look_back(settings)

    def fit_seeds(
        self, examples: Examples, how: How, *, seeds: Sequence[int], scratch: Path | None = None
    ) -> list[Learned]:
        """Train with early stopping on the validation rank IC; give the best weights of each seed.

        Refitted, a seed learns from all sessions for as many passes as were best for it before.
        Segments come in the order that the first seed draws. Where memory runs out, segments are
        halved and the training starts again.
        """
        longest = int(how.settings["segment"])
        while True:
            below = scratch / f"segments_of_{longest}" if scratch else None
            turn = _Turn(how, tuple(seeds), longest, below)
            try:
                with repeatable(seeds[0], how.threads):
                    learned = self._fitted(examples, turn)
                    refit = how.settings["refit"]
                    return self._again(examples, turn, learned) if refit else learned
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error) or longest == 1:
                    raise
            longest //= 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _again(self, examples: Examples, turn: _Turn, stopped: Sequence[Learned]) -> list[Learned]:
        """Return the seeds once more, learned from all sessions as long as each was stopped at."""
        rate = stopped[0].facts["learning_rate"]
        settings = {**turn.how.settings, "find_rate": 0, "learning_rate": rate}
        whole = turn._replace(
            how=turn.how._replace(settings=settings),
            scratch=turn.scratch / "whole" if turn.scratch else None,
            until=tuple(one.facts["best_epoch"] for one in stopped),
        )
        return [
            before._replace(
                weights=after.weights,
                stopped=before.weights,
                facts=before.facts | {REFIT_LOSS: after.curves["valid_loss"][-1]},
            )
            for before, after in zip(stopped, self._fitted(examples.whole(), whole), strict=True)
        ]

    def _fitted(self, examples: Examples, turn: _Turn) -> list[Learned]:
        """Return what one process learns, or several that share each step."""
        last = begun(turn.scratch) if turn.scratch else None
        rate = float(turn.how.settings["learning_rate"])
        if turn.how.settings["find_rate"] and last is None:
            swept = partial(self._forecaster, examples, turn, rate)
            rate = found_rate(turn.how.settings, swept, accelerator=turn.how.accelerator)
        processes = int(turn.how.settings["processes"])
        if processes == 1:
            return self._trained(None, examples, turn, rate, last)
        return in_company(processes, self._trained_quietly, examples, turn, rate, last)

    def _trained_quietly(
        self, company: Company, examples: Examples, turn: _Turn, rate: float, last: Path | None
    ) -> list[Learned]:
        with repeatable(turn.seeds[0], max(1, turn.how.threads // company.share.among)):
            return self._trained(company, examples, turn, rate, last)

    def _trained(
        self,
        company: Company | None,
        examples: Examples,
        turn: _Turn,
        rate: float,
        last: Path | None,
    ) -> list[Learned]:
        best = BestWeights(patience=int(turn.how.settings["patience"]), until=turn.until)
        trainer = trainer_of(
            turn.how.settings,
            accelerator=turn.how.accelerator,
            callbacks=[best],
            scratch=turn.scratch,
            company=company,
        )
        device = trainer.strategy.root_device
        share = company.share if company else ALONE
        forecaster = self._forecaster(examples, turn, rate, device, share)
        trainer.fit(forecaster, ckpt_path=last, weights_only=True)
        facts = {
            "segment": forecaster.feed.length,
            "learning_rate": forecaster.learning_rate,
            "device": device.type,
        }
        return [self._learned(seed, forecaster, best, facts) for seed in range(len(turn.seeds))]

    def _forecaster(
        self,
        examples: Examples,
        turn: _Turn,
        rate: float,
        device: torch.device,
        share: Share = ALONE,
    ) -> Forecaster:
        settings = turn.how.settings
        feed = Feed(
            examples,
            look_back=self.look_back(settings),
            longest=turn.longest,
            seed=turn.seeds[0],
            device=device,
            share=share,
        )
        return Forecaster(
            self._nets(examples.features_NTF.shape[2], settings, turn.seeds, device),
            feed,
            loss=turn.how.loss,
            learning_rate=rate,
            weight_decay=float(settings["weight_decay"]),
            average=float(settings["average"]),
            clip=float(settings["clip"]),
        )

    def _nets(
        self,
        features: int,
        settings: Mapping[str, Value],
        seeds: Sequence[int],
        device: torch.device,
    ) -> Seeds:
        nets = []
        for seed in seeds:
            torch.manual_seed(seed)
            nets.append(self.net.build(features, settings))
        return Seeds(nets, together=self.net.stacks or device.type != "cpu")

    def _learned(
        self, seed: int, forecaster: Forecaster, best: BestWeights, facts: Mapping[str, Any]
    ) -> Learned:
        state = forecaster.seeds.state_of(seed, best.chosen())
        epochs = best.stopped[seed]
        curves = {name: [row[seed] for row in forecaster.curves[name][:epochs]] for name in CURVES}
        own = {
            "best_epoch": best.epoch[seed],
            "epochs": epochs,
            "parameters": sum(one.numel() for one in state.values()),
            "valid_rank_ic": best.rank_ic[seed],
        }
        return Learned(safetensors.save(state), own | dict(facts), curves)

    def scorer(
        self, weights: bytes, *, features: int, settings: Mapping[str, Value], threads: int
    ) -> Scorer:
        """Return the net's scoring function; always on the CPU, for the sake of equal bits."""
        with torch.random.fork_rng():
            net = self.net.build(features, settings).eval()
        net.load_state_dict(_state(weights, expected=net.state_dict()))

        def scores(features_NTF: NDArray[np.float32]) -> Array:
            with on_threads(threads), torch.inference_mode():
                seen_NTF = torch.from_numpy(np.ascontiguousarray(features_NTF))
                score_NK = net(seen_NTF, torch.ones(len(seen_NTF), 1, dtype=torch.bool))
            return np.asarray(score_NK[:, 0].numpy(), np.float64)

        return scores


def _is_out_of_memory(error: Exception) -> bool:
    told = str(error).lower()
    by_cpu = "can't allocate memory" in told or "not enough memory" in told
    return isinstance(error, torch.OutOfMemoryError) or by_cpu


def _state(weights: bytes, *, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors in `weights`; they must have the expected names, shapes and be finite."""
    try:
        state: dict[str, Tensor] = safetensors.load(weights)
    except SafetensorError as error:
        raise ValueError(f"These weights are not safetensors bytes: {error}.") from error
    found = {name: (tuple(one.shape), one.dtype) for name, one in state.items()}
    wanted = {name: (tuple(one.shape), one.dtype) for name, one in expected.items()}
    if found != wanted:
        raise ValueError(f"These weights do not fit the net: expected {wanted}, found {found}.")
    if broken := sorted(name for name, one in state.items() if not torch.isfinite(one).all()):
        raise ValueError(f"These weights hold NaN or infinity in {', '.join(broken)}.")
    return state
