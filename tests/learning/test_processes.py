"""Processes that share each step end with what one of them alone ends with."""

import os
import signal
import time

import numpy as np
import pytest
import torch

from tasks.learning.model import Examples, Learned
from tasks.learning.processes import Company, in_company
from tasks.learning.segments import ALONE, Feed, Share
from tasks.learning.training import _is_out_of_memory
from tests.learning.test_training import examples, fit, states

TOLERANCE = 1e-4  # of a weight: sums in another order, over a few passes of AdamW
CPU = torch.device("cpu")


def feeds(given: Examples, among: int) -> list[Feed]:
    shares = [Share(place, among) for place in range(among)]
    return [
        Feed(given, look_back=7, longest=11, seed=1, device=CPU, share=share)
        for share in [ALONE, *shares]
    ]


@pytest.mark.parametrize("among", [2, 3])
def test_the_parts_of_a_segment_are_its_sessions_and_weigh_as_much(among):
    given = examples()
    given.label_TN[31:33] = np.nan  # sessions without a cross-section weigh nothing
    whole, *parts = (feed.train(1) for feed in feeds(given, among))
    for segment, *shared in zip(whole, *parts, strict=True):
        assert sum(one.weight for one in shared) == pytest.approx(among)
        counted = segment.known_NK.any(dim=0).sum()
        for one in shared:
            assert one.features_NTF.shape[1] == 6 + one.label_NK.shape[1]
            assert one.features_NTF.shape[0] == segment.features_NTF.shape[0], "the same names"
            own = one.known_NK.any(dim=0).sum() * (one.weight > 0)
            assert one.weight == pytest.approx(float(among * own / counted))
        label_NK = torch.cat([one.label_NK for one in shared if one.weight], dim=1)
        assert label_NK.abs().sum() == pytest.approx(float(segment.label_NK.abs().sum()))


def test_a_process_without_a_session_goes_along_without_a_say():
    given = examples()._replace(train=np.array([30]))
    whole, first, second = (list(feed.train(0)) for feed in feeds(given, 2))
    assert (first[0].weight, second[0].weight) == (2.0, 0.0)
    assert torch.equal(first[0].label_NK, whole[0].label_NK)


def test_every_process_judges_by_all_sessions():
    alone, *shared = ([one.label_NK for one in feed.valid()] for feed in feeds(examples(), 2))
    assert all(torch.equal(*pair) for one in shared for pair in zip(alone, one, strict=True))


def same(alone: list[Learned], together: list[Learned], *, but: str = "") -> None:
    """Compare two fits of the same seeds, one weight left out."""
    for one, other in zip(alone, together, strict=True):
        assert one.facts["best_epoch"] == other.facts["best_epoch"]
        for name, curve in one.curves.items():
            assert other.curves[name] == pytest.approx(curve, abs=TOLERANCE)
    for one, other in zip(states(alone), states(together), strict=True):
        for name in one.keys() - {but}:
            assert torch.allclose(one[name], other[name], rtol=TOLERANCE, atol=TOLERANCE), name


@pytest.mark.slow
def test_two_processes_end_with_the_weights_of_one():
    settings = {"dropout": 0.3, "find_rate": 1}
    # What is added to all scores moves no information coefficient: its gradient is rounding.
    same(fit([1, 2], **settings), fit([1, 2], processes=2, **settings), but="head.bias")


@pytest.mark.slow
def test_two_processes_go_on_where_one_was_broken_off(tmp_path):
    settings = {"loss": "mse", "average": 0.9}
    fit([1, 2], scratch=tmp_path, **settings | {"epochs": 2})
    same(fit([1, 2], **settings), fit([1, 2], scratch=tmp_path, processes=2, **settings))


def _fails(company: Company) -> None:
    if company.share.place:
        raise ValueError("the second fails")
    time.sleep(600)


@pytest.mark.slow
def test_where_one_process_fails_all_end_and_its_error_is_told():
    with pytest.raises(ValueError, match="ValueError: the second fails"):
        in_company(2, _fails)


class Odd(Exception):
    """An error that does not travel between processes."""

    def __init__(self, first: str, second: str):
        super().__init__(f"{first} {second}: can't allocate memory")
        self.held = lambda: None


def _fails_oddly(company: Company) -> None:
    raise Odd("no room", "left")


@pytest.mark.slow
def test_an_error_that_does_not_travel_is_told_by_its_text():
    with pytest.raises(RuntimeError, match="Odd: no room left: can't allocate memory") as caught:
        in_company(1, _fails_oddly)
    assert _is_out_of_memory(caught.value)


def _fills_the_gpu(company: Company) -> None:
    raise torch.OutOfMemoryError("tried to allocate")


@pytest.mark.slow
def test_a_full_gpu_is_known_as_such():
    with pytest.raises(torch.OutOfMemoryError, match="tried to allocate"):
        in_company(1, _fills_the_gpu)


def _is_killed(company: Company) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_process_that_is_killed_is_told_by_its_exit_code():
    with pytest.raises(RuntimeError, match=r"Process 0 .* without a word: exit code -9"):
        in_company(1, _is_killed)
