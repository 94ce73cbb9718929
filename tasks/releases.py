"""What is released: found, checked, and where its page stands."""

from datetime import date
from pathlib import Path

from prefect import task

from tasks.execution.release import Released, current, history, verify_book
from tasks.market.lake import Where
from tasks.settings import data_folder, open_lake


def newest(book: str) -> Released | None:
    """Return the book's newest release, or None."""
    return current(data_folder(), book)


@task(task_run_name="check-{book}-{session}")
def check_release(book: str, session: date) -> bool:
    """Return whether nothing is left to do for a release: it is whole, noted, and has its page.

    Raises `Tampered` where any release of the book is not what its manifest says.
    """
    verify_book(data_folder(), book)
    released = release_at(book, session)
    where: Where = {"session": [session], "stage": [f"book/{book}"]}
    noted = open_lake().read("nights", where=where)["written"].to_list()
    whole = released is not None and noted == [released.content_hash]
    return whole and page_of(book, session).exists()


def page_of(book: str, session: date) -> Path:
    """Return where the morning page of a release stands."""
    return data_folder() / "reports" / book / f"{session}.html"


def release_at(book: str, session: date) -> Released | None:
    """Return the highest release of exactly `session`, or None."""
    found = [one for one in history(data_folder(), book) if one.session == session]
    return found[-1] if found else None
