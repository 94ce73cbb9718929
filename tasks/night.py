"""The ledger of nights: what became of each session, book by book."""

from datetime import date

import polars as pl
from prefect import task

from tasks.execution.release import manifest_of
from tasks.market import frames
from tasks.releases import release_at
from tasks.settings import book_hash, code_hash, open_lake


@task(task_run_name="close-{book}-{session}")
def close_night(book: str, session: date, status: str, reason: str, content_hash: str) -> str:
    """Write how the night of `book` ended; a later run of the same session replaces it.

    A release that stands is not talked away: a rerun of its session that failed changes nothing.
    """
    released = release_at(book, session)
    if released and content_hash != released.content_hash:
        return released.content_hash
    stage = f"book/{book}"
    row = {
        "session": session,
        "stage": stage,
        "status": status,
        "reason": reason,
        "seen": manifest_of(released.path)["seen"]["bars"] if released else "",
        "written": content_hash,
        "code": code_hash(),
        "config": book_hash(book),
    }
    frame = pl.DataFrame([row], schema=frames.NIGHTS)
    return open_lake().replace("nights", frame, over={"session": [session], "stage": [stage]})
