"""Fit nets, several seeds at once, on whatever device there is, and read their weights back.

The best weights are kept in memory and leave as safetensors bytes. Given a folder, a training that
is broken off goes on from its last whole epoch; its checkpoints hold tensors and plain values only.
"""

import logging
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.tuner import Tuner
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from tasks.learning.best import BestWeights
from tasks.learning.forecaster import CURVES, Forecaster
from tasks.learning.losses import LOSSES
from tasks.learning.model import Array, Examples, Learned, Learner, Scorer, Setting, Value
from tasks.learning.net import Net
from tasks.learning.repeatable import on_threads, repeatable
from tasks.learning.seeds import Seeds
from tasks.learning.segments import Feed

LOGGER = logging.getLogger(__name__)


class NetLearner(Learner):
    """Any net, trained by the one `Forecaster`.

    Args:
        net: The class that builds it, from our own registry.
    """

    training: ClassVar[Mapping[str, Setting]] = {
        "epochs": Setting(12, 1, 1000, "most passes over the training sessions"),
        "patience": Setting(3, 1, 1000, "passes without a better validation rank IC until it ends"),
        "learning_rate": Setting(2e-3, 1e-6, 1.0, "AdamW step size"),
        "find_rate": Setting(
            0, 0, 1, "1: look for the step size first, by a sweep of growing ones"
        ),
        "weight_decay": Setting(1e-2, 0.0, 10.0, "AdamW shrinkage"),
        "average": Setting(0.0, 0.0, 0.9999, "decay of the average of the weights; 0: no average"),
        "segment": Setting(64, 1, 2048, "most sessions of one step; fewer in short histories"),
        "clip": Setting(1.0, 1e-6, 1e6, "largest norm of a step's gradient"),
        "mixed": Setting(0, 0, 1, "1: bfloat16 where a GPU is, 32 bits elsewhere"),
    }
    losses: ClassVar[Sequence[str]] = tuple(LOSSES)
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
        """Train one net; see `fit_seeds`."""
        return self.fit_seeds(
            examples,
            settings=settings,
            loss=loss,
            seeds=[seed],
            threads=threads,
            accelerator=accelerator,
        )[0]

    def fit_seeds(
        self,
        examples: Examples,
        *,
        settings: Mapping[str, Value],
        loss: str,
        seeds: Sequence[int],
        threads: int,
        accelerator: str,
        scratch: Path | None = None,
    ) -> list[Learned]:
        """Train with early stopping on the validation rank IC; give the best weights of each seed.

        Segments come in the order that the first seed draws. Where memory runs out, segments are
        halved and the training starts again.
        """
        longest = int(settings["segment"])
        while True:
            try:
                with repeatable(seeds[0], threads):
                    return self._trained(
                        examples,
                        settings,
                        loss=loss,
                        seeds=seeds,
                        longest=longest,
                        accelerator=accelerator,
                        scratch=scratch / f"segments_of_{longest}" if scratch else None,
                    )
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error) or longest == 1:
                    raise
            longest //= 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _trained(
        self,
        examples: Examples,
        settings: Mapping[str, Value],
        *,
        loss: str,
        seeds: Sequence[int],
        longest: int,
        accelerator: str,
        scratch: Path | None,
    ) -> list[Learned]:
        best = BestWeights(patience=int(settings["patience"]))
        trainer = _trainer(settings, best, accelerator, scratch)
        feed = Feed(
            examples,
            look_back=self.look_back(settings),
            longest=longest,
            seed=seeds[0],
            device=trainer.strategy.root_device,
        )
        forecaster = Forecaster(
            self._nets(
                examples.features_NTF.shape[2], settings, seeds, trainer.strategy.root_device
            ),
            feed,
            loss=loss,
            learning_rate=float(settings["learning_rate"]),
            weight_decay=float(settings["weight_decay"]),
            average=float(settings["average"]),
            clip=float(settings["clip"]),
        )
        begun = _begun(scratch) if scratch else None
        if settings["find_rate"] and begun is None:
            forecaster.learning_rate = _found_rate(settings, forecaster, accelerator)
        trainer.fit(forecaster, ckpt_path=begun, weights_only=True)
        facts = {
            "segment": feed.length,
            "learning_rate": forecaster.learning_rate,
            "device": trainer.strategy.root_device.type,
        }
        return [self._learned(seed, forecaster, best, facts) for seed in range(len(seeds))]

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


def _trainer(
    settings: Mapping[str, Value], best: Callback, accelerator: str, scratch: Path | None
) -> Trainer:
    callbacks = [best]
    if scratch:
        scratch.mkdir(parents=True, exist_ok=True)
        callbacks.append(
            ModelCheckpoint(
                scratch,
                filename="last",
                enable_version_counter=False,
                save_on_train_epoch_end=True,
            )
        )
    on_gpu = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return Trainer(
        accelerator=accelerator,
        devices=1,
        precision="bf16-mixed" if settings["mixed"] and on_gpu else "32-true",
        max_epochs=int(settings["epochs"]),
        callbacks=callbacks,
        default_root_dir=scratch,
        reload_dataloaders_every_n_epochs=1,
        gradient_clip_val=float(settings["clip"]),
        deterministic=True,
        logger=False,
        enable_checkpointing=scratch is not None,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def _begun(scratch: Path) -> Path | None:
    """Return the checkpoint that a training goes on from; one that was cut short is none.

    Torch writes an archive whose directory comes last, so one that was cut short lacks it. What
    else is wrong with it is said by the loading.
    """
    last = scratch / "last.ckpt"
    if not last.exists():
        return None
    if not zipfile.is_zipfile(last):
        LOGGER.warning("%s was cut short: the training starts again", last)
        last.unlink()
        return None
    return last


def _found_rate(settings: Mapping[str, Value], forecaster: Forecaster, accelerator: str) -> float:
    """Return the step size at which the loss falls fastest, as Lightning's sweep finds it.

    Smith, "Cyclical Learning Rates for Training Neural Networks" (2017). The weights are as before.
    """
    with tempfile.TemporaryDirectory() as folder:
        trainer = _trainer(settings, Callback(), accelerator, Path(folder))
        found = Tuner(trainer).lr_find(forecaster, min_lr=1e-5, max_lr=1e-1, update_attr=False)
    rate = found.suggestion() if found else None
    if rate is None:
        raise ValueError("No step size made the loss fall: name a learning_rate.")
    for curve in forecaster.curves.values():
        curve.clear()
    forecaster.averaged = []
    return float(rate)


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
