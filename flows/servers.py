"""The lasting servers: Prefect, MLflow and one worker, on this machine only, with passwords.

`up` starts them and deploys the flows; `down` ends them, the worker first. Passwords are made
on the first `up` and kept under `data/secrets`, readable by their owner alone.
"""

import base64
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from flows.commands import (
    HOST,
    Ports,
    client,
    mlflow_command,
    mlflow_settings,
    prefect_command,
    prefect_settings,
    surroundings,
    worker_command,
)
from flows.environment import Servers, read_secret, recorded_server, server_home
from flows.processes import end, end_marked, is_alive, locked, marked, start

STARTING = 180.0  # seconds a server may take to answer
PREFECT_FILE = Path(__file__).parent.parent / "prefect.yaml"
ENDING_ORDER = ("worker", "prefect", "mlflow")  # a worker without its server waits in vain
DEFAULT_PORTS = Ports()


def up(
    data: Path,
    ports: Ports = DEFAULT_PORTS,
    *,
    deployments: Path = PREFECT_FILE,
    threads: int = 1,
    say: Callable[[str], None] = lambda _: None,
) -> Servers:
    """Start the servers and a worker on `data`, deploy the flows, and tell `say` how it goes.

    Servers that run already are left as they are. What a broken `up` left is ended first; if
    anything fails on the way, everything started here is ended again.
    """
    data = data.resolve()
    with locked(data / "up.lock"), ExitStack() as undo:
        if running := recorded_server(data):
            return running
        end_marked(server_home(data))
        for port in ports:
            _insist_on_free(port)
        server_home(data).mkdir(parents=True, exist_ok=True)
        undo.callback(end_marked, server_home(data))
        servers = _start_servers(data, ports, threads=threads, say=say)
        say("Deploying the flows")
        deploy(data, servers, deployments.resolve(), threads=threads)
        say("Starting the worker")
        servers = _start_worker(data, servers, folder=deployments.resolve().parent, threads=threads)
        _record(data, servers)
        undo.pop_all()
    return servers


def down(data: Path) -> int:
    """End the worker, then the servers, and say how many processes that were.

    Only processes that `up` started on `data` are ended, whatever else has their ids by now.
    """
    data = data.resolve()
    with locked(data / "up.lock"):
        mark = server_home(data)
        everything = len(marked(mark))
        recorded = _recorded_pids(data)
        for name in ENDING_ORDER:
            if name in recorded and is_alive(recorded[name], mark=mark):
                _end_tree(recorded[name])
        end_marked(mark)
        (data / "up.json").unlink(missing_ok=True)
    return everything


def announcement(data: Path, servers: Servers) -> str:
    """Return what a person needs to know to open the two pages."""
    folder = data.resolve() / "secrets"
    return "\n".join(
        [
            f"Prefect  {servers.prefect}  password, the whole line: cat {folder / 'prefect'}",
            f"MLflow   {servers.mlflow}  user admin, password: cat {folder / 'mlflow'}",
            "In MLflow click `Model training` at the top left: it opens in its other view.",
            "Stop them with `make down`.",
        ]
    )


def _insist_on_free(port: int) -> None:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError as error:
            raise RuntimeError(
                f"Port {port} on {HOST} is taken by something else ({error.strerror}): stop it, "
                "or choose another port."
            ) from error


def _start_servers(
    data: Path, ports: Ports, *, threads: int, say: Callable[[str], None]
) -> Servers:
    servers = Servers(f"http://{HOST}:{ports.prefect}", f"http://{HOST}:{ports.mlflow}", {})
    say("Starting Prefect and MLflow")
    common = surroundings(data, threads=threads)
    pids = {
        "prefect": _launch(
            data, "prefect", prefect_command(ports), common | prefect_settings(data, ports)
        ),
        "mlflow": _launch(
            data, "mlflow", mlflow_command(data, ports), common | mlflow_settings(data)
        ),
    }
    _wait_for(data, "prefect", pids["prefect"], f"{servers.prefect}/api/admin/version")
    _wait_for(
        data,
        "mlflow",
        pids["mlflow"],
        f"{servers.mlflow}/api/2.0/mlflow/experiments/get?experiment_id=0",
    )
    return servers._replace(pids=pids)


def _launch(data: Path, name: str, command: list[str], surroundings: dict[str, str]) -> int:
    return start(
        command,
        mark=server_home(data),
        environment=surroundings,
        folder=data,
        log=data / "logs" / f"{name}.log",
    )


def _wait_for(data: Path, name: str, pid: int, address: str) -> None:
    """Wait until `address` answers to our password."""
    password = read_secret(data, name)
    user = password if name == "prefect" else f"admin:{password}"
    header = "Basic " + base64.b64encode(user.encode()).decode()
    request = urllib.request.Request(address, headers={"Authorization": header})
    for _ in _moments(STARTING):
        if not is_alive(pid, mark=server_home(data)):
            raise RuntimeError(f"{name} ended while starting: see {data}/logs/{name}.log.")
        try:
            with urllib.request.urlopen(request, timeout=10):
                return
        except urllib.error.HTTPError as error:
            if error.code in (401, 403):
                raise RuntimeError(
                    f"{name} refuses the password in {data}/secrets/{name}: put the right one "
                    "there."
                ) from error
        except OSError:  # not listening yet
            continue
    raise RuntimeError(f"{name} did not answer in {STARTING:.0f} s: see {data}/logs/{name}.log.")


def _moments(seconds: float) -> Iterator[None]:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        yield
        time.sleep(0.2)


def deploy(data: Path, servers: Servers, deployments: Path, *, threads: int = 1) -> None:
    """Bring pool, limits, watch and all deployments on the server to what stands in our files."""
    done = subprocess.run(
        [sys.executable, "-m", "flows.deployments", str(deployments)],
        env=client(data, servers, threads=threads),
        capture_output=True,
        text=True,
        check=False,
    )
    (data / "logs" / "deploy.log").write_text(done.stdout + done.stderr)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise RuntimeError(f"Deploying {deployments} failed; it said last:\n{last}")


def _start_worker(data: Path, servers: Servers, *, folder: Path, threads: int) -> Servers:
    log = data / "logs" / "worker.log"
    pid = start(
        worker_command(),
        mark=server_home(data),
        environment=client(data, servers, threads=threads),
        folder=folder,
        log=log,
    )
    for _ in _moments(STARTING):
        if not is_alive(pid, mark=server_home(data)):
            raise RuntimeError(f"The worker ended while starting: see {log}.")
        if "started" in log.read_text(errors="replace"):
            return servers._replace(pids=servers.pids | {"worker": pid})
    raise RuntimeError(f"The worker did not start in {STARTING:.0f} s: see {log}.")


def _record(data: Path, servers: Servers) -> None:
    path = data / "up.json"
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(servers._asdict(), indent=1, sort_keys=True))
    fresh.replace(path)


def _recorded_pids(data: Path) -> dict[str, int]:
    try:
        return json.loads((data / "up.json").read_text())["pids"]
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def _end_tree(pid: int) -> None:
    """End a process, and then what it had started and left."""
    import psutil

    root = psutil.Process(pid)
    offspring = root.children(recursive=True)
    end([root])
    end([child for child in offspring if child.is_running()])
