"""A small crowd of multilayer perceptrons on the newest sessions that share most weights.

Gorishniy, Kotelnikov & Babenko, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient
Ensembling" (2024), after Wen, Tran & Ba, "BatchEnsemble" (2020): the members share each layer's
matrix, and each has its own signs and scales of what goes in and comes out. Theirs are trained on
one loss each; here the loss sees the mean of their scores, as it is used.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from tasks.learning.model import Setting, Value
from tasks.learning.net import Net, windows
from tasks.models.nets.layers import Dropout


class _Shared(nn.Module):
    """One layer of all members: a shared matrix, times one vector a member on either side."""

    def __init__(self, inputs: int, outputs: int, members: int, *, first: bool):
        super().__init__()
        self.shared = nn.Linear(inputs, outputs, bias=False)
        signs = torch.randint(2, (members, inputs)) * 2.0 - 1.0  # what makes members differ
        self.incoming = nn.Parameter(signs if first else torch.ones(members, inputs))
        self.outgoing = nn.Parameter(torch.ones(members, outputs))
        self.bias = nn.Parameter(torch.zeros(members, outputs))

    def forward(self, state: Tensor, member: int) -> Tensor:
        """Return what one member makes of the state: to scale the matrix costs least."""
        scale = self.outgoing[member].unsqueeze(-1) * self.incoming[member]
        return functional.linear(state, self.shared.weight * scale, self.bias[member])


class Mlp(Net):
    """Score names by the mean of a few perceptrons.

    Args:
        features: Inputs of one session.
        look_back: Sessions they see.
        width: Width of every layer.
        depth: Hidden layers.
        members: Perceptrons.
        dropout: Share of channels left out at random while training.
    """

    known: ClassVar[Mapping[str, Setting]] = {
        "look_back": Setting(1, 1, 60, "sessions one score sees", (1, 5)),
        "width": Setting(64, 4, 512, "width of every layer", (16, 128), True),
        "depth": Setting(2, 1, 6, "hidden layers", (1, 3)),
        "members": Setting(8, 1, 64, "perceptrons that share their matrices", (2, 16), True),
        "dropout": Setting(0.1, 0.0, 0.9, "share of channels left out while training", (0.0, 0.5)),
    }
    segment: ClassVar[int] = 16

    def __init__(
        self, features: int, *, look_back: int, width: int, depth: int, members: int, dropout: float
    ):
        super().__init__()
        inputs = [features * look_back] + [width] * (depth - 1)
        self.layers = nn.ModuleList(
            _Shared(into, width, members, first=level == 0) for level, into in enumerate(inputs)
        )
        self.dropout = Dropout(dropout)
        self.heads = nn.Linear(width, members)
        nn.init.normal_(self.heads.weight, std=0.01)

    @classmethod
    def look_back(cls, settings: Mapping[str, Value]) -> int:
        """Return the sessions that are laid side by side; 1 with the defaults."""
        return int(settings["look_back"])

    @classmethod
    def build(cls, features: int, settings: Mapping[str, Value]) -> "Mlp":
        """Return the net with random weights."""
        return cls(
            features,
            look_back=int(settings["look_back"]),
            width=int(settings["width"]),
            depth=int(settings["depth"]),
            members=int(settings["members"]),
            dropout=float(settings["dropout"]),
        )

    def forward(self, features_NTF: Tensor, member_NK: Tensor) -> Tensor:
        """Return the scores (N, K) of all sessions, one member after the other."""
        seen_KNI = windows(features_NTF, member_NK.shape[1]).flatten(2).contiguous()
        scores = [
            self._score(seen_KNI, member, weight, bias)
            for member, (weight, bias) in enumerate(
                zip(self.heads.weight, self.heads.bias, strict=True)
            )
        ]
        return torch.stack(scores).mean(dim=0).T

    def _score(self, state: Tensor, member: int, weight: Tensor, bias: Tensor) -> Tensor:
        for layer in self.layers:
            state = self.dropout(layer(state, member).relu())
        return state @ weight + bias
