"""Run torch so that the same call gives the same bits, and leave it as it was."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

NOISY = ("pytorch_lightning", "lightning.pytorch", "lightning.fabric")


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
def repeatable(seed: int, threads: int) -> Iterator[None]:
    """Seed and silence everything inside; leave torch and the loggers as they were."""
    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [logger.level for logger in loggers]
    strict = torch.are_deterministic_algorithms_enabled()
    cudnn: tuple[Any, Any] = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    with on_threads(threads), torch.random.fork_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(pytorch_)?lightning")
        # Where torch has no batched kernel it goes through the seeds one by one, and says so.
        warnings.filterwarnings("ignore", message="There is a performance drop")
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
