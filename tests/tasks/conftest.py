"""Small houses whose nights run without any server."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house import House, unlooked


@pytest.fixture(autouse=True)
def _no_mlflow(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Keep fits from being logged: what MLflow is told has tests of its own."""
    unlooked(monkeypatch)


@pytest.fixture
def build(tmp_path: Path) -> Callable[[str], House]:
    return lambda name: House(tmp_path / name)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """One house for the tests of a module."""
    return House(tmp_path_factory.mktemp("house"))
