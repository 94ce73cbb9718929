"""Train one fit by several processes that share each step: each has a part of its sessions."""

import socket
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.strategies import DDPStrategy
from torch.multiprocessing import get_context, start_processes
from torch.multiprocessing.spawn import ProcessException, ProcessExitedException

from tasks.learning.segments import Share

HOST = "127.0.0.1"
Result = TypeVar("Result")


class Company(NamedTuple):
    """The processes that train together, as one of them sees them."""

    share: Share
    port: int  # of this machine, where they meet

    def strategy(self) -> DDPStrategy:
        """Return how their gradients become one: the mean over the processes, at each step."""
        return DDPStrategy(cluster_environment=_Started(self))


class _Started(LightningEnvironment):
    """Processes that were started by us, not by Lightning, and are told so without a variable."""

    def __init__(self, company: Company):
        super().__init__()
        self.company = company

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return HOST

    @property
    def main_port(self) -> int:
        return self.company.port

    def local_rank(self) -> int:
        return self.company.share.place

    def node_rank(self) -> int:
        return 0

    def teardown(self) -> None:
        """Leave the variables of the process alone."""


def in_company(count: int, work: Callable[..., Result], *given: Any) -> Result:
    """Return what the first of `count` processes makes of `work(company, *given)`.

    All run it at once; where one fails, all end, and an error says what the first of them said:
    one of `KINDS`, or a `RuntimeError`, since its own may be one that does not travel. They end
    with this process, however it ends.
    """
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    told = get_context("spawn").SimpleQueue()
    running = start_processes(  # type: ignore[no-untyped-call]
        _one, (work, count, port, told, given), nprocs=count, join=False, start_method="spawn"
    )
    heard: list[_Done] = []
    ended = False
    while not ended:
        try:
            ended = running.join(timeout=0.05)
        except ProcessException as error:
            _listen(told, heard)
            raise _failure(heard, error) from error
        _listen(told, heard)
    return next(one.result for one in heard)


# Errors that callers tell apart: a full GPU is tried again smaller, a bad loss fails one trial.
KINDS: dict[str, type[Exception]] = {"memory": torch.OutOfMemoryError, "value": ValueError}


class _Done(NamedTuple):
    """What a process came to."""

    result: Any
    failed: str = ""  # name of its error; empty where it did not
    why: str = ""
    kind: str = ""  # of its error, in `KINDS`


def _failure(heard: list[_Done], error: ProcessException) -> Exception:
    """Return what the first to fail told; where it could not tell, how it ended."""
    failed = next((one for one in heard if one.failed), None)
    if failed is None:
        code = f"exit code {error.exit_code}" if isinstance(error, ProcessExitedException) else ""
        return RuntimeError(
            f"Process {error.error_index} of a training ended without a word: {code or error}."
        )
    kind = KINDS.get(failed.kind, RuntimeError)
    return kind(f"{failed.failed}: {failed.why}")


def _listen(told: Any, heard: list[_Done]) -> None:
    while not told.empty():
        heard.append(_Done(*told.get()))


def _one(
    place: int, work: Callable[..., Any], count: int, port: int, told: Any, given: tuple[Any, ...]
) -> None:
    try:
        result = work(Company(Share(place, count), port), *given)
    except Exception as error:
        kind = next((name for name, one in KINDS.items() if isinstance(error, one)), "")
        told.put((None, type(error).__name__, str(error), kind))
        raise
    if place == 0:
        told.put((result,))
