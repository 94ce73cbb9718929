"""How each server is started: its command, and what it reads from its environment."""

import os
import sys
from pathlib import Path
from typing import NamedTuple

from flows.environment import (
    Servers,
    base_environment,
    client_environment,
    read_secret,
    server_home,
)

HOST = "127.0.0.1"
POOL = "afterclose"


class Ports(NamedTuple):
    """Where the servers listen."""

    prefect: int = 4200
    mlflow: int = 5000


def surroundings(data: Path, *, threads: int) -> dict[str, str]:
    """Return this shell's environment without its Prefect and MLflow, and ours on top."""
    foreign = ("PREFECT_", "MLFLOW_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    ours = base_environment(data, threads=threads) | {"PREFECT_HOME": str(server_home(data))}
    return kept | ours


def prefect_command(ports: Ports) -> list[str]:
    """Return the command of the Prefect server."""
    where = ["--host", HOST, "--port", str(ports.prefect)]
    return [sys.executable, "-m", "prefect", "server", "start", *where]


def prefect_settings(data: Path, ports: Ports) -> dict[str, str]:
    """Return the server's settings: one password, and no page of another origin."""
    address = f"http://{HOST}:{ports.prefect}"
    return {
        "PREFECT_API_URL": f"{address}/api",
        "PREFECT_API_AUTH_STRING": read_secret(data, "prefect"),
        "PREFECT_SERVER_API_AUTH_STRING": read_secret(data, "prefect"),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": address,
        "PREFECT_UI_API_URL": f"{address}/api",  # its pages assume port 4200 otherwise
    }


def mlflow_command(data: Path, ports: Ports) -> list[str]:
    """Return the command; artifacts are plain files, so that runs without a server fit in."""
    folder = data / "mlflow"
    return [
        *[sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(ports.mlflow)],
        *["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--no-serve-artifacts"],
        *["--default-artifact-root", (folder / "artifacts").as_uri(), "--workers", "1"],
        *["--app-name", "basic-auth"],
        *["--allowed-hosts", f"{HOST}:{ports.mlflow},localhost:{ports.mlflow}"],
        *["--cors-allowed-origins", f"http://{HOST}:{ports.mlflow}"],
    ]


def mlflow_settings(data: Path) -> dict[str, str]:
    """Return the accounts' settings: one user, whose password stands beside the database."""
    (data / "mlflow").mkdir(parents=True, exist_ok=True)
    told = {
        "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
        "MLFLOW_AUTH_ADMIN_PASSWORD": read_secret(data, "mlflow"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": read_secret(data, "mlflow-cookies"),
    }
    settings = data / "secrets" / "mlflow.ini"
    accounts = f"{data}/secrets/mlflow-users.db".replace("%", "%%")  # as the format asks
    settings.write_text(
        "[mlflow]\ndefault_permission = NO_PERMISSIONS\n"
        f"database_uri = sqlite:///{accounts}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    return told | {"MLFLOW_AUTH_CONFIG_PATH": str(settings)}


def client(data: Path, servers: Servers, *, threads: int) -> dict[str, str]:
    """Return the environment of what talks to the servers: the deployment and the worker."""
    return surroundings(data, threads=threads) | client_environment(data, servers)


def worker_command() -> list[str]:
    """Return the command of the worker that takes runs from our pool."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL]
    return [*command, "--type", "process", "--name", POOL]
