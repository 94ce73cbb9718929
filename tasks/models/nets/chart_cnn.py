"""Two-dimensional convolutions over pictures of charts.

Jiang, Kelly & Xiu, "(Re-)Imag(in)ing Price Trends" (Journal of Finance, 2023): a look-back is drawn
as a picture, scaled to its own highest and lowest value, and convolutions look at it as they would
at any picture. What is theirs: the scaling, filters of 5 × 3 with steps downwards, leaky units, and
a last layer over all that is left. What is ours: they draw open, high, low, close, a mean line and
volume in black and white; a recipe gives features that need not be prices, so each chart's daily
move is a weighted sum of the features, with learned weights. `lines` are the running sums of such
moves, as a price is of its returns; `bars` are the sums of a session by themselves, as volume is.
All are inked from the floor up, the uppermost pixel in part, so that weights learn through the ink.
Strides stand for their pooling, and the net is far smaller than theirs.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from tasks.learning.model import Setting, Value
from tasks.learning.net import Net, windows
from tasks.models.nets.layers import head

FIRST, SECOND, STRIDE = (5, 3), (3, 3), 2  # rows × sessions
FLAT = 1e-3  # a chart that varies less is drawn as if it varied by this


class ChartCnn(Net):
    """Score names by the pictures of their charts.

    Args:
        features: Inputs of one session.
        look_back: Sessions in a picture.
        rows: Pixels from a chart's lowest to its highest value.
        lines: Charts of running sums.
        bars: Charts of single sessions.
        channels: Filters of the first convolution; the second has twice as many.
        dropout: Share of the last layer's inputs left out at random while training.
    """

    known: ClassVar[Mapping[str, Setting]] = {
        "look_back": Setting(20, 7, 60, "sessions in a picture"),
        "rows": Setting(16, 9, 64, "pixels from a chart's lowest to its highest value"),
        "lines": Setting(2, 1, 16, "charts of running sums"),
        "bars": Setting(1, 1, 16, "charts of single sessions"),
        "channels": Setting(8, 2, 64, "filters of the first convolution"),
        "dropout": Setting(0.1, 0.0, 0.9, "share of the last inputs left out while training"),
    }

    def __init__(
        self,
        features: int,
        *,
        look_back: int,
        rows: int,
        lines: int,
        bars: int,
        channels: int,
        dropout: float,
    ):
        super().__init__()
        self.rows, self.lines = rows, lines
        self.moves = nn.Linear(features, lines + bars)
        self.first = nn.Conv2d(lines + bars, channels, FIRST, stride=STRIDE)
        self.second = nn.Conv2d(channels, 2 * channels, SECOND, stride=STRIDE)
        self.activation = nn.LeakyReLU()
        self.dropout = nn.Dropout(dropout)
        left = _left(rows, FIRST[0], SECOND[0]) * _left(look_back, FIRST[1], SECOND[1])
        self.head = head(2 * channels * left)

    @classmethod
    def look_back(cls, settings: Mapping[str, Value]) -> int:
        """Return the sessions in a picture; 20 with the defaults."""
        return int(settings["look_back"])

    @classmethod
    def build(cls, features: int, settings: Mapping[str, Value]) -> "ChartCnn":
        """Return the net with random weights."""
        return cls(
            features,
            look_back=int(settings["look_back"]),
            rows=int(settings["rows"]),
            lines=int(settings["lines"]),
            bars=int(settings["bars"]),
            channels=int(settings["channels"]),
            dropout=float(settings["dropout"]),
        )

    def forward(self, features_NTF: Tensor, member_NK: Tensor) -> Tensor:
        """Return the scores (N, K): every name and session has a picture of its own."""
        seen_KNLC = windows(self.moves(features_NTF), member_NK.shape[1])
        picture = self.pictures(seen_KNLC.transpose(2, 3)).flatten(0, 1)
        picture = self.activation(self.second(self.activation(self.first(picture))))
        score: Tensor = self.head(self.dropout(picture.flatten(1)))
        return score.view(member_NK.shape[1], member_NK.shape[0]).T

    def pictures(self, moves_KNCL: Tensor) -> Tensor:
        """Return the charts (K, N, C, rows, L), ink being 1; the lowest row comes first."""
        lines, bars = moves_KNCL[:, :, : self.lines], moves_KNCL[:, :, self.lines :]
        chart_KNCL = torch.cat([lines.cumsum(dim=-1), bars], dim=2)
        floor, top = chart_KNCL.amin(-1, keepdim=True), chart_KNCL.amax(-1, keepdim=True)
        height_KNCL = (chart_KNCL - floor) * (self.rows / (top - floor).clamp_min(FLAT))
        row_H = torch.arange(self.rows, device=height_KNCL.device, dtype=height_KNCL.dtype)
        return (height_KNCL.unsqueeze(-2) - row_H[:, None]).clamp(0.0, 1.0)


def _left(size: int, first: int, second: int) -> int:
    return ((size - first) // STRIDE + 1 - second) // STRIDE + 1
