"""Answers of a pull that is not finished: what came is not asked for again."""

import os
import shutil
from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from pathlib import Path

from tasks.market.durable import make_folder, sync, write


class Spool:
    """One file for each answer, in a folder for each night; without a folder nothing is kept.

    A file appears under its name only once it is whole and on the disk.
    """

    def __init__(self, folder: Path | None):
        self._folder = folder

    def get(self, night: date, request: str) -> bytes | None:
        """Return the answer that was kept, if any."""
        path = self._path(night, request)
        return path.read_bytes() if path and path.is_file() else None

    def keep(self, night: date, request: str, body: bytes) -> None:
        """Keep an answer until its night is forgotten."""
        path = self._path(night, request)
        if path is None:
            return
        make_folder(path.parent)
        unfinished = path.with_suffix(f".{os.getpid()}")
        write(unfinished, body)
        unfinished.replace(path)
        sync(path.parent)

    def forget(self, nights: Sequence[date]) -> None:
        """Drop all that was kept of `nights`."""
        for night in nights if self._folder else ():
            shutil.rmtree(self._night(night), ignore_errors=True)

    def _path(self, night: date, request: str) -> Path | None:
        if self._folder is None:
            return None
        return self._night(night) / sha256(request.encode()).hexdigest()

    def _night(self, night: date) -> Path:
        return Path(self._folder or "") / night.isoformat()
