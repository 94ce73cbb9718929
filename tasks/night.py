"""The ledger of nights: what became of each session, book by book."""

from datetime import date

import polars as pl
from prefect import task

from tasks.market import frames
from tasks.settings import book_hash, code_hash, open_lake


@task(task_run_name="close-{book}-{session}")
def close_night(book: str, session: date, status: str, reason: str, content_hash: str) -> str:
    """Write how the night of `book` ended; a later run of the same session replaces it."""
    stage = f"book/{book}"
    row = {
        "session": session,
        "stage": stage,
        "status": status,
        "reason": reason,
        "seen": "",
        "written": content_hash,
        "code": code_hash(),
        "config": book_hash(book),
    }
    frame = pl.DataFrame([row], schema=frames.NIGHTS)
    return open_lake().replace("nights", frame, over={"session": [session], "stage": [stage]})
