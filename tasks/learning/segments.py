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

from tasks.learning.model import Examples, Sessions

STEPS_PER_EPOCH = 16  # fewest, where the sessions allow: short histories get shorter segments
JUDGED_AT_ONCE = 64  # sessions of a segment of validation


class Share(NamedTuple):
    """Which of the processes that share each segment's sessions this one is."""

    place: int
    among: int


ALONE = Share(0, 1)


class Segment(NamedTuple):
    """K consecutive sessions, with the look-back before them, and what came of them."""

    features_NTF: Tensor  # T = look_back - 1 + K
    member_NK: Tensor
    label_NK: Tensor
    known_NK: Tensor  # where there is a label to learn from
    weight: float = 1.0  # of its mean loss in a step; others have the rest where a step is shared


class Stretch(NamedTuple):
    """The whole panel on the device, and which of its labels may be used."""

    features_NTF: Tensor
    member_NT: Tensor
    label_NT: Tensor  # standardised, NaN where there is none
    known_NT: Tensor  # labels that may be used; no other is ever seen
    counts_T: NDArray[np.bool_]  # sessions with a cross-section: two such labels at least
    places: Sessions  # which it is of


class Segments:
    """Segments of one stretch of sessions.

    Args:
        stretch: The panel.
        spans: First session of each segment, and the one after its last.
        look_back: Sessions that one score sees.
        share: The part of each segment's sessions to give. Names are those of the whole segment,
            so that what is drawn for them at random is the same in every part.
    """

    def __init__(
        self, stretch: Stretch, spans: list[tuple[int, int]], *, look_back: int, share: Share
    ):
        self.stretch, self.spans = stretch, spans
        self.look_back, self.share = look_back, share

    def __len__(self) -> int:
        return len(self.spans)

    def __iter__(self) -> Iterator[Segment]:
        return (self._segment(*span) for span in self.spans)

    def _segment(self, begin: int, end: int) -> Segment:
        features_NTF, member_NT, label_NT, known_NT, counts_T, _ = self.stretch
        names = member_NT[:, begin:end].any(dim=1).nonzero().squeeze(1)
        own = np.array_split(np.arange(begin, end), self.share.among)[self.share.place]
        # Where nothing is left for this process, it goes along without a say.
        first, last = (int(own[0]), int(own[-1]) + 1) if len(own) else (begin, begin + 1)
        known_NK = _rows(known_NT[:, first:last], names)
        return Segment(
            _rows(features_NTF[:, first - self.look_back + 1 : last], names),
            _rows(member_NT[:, first:last], names),
            torch.where(known_NK, _rows(label_NT[:, first:last], names), 0.0),
            known_NK,
            float(self.share.among * counts_T[own].sum() / counts_T[begin:end].sum()),
        )


class Feed:
    """Examples on a device, cut anew for each pass over them.

    Args:
        examples: Features, members and labels; moved to the device once.
        look_back: Sessions that one score sees.
        longest: Most sessions of a training segment.
        seed: Of the order in which segments come.
        device: Where the panel is to lie.
        share: The part of each training segment to give; validation is whole.
    """

    def __init__(
        self,
        examples: Examples,
        *,
        look_back: int,
        longest: int,
        seed: int,
        device: torch.device,
        share: Share = ALONE,
    ):
        self.look_back, self.seed, self.share = look_back, seed, share
        label_TN = np.ascontiguousarray(examples.label_TN.T, np.float32)
        features_NTF = torch.from_numpy(examples.features_NTF).to(device)
        member_NT = torch.from_numpy(np.ascontiguousarray(examples.member_TN.T)).to(device)
        label_NT = torch.from_numpy(label_TN).to(device)
        self._train, self._valid = (
            Stretch(features_NTF, member_NT, label_NT, *_known(label_NT, places), places)
            for places in (examples.train, examples.valid)
        )
        span = int(examples.train[-1] - examples.train[0]) + 1
        self.length = max(1, min(longest, span // STEPS_PER_EPOCH))

    def train(self, epoch: int) -> Segments:
        """Return the training segments of one pass, shuffled; the same epoch, the same order.

        Where the first segment begins is random too.
        """
        generator = np.random.default_rng([self.seed, epoch])
        spans = _spans(self._train, self.length, int(generator.integers(self.length)))
        order = generator.permutation(len(spans))
        return Segments(
            self._train,
            [spans[place] for place in order],
            look_back=self.look_back,
            share=self.share,
        )

    def valid(self) -> Segments:
        """Return the segments to stop by, in order of time."""
        spans = _spans(self._valid, min(JUDGED_AT_ONCE, self.length), 0)
        return Segments(self._valid, spans, look_back=self.look_back, share=ALONE)


def _known(label_NT: Tensor, places: Sessions) -> tuple[Tensor, NDArray[np.bool_]]:
    """Return which labels of these sessions there are, and which sessions have two at least."""
    allowed_T = torch.zeros(label_NT.shape[1], dtype=torch.bool, device=label_NT.device)
    allowed_T[places] = True
    known_NT = torch.isfinite(label_NT) & allowed_T
    return known_NT, (known_NT.sum(dim=0) >= 2).cpu().numpy()


def _spans(stretch: Stretch, length: int, offset: int) -> list[tuple[int, int]]:
    """Return segments of at most `length` sessions, in order, leaving out those without labels."""
    first, last = int(stretch.places[0]), int(stretch.places[-1])
    starts = range(first - offset, last + 1, length)
    spans = [(max(start, first), min(start + length, last + 1)) for start in starts]
    return [span for span in spans if stretch.counts_T[slice(*span)].any()]


def _rows(values: Tensor, names: Tensor) -> Tensor:
    """Return these names' rows; whole rows are copied, where an index in brackets goes by cells.

    A copy also where these are all names: what else is listed must not change how a net computes.
    """
    return values.index_select(0, names)
