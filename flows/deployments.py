"""What the Prefect server must hold before a night can run: pool, limits, a watch, deployments.

`afterclose up` runs this file in a process of its own, which finds the server in its environment.
Everything is replaced by what stands here, so that it can be run again at any time.
"""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import (
    WorkPoolCreate,
    WorkPoolUpdate,
)
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

from flows.commands import POOL

RUNS_AT_ONCE = 2  # a night, and one thing a person wants meanwhile
LIMITS = {"training": 1}  # tag of a task -> how many may run at once
SILENCE = timedelta(seconds=600)  # three heartbeats of 180 s, and a little


def install(prefect_file: Path) -> None:
    """Make the pool, the limits and the watch, and deploy everything in `prefect_file`."""
    with get_client(sync_client=True) as client:
        _make_pool(client)
        _make_limits(client)
        _make_watch(client)
    deploy = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    subprocess.run(
        [*deploy, "--prefect-file", prefect_file.name], cwd=prefect_file.parent, check=True
    )


def _make_pool(client: SyncPrefectClient) -> None:
    known = {pool.name for pool in client.read_work_pools()}
    if POOL not in known:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
    client.update_work_pool(POOL, WorkPoolUpdate(concurrency_limit=RUNS_AT_ONCE))


def _make_limits(client: SyncPrefectClient) -> None:
    """Create the limits: a limit that is missing on the server would let everything through."""
    for tag, limit in LIMITS.items():
        client.create_concurrency_limit(tag=tag, concurrency_limit=limit)
    missing = LIMITS.keys() - {limit.tag for limit in client.read_concurrency_limits(100, 0)}
    if missing:
        raise RuntimeError(f"The server made no limit for {', '.join(sorted(missing))}.")


def _make_watch(client: SyncPrefectClient) -> None:
    """Mark a run Crashed once it has been silent; it is not run again, as its session may be over.

    A worker that is killed together with its run leaves it Running for ever otherwise.
    """
    watch = AutomationCore(
        name="Mark silent runs as crashed",
        description="A run that has sent no heartbeat for ten minutes has died unseen.",
        trigger=EventTrigger(
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            after={"prefect.flow-run.heartbeat"},
            expect={
                "prefect.flow-run.heartbeat",
                "prefect.flow-run.Completed",
                "prefect.flow-run.Failed",
                "prefect.flow-run.Cancelled",
                "prefect.flow-run.Crashed",
            },
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="No sign of life.")],
    )
    for old in client.read_automations_by_name(watch.name):
        client.delete_automation(old.id)
    client.create_automation(watch)


if __name__ == "__main__":
    install(Path(sys.argv[1]))
