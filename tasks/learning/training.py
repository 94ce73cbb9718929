"""Fit nets, on whatever device there is, and read their weights back.

The panel is moved to the device once; a batch is a slice of it. Nothing is written to disk: the
best weights are kept in memory, and leave as safetensors bytes.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from tasks.learning.forecaster import Forecaster, Segment
from tasks.learning.model import Array, Examples, Learned, Learner, Scorer, Setting, Value
from tasks.learning.net import Net

STEPS_PER_EPOCH = 16  # fewest, where the sessions allow: short histories get shorter segments
NOISY = ("pytorch_lightning", "lightning.pytorch", "lightning.fabric")


class NetLearner(Learner):
    """Any net, trained by the one `Forecaster`.

    Args:
        net: The class that builds it, from our own registry.
    """

    training: ClassVar[Mapping[str, Setting]] = {
        "epochs": Setting(12, 1, 1000, "most passes over the training sessions"),
        "patience": Setting(3, 1, 1000, "passes without a better validation rank IC until it ends"),
        "learning_rate": Setting(2e-3, 1e-6, 1.0, "AdamW step size"),
        "weight_decay": Setting(1e-2, 0.0, 10.0, "AdamW shrinkage"),
        "segment": Setting(64, 1, 2048, "most sessions of one step; fewer in short histories"),
        "clip": Setting(1.0, 1e-6, 1e6, "largest norm of a step's gradient"),
    }
    losses: ClassVar[Sequence[str]] = ("ic", "mse")
    suffix: ClassVar[str] = "safetensors"

    def __init__(self, net: type[Net]):
        self.net = net
        self.known = {**self.training, **net.known}  # type: ignore[misc]

    def look_back(self, settings: Mapping[str, Value]) -> int:
        """Return how many sessions one score sees."""
        return self.net.look_back(settings)

    def fit(
        self,
        examples: Examples,
        *,
        settings: Mapping[str, Value],
        loss: str,
        seed: int,
        threads: int,
        accelerator: str,
    ) -> Learned:
        """Train with early stopping on the validation rank IC; give the best weights seen."""
        with _repeatable(seed, threads):
            forecaster = Forecaster(
                self.net.build(examples.features_NTF.shape[2], settings),
                loss=loss,
                learning_rate=float(settings["learning_rate"]),
                weight_decay=float(settings["weight_decay"]),
            )
            best = _BestWeights()
            trainer = _trainer(settings, best, accelerator)
            train, valid = _segments(
                examples,
                look_back=self.look_back(settings),
                longest=int(settings["segment"]),
                seed=seed,
                device=trainer.strategy.root_device,
            )
            trainer.fit(forecaster, train, valid)
        if not all(np.isfinite(curve).all() for curve in forecaster.curves.values()):
            raise ValueError("The net's losses are not finite: lower its learning_rate.")
        facts = {
            "best_epoch": best.epoch,
            "epochs": len(forecaster.curves["train_loss"]),
            "parameters": sum(weight.numel() for weight in best.state.values()),
            "valid_rank_ic": best.rank_ic,
            "device": trainer.strategy.root_device.type,
        }
        return Learned(safetensors.save(best.chosen()), facts, forecaster.curves)

    def scorer(
        self, weights: bytes, *, features: int, settings: Mapping[str, Value], threads: int
    ) -> Scorer:
        """Return the net's scoring function; always on the CPU, for the sake of equal bits."""
        with torch.random.fork_rng():
            net = self.net.build(features, settings).eval()
        net.load_state_dict(_state(weights, expected=net.state_dict()))

        def scores(features_NTF: NDArray[np.float32]) -> Array:
            with _threads(threads), torch.inference_mode():
                seen_NTF = torch.from_numpy(np.ascontiguousarray(features_NTF))
                score_NK = net(seen_NTF, torch.ones(len(seen_NTF), 1, dtype=torch.bool))
            return np.asarray(score_NK[:, 0].numpy(), np.float64)

        return scores


class _Segments:
    """Segments of the panel on the device, in a new order and at new offsets each pass."""

    def __init__(
        self,
        features_NTF: Tensor,
        member_NT: Tensor,
        label_NT: Tensor,
        places: NDArray[np.int64],
        *,
        look_back: int,
        length: int,
        generator: np.random.Generator | None,
    ):
        self.features_NTF, self.member_NT = features_NTF, member_NT
        self.look_back, self.length, self.generator = look_back, length, generator
        self.first, self.last = int(places[0]), int(places[-1])
        self.label_NT = torch.full_like(label_NT, torch.nan)
        self.label_NT[:, places] = label_NT[:, places]
        self.known_NT = torch.isfinite(self.label_NT)

    def __iter__(self) -> Iterator[Segment]:
        offset = 0 if self.generator is None else int(self.generator.integers(self.length))
        starts = np.arange(self.first - offset, self.last + 1, self.length)
        if self.generator is not None:
            starts = self.generator.permutation(starts)
        for start in starts:
            begin = max(int(start), self.first)
            end = min(int(start) + self.length, self.last + 1)
            names = self.member_NT[:, begin:end].any(dim=1).nonzero().squeeze(1)
            if self.known_NT[:, begin:end].any():
                yield self._segment(names, begin, end)

    def _segment(self, names: Tensor, begin: int, end: int) -> Segment:
        known_NK = self.known_NT[names, begin:end]
        return Segment(
            self.features_NTF[names, begin - self.look_back + 1 : end],
            self.member_NT[names, begin:end],
            torch.where(known_NK, self.label_NT[names, begin:end], 0.0),
            known_NK,
        )


class _BestWeights(Callback):
    """Keep a copy of the weights with the best validation rank IC."""

    def __init__(self) -> None:
        self.rank_ic = -float("inf")
        self.epoch = -1
        self.state: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy the weights where they are better than all before."""
        rank_ic = float(trainer.callback_metrics["valid_rank_ic"])
        if rank_ic > self.rank_ic and isinstance(pl_module, Forecaster):
            state = pl_module.net.state_dict()
            self.state = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
            self.rank_ic, self.epoch = rank_ic, trainer.current_epoch

    def chosen(self) -> dict[str, Tensor]:
        """Return the best weights; refuse a training that came to nothing."""
        if not self.state or not all(bool(torch.isfinite(w).all()) for w in self.state.values()):
            raise ValueError("The net's weights are not finite: lower its learning_rate.")
        return {name: tensor.contiguous() for name, tensor in self.state.items()}


def _trainer(settings: Mapping[str, Value], best: _BestWeights, accelerator: str) -> Trainer:
    patience = EarlyStopping("valid_rank_ic", mode="max", patience=int(settings["patience"]))
    return Trainer(
        accelerator=accelerator,
        devices=1,
        max_epochs=int(settings["epochs"]),
        callbacks=[best, patience],
        gradient_clip_val=float(settings["clip"]),
        deterministic=True,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def _segments(
    examples: Examples, *, look_back: int, longest: int, seed: int, device: torch.device
) -> tuple[_Segments, _Segments]:
    """Return the segments to learn from and those to stop by, over one copy on the device."""
    features_NTF = torch.from_numpy(examples.features_NTF).to(device)
    member_NT = torch.from_numpy(np.ascontiguousarray(examples.member_TN.T)).to(device)
    label_NT = torch.from_numpy(np.ascontiguousarray(examples.label_TN.T, np.float32)).to(device)
    span = int(examples.train[-1] - examples.train[0]) + 1
    length = max(1, min(longest, span // STEPS_PER_EPOCH))

    def over(
        places: NDArray[np.int64], length: int, generator: np.random.Generator | None
    ) -> _Segments:
        return _Segments(
            features_NTF,
            member_NT,
            label_NT,
            places,
            look_back=look_back,
            length=length,
            generator=generator,
        )

    return (
        over(examples.train, length, np.random.default_rng(seed)),
        over(examples.valid, 64, None),
    )


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


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _repeatable(seed: int, threads: int) -> Iterator[None]:
    """Seed and silence everything inside; leave torch and the loggers as they were."""
    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [logger.level for logger in loggers]
    strict = torch.are_deterministic_algorithms_enabled()
    cudnn: tuple[Any, Any] = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    with _threads(threads), torch.random.fork_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(pytorch_)?lightning")
        torch.manual_seed(seed)
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            torch.use_deterministic_algorithms(strict)
            torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn
