"""How near a step of training comes to what a device can do at most."""

import copy
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from tasks.learning.forecaster import Forecaster

COPIED = 256 * 1024**2  # bytes of a copy: more than any cache holds


class Speed(NamedTuple):
    """A step's rate on a device."""

    device: str
    labels: float  # trained on in a second
    bound: str  # what bounds it: "memory" or "arithmetic"
    reached: float  # bytes or operations in a second
    roof: float  # the most that the device did in the same run


class Traffic(TorchDispatchMode):
    """Count the bytes that each operation reads and writes, as if none were fused with the next."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # fmt: skip
        made = func(*args, **(kwargs or {}))
        if not getattr(func, "is_view", False):
            tensors = [one for one in tree_leaves((args, kwargs, made)) if isinstance(one, Tensor)]
            self.bytes += sum(one.numel() * one.element_size() for one in tensors)
        return made


def seconds(work: Callable[[], object], device: torch.device, rounds: int) -> float:
    """Return the median seconds of a work: of the processor, or by the clock on a GPU."""
    on_gpu = device.type == "cuda"
    took = []
    for _ in range(rounds + 1):
        if on_gpu:
            torch.cuda.synchronize()
        begun = time.perf_counter() if on_gpu else time.process_time()
        work()
        if on_gpu:
            torch.cuda.synchronize()
        took.append((time.perf_counter() if on_gpu else time.process_time()) - begun)
    return statistics.median(took[1:])


def roofs(device: torch.device, *, rounds: int, size: int) -> tuple[float, float]:
    """Return the bytes a copy moves in a second, and the operations of a matrix product."""
    source = torch.ones(COPIED // 4, device=device)
    target = torch.empty_like(source)
    moved = 2 * COPIED / seconds(lambda: target.copy_(source), device, rounds)
    left, right = torch.rand(2, size, size, device=device)
    made = torch.empty_like(left)
    done = 2 * size**3 / seconds(lambda: torch.mm(left, right, out=made), device, rounds)
    return moved, done


def speed(forecaster: Forecaster, *, rounds: int, size: int) -> Speed:
    """Return how fast steps are where the forecaster's weights lie."""
    device = forecaster.seeds.weights[0].device
    segment = max(forecaster.feed.train(0), key=lambda one: one.known_NK.shape[1])
    optimizer = forecaster.configure_optimizers()

    def step() -> None:
        optimizer.zero_grad()
        forecaster.training_step(segment, 0).backward()
        forecaster.seeds.clip(forecaster.clip)
        optimizer.step()

    step()
    with FlopCounterMode(display=False) as operations:
        step()
    with Traffic() as traffic:
        step()
    took = seconds(step, device, rounds)
    moved, done = roofs(device, rounds=rounds, size=size)
    counts = {
        "memory": (traffic.bytes, moved),
        "arithmetic": (operations.get_total_flops(), done),
    }
    bound = max(counts, key=lambda name: counts[name][0] / counts[name][1])
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "one CPU core"
    count, roof = counts[bound]
    return Speed(name, int(segment.known_NK.sum()) / took, bound, count / took, roof)


def apart(forecaster: Forecaster, device: torch.device) -> float:
    """Return how far scores on a device are from those on the CPU, in deviations of the scores."""
    segment = next(iter(forecaster.feed.valid()))
    other = copy.deepcopy(forecaster.seeds).to(device)
    with torch.inference_mode():
        here = forecaster.seeds.eval()(segment.features_NTF, segment.member_NK)
        there = other.eval()(segment.features_NTF.to(device), segment.member_NK.to(device)).cpu()
    member_NK = segment.member_NK
    return float((here - there)[:, member_NK].abs().max() / here[:, member_NK].std())
