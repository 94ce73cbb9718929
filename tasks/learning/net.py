"""What a net must offer: one score for each name of a session, from its features over a look-back.

Shapes are spelled in suffixes: N names, T sessions, F features, K scored sessions, L look-back.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from tasks.learning.model import Setting, Value


class Net(nn.Module, ABC):
    """A net that treats every name alike.

    A subclass names its own settings in `known` and is built from the number of features and all
    settings. It scores a whole stretch in one pass where its structure allows; where it does not,
    `windows` cuts the stretch into the look-backs of its sessions.
    """

    known: ClassVar[Mapping[str, Setting]]
    stacks: ClassVar[bool] = True  # on a CPU, one batched pass over seeds costs no more than many
    segment: ClassVar[int] = 64  # most sessions of a step by default: beyond, memory, not speed

    @classmethod
    @abstractmethod
    def look_back(cls, settings: Mapping[str, Value]) -> int:
        """Return how many sessions one score sees, the newest included."""

    @classmethod
    @abstractmethod
    def build(cls, features: int, settings: Mapping[str, Value]) -> "Net":
        """Return a net with fresh weights."""

    @abstractmethod
    def forward(self, features_NTF: Tensor, member_NK: Tensor) -> Tensor:
        """Return the scores (N, K) of the last K sessions of a stretch, each from its look-back.

        The stretch holds T = look_back - 1 + K sessions. Where `member_NK` is false a name is not
        there: it moves no other name's score, and its own score means nothing.
        """


def windows(features_NTF: Tensor, count: int) -> Tensor:
    """Return what each of the last `count` sessions sees, (K, N, L, F); a view, not a copy."""
    look_back = features_NTF.shape[1] - count + 1
    return features_NTF.unfold(1, look_back, 1).permute(1, 0, 3, 2)
