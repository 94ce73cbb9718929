"""One writer at a time for each source: whoever comes second waits, and finds the work done."""

from filelock import FileLock

from tasks.settings import data_folder

PATIENCE = 1_800  # seconds; judging years of deliveries takes minutes


def source_lock(source: str) -> FileLock:
    """Return the lock on landing and judging of `source`, to be used in a `with`.

    It belongs to the process: a night that is killed lets go of it. Raises `filelock.Timeout`,
    naming the file, once its patience is over.
    """
    folder = data_folder() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{source}.lock", timeout=PATIENCE)
