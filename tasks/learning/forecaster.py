"""Train any net to rank names by their forward return, several seeds at once."""

from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningModule
from torch import Tensor

from tasks.learning.losses import LOSSES, rank_information_coefficients
from tasks.learning.seeds import Seeds
from tasks.learning.segments import Feed, Segment, Segments

CURVES = ("train_loss", "valid_loss", "valid_rank_ic")


class Forecaster(LightningModule):
    """Fit nets to the standardised labels, and judge each by its rank IC.

    All that is random within an epoch follows from the seed and the epoch alone, so a training that
    was broken off goes on as if it had not been.

    Args:
        seeds: The nets; they map features (N, T, F) and members (N, K) to scores (S, N, K).
        feed: What they learn from and are stopped by.
        loss: A name in `LOSSES`.
        learning_rate: AdamW step size.
        weight_decay: AdamW shrinkage, the nets' main guard against noise.
        average: Decay of the moving average of the weights, which is what is judged and kept; 0:
            the weights themselves. Polyak & Juditsky, "Acceleration of Stochastic Approximation by
            Averaging" (1992).
        clip: Largest norm of a seed's gradient.
    """

    def __init__(
        self,
        seeds: Seeds,
        feed: Feed,
        *,
        loss: str,
        learning_rate: float,
        weight_decay: float,
        average: float,
        clip: float,
    ):
        super().__init__()
        self.seeds, self.feed = seeds, feed
        self.loss = LOSSES[loss]
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.average, self.clip = average, clip
        self.averaged: list[Tensor] = []
        self.curves: dict[str, list[list[float]]] = {name: [] for name in CURVES}  # epochs × seeds
        self._seen: list[Tensor] = []
        self._judged: list[tuple[Tensor, Tensor, Tensor]] = []

    def train_dataloader(self) -> Segments:
        """Return the segments of this epoch."""
        return self.feed.train(self.current_epoch)

    def val_dataloader(self) -> Segments:
        """Return the segments to stop by."""
        return self.feed.valid()

    def on_train_epoch_start(self) -> None:
        """Start the epoch's own random numbers."""
        sequence = np.random.SeedSequence([self.feed.seed, self.current_epoch])
        torch.manual_seed(int(sequence.generate_state(1)[0]))

    def training_step(self, batch: Segment, _: int) -> Tensor:
        """Return the losses of one segment, summed over the seeds: none moves another's weights.

        Where processes share a segment, the mean over them is the mean over all its sessions.
        """
        score_SNK = self.seeds(batch.features_NTF, batch.member_NK)
        loss_S = batch.weight * self._losses(batch, score_SNK)
        self._seen.append(loss_S.detach())
        return loss_S.sum()

    def configure_gradient_clipping(self, *_: Any, **__: Any) -> None:
        """Clip each seed by its own norm."""
        self.seeds.clip(self.clip)

    def on_train_batch_end(self, *_: Any) -> None:
        """Move the average of the weights; it starts as they are and forgets the first steps."""
        if not self.average:
            return
        weights = [one.detach() for one in self.seeds.weights]
        if not self.averaged:
            self.averaged = [one.clone() for one in weights]
        step = self.global_step
        keep = min(self.average, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.averaged, weights, 1 - keep)

    def train_losses(self) -> list[float]:
        """Return the mean losses of this epoch so far, each seed's own."""
        loss_S = self.trainer.strategy.reduce(torch.stack(self._seen).mean(dim=0), reduce_op="mean")
        losses: list[float] = torch.as_tensor(loss_S).tolist()
        return losses

    def on_train_epoch_end(self) -> None:
        """Note the epoch's mean losses."""
        self.curves["train_loss"].append(self.train_losses())
        self._seen.clear()

    def kept(self) -> list[Tensor]:
        """Return the weights that are judged, stacked over the seeds."""
        return self.averaged or [one.detach() for one in self.seeds.weights]

    def validation_step(self, batch: Segment, _: int) -> None:
        """Keep the segment's losses, rank ICs and how many sessions count."""
        score_SNK = self.seeds(batch.features_NTF, batch.member_NK, self.kept()).float()
        counts_K = batch.known_NK.sum(dim=0) >= 2
        rank_ic_SK = torch.stack(
            [
                rank_information_coefficients(score_NK, batch.label_NK, batch.known_NK)
                for score_NK in score_SNK
            ]
        )
        judged = self._losses(batch, score_SNK), rank_ic_SK[:, counts_K].sum(dim=1), counts_K.sum()
        self._judged.append(judged)

    def on_validation_epoch_end(self) -> None:
        """Note the mean loss and the mean rank IC over all sessions, each seed's own."""
        losses, rank_ics, counts = zip(*self._judged, strict=True)
        self._judged.clear()
        count_B = torch.stack(counts)
        total = count_B.sum().clamp_min(1)
        loss_S = (torch.stack(losses) * count_B[:, None]).sum(dim=0) / total
        self.curves["valid_loss"].append(loss_S.tolist())
        self.curves["valid_rank_ic"].append((torch.stack(rank_ics).sum(dim=0) / total).tolist())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW over all weights; its steps are element by element, so seeds stay apart."""
        return torch.optim.AdamW(
            self.seeds.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the curves and the average of the weights."""
        checkpoint["curves"], checkpoint["averaged"] = self.curves, self.averaged
        checkpoint["learning_rate"] = self.learning_rate

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the curves and the average up again."""
        self.curves, self.learning_rate = checkpoint["curves"], checkpoint["learning_rate"]
        self.averaged = [one.to(self.device) for one in checkpoint["averaged"]]

    def _losses(self, batch: Segment, score_SNK: Tensor) -> Tensor:
        losses = [self.loss(score_NK, batch.label_NK, batch.known_NK) for score_NK in score_SNK]
        return torch.stack(losses)
