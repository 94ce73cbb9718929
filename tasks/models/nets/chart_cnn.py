"""Two-dimensional convolutions over pictures of charts.

Jiang, Kelly & Xiu, "(Re-)Imag(in)ing Price Trends" (Journal of Finance, 2023): a look-back is drawn
as a picture, scaled to its own highest and lowest value, and convolutions look at it as they would
at any picture. What is theirs: the scaling, filters of 5 × 3 that step downwards, leaky units, a
last layer over all that is left. What is ours: they draw open, high, low, close, a mean line and
volume in black and white; a recipe gives features that need not be prices, so each chart's daily
move is a weighted sum of the features, with learned weights. `lines` are the running sums of such
moves, as a price is of its returns; `bars` are the sums of a session by themselves, as volume is.
All are inked from the floor up, the uppermost pixel in part, so that weights learn through the ink.
The second filters are of 3 × 3, strides stand for their pooling, and the net is far smaller.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from tasks.learning.model import Setting, Value
from tasks.learning.net import Net, windows
from tasks.models.nets.layers import Dropout, head

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
        "look_back": Setting(20, 7, 60, "sessions in a picture", (10, 40), True),
        "rows": Setting(16, 9, 64, "pixels from a chart's lowest to its highest value"),
        "lines": Setting(2, 1, 16, "charts of running sums", (1, 4)),
        "bars": Setting(1, 1, 16, "charts of single sessions"),
        "channels": Setting(8, 2, 64, "filters of the first convolution", (4, 16), True),
        "dropout": Setting(
            0.1, 0.0, 0.9, "share of the last inputs left out while training", (0.0, 0.5)
        ),
    }
    stacks: ClassVar[bool] = False
    segment: ClassVar[int] = 8

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
        self.dropout = Dropout(dropout)
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
        pictures = self.pictures(windows(self.moves(features_NTF), member_NK.shape[1]))
        seen = pictures.flatten(0, 1).movedim(-1, 1)  # charts first, as convolutions want them
        seen = self.activation(self.second(self.activation(self.first(seen))))
        left_KNC = seen.flatten(1).unflatten(0, pictures.shape[:2])
        score_NK: Tensor = self.head(self.dropout(left_KNC)).squeeze(-1).T
        return score_NK

    def pictures(self, moves_KNLC: Tensor) -> Tensor:
        """Return the charts (K, N, rows, L, C), ink being 1; the lowest row comes first."""
        lines, bars = moves_KNLC[..., : self.lines], moves_KNLC[..., self.lines :]
        # Not `cumsum`, which has no repeatable kernel on a GPU.
        upto_LL = torch.ones(2 * lines.shape[2:3], device=lines.device, dtype=lines.dtype).tril()
        chart_KNLC = torch.cat([upto_LL @ lines, bars], dim=-1)
        floor, top = chart_KNLC.amin(2, keepdim=True), chart_KNLC.amax(2, keepdim=True)
        height_KNLC = (chart_KNLC - floor) * (self.rows / (top - floor).clamp_min(FLAT))
        row_H = torch.arange(self.rows, device=height_KNLC.device, dtype=height_KNLC.dtype)
        return functional.hardtanh(height_KNLC.unsqueeze(2) - row_H[:, None, None], 0.0, 1.0)


def _left(size: int, first: int, second: int) -> int:
    return ((size - first) // STRIDE + 1 - second) // STRIDE + 1
