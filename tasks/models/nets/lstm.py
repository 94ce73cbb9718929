"""A long short-term memory over each name's recent sessions.

Hochreiter & Schmidhuber, "Long Short-Term Memory" (1997), with the forget gate of Gers,
Schmidhuber & Cummins (2000). It starts empty in every look-back, so that a score depends on its
look-back alone; what the inputs say to the gates is computed once a session and serves them all.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from tasks.learning.model import Setting, Value
from tasks.learning.net import Net
from tasks.models.nets.layers import Dropout, Memory, head, session_first


class Lstm(Net):
    """Score names by what a memory makes of their look-back.

    Args:
        features: Inputs of one session.
        look_back: Sessions one score sees.
        hidden: Width of the memory.
        dropout: Share of the last state left out at random while training.
    """

    known: ClassVar[Mapping[str, Setting]] = {
        "look_back": Setting(20, 2, 250, "sessions one score sees", (10, 40), True),
        "hidden": Setting(32, 4, 256, "width of the memory", (8, 64), True),
        "dropout": Setting(
            0.1, 0.0, 0.9, "share of the last state left out while training", (0.0, 0.5)
        ),
    }
    stacks: ClassVar[bool] = False
    segment: ClassVar[int] = 16

    def __init__(self, features: int, *, look_back: int, hidden: int, dropout: float):
        super().__init__()
        self.steps = look_back
        self.memory = Memory(features, hidden)
        self.dropout = Dropout(dropout)
        self.head = head(hidden)

    @classmethod
    def look_back(cls, settings: Mapping[str, Value]) -> int:
        """Return the sessions the memory runs over; 20 with the defaults."""
        return int(settings["look_back"])

    @classmethod
    def build(cls, features: int, settings: Mapping[str, Value]) -> "Lstm":
        """Return the net with random weights."""
        return cls(
            features,
            look_back=int(settings["look_back"]),
            hidden=int(settings["hidden"]),
            dropout=float(settings["dropout"]),
        )

    def forward(self, features_NTF: Tensor, member_NK: Tensor) -> Tensor:
        """Return the scores (N, K): a step forward in all look-backs at once."""
        gates = self.memory.gates(session_first(features_NTF))
        count = member_NK.shape[1]
        hidden_KNC = cell_KNC = features_NTF.new_zeros(
            count, features_NTF.shape[0], self.memory.hidden
        )
        for step in range(self.steps):
            gates_KNG = torch.stack(gates[step : step + count]) + self.memory.recall(hidden_KNC)
            hidden_KNC, cell_KNC = self.memory(gates_KNG, cell_KNC)
        score_NK: Tensor = self.head(self.dropout(hidden_KNC)).squeeze(-1).T
        return score_NK
