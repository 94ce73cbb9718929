"""What people approved: a held book goes on because somebody looked, for a reason that is kept."""

from datetime import date

import polars as pl

from tasks.market.lake import Lake

# One row a session on which a book was held and let go; the last word of a session counts.
APPROVALS = {
    "session": pl.Date,
    "watched_since": pl.Date,  # until this watch ends it need not be said again
    "reason": pl.String,
    "approved_by": pl.String,
}


class Held(RuntimeError):
    """A book waits for a person, and keeps its last target meanwhile."""


def approved(lake: Lake, book: str) -> dict[date, date]:
    """Return the watches that `book` was let go on through, with the session each counts from."""
    rows = lake.read(f"approvals/{book}")
    if rows.is_empty():
        return {}
    first = rows.group_by("watched_since").agg(pl.col("session").min())
    return dict(first.iter_rows())


def approve(
    lake: Lake, book: str, as_of: date, watched_since: date, reason: str, approved_by: str
) -> None:
    """Keep that a person lets `book` go on from `as_of`."""
    row = as_of, watched_since, reason, approved_by
    rows = pl.DataFrame([row], schema=APPROVALS, orient="row")
    lake.replace(f"approvals/{book}", rows, over={"session": [as_of]})


def approver(lake: Lake, book: str, as_of: date) -> str:
    """Return who approved the release of `as_of`: a person, or the rule."""
    rows = lake.read(f"approvals/{book}", where={"session": [as_of]})
    return str(rows["approved_by"][0]) if rows.height else "rule"
