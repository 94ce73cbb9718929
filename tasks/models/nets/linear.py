"""The plainest net: a weighted sum of the newest features. What a deeper net must beat."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from tasks.learning.model import Setting, Value
from tasks.learning.net import Net


class Linear(Net):
    """Score names by one weight a feature."""

    known: ClassVar[Mapping[str, Setting]] = {}

    def __init__(self, features: int):
        super().__init__()
        self.head = nn.Linear(features, 1, bias=False)
        nn.init.normal_(self.head.weight, std=0.01)

    @classmethod
    def look_back(cls, settings: Mapping[str, Value]) -> int:
        """Return 1: the newest session alone."""
        return 1

    @classmethod
    def build(cls, features: int, settings: Mapping[str, Value]) -> "Linear":
        """Return the net with small random weights."""
        return cls(features)

    def forward(self, features_NTF: Tensor, member_NK: Tensor) -> Tensor:
        """Return the scores (N, K) of all sessions at once."""
        score_NK: Tensor = self.head(features_NTF).squeeze(-1)
        return score_NK
