"""Convolutions that sum up a few sessions, a memory over these sums, and a token of the market.

After Sainath, Vinyals, Senior & Sak, "Convolutional, Long Short-Term Memory, Fully Connected Deep
Neural Networks" (2015), for a convolutional stem before a memory, and Lim et al., "Temporal Fusion
Transformers" (2021), for gates that choose among the inputs. Ours are the stride, which lets the
memory take one step for several sessions while every session keeps its own steps, and the market
token: at each step every name is told the mean state of the names that are members of the session
to be scored.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from tasks.learning.model import Setting, Value
from tasks.learning.net import Net
from tasks.models.nets.layers import Dropout, Memory, Taps, head, market, session_first


class ConvLstm(Net):
    """Score names by `steps` steps of a memory, each over `kernel` sessions.

    Args:
        features: Inputs of one session.
        steps: Steps of the memory.
        kernel: Sessions one step sums up.
        hidden: Width of stem and memory.
        dropout: Share of channels left out at random while training.
    """

    known: ClassVar[Mapping[str, Setting]] = {
        "steps": Setting(8, 2, 60, "steps of the memory", (4, 12)),
        "kernel": Setting(4, 1, 20, "sessions one step sums up", (2, 6)),
        "hidden": Setting(32, 4, 256, "width of the stem and the memory", (16, 64), True),
        "dropout": Setting(0.1, 0.0, 0.9, "share of channels left out while training", (0.0, 0.5)),
    }
    stacks: ClassVar[bool] = False
    segment: ClassVar[int] = 16

    def __init__(self, features: int, *, steps: int, kernel: int, hidden: int, dropout: float):
        super().__init__()
        self.steps, self.stride = steps, kernel
        self.squeeze = nn.Linear(features, hidden)
        self.choose = nn.Linear(hidden, features)
        self.stem = Taps(features, hidden, kernel=kernel)
        self.memory = Memory(hidden, hidden)
        self.listen = nn.Linear(hidden, 4 * hidden, bias=False)
        self.activation = nn.GELU()
        self.dropout = Dropout(dropout)
        self.head = head(hidden)

    @classmethod
    def look_back(cls, settings: Mapping[str, Value]) -> int:
        """Return the sessions all steps sum up; 32 with the defaults."""
        return int(settings["steps"]) * int(settings["kernel"])

    @classmethod
    def build(cls, features: int, settings: Mapping[str, Value]) -> "ConvLstm":
        """Return the net with random weights."""
        return cls(
            features,
            steps=int(settings["steps"]),
            kernel=int(settings["kernel"]),
            hidden=int(settings["hidden"]),
            dropout=float(settings["dropout"]),
        )

    def forward(self, features_NTF: Tensor, member_NK: Tensor) -> Tensor:
        """Return the scores (N, K): a step forward in all look-backs at once."""
        features_TNF = session_first(features_NTF)
        gate_TNF = self.choose(self.activation(self.squeeze(features_TNF))).sigmoid()
        stem_TNC = self.dropout(self.activation(self.stem(features_TNF * gate_TNF)))
        gates = self.memory.gates(stem_TNC)
        count = member_NK.shape[1]
        hidden_KNC = cell_KNC = features_NTF.new_zeros(
            count, features_NTF.shape[0], self.memory.hidden
        )
        for step in range(self.steps):
            begin = step * self.stride
            gates_KNG = torch.stack(gates[begin : begin + count]) + self.memory.recall(hidden_KNC)
            told_K1G = self.listen(market(hidden_KNC, member_NK))
            hidden_KNC, cell_KNC = self.memory(gates_KNG + told_K1G, cell_KNC)
        score_NK: Tensor = self.head(self.dropout(hidden_KNC)).squeeze(-1).T
        return score_NK
