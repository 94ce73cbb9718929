"""The surroundings of a run, set before Prefect or MLflow are imported.

All state lies under one data folder. Telemetry is off. Where `make up` is running, a run
joins those servers; else it gets a temporary Prefect server of its own, in a folder of its
own, and ends the one that a killed run left behind. No two servers ever share a database.
"""

import atexit
import json
import os
import secrets
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, NamedTuple

from flows.processes import MARK, end_marked, is_alive, locked, try_lock

QUIET = {
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)

FOREIGN = (  # another project's Prefect, from which a run of ours must not take its database
    "PREFECT_PROFILE",
    "PREFECT_API_DATABASE_CONNECTION_URL",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL",
)


class Servers(NamedTuple):
    """The servers that `up` started."""

    prefect: str  # address, without /api
    mlflow: str
    pids: dict[str, int]


def prepare(data: Path, *, threads: int = 1) -> None:
    """Set the environment of this process for a run whose state lies under `data`.

    Call it first: Prefect and MLflow read most of this once, when they are imported. A
    `PREFECT_API_URL` or `MLFLOW_TRACKING_URI` that is already set is left alone.
    """
    if "prefect" in sys.modules:
        raise RuntimeError("Prefect was imported before its surroundings: call `prepare` first.")
    data = data.resolve()
    own = _own_folder(data)
    servers = recorded_server(data)
    for name in FOREIGN:
        os.environ.pop(name, None)
    os.environ.update(base_environment(data, threads=threads))
    os.environ["PREFECT_HOME"] = str(own)
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "WARNING")
    if servers is None and "PREFECT_API_URL" not in os.environ:
        os.environ.update(_temporary_server(own))
    for name, value in client_environment(data, servers).items():
        os.environ.setdefault(name, value)
    _end_politely()


@contextmanager
def state_in(data: Path) -> Iterator[None]:
    """Let what runs meanwhile in this process keep its state in `data`."""
    before = os.environ["AFTERCLOSE_DATA"]
    os.environ["AFTERCLOSE_DATA"] = str(data)
    try:
        yield
    finally:
        os.environ["AFTERCLOSE_DATA"] = before


def joining(address: str) -> dict[str, str]:
    """Return what a process needs to join the Prefect server of this one, at `address`."""
    joined = {"PREFECT_API_URL": address}
    if password := os.environ.get("PREFECT_API_AUTH_STRING"):
        joined["PREFECT_API_AUTH_STRING"] = password
    return joined


def base_environment(data: Path, *, threads: int) -> dict[str, str]:
    """Return what every process of ours needs, run or server: telemetry off, state in `data`.

    The number of threads is `threads` whatever the shell says: it decides bits, and the hash of
    a run's settings holds no other number.
    """
    numbers = dict.fromkeys(THREAD_VARIABLES, str(threads))
    return QUIET | numbers | {"AFTERCLOSE_DATA": str(data)}


def client_environment(data: Path, servers: Servers | None) -> dict[str, str]:
    """Return the addresses and passwords a run needs; those of no server if there is none."""
    if servers is None:
        (data / "mlflow").mkdir(parents=True, exist_ok=True)
        return {"MLFLOW_TRACKING_URI": f"sqlite:///{data}/mlflow/mlflow.db"}
    return {
        "PREFECT_API_URL": f"{servers.prefect}/api",
        "PREFECT_API_AUTH_STRING": read_secret(data, "prefect"),
        "MLFLOW_TRACKING_URI": servers.mlflow,
        "MLFLOW_TRACKING_USERNAME": "admin",
        "MLFLOW_TRACKING_PASSWORD": read_secret(data, "mlflow"),
    }


def recorded_server(data: Path) -> Servers | None:
    """Return the servers that `up` recorded under `data`, if all of them are alive and ours."""
    try:
        found = json.loads((data / "up.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    servers = Servers(found["prefect"], found["mlflow"], found["pids"])
    if all(is_alive(pid, mark=server_home(data)) for pid in servers.pids.values()):
        return servers
    return None


def server_home(data: Path) -> Path:
    """Return the folder of the lasting Prefect server; also the mark of all that `up` starts."""
    return data / "prefect" / "server"


def read_secret(data: Path, name: str) -> str:
    """Return the password `name`; make one, readable by its owner alone, if there is none."""
    path = data / "secrets" / name
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    fresh = secrets.token_urlsafe(24)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"admin:{fresh}\n" if name == "prefect" else f"{fresh}\n")
    return path.read_text().strip()


def end_leftovers(data: Path) -> int:
    """End the temporary servers of runs that were killed, forget their state, and count them."""
    with locked(data / "prefect" / "lock"):
        return _end_leftovers(data)


def _end_leftovers(data: Path) -> int:
    ended = 0
    for home in sorted((data / "prefect").glob("run-*")):
        free = try_lock(home / "lock")
        if free is None:  # its run is alive
            continue
        ended += end_marked(home)
        shutil.rmtree(home)
        free.close()
    return ended


def _own_folder(data: Path) -> Path:
    """Make this run's folder, held by a lock that falls when the process ends, however it ends."""
    with locked(data / "prefect" / "lock"):
        _end_leftovers(data)
        home = data / "prefect" / f"run-{os.getpid()}-{secrets.token_hex(4)}"
        held = try_lock(home / "lock")
    if held is None:
        raise RuntimeError(f"{home} is in use; this cannot be.")
    atexit.register(_leave, home, held)  # runs after Prefect's own exit, which stops its server
    return home


def _leave(home: Path, held: IO[bytes]) -> None:
    end_marked(home)
    shutil.rmtree(home, ignore_errors=True)
    held.close()


def _temporary_server(home: Path) -> dict[str, str]:
    """Return what Prefect needs to start a server for this run alone, with a password."""
    password = f"run:{secrets.token_urlsafe(24)}"
    return {
        MARK: str(home),
        "PREFECT_API_AUTH_STRING": password,
        "PREFECT_SERVER_API_AUTH_STRING": password,
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    }


def _end_politely() -> None:
    """Let a plain `kill` run the exit handlers, so that nothing is left behind."""
    unset = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if unset and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _exit)


def _exit(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)
