"""The processes this project starts: marked at birth, so that only those are ever ended.

Every server carries a mark in its environment: the folder it serves. A process id alone is
never trusted, since ids are used again; a process without our mark is never signalled.
"""

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

MARK = "AFTERCLOSE_PROCESS"
SEEN_S = 60.0  # until the environment of a process just started must be readable
PATIENCE = 15.0  # seconds between asking a process to end and ending it


def start(
    command: Sequence[str], *, mark: Path, environment: dict[str, str], folder: Path, log: Path
) -> int:
    """Start `command` in `folder`, detached, marked and logging to a new `log`; return its id.

    A process whose program is still being read from the disk shows no environment yet, so this
    waits until the mark can be seen, or the process has ended; no mark after `SEEN_S` seconds
    raises `TimeoutError`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as lines:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, MARK: str(mark)},
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C at the terminal must not reach the servers
        )
    until = time.monotonic() + SEEN_S
    while process.poll() is None and not is_alive(process.pid, mark=mark):
        if time.monotonic() > until:
            process.kill()
            process.wait()
            raise TimeoutError(
                f"{command[0]} was started, but its environment cannot be read after {SEEN_S} s: "
                f"without it, it could not be found again. Its log is {log}."
            )
        time.sleep(0.01)
    return process.pid


def marked(mark: Path) -> "list[psutil.Process]":
    """Return the living processes that carry `mark`, this one left out."""
    import psutil

    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and _mark_of(process) == str(mark)
    ]


def is_alive(pid: int, *, mark: Path) -> bool:
    """Say whether `pid` is a living process that carries `mark`."""
    import psutil

    try:
        return _mark_of(psutil.Process(pid)) == str(mark)
    except psutil.NoSuchProcess:
        return False


def _mark_of(process: "psutil.Process") -> str | None:
    import psutil

    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process.environ().get(MARK)
    except (psutil.Error, OSError):  # gone meanwhile, or another person's
        return None


def end(processes: "Sequence[psutil.Process]", *, patience: float = PATIENCE) -> None:
    """Ask `processes` to end, wait, and end those that did not; they all are gone after."""
    import psutil

    for stubborn in (False, True):
        for process in processes:
            try:  # psutil compares the start time first: a re-used id is not signalled
                process.kill() if stubborn else process.terminate()
            except psutil.NoSuchProcess:
                continue
        _, processes = psutil.wait_procs(processes, timeout=patience)
    if processes:
        ids = ", ".join(str(process.pid) for process in processes)
        raise RuntimeError(f"Processes {ids} did not end; end them by hand.")


def end_marked(mark: Path) -> int:
    """End every process that carries `mark`, and say how many there were."""
    found = marked(mark)
    end(found)
    return len(found)


def try_lock(path: Path) -> IO[bytes] | None:
    """Take the lock `path` for as long as the returned file is open; None if another has it.

    The kernel lets go of it when the process ends, however it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock `path`, waiting for whoever holds it now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
