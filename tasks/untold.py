"""What MLflow was not told of yet: a training to be told again, and trials to be counted."""

import json
from pathlib import Path
from typing import NamedTuple

from tasks.settings import data_folder, tracking_uri


class Untold(NamedTuple):
    """The trials of a search that MLflow may lack."""

    recipe: str
    model: str
    trials: int  # that ended, numbered from 0


def owe_training(contest: str) -> None:
    """Keep that MLflow is owed the newest training, until it is settled."""
    _written(_training(contest), "")


def settle_training(contest: str) -> None:
    """Forget that it was owed."""
    _training(contest).unlink(missing_ok=True)


def training_can_be_told(contest: str) -> bool:
    """Return whether MLflow is owed a training and answers now; who owes nothing does not ask."""
    from tasks.learning.patience import bounded
    from tasks.learning.tracking import TrackingError

    if not _training(contest).exists():
        return False
    try:
        bounded(ask)
    except TrackingError:
        return False
    return True


def ask() -> None:
    """Raise `TrackingError` where MLflow does not answer."""
    from tasks.learning.tracking import opened

    with opened(tracking_uri()) as client:
        client.search_experiments(max_results=1)


def owe_trials(contest: str, study: str, untold: Untold) -> None:
    """Keep how many trials of a study ended, until MLflow has them all."""
    _written(_trials(contest) / study, json.dumps(untold))


def settle_trials(contest: str, study: str) -> None:
    """Forget that they were owed."""
    (_trials(contest) / study).unlink(missing_ok=True)


def untold_trials(contest: str) -> dict[str, Untold]:
    """Return by study the trials that MLflow may lack."""
    paths = sorted(_trials(contest).glob("[!.]*"))
    return {path.name: Untold(*json.loads(path.read_text())) for path in paths}


def _training(contest: str) -> Path:
    return data_folder() / "untold" / contest / "training"


def _trials(contest: str) -> Path:
    return data_folder() / "untold" / contest / "trials"


def _written(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f".{path.name}")
    whole.write_text(text)
    whole.replace(path)
