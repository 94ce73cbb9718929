"""Keep each seed's best weights, and stop when no seed gets better any more."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from tasks.learning.forecaster import Forecaster


class BestWeights(Callback):
    """A copy of the weights with the best validation rank IC, seed by seed.

    A seed that was not better for `patience` passes has ended: what it learns while others go on
    is not looked at, so it ends with the weights that it would have had alone.

    Args:
        patience: Passes without better weights until a seed ends.
        until: The pass, from 0, whose weights each seed keeps, however good; none: the best.
    """

    def __init__(self, *, patience: int, until: Sequence[int] | None = None):
        self.patience, self.until = patience, until
        self.rank_ic: list[float] = []
        self.epoch: list[int] = []
        self.stopped: list[int] = []  # passes until it ended, or so far
        self.weights: list[Tensor] = []

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy the weights of the seeds that are better than ever before.

        Where the loss of a seed that still learns is no number, the training stops.
        """
        if not isinstance(pl_module, Forecaster) or trainer.sanity_checking:
            return
        found, kept = pl_module.curves["valid_rank_ic"][-1], pl_module.kept()
        epoch = trainer.current_epoch
        if not self.weights:
            self.rank_ic, self.epoch = [-float("inf")] * len(found), [-1] * len(found)
            self.stopped = [0] * len(found)
            self.weights = [one.detach().clone() for one in kept]
        running = [seed for seed in range(len(found)) if self._runs(seed, epoch)]
        loss_S = pl_module.train_losses()
        for seed in running:
            if not isfinite(loss_S[seed]):
                raise ValueError(
                    f"The training loss of epoch {epoch} is {loss_S[seed]}: lower the "
                    "learning_rate or the clip."
                )
            self.stopped[seed] = epoch + 1
            if self.until or found[seed] > self.rank_ic[seed]:
                self.rank_ic[seed], self.epoch[seed] = found[seed], epoch
                for mine, one in zip(self.weights, kept, strict=True):
                    mine[seed] = one[seed]
        trainer.should_stop = not any(self._runs(seed, epoch + 1) for seed in range(len(found)))

    def _runs(self, seed: int, epoch: int) -> bool:
        if self.until:
            return epoch <= self.until[seed]
        return epoch <= self.epoch[seed] + self.patience

    def chosen(self) -> list[Tensor]:
        """Return the best weights, stacked over the seeds; refuse a seed that came to nothing."""
        finite = all(bool(torch.isfinite(one).all()) for one in self.weights)
        if not self.weights or min(self.epoch) < 0 or not finite:
            raise ValueError("The net's weights are not finite: lower its learning_rate.")
        return self.weights

    def state_dict(self) -> dict[str, Any]:
        """Return what a broken-off training needs to go on."""
        names = ("rank_ic", "epoch", "stopped", "weights")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.rank_ic, self.epoch = list(state_dict["rank_ic"]), list(state_dict["epoch"])
        self.stopped, self.weights = list(state_dict["stopped"]), list(state_dict["weights"])
