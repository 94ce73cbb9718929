"""What a net must offer: one score for each name from its features over a look-back.

Shapes are spelled in suffixes: N names, T sessions, F features, K scored sessions.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from tasks.learning.model import Setting, Value


class Net(nn.Module, ABC):
    """A net that treats every name alike.

    A subclass names its own settings in `known` and is built from the number of features and all
    settings. It may replace `dense` where one pass over a stretch is cheaper than one a session.
    """

    known: ClassVar[Mapping[str, Setting]]

    @classmethod
    @abstractmethod
    def look_back(cls, settings: Mapping[str, Value]) -> int:
        """Return how many sessions one score sees, the newest included."""

    @classmethod
    @abstractmethod
    def build(cls, features: int, settings: Mapping[str, Value]) -> "Net":
        """Return a net with fresh weights."""

    @abstractmethod
    def forward(self, features_NTF: Tensor) -> Tensor:
        """Return one score for each name (N,), from exactly the look-back's sessions."""

    def dense(self, features_NTF: Tensor, look_back: int) -> Tensor:
        """Return the scores (N, K) of all sessions of a stretch that have a full look-back."""
        names, sessions, features = features_NTF.shape
        windows = features_NTF.unfold(1, look_back, 1).transpose(2, 3)
        flat = windows.reshape(-1, look_back, features)
        score_NK: Tensor = self(flat).reshape(names, sessions - look_back + 1)
        return score_NK
