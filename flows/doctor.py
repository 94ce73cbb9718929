"""Check that everything a night needs stands where it should, and say what does not."""

import importlib.metadata
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flows.environment import recorded_server
from tasks import settings

PINNED = {  # package -> what was seen to work; others were seen to break
    "prefect": "3.8.8",
    "mlflow": "3.17.2",
    "great-expectations": "1.24.1",
    "torch": "2.13.0",
}
LEAST_FREE = 2 * 1024**3  # bytes


def examine(data: Path) -> int:
    """Print what was found, and return 0 where a night can run, else 1."""
    table = Table(title="afterclose doctor")
    for column in ("what", "state", "found"):
        table.add_column(column)
    good = True
    for name, check in _checks(data).items():
        try:
            found, state = check(), "ok"
        except (OSError, ValueError, LookupError, RuntimeError) as error:
            found, state, good = str(error), "FAIL", False
        table.add_row(name, state, found)
    Console().print(table)
    return 0 if good else 1


def _checks(data: Path) -> dict[str, Callable[[], str]]:
    checks: dict[str, Callable[[], str]] = {
        "python": _python,
        "packages": _packages,
        "data folder": lambda: _writable(data),
        "settings": _settings,
        "servers": lambda: _servers(data),
    }
    for name in settings.names_in("books"):
        checks[f"book {name}"] = lambda name=name: _book(name)  # type: ignore[misc]
    return checks


def _python() -> str:
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        raise RuntimeError(f"Python 3.11 to 3.13 is needed, this is {sys.version.split()[0]}")
    return sys.version.split()[0]


def _packages() -> str:
    found = {name: importlib.metadata.version(name) for name in PINNED}
    wrong = [
        f"{name} {found[name]} instead of {wanted}"
        for name, wanted in PINNED.items()
        if found[name].split("+")[0] != wanted
    ]
    if wrong:
        raise RuntimeError(f"{', '.join(wrong)}: install with `-c constraints.txt`")
    return ", ".join(f"{name} {version}" for name, version in found.items())


def _writable(data: Path) -> str:
    data.mkdir(parents=True, exist_ok=True)
    probe = data / ".probe"
    probe.write_text("")
    probe.unlink()
    free = shutil.disk_usage(data).free
    if free < LEAST_FREE:
        raise RuntimeError(f"only {free / 1024**3:.1f} GiB free under {data}")
    return f"{data}, {free / 1024**3:.0f} GiB free"


def _settings() -> str:
    for name in settings.names_in("models"):
        settings.load_contest(name)
    for name in settings.names_in("sources"):
        settings.load_source(name)
    for name in settings.names_in("universes"):
        settings.load_universe(name)
    return f"{settings.conf_folder()} loads"


def _servers(data: Path) -> str:
    servers = recorded_server(data)
    if servers is None:
        return "none up: a night starts a temporary Prefect server of its own"
    return f"Prefect {servers.prefect}, MLflow {servers.mlflow}"


def _book(name: str) -> str:
    book = settings.load_book(name)
    source = settings.load_source(book.source)
    if source.kind == "files":
        try:
            settings.open_source(book.source)
        except FileNotFoundError as error:
            return f"sleeps: {error}"
    return f"{book.title}; source {book.source}, contest {book.contest}"
