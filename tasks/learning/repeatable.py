"""Run torch so that the same call gives the same bits, and leave it as it was."""

import ctypes
import logging
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

NOISY = ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "lightning_fabric")
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's names of what `mallopt` sets
KEPT = 1024**3  # bytes that are kept; a larger tensor still comes and goes
MOVING = 32 * 1024**2  # where glibc's own threshold ends, which grows with what is freed


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Compute on so many CPU threads inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def keeping_memory() -> Iterator[None]:
    """Keep what one step frees for the next, where the C library is glibc; give it back at the end.

    A step frees tensors of many megabytes and asks for the same again. Left alone, glibc hands them
    to the system at once, and every page is cleared anew: more than half of the time of five
    stacked seeds over 64 sessions. Kept memory lies less densely, so that a training holds more.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_THRESHOLD, KEPT)
    libc.mallopt(M_TRIM_THRESHOLD, KEPT)
    try:
        yield
    finally:
        libc.mallopt(M_MMAP_THRESHOLD, MOVING)
        libc.mallopt(M_TRIM_THRESHOLD, 2 * MOVING)
        libc.malloc_trim(0)


@contextmanager
def repeatable(seed: int, threads: int) -> Iterator[None]:
    """Seed and silence everything inside; leave torch and the loggers as they were."""
    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [logger.level for logger in loggers]
    strict = torch.are_deterministic_algorithms_enabled()
    cudnn: tuple[Any, Any] = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    with (
        on_threads(threads),
        keeping_memory(),
        torch.random.fork_rng(),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", module=r"(pytorch_)?lightning")
        # Where torch has no batched kernel it goes through the seeds one by one, and says so.
        warnings.filterwarnings("ignore", message="There is a performance drop")
        # Gradients of stacked weights come in another order of memory than processes exchange.
        warnings.filterwarnings("ignore", message="Grad strides do not match")
        torch.manual_seed(seed)
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            torch.use_deterministic_algorithms(strict)
            torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn
