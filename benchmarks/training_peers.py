"""What training is compared with: a loader of windows, steps on windows, and a plain loop."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tasks.learning.forecaster import Forecaster
from tasks.learning.model import Examples
from tasks.learning.segments import Segment

BATCHES = 30  # of windows in one turn
SESSIONS = 4  # trained on windows in one turn: each costs as much as the next


class Windows(Dataset[tuple[Tensor, Tensor]]):
    """One sample is the look-back of one name at one session, and its label.

    Samples are views of one tensor, and places are plain whole numbers: nothing is computed or
    copied before the loader puts a batch together.
    """

    def __init__(self, examples: Examples, look_back: int):
        self.features_NTF = torch.from_numpy(examples.features_NTF)
        self.label_TN = torch.from_numpy(examples.label_TN.astype(np.float32))
        at, names = np.nonzero(np.isfinite(examples.label_TN[examples.train]))
        self.names, self.ends = names.tolist(), (examples.train[at] + 1).tolist()
        self.look_back = look_back

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        name, end = self.names[place], self.ends[place]
        return self.features_NTF[name, end - self.look_back : end], self.label_TN[end - 1, name]


def windows_fed(examples: Examples, *, look_back: int, batch: int) -> Callable[[], float]:
    """Return what feeds some shuffled batches of windows and gives how many rows these were."""
    loader = DataLoader(Windows(examples, look_back), batch_size=batch, shuffle=True)
    batches = iter(loader)

    def feed() -> float:
        nonlocal batches
        rows = 0
        for _ in range(BATCHES):
            fed = next(batches, None)
            if fed is None:  # a pass is over
                batches = iter(loader)
                fed = next(batches)
            rows += len(fed[1])
        return rows

    return feed


class Apart(NamedTuple):
    """How far windows are from the segment they were cut from."""

    scores: float  # the largest difference, in deviations of the scores
    gradients: float  # the norm of the difference, of the norm


def of_session(segment: Segment, session: int, look_back: int) -> Segment:
    """Return the windows of one session's labelled names as a batch of their own."""
    names = segment.known_NK[:, session].nonzero().squeeze(1)
    one = slice(session, session + 1)
    return Segment(
        segment.features_NTF[names, session : session + look_back].contiguous(),
        segment.member_NK[names, one],
        segment.label_NK[names, one],
        segment.known_NK[names, one],
    )


def windowed_steps(forecaster: Forecaster, segment: Segment) -> Callable[[], float]:
    """Return what makes a step on the windows of some sessions, one session after the other.

    The windows lie ready: how they are put together is no part of what is measured.
    """
    look_back = forecaster.feed.look_back
    counted = segment.known_NK.any(dim=0).nonzero().squeeze(1).tolist()
    batches = [of_session(segment, one, look_back) for one in counted[:SESSIONS]]
    optimizer = forecaster.configure_optimizers()

    def steps() -> float:
        for batch in batches:
            optimizer.zero_grad()
            forecaster.training_step(batch, 0).backward()
            forecaster.seeds.clip(forecaster.clip)
            optimizer.step()
        return sum(int(batch.known_NK.sum()) for batch in batches)

    return steps


def windowed_alike(forecaster: Forecaster, segment: Segment) -> Apart:
    """Return how far scores and gradients of all windows are from those of the segment.

    Without dropout: both then are the same sums. The loss is a mean over sessions.
    """
    look_back, seeds = forecaster.feed.look_back, forecaster.seeds.eval()
    sessions = segment.known_NK.any(dim=0).nonzero().squeeze(1).tolist()
    worst = 0.0
    with torch.no_grad():
        dense_SNK = seeds(segment.features_NTF, segment.member_NK)
    seeds.zero_grad()
    for session in sessions:
        batch = of_session(segment, session, look_back)
        score_SN1 = seeds(batch.features_NTF, batch.member_NK)
        known_N = segment.known_NK[:, session]
        gap = (score_SN1[..., 0].detach() - dense_SNK[:, known_N, session]).abs().max()
        worst = max(worst, float(gap / dense_SNK[:, known_N].std()))
        (forecaster._losses(batch, score_SN1).sum() / len(sessions)).backward()
    windowed = torch.cat([one.grad.flatten() for one in seeds.weights if one.grad is not None])
    seeds.zero_grad()
    forecaster._losses(segment, seeds(segment.features_NTF, segment.member_NK)).sum().backward()
    whole = torch.cat([one.grad.flatten() for one in seeds.weights if one.grad is not None])
    seeds.train()
    return Apart(worst, float((windowed - whole).norm() / whole.norm()))


def bare_epoch(forecaster: Forecaster) -> int:
    """Make the steps of a first pass in a plain loop; return how many there were."""
    seeds, optimizer = forecaster.seeds.train(), forecaster.configure_optimizers()
    forecaster.on_train_epoch_start()
    steps = 0
    for batch in forecaster.feed.train(0):
        optimizer.zero_grad()
        score_SNK = seeds(batch.features_NTF, batch.member_NK)
        loss_S = [forecaster.loss(one, batch.label_NK, batch.known_NK) for one in score_SNK]
        torch.stack(loss_S).sum().backward()
        seeds.clip(forecaster.clip)
        optimizer.step()
        steps += 1
    return steps
