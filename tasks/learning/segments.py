"""Feed nets from one copy of the panel on the device: a batch is a slice of it.

One segment is K consecutive sessions with their whole cross-sections and the look-back before them,
because a forecast only means something next to its peers, and one pass of a causal net serves all
its sessions.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.learning.model import Examples

STEPS_PER_EPOCH = 16  # fewest, where the sessions allow: short histories get shorter segments
JUDGED_AT_ONCE = 64  # sessions of a segment of validation


class Segment(NamedTuple):
    """K consecutive sessions, with the look-back before them, and what came of them."""

    features_NTF: Tensor  # T = look_back - 1 + K
    member_NK: Tensor
    label_NK: Tensor
    known_NK: Tensor  # where there is a label to learn from


class Segments:
    """Segments of one stretch of sessions, in order of time or, with a `generator`, shuffled.

    Args:
        features_NTF: The whole panel.
        member_NT: Who is there.
        label_NT: Standardised labels, NaN where there is none.
        places: Sessions whose labels may be used; no other label is ever seen.
        look_back: Sessions that one score sees.
        length: Most sessions of a segment.
        generator: Where the first segment begins and which comes next; None: as they come.
    """

    def __init__(
        self,
        features_NTF: Tensor,
        member_NT: Tensor,
        label_NT: Tensor,
        places: NDArray[np.int64],
        *,
        look_back: int,
        length: int,
        generator: np.random.Generator | None = None,
    ):
        self.features_NTF, self.member_NT, self.label_NT = features_NTF, member_NT, label_NT
        self.look_back = look_back
        allowed_T = torch.zeros(label_NT.shape[1], dtype=torch.bool, device=label_NT.device)
        allowed_T[places] = True
        self.known_NT = torch.isfinite(label_NT) & allowed_T
        offset = 0 if generator is None else int(generator.integers(length))
        first, last = int(places[0]), int(places[-1])
        starts = np.arange(first - offset, last + 1, length)
        spans = [(max(int(start), first), min(int(start) + length, last + 1)) for start in starts]
        known_T = self.known_NT.any(dim=0).cpu().numpy()
        self.spans = [span for span in spans if known_T[slice(*span)].any()]
        if generator is not None:
            self.spans = [self.spans[place] for place in generator.permutation(len(self.spans))]

    def __len__(self) -> int:
        return len(self.spans)

    def __iter__(self) -> Iterator[Segment]:
        for begin, end in self.spans:
            names = self.member_NT[:, begin:end].any(dim=1).nonzero().squeeze(1)
            known_NK = self.known_NT[names, begin:end]
            yield Segment(
                self.features_NTF[names, begin - self.look_back + 1 : end],
                self.member_NT[names, begin:end],
                torch.where(known_NK, self.label_NT[names, begin:end], 0.0),
                known_NK,
            )


class Feed:
    """Examples on a device, cut anew for each pass over them.

    Args:
        examples: Features, members and labels; moved to the device once.
        look_back: Sessions that one score sees.
        longest: Most sessions of a training segment.
        seed: Of the order in which segments come.
        device: Where the panel is to lie.
    """

    def __init__(
        self,
        examples: Examples,
        *,
        look_back: int,
        longest: int,
        seed: int,
        device: torch.device,
    ):
        self.examples, self.look_back, self.seed = examples, look_back, seed
        label_TN = np.ascontiguousarray(examples.label_TN.T, np.float32)
        self._panel = (
            torch.from_numpy(examples.features_NTF).to(device),
            torch.from_numpy(np.ascontiguousarray(examples.member_TN.T)).to(device),
            torch.from_numpy(label_TN).to(device),
        )
        span = int(examples.train[-1] - examples.train[0]) + 1
        self.length = max(1, min(longest, span // STEPS_PER_EPOCH))

    def train(self, epoch: int) -> Segments:
        """Return the training segments of one pass; the same epoch, the same order."""
        return Segments(
            *self._panel,
            self.examples.train,
            look_back=self.look_back,
            length=self.length,
            generator=np.random.default_rng([self.seed, epoch]),
        )

    def valid(self) -> Segments:
        """Return the segments to stop by, in order of time."""
        length = min(JUDGED_AT_ONCE, max(self.length, 1))
        return Segments(*self._panel, self.examples.valid, look_back=self.look_back, length=length)
