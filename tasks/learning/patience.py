"""How long a night waits for MLflow, whatever its server does."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

from tasks.learning.tracking import TrackingError

BOUND_S = 240  # seconds for all that is told or asked at one time
Result = TypeVar("Result")
_late: list[Thread] = []  # what this process gave up


def bounded(work: Callable[[], Result]) -> Result:
    """Return what `work` does with MLflow; raise `TrackingError` once it has taken `BOUND_S`.

    A server that answers byte by byte never counts as away. What is late is left to itself, in a
    thread that no process waits for, and this process asks nothing more: so a night waits once,
    and nothing is told twice.
    """
    if _late:
        raise TrackingError(f"MLflow took longer than {BOUND_S} s and is asked nothing more.")
    answer: Future[Result] = Future()

    def worked() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001  # raised below
            answer.set_exception(error)

    worker = Thread(target=worked, name="MLflow", daemon=True)
    worker.start()
    try:
        return answer.result(timeout=BOUND_S)
    except TimeoutError:
        _late[:] = [worker]
        raise TrackingError(f"MLflow took longer than {BOUND_S} s.") from None
