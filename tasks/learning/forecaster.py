"""Train any net to rank names by their forward return.

One batch is one segment: consecutive sessions with their whole cross-sections, because a forecast
only means something next to its peers, and one pass of a causal net serves all its sessions.
"""

from typing import NamedTuple

import torch
from pytorch_lightning import LightningModule
from torch import Tensor

from tasks.learning.losses import LOSSES, rank_information_coefficients
from tasks.learning.net import Net


class Segment(NamedTuple):
    """K consecutive sessions, with the look-back before them, and what came of them."""

    features_NTF: Tensor  # T = look_back - 1 + K
    member_NK: Tensor
    label_NK: Tensor
    known_NK: Tensor  # where there is a label to learn from


class Forecaster(LightningModule):
    """Fit `net` to the standardised labels, and judge it by its rank IC.

    Args:
        net: Maps features (N, T, F) and members (N, K) to scores (N, K).
        loss: A name in `LOSSES`.
        learning_rate: AdamW step size.
        weight_decay: AdamW shrinkage, the net's main guard against noise.
    """

    def __init__(self, net: Net, *, loss: str, learning_rate: float, weight_decay: float):
        super().__init__()
        self.net = net
        self.loss = LOSSES[loss]
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.curves: dict[str, list[float]] = {
            name: [] for name in ("train_loss", "valid_loss", "valid_rank_ic")
        }
        self._seen: list[Tensor] = []
        self._judged: list[tuple[Tensor, Tensor, Tensor]] = []

    def forward(self, features_NTF: Tensor, member_NK: Tensor) -> Tensor:
        """Return the scores (N, K) of a stretch."""
        score_NK: Tensor = self.net(features_NTF, member_NK)
        return score_NK

    def training_step(self, batch: Segment, _: int) -> Tensor:
        """Return the loss of one segment."""
        loss = self.loss(self._scores(batch), batch.label_NK, batch.known_NK)
        self._seen.append(loss.detach())
        return loss

    def on_train_epoch_end(self) -> None:
        """Note the epoch's mean loss."""
        self.curves["train_loss"].append(float(torch.stack(self._seen).mean()))
        self._seen.clear()

    def validation_step(self, batch: Segment, _: int) -> None:
        """Keep the segment's loss, rank ICs and which sessions count."""
        score_NK = self._scores(batch)
        counts_K = batch.known_NK.sum(dim=0) >= 2
        loss = self.loss(score_NK, batch.label_NK, batch.known_NK)
        rank_ic_K = rank_information_coefficients(score_NK, batch.label_NK, batch.known_NK)
        self._judged.append((loss, rank_ic_K[counts_K], counts_K.sum()))

    def on_validation_epoch_end(self) -> None:
        """Log the mean rank IC over all sessions to stop by."""
        losses, rank_ics, counts = zip(*self._judged, strict=True)
        self._judged.clear()
        count_S = torch.stack(counts)
        loss = (torch.stack(losses) * count_S).sum() / count_S.sum().clamp_min(1)
        rank_ic = torch.cat(rank_ics).sum() / count_S.sum().clamp_min(1)
        self.curves["valid_loss"].append(float(loss))
        self.curves["valid_rank_ic"].append(float(rank_ic))
        self.log("valid_rank_ic", rank_ic, batch_size=1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW over all weights."""
        return torch.optim.AdamW(
            self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
        )

    def _scores(self, batch: Segment) -> Tensor:
        return self(batch.features_NTF, batch.member_NK)
