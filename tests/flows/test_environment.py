"""A run has its own surroundings, joins servers that live, and cleans up after runs that died."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from flows import processes
from flows.environment import (
    THREAD_VARIABLES,
    Servers,
    client_environment,
    end_leftovers,
    prepare,
    read_secret,
    recorded_server,
    server_home,
)
from flows.processes import MARK, end_marked, is_alive, locked, marked, start, try_lock

SLEEPER = [sys.executable, "-c", "import time; print('awake', flush=True); time.sleep(120)"]
RUN = """
import sys, time
from pathlib import Path
from flows.environment import prepare
prepare(Path(sys.argv[1]))
import os
from prefect import flow

@flow
def toy():
    print("in the flow", os.environ["PREFECT_HOME"], flush=True)
    time.sleep(float(sys.argv[2]))

toy()
"""


def sleeper(mark: Path, *, command: list[str] = SLEEPER) -> int:
    log = mark.parent / "sleeper.log"
    pid = start(command, mark=mark, environment=dict(os.environ), folder=mark.parent, log=log)
    for _ in range(200):
        if log.is_file() and "awake" in log.read_text():
            break
        time.sleep(0.05)
    return pid


def without(*starts: str) -> dict[str, str]:
    """Return this process's environment but for the variables that start like these."""
    return {name: value for name, value in os.environ.items() if not name.startswith(starts)}


def test_a_process_whose_program_is_still_read_from_the_disk_counts_as_started(
    tmp_path, monkeypatch
):
    kernel = psutil.Process.environ
    still_empty = [{}, {}, {}]
    monkeypatch.setattr(
        psutil.Process, "environ", lambda self: still_empty.pop() if still_empty else kernel(self)
    )
    pid = start(SLEEPER, mark=tmp_path, environment={}, folder=tmp_path, log=tmp_path / "log")
    try:
        assert is_alive(pid, mark=tmp_path)
        assert not still_empty
    finally:
        end_marked(tmp_path)


def test_a_process_that_ends_at_once_is_not_waited_for(tmp_path):
    ended = [sys.executable, "-c", ""]
    pid = start(ended, mark=tmp_path, environment={}, folder=tmp_path, log=tmp_path / "log")
    for _ in range(200):
        if not is_alive(pid, mark=tmp_path):
            break
        time.sleep(0.05)
    assert not is_alive(pid, mark=tmp_path)


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    before = set(psutil.Process().children())
    yield folder
    for process in set(psutil.Process().children()) - before:
        process.kill()
        process.wait()


def test_only_marked_processes_are_found_and_ended(data):
    ours, others = data / "ours", data / "others"
    pid, stranger = sleeper(ours), sleeper(others)
    assert [process.pid for process in marked(ours)] == [pid]
    assert is_alive(pid, mark=ours)
    assert not is_alive(stranger, mark=ours), "an id alone proves nothing"
    assert end_marked(ours) == 1
    assert not is_alive(pid, mark=ours)
    assert is_alive(stranger, mark=others)


def test_a_process_that_will_not_end_is_ended(data, monkeypatch):
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN)\nprint('awake', flush=True)\n"
    pid = sleeper(data / "deaf", command=[sys.executable, "-c", deaf + "time.sleep(120)"])
    monkeypatch.setattr("flows.processes.end.__kwdefaults__", {"patience": 0.5})
    assert end_marked(data / "deaf") == 1
    assert not is_alive(pid, mark=data / "deaf")


def test_a_lock_falls_when_its_holder_does(data):
    hold = (
        "import time, sys; from pathlib import Path; from flows.processes import try_lock\n"
        "held = try_lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(120)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(data / "lock")], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    assert try_lock(data / "lock") is None
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with locked(data / "lock"):
        pass


def test_what_a_dead_run_left_is_ended_and_what_a_living_one_has_is_not(data):
    dead, living = data / "prefect" / "run-1-dead", data / "prefect" / "run-2-living"
    for home in (dead, living):
        home.mkdir(parents=True)
    held = try_lock(living / "lock")
    orphan, server = sleeper(dead), sleeper(living)
    assert end_leftovers(data) == 1
    assert not is_alive(orphan, mark=dead)
    assert not dead.exists()
    assert is_alive(server, mark=living)
    assert living.is_dir()
    assert held is not None
    held.close()


def test_recorded_servers_count_only_while_all_of_them_live_and_are_ours(data):
    assert recorded_server(data) is None
    pids = {"prefect": sleeper(server_home(data) / ".."), "mlflow": os.getpid()}
    record = {"prefect": "http://127.0.0.1:1", "mlflow": "http://127.0.0.1:2", "pids": pids}
    (data / "up.json").write_text(json.dumps(record))
    assert recorded_server(data) is None, "neither carries the mark"
    record["pids"] = {"prefect": sleeper(server_home(data))}
    (data / "up.json").write_text(json.dumps(record))
    assert recorded_server(data) == Servers(**record)
    end_marked(server_home(data))
    assert recorded_server(data) is None


def test_a_start_whose_mark_is_never_seen_is_ended_and_names_its_log(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "SEEN_S", 0.2)
    monkeypatch.setattr(processes, "is_alive", lambda *_, **__: False)
    log = tmp_path / "log"
    with pytest.raises(TimeoutError, match=f"cannot be read after 0.2 s.* Its log is {log}"):
        start(SLEEPER, mark=tmp_path, environment={}, folder=tmp_path, log=log)
    monkeypatch.undo()
    assert marked(tmp_path) == []


def test_a_broken_record_counts_as_none(data):
    (data / "up.json").write_text('{"prefect": ')
    assert recorded_server(data) is None


def test_a_run_is_told_the_addresses_and_passwords_of_the_servers(data):
    told = client_environment(data, Servers("http://127.0.0.1:1", "http://127.0.0.1:2", {}))
    assert told["PREFECT_API_URL"] == "http://127.0.0.1:1/api"
    assert told["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:2"
    assert told["PREFECT_API_AUTH_STRING"].startswith("admin:")
    assert len(told["MLFLOW_TRACKING_PASSWORD"]) >= 32


def test_without_servers_mlflow_is_a_file_and_nothing_else_is_said(data):
    assert client_environment(data, None) == {
        "MLFLOW_TRACKING_URI": f"sqlite:///{data}/mlflow/mlflow.db"
    }


def test_secrets_are_made_once_and_for_their_owner_alone(data):
    first = read_secret(data, "mlflow")
    assert read_secret(data, "mlflow") == first
    assert read_secret(data, "prefect") != first
    for path in (data / "secrets").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((data / "secrets").stat().st_mode) == 0o700


@pytest.mark.slow
def test_prepares_only_before_prefect_is_imported(data):
    code = "import prefect; from pathlib import Path; from flows.environment import prepare\n"
    done = subprocess.run(
        [sys.executable, "-c", code + f"prepare(Path({str(data)!r}))"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "call `prepare` first" in done.stderr
    assert not (data / "prefect").exists()
    assert prepare.__module__ == "flows.environment"


def test_prepare_sets_everything_and_leaves_nothing(data):
    code = (
        "import json, os, sys; from pathlib import Path; from flows.environment import prepare\n"
        f"prepare(Path({str(data)!r}), threads=3)\n"
        "assert not {'prefect', 'mlflow', 'numpy'} & set(sys.modules), 'something heavy'\n"
        "print(json.dumps(dict(os.environ)))"
    )
    plain = without("PREFECT", "MLFLOW", *THREAD_VARIABLES)
    plain |= {"PREFECT_PROFILE": "theirs", "MKL_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], env=plain, capture_output=True, check=True)
    seen = json.loads(done.stdout)
    assert seen["PREFECT_HOME"].startswith(str(data / "prefect" / "run-"))
    assert seen[MARK] == seen["PREFECT_HOME"]
    assert seen["PREFECT_SERVER_API_AUTH_STRING"] == seen["PREFECT_API_AUTH_STRING"]
    assert seen["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert seen["GX_ANALYTICS_ENABLED"] == "false"
    assert {seen[name] for name in THREAD_VARIABLES} == {"3"}, "the shell's own do not count"
    assert "PREFECT_PROFILE" not in seen
    assert [path.name for path in (data / "prefect").iterdir()] == ["lock"]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_leaves_nothing_after_the_next(data, how):
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, str(data), "120"],
        env=without("PREFECT"),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    home = Path(run.stdout.readline().split()[-1])
    assert [p for p in marked(home) if "uvicorn" in " ".join(p.cmdline())], "has its own server"
    run.send_signal(how)
    run.wait(timeout=60)
    run.stdout.close()
    if how == signal.SIGKILL:
        assert marked(home), "a kill leaves the server behind"
        assert end_leftovers(data) >= 1
    assert not marked(home)
    assert not home.exists()


@pytest.mark.slow
def test_a_run_that_ends_leaves_nothing(data):
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(data), "0"],
        env=without("PREFECT"),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    home = Path(done.stdout.split()[-1])
    assert not marked(home)
    assert [path.name for path in (data / "prefect").iterdir()] == ["lock"]
