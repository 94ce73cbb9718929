"""MLflow shows every fit; where it is away, that is said soon and costs nothing else."""

import json
import socket
import sqlite3
import time
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import pytest

from tasks.learning import tracking
from tasks.learning.tracking import TrackingError, log_fit, register, unname

WEIGHTS = b"numbers"
CARD = {"suffix": "txt", "sha256": sha256(WEIGHTS).hexdigest()}


def logged(uri: str, **changes: Any) -> str:
    given: dict[str, Any] = {
        "experiment": "daily/linear",
        "recipe": "ridge",
        "run_name": "ridge 2020-01-06",
        "params": {f"setting_{number}": number for number in range(120)},
        "hashes": {"data": "aa", "config": "bb"},
        "metrics": {"ic": 0.03, "ic_error": 0.01, "icir": float("nan")},
        "curves": {"train_loss": [1.0 / (step + 1) for step in range(1200)]},
        "datasets": {"some names": "ab" * 32},
        "files": {"figures/fit.html": b"<html>ic</html>", "importance.csv": b"feature,share\n"},
        "card": CARD,
        "weights": WEIGHTS,
    }
    return log_fit(uri, **(given | changes))


@pytest.mark.slow
def test_logs_a_fit_with_everything_and_registers_the_champion(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/store/mlflow.db"
    first, second = logged(uri), logged(uri, run_name="ridge 2020-01-13")
    assert register(uri, contest="daily", run_id=first, alias="champion") == "1"
    named = {"contest": "daily", "alias": "champion"}
    assert register(uri, run_id=second, tags={"why": "refit"}, **named) == "2"
    assert register(uri, run_id=second, **named) == "2"
    register(uri, run_id=first, contest="daily", alias="shadow")
    for _ in range(2):  # it is gone already the second time
        unname(uri, contest="daily", alias="shadow")

    from mlflow import MlflowClient

    client = MlflowClient(uri, uri)
    run = client.get_run(first)
    assert run.info.status == "FINISHED"
    assert len(run.data.params) == 120
    assert run.data.tags["hash.data"] == "aa"
    assert run.data.metrics["ic"] == 0.03
    assert "icir" not in run.data.metrics
    assert len(client.get_metric_history(first, "train_loss")) == 1200
    folder = Path(url2pathname(urlparse(run.info.artifact_uri).path))
    assert (folder / "model" / "weights.txt").read_bytes() == WEIGHTS
    assert json.loads((folder / "model" / "card.json").read_text()) == CARD
    assert (folder / "figures" / "fit.html").read_bytes() == b"<html>ic</html>"
    assert (folder / "importance.csv").read_bytes() == b"feature,share\n"
    (learned_from,) = [one.dataset for one in run.inputs.dataset_inputs]
    assert (learned_from.name, learned_from.digest) == ("some names", "ab" * 18)
    assert json.loads(learned_from.source) == {"digest": "ab" * 32}
    experiment = client.get_experiment(run.info.experiment_id)
    assert experiment.name == "daily/linear"
    assert folder.is_relative_to(tmp_path / "store" / "artifacts" / "daily" / "linear")
    champion = client.get_model_version_by_alias("daily", "champion")
    assert (champion.version, champion.run_id) in {("2", second), (2, second)}
    assert [path.name for path in tmp_path.iterdir()] == ["store"]  # nothing beside the store


def test_a_server_that_is_away_is_named_soon_and_without_its_password():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        start = time.monotonic()
        with pytest.raises(TrackingError, match=f"127.0.0.1:{port}") as caught:
            logged(f"http://me:secret@127.0.0.1:{port}")
    assert time.monotonic() - start < 30
    assert "secret" not in str(caught.value)


def test_a_database_that_somebody_else_holds_is_named_soon(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "PATIENCE_S", 0.1)
    held = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    with pytest.raises(TrackingError, match=r"mlflow\.db cannot be written: database is locked"):
        logged(f"sqlite:///{tmp_path}/mlflow.db")
    held.close()


def test_a_database_that_cannot_be_written_is_named_at_once(tmp_path):
    broken = tmp_path / "mlflow.db"
    broken.write_bytes(b"this is no database, " * 100)
    with pytest.raises(TrackingError, match="cannot be written"):
        logged(f"sqlite:///{broken}")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(TrackingError, match="cannot be written"):
        register(
            f"sqlite:///{tmp_path}/file/mlflow.db", contest="daily", run_id="x", alias="champion"
        )
