"""The one door to MLflow: every fit becomes a run, and the champion's fit a version of its contest.

An experiment holds the fits of one contest by one family of models; the tag `contest` finds those
of all families. MLflow is for people to look at. No night depends on it: weights are read from the
shelf, never from here, and whatever goes wrong is a `TrackingError` within a bounded time.
"""

import json
import logging
import math
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tasks.learning.shelf import Shelf, Shelved

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.store.entities import PagedList

__all__ = [
    "Shelf",
    "Shelved",
    "TrackingError",
    "experiment_of",
    "log_fit",
    "log_numbers",
    "opened",
    "register",
    "runs_of",
    "unname",
]

BATCH = 1000  # metrics in one call; MLflow refuses more
PARAMS = 100  # params in one call
DIGEST = 36  # characters of a dataset's; MLflow refuses more
MODEL_FOLDER = "model"
PATIENCE_S = 10  # seconds until a server that does not answer counts as away


ENVIRONMENT = {  # what MLflow reads from it
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(PATIENCE_S),
}


class TrackingError(RuntimeError):
    """MLflow is away or refused; the message says why."""


def log_fit(
    uri: str,
    *,
    experiment: str,
    recipe: str,
    run_name: str,
    params: Mapping[str, Any],
    hashes: Mapping[str, str],
    datasets: Mapping[str, str],
    metrics: Mapping[str, float],
    curves: Mapping[str, Sequence[float]],
    files: Mapping[str, bytes],
    card: Mapping[str, Any],
    weights: bytes,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Log one fit as one run of an experiment and return the run's id.

    Metrics that are not finite are left out: MLflow draws them as zero.

    Args:
        uri: `sqlite:///path` or the address of a server.
        experiment: Its name; made when first needed.
        recipe: What was fitted; a tag.
        run_name: What people read in the table of runs.
        params: Settings, flat.
        hashes: Of data, code, config, weights; each a tag `hash.<name>`.
        datasets: Name of what was learned from -> its hash, as MLflow lists datasets.
        metrics: Figures with their errors.
        curves: Losses by epoch, penalty or tree; figures by fold.
        files: Name of a file, folders in front -> what is in it.
        card: The fit's card; names the weights' file ending.
        weights: The fit's weights.
        tags: More tags.
    """
    every_tag = {"recipe": recipe, **{f"hash.{name}": h for name, h in hashes.items()}}
    with opened(uri) as client:
        place = experiment_of(client, uri, experiment)
        run = client.create_run(place, run_name=run_name, tags=every_tag | dict(tags or {}))
        run_id: str = run.info.run_id
        log_numbers(client, run_id, run.info.start_time, params, metrics, curves)
        _log_datasets(client, run_id, datasets)
        with tempfile.TemporaryDirectory() as folder:
            for name, content in {**files, **_model(card, weights)}.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            client.log_artifacts(run_id, folder)
        client.set_terminated(run_id)
    return run_id


def register(
    uri: str,
    *,
    contest: str,
    run_id: str,
    alias: str,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Make the run's fit a version of the contest's registered model, name it, give the version.

    A run that already is a version keeps its number; the alias moves to it either way.
    """
    with opened(uri) as client:
        _registered(client, contest)
        standing = [
            one for one in client.search_model_versions(f"name='{contest}'") if one.run_id == run_id
        ]
        version = (
            standing[0]
            if standing
            else client.create_model_version(
                contest,
                source=f"runs:/{run_id}/{MODEL_FOLDER}",
                run_id=run_id,
                tags=dict(tags or {}),
                await_creation_for=0,
            )
        )
        client.set_registered_model_alias(contest, alias, version.version)
    return str(version.version)


def unname(uri: str, *, contest: str, alias: str) -> None:
    """Take an alias from the contest's registered model, where it has it."""
    with opened(uri) as client:
        _registered(client, contest)
        client.delete_registered_model_alias(contest, alias)


@contextmanager
def opened(uri: str) -> Iterator["MlflowClient"]:
    """Give a client whose failures are `TrackingError`s, soon where nothing answers.

    Whatever a client raises is one: some of it is of libraries that nobody imports here.
    """
    _refuse_dead_database(uri)
    os.environ.update(ENVIRONMENT)  # for good: a call that was given up may still be under way
    from mlflow import MlflowClient

    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        yield MlflowClient(tracking_uri=uri, registry_uri=uri)
    except TrackingError:
        raise
    except Exception as error:  # noqa: BLE001
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        reason = first.replace(uri, _shown(uri))
        raise TrackingError(f"MLflow at {_shown(uri)} failed: {reason}") from None


def _refuse_dead_database(uri: str) -> None:
    """Look at a sqlite file first: MLflow would try a broken one for minutes."""
    if not uri.startswith("sqlite:///"):
        return
    path = Path(uri.removeprefix("sqlite:///"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=PATIENCE_S)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("SELECT count(*) FROM sqlite_master")
            connection.rollback()
        finally:
            connection.close()
    except (sqlite3.Error, OSError) as error:
        raise TrackingError(f"MLflow's database {path} cannot be written: {error}.") from error


def _shown(uri: str) -> str:
    """Return the address without a user or password."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _beside(uri: str, experiment: str) -> str | None:
    """Return a folder beside a sqlite database; without one MLflow would use the current folder."""
    if not uri.startswith("sqlite:///"):
        return None
    database = Path(uri.removeprefix("sqlite:///")).resolve()
    return (database.parent / "artifacts" / experiment).as_uri()


def experiment_of(client: "MlflowClient", uri: str, name: str) -> str:
    """Return the experiment's id; another process may make it at the same time."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=_beside(uri, name)))
        except MlflowException as error:
            found = client.get_experiment_by_name(name)
            if error.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
                raise
    if found.lifecycle_stage != "active":
        raise TrackingError(f"The experiment {name} was deleted in MLflow: restore it there.")
    return str(found.experiment_id)


def runs_of(client: "MlflowClient", query: str, *, deleted: bool = False) -> Iterator["Run"]:
    """Yield the runs of all experiments that a query finds, page by page, the newest first."""
    from mlflow.entities import ViewType

    view = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
    places = [one.experiment_id for one in _pages(partial(client.search_experiments, view))]
    yield from _pages(partial(client.search_runs, places, query, view)) if places else ()


def _pages(search: Callable[..., "PagedList[Any]"]) -> Iterator[Any]:
    token = None
    while True:
        page = search(max_results=BATCH, page_token=token)
        yield from page
        if not (token := page.token):
            return


def _registered(client: "MlflowClient", contest: str) -> None:
    """Make the contest's registered model where there is none."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(contest)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def log_numbers(
    client: "MlflowClient",
    run_id: str,
    at: int,
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    curves: Mapping[str, Sequence[float]],
) -> None:
    """Log everything in as few calls as MLflow takes; `at` is the run's own start."""
    from mlflow.entities import Metric, Param

    points = [Metric(name, float(value), at, 0) for name, value in metrics.items()]
    points += [
        Metric(name, float(value), at, step)
        for name, curve in curves.items()
        for step, value in enumerate(curve)
    ]
    points = [point for point in points if math.isfinite(point.value)]
    pairs = [Param(name, str(value)) for name, value in params.items()]
    for start in range(0, len(pairs), PARAMS):
        client.log_batch(run_id, params=pairs[start : start + PARAMS])
    for start in range(0, len(points), BATCH):
        client.log_batch(run_id, metrics=points[start : start + BATCH])


def _log_datasets(client: "MlflowClient", run_id: str, datasets: Mapping[str, str]) -> None:
    """Name what was learned from; MLflow keeps 36 characters of a digest, the tags the whole."""
    from mlflow.entities import Dataset, DatasetInput

    told = [
        DatasetInput(Dataset(name, digest[:DIGEST], "lake", json.dumps({"digest": digest})))
        for name, digest in datasets.items()
    ]
    client.log_inputs(run_id, datasets=told)


def _model(card: Mapping[str, Any], weights: bytes) -> dict[str, bytes]:
    text = json.dumps(card, sort_keys=True, indent=1, allow_nan=False) + "\n"
    named = {f"weights.{card['suffix']}": weights, "card.json": text.encode()}
    return {f"{MODEL_FOLDER}/{name}": content for name, content in named.items()}
