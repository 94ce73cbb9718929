"""Causal 1-D convolutions over each name's recent sessions.

Bai, Kolter & Koltun, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for
Sequence Modeling" (2018). No padding is used: a score sees exactly its look-back, so one pass over
a stretch gives the same scores as one pass a session.
"""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from tasks.learning.model import Setting, Value
from tasks.learning.net import Net
from tasks.models.nets.layers import Dropout, Taps, head


class Tcn(Net):
    """Score names by their features over 1 + (kernel - 1) · (2^levels - 1) sessions.

    Args:
        features: Inputs of one session.
        channels: Width of every level.
        levels: Convolutions, each reaching twice as far apart as the one before.
        kernel: Sessions one convolution looks at.
        dropout: Share of channels left out at random while training.
    """

    known: ClassVar[Mapping[str, Setting]] = {
        "channels": Setting(32, 4, 256, "width of every level", (8, 64), True),
        "levels": Setting(4, 1, 6, "convolutions; the look-back doubles with each", (2, 5)),
        "kernel": Setting(3, 2, 7, "sessions one convolution looks at"),
        "dropout": Setting(0.1, 0.0, 0.9, "share of channels left out while training", (0.0, 0.5)),
    }

    def __init__(self, features: int, *, channels: int, levels: int, kernel: int, dropout: float):
        super().__init__()
        self.inlet = nn.Linear(features, channels)
        self.levels = nn.ModuleList(
            Taps(channels, channels, kernel=kernel, dilation=2**level) for level in range(levels)
        )
        self.activation = nn.GELU()
        self.dropout = Dropout(dropout)
        self.head = head(channels)

    @classmethod
    def look_back(cls, settings: Mapping[str, Value]) -> int:
        """Return the sessions the last level reaches back over; 31 with the defaults."""
        return 1 + (int(settings["kernel"]) - 1) * (2 ** int(settings["levels"]) - 1)

    @classmethod
    def build(cls, features: int, settings: Mapping[str, Value]) -> "Tcn":
        """Return the net with random weights."""
        return cls(
            features,
            channels=int(settings["channels"]),
            levels=int(settings["levels"]),
            kernel=int(settings["kernel"]),
            dropout=float(settings["dropout"]),
        )

    def forward(self, features_NTF: Tensor, member_NK: Tensor) -> Tensor:
        """Return the scores (N, K) of every session with a full look-back, in one pass."""
        state_TNC = self.inlet(features_NTF).transpose(0, 1)
        for level in self.levels:
            news_TNC = self.dropout(self.activation(level(state_TNC)))
            state_TNC = state_TNC[state_TNC.shape[0] - news_TNC.shape[0] :] + news_TNC
        score_NK: Tensor = self.head(state_TNC).squeeze(-1).T
        return score_NK
