"""The real servers and a worker start, deploy, run a flow, and leave no process behind."""

import contextlib
import json
import socket
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psutil
import pytest
import yaml

from flows.commands import POOL, Ports
from flows.environment import Servers, read_secret, recorded_server, server_home
from flows.processes import marked
from flows.servers import PREFECT_FILE, announcement, deploy, down, up

ROOT = PREFECT_FILE.parent
TOY = Path(__file__).parent / "toy" / "prefect.yaml"
DEPLOYED = {
    *("nightly", "ingest", "backfill", "release", "train", "rebalance", "backtest"),
    *("promote", "rollback", "approve"),
}


def free_ports() -> Ports:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return Ports(one.getsockname()[1], two.getsockname()[1])


def deployments() -> list[dict[str, Any]]:
    return yaml.safe_load(PREFECT_FILE.read_text())["deployments"]


def test_deploys_every_job_with_a_description_and_a_file_that_stands():
    assert {each["name"] for each in deployments()} == DEPLOYED
    for each in deployments():
        path, flow = each["entrypoint"].split(":")
        assert f"def {flow}(" in (ROOT / path).read_text()
        assert each["description"]
        assert each["tags"]
        assert each["work_pool"]["name"] == POOL


def test_only_the_night_has_a_schedule_and_it_is_new_yorks():
    schedules = {each["name"]: each["schedules"] for each in deployments() if each["schedules"]}
    assert schedules == {
        "nightly": [{"cron": "30 18 * * 1-5", "timezone": "America/New_York", "active": True}]
    }


def test_a_taken_port_is_named_and_nothing_is_started(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match=f"Port {port} on 127.0.0.1 is taken"):
            up(tmp_path, Ports(port, port))
    assert not marked(server_home(tmp_path))
    assert not (tmp_path / "up.json").exists()


def test_stopping_what_never_ran_is_no_error(tmp_path):
    assert down(tmp_path) == 0


def test_the_announcement_names_both_pages_and_no_password(tmp_path):
    text = announcement(tmp_path, Servers("http://127.0.0.1:1", "http://127.0.0.1:2", {}))
    assert "http://127.0.0.1:1" in text
    assert "http://127.0.0.1:2" in text
    assert "Model training" in text
    assert read_secret(tmp_path, "mlflow") not in text


# --- the real thing ------------------------------------------------------------------------------


BUSY_TRIES = 20


class Running:
    """The servers of this module's slow tests, and how to ask them things."""

    def __init__(self, data: Path, servers: Servers):
        self.data, self.servers = data, servers

    def ask(self, path: str, body: Any = None, *, auth: bool = True, **headers: str) -> Any:
        """Return what the Prefect API answers to `body` on `path`."""
        credentials = read_secret(self.data, "prefect")
        return _ask(
            f"{self.servers.prefect}/api/{path}", body, credentials if auth else "", headers
        )

    def ask_mlflow(self, path: str, body: Any = None, *, auth: bool = True, **headers: str) -> Any:
        credentials = "admin:" + read_secret(self.data, "mlflow")
        where = f"{self.servers.mlflow}/api/2.0/mlflow/{path}"
        return _ask(where, body, credentials if auth else "", headers)


def _ask(address: str, body: Any, credentials: str, headers: dict[str, str]) -> Any:
    """Ask as Prefect's own client does: again while the server says 503, its database is locked."""
    said = {"Content-Type": "application/json"}
    if credentials:
        said["Authorization"] = "Basic " + b64encode(credentials.encode()).decode()
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, said | headers)
    for _ in range(BUSY_TRIES):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as refused:
            if refused.code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
            refused.close()
        time.sleep(1)
    pytest.fail(f"{address} stayed busy for {BUSY_TRIES} tries")


def refusal(ask: Any, *arguments: Any, **options: Any) -> int:
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(*arguments, **options)
    refused.value.close()
    return refused.value.code


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("servers") / "data"
    data.mkdir()
    said: list[str] = []
    try:
        servers = up(data, free_ports(), deployments=TOY, say=said.append)
        assert said, "a person is told how it goes"
        yield Running(data, servers)
    finally:
        down(data)
    serving = [
        p for p in psutil.process_iter() if _environment(p).get("AFTERCLOSE_DATA") == str(data)
    ]
    assert not serving, "no process may be left"
    assert not marked(server_home(data))
    assert recorded_server(data) is None


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


@pytest.mark.slow
def test_future_runs_are_scheduled_at_half_past_six_in_new_york(running):
    """SQLAlchemy 2.1 stops this silently, hence its guard in `pyproject.toml`."""
    for _ in range(90):
        runs = running.ask(
            "flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
        )
        if runs:
            break
        time.sleep(1)
    starts = [datetime.fromisoformat(run["expected_start_time"]) for run in runs]
    assert starts, "no run is scheduled"
    for start in starts:
        local = start.astimezone(ZoneInfo("America/New_York"))
        assert (local.hour, local.minute) == (18, 30)
        assert local.weekday() < 5
        assert timedelta() < start - datetime.now(UTC) < timedelta(days=200)


def run_to_its_end(running: Running, deployment: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Start a run as the form does, and return it once it has ended."""
    body = {"deployments": {"name": {"any_": [deployment]}}}
    (found,) = running.ask("deployments/filter", body)
    form = {"parameters": found["parameters"] | parameters}
    run = running.ask(f"deployments/{found['id']}/create_flow_run", form)
    for _ in range(500):
        seen = running.ask(f"flow_runs/{run['id']}")
        if seen["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
            return seen
        time.sleep(1)
    pytest.fail(f"{deployment} did not end: {seen['state']}")


@pytest.mark.slow
def test_a_run_started_from_its_form_goes_through_the_worker_to_its_end(running):
    seen = run_to_its_end(running, "toy", {"number": 7})
    assert seen["state_type"] == "COMPLETED", seen["state"]
    assert (running.data / "toy.txt").read_text() == "7\n", "worker runs know the data folder"


@pytest.mark.slow
def test_the_deployment_has_a_form_and_waits_for_its_turn(running):
    (deployment,) = running.ask("deployments/filter", {})
    assert deployment["parameter_openapi_schema"]["properties"]["number"]["default"] == 3
    assert deployment["global_concurrency_limit"]["limit"] == 1
    assert deployment["concurrency_options"]["collision_strategy"] == "ENQUEUE"


@pytest.mark.slow
def test_the_limits_the_pool_and_the_watch_are_really_there(running):
    limits = running.ask("concurrency_limits/filter", {})
    assert {(limit["tag"], limit["concurrency_limit"]) for limit in limits} == {("training", 1)}
    assert running.ask(f"work_pools/{POOL}")["concurrency_limit"] == 2
    (watch,) = running.ask("automations/filter", {})
    assert watch["enabled"]
    assert watch["trigger"]["within"] >= 540, "three heartbeats of 180 s"
    assert watch["actions"][0]["state"] == "CRASHED"
    assert len(watch["actions"]) == 1, "nothing is run again"


@pytest.mark.slow
def test_nobody_gets_in_without_the_password(running):
    assert refusal(running.ask, "flow_runs/filter", {}, auth=False) == 401
    assert refusal(running.ask_mlflow, "experiments/search?max_results=1", auth=False) == 401
    assert running.ask_mlflow("experiments/search?max_results=1")["experiments"]


@pytest.mark.slow
def test_pages_of_other_origins_are_refused(running):
    other = {"Origin": "http://evil.example"}
    created = ("experiments/create", {"name": "theirs"})
    assert refusal(running.ask_mlflow, *created, **other) == 403
    assert refusal(running.ask_mlflow, *created, Host="evil.example") == 403
    asked = urllib.request.Request(
        f"{running.servers.prefect}/api/flow_runs/filter",
        headers=other | {"Access-Control-Request-Method": "POST"},
        method="OPTIONS",
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=30)
    assert "access-control-allow-origin" not in refused.value.headers
    refused.value.close()


@pytest.mark.slow
def test_servers_listen_on_this_machine_alone(running):
    addresses = set()
    for process in marked(server_home(running.data)):
        with contextlib.suppress(psutil.NoSuchProcess):  # a helper of the servers that has ended
            found = process.net_connections()
            addresses |= {each.laddr.ip for each in found if each.status == psutil.CONN_LISTEN}
    assert addresses == {"127.0.0.1"}


@pytest.mark.slow
def test_a_second_up_finds_the_first(running):
    before = {process.pid for process in marked(server_home(running.data))}
    assert up(running.data, free_ports(), deployments=TOY) == running.servers
    assert {process.pid for process in marked(server_home(running.data))} == before


@pytest.mark.slow
def test_models_logged_with_and_without_the_server_lie_side_by_side(running):
    """Artifacts are plain files, so a night needs no server and its runs still show up."""
    experiment = running.ask_mlflow("experiments/create", {"name": "ours"})["experiment_id"]
    found = running.ask_mlflow(f"experiments/get?experiment_id={experiment}")["experiment"]
    folder = (running.data / "mlflow" / "artifacts").as_uri()
    assert found["artifact_location"].startswith(folder)


@pytest.mark.slow
def test_a_night_started_by_a_bare_click_releases_the_sample(running):
    """The last word: our own deployments, through the worker, to a released target."""
    deploy(running.data, running.servers, PREFECT_FILE)
    names = {each["name"] for each in running.ask("deployments/filter", {})}
    assert names >= DEPLOYED
    (limited,) = running.ask("deployments/filter", {"deployments": {"name": {"any_": ["nightly"]}}})
    assert limited["global_concurrency_limit"]["limit"] == 1
    seen = run_to_its_end(running, "nightly", {})
    assert seen["state_type"] == "COMPLETED", seen["state"]
    assert list((running.data / "books" / "sample").glob("*/r0/targets.parquet"))
    made = running.ask("artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [seen["id"]]}}})
    assert made, "the night shows what it did"
    models = running.ask_mlflow("registered-models/search")["registered_models"]
    aliases = [alias["alias"] for model in models for alias in model["aliases"]]
    assert aliases.count("champion") == 1
    assert set(aliases) <= {"champion", "challenger", "shadow"}
