"""What every test gets: a data folder of its own, one thread, and no other machine to talk to."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GUARD = Path(__file__).parent / "guard"
SCRATCH = Path(tempfile.mkdtemp(prefix="afterclose-tests-"))
LOOKUPS = SCRATCH / "lookups.txt"

# Before anything heavy is imported: this process and all that it starts are quiet and guarded.
os.environ["AFTERCLOSE_TEST_LOOKUPS"] = str(LOOKUPS)
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(GUARD), *filter(None, [os.environ.get("PYTHONPATH")])]
)
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(GUARD))
if Path(getattr(sys.modules.get("sitecustomize"), "__file__", None) or "").parent != GUARD:
    sys.modules.pop("sitecustomize", None)  # the system's; a worker of the tests has ours already

import sitecustomize  # noqa: E402, F401 - the guard, not the system's

from flows.environment import FOREIGN, base_environment  # noqa: E402

for _name in [*FOREIGN, *(n for n in os.environ if n.startswith(("PREFECT_", "MLFLOW_")))]:
    os.environ.pop(_name, None)
os.environ.update(base_environment(SCRATCH / "data", threads=1))
os.environ["PREFECT_HOME"] = str(SCRATCH / "prefect")
os.environ["PREFECT_LOGGING_LEVEL"] = "WARNING"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Keep torch to one thread, where a test has imported it: more are slower and change bits."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    import shutil

    shutil.rmtree(SCRATCH, ignore_errors=True)


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the test a data folder of its own, and nobody's settings."""
    for name in ("AFTERCLOSE_CONF", "AFTERCLOSE_DELIVERIES", "AFTERCLOSE_LAKE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AFTERCLOSE_DATA", str(tmp_path / "data"))


@pytest.fixture(autouse=True)
def outside_lookups() -> Iterator[Path]:
    """Fail the test if it, or anything it started, reached for another machine."""
    LOOKUPS.unlink(missing_ok=True)
    yield LOOKUPS
    if LOOKUPS.is_file():
        pytest.fail(f"reached for another machine:\n{LOOKUPS.read_text()}")


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """Run a temporary Prefect server for the tests that ask for one."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real market data beside the checkout; skip where there is none."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the folder of real market data, shared/data beside the checkout")
    return folder
