"""What people approved: a held book goes on because somebody looked, for a reason that is kept."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl

from tasks.market.lake import Lake

# One row a session on which a book was held and let go; the last word of a session counts.
APPROVALS = {
    "session": pl.Date,
    "contest": pl.String,  # whose drift held the book
    "watched_since": pl.Date,  # until this watch ends it need not be said again
    "reason": pl.String,
    "approved_by": pl.String,
}


class Held(RuntimeError):
    """A book waits for a person, and keeps its last target meanwhile."""


def approvals(lake: Lake, book: str, contest: str) -> pl.DataFrame:
    """Return what was approved of `book` while it followed `contest`, as `APPROVALS`.

    A row of before contests were named counts for none: a person is asked once more.
    """
    rows = lake.read(f"approvals/{book}")
    if "contest" not in rows.columns:
        return pl.DataFrame(schema=APPROVALS)
    return rows.filter(contest=contest)


def approved(lake: Lake, book: str, contest: str) -> dict[date, date]:
    """Return the watches that `book` was let go on through, with the session each counts from."""
    rows = approvals(lake, book, contest)
    first = rows.group_by("watched_since").agg(pl.col("session").min())
    return dict(first.iter_rows())


def approve(lake: Lake, book: str, row: Mapping[str, Any]) -> None:
    """Keep that a person lets `book` go on; `row` is one of `APPROVALS`."""
    rows = pl.DataFrame([row], schema=APPROVALS)
    lake.replace(f"approvals/{book}", rows, over={"session": [row["session"]]})


def approver(lake: Lake, book: str, contest: str, as_of: date) -> str:
    """Return who approved the release of `as_of`: a person, or the rule."""
    rows = approvals(lake, book, contest).filter(session=as_of)
    return str(rows["approved_by"][0]) if rows.height else "rule"
