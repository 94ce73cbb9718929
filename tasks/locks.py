"""One at a time for each source or training: who comes second waits, and finds the work done."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from prefect import get_run_logger, runtime
from prefect.logging import get_logger

from tasks.settings import data_folder

PATIENCE = 1_800  # seconds; judging years of deliveries takes minutes


class Busy(RuntimeError):
    """Somebody else held a source for longer than it is worth waiting for."""


@contextmanager
def source_lock(source: str) -> Iterator[None]:
    """Hold `source` against all who land or judge it, or make features or forecasts of it.

    A training holds its contest the same way, as `training-<contest>`.

    It belongs to the process: a night that is killed lets go of it. It is taken by a task for its
    own work and by nothing below, and no task takes two, so that no two wait for each other. Who
    waits says for whom, and raises `Busy` once its patience is over.
    """
    folder = data_folder() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(folder / f"{source}.lock"), folder / f"{source}.holder"
    _take(lock, source, holder)
    try:
        holder.write_text(f"{runtime.task_run.name or 'somebody'} (process {os.getpid()})")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _take(lock: FileLock, source: str, holder: Path) -> None:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        logger = get_run_logger() if runtime.task_run.id else get_logger("locks")
        logger.warning("%s is in use: waiting for %s", source, _who(holder))
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout:
            raise Busy(
                f"{source} was in use for {PATIENCE // 60} minutes, by {_who(holder)}: "
                "let that end, or end it, and run this again."
            ) from None


def _who(holder: Path) -> str:
    """Return who holds the lock; the name comes a blink after the lock, and goes before it."""
    try:
        return holder.read_text()
    except FileNotFoundError:
        return "somebody"
