"""Make commits survive a power cut: delta-rs itself flushes nothing on a local disk."""

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
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
