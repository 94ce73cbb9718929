"""Files and folders that are on the disk, not only in memory, when the call returns.

Delta commits too: delta-rs itself flushes nothing on a local disk.
"""

import json
import os
from pathlib import Path
from urllib.parse import unquote


def flush_commits(folder: Path, *, after: int) -> None:
    """Flush every file and folder of the commits later than version `after` to the disk."""
    log = folder / "_delta_log"
    news = [path for path in log.iterdir() if path.name >= f"{after + 1:020d}"]
    data = [
        folder / unquote(action["add"]["path"])
        for path in news
        if path.suffix == ".json"
        for action in map(json.loads, path.read_text().splitlines())
        if "add" in action
    ]
    files = [path for path in (*data, *news) if path.exists()]
    for path in (*files, *{path.parent for path in files}, folder, folder.parent):
        sync(path)


def write(path: Path, body: bytes) -> None:
    """Write `body` to `path` and wait until the disk has it; its folder is synced apart."""
    with path.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents, each entry synced to disk."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        sync(one.parent)


def sync(path: Path) -> None:
    """Wait until the disk has a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
