"""Where Prefect's errors are written, for commands that tell in a line how a run ended."""

import logging
from pathlib import Path


def keep_errors(log: Path) -> None:
    """Write errors, tracebacks and all, to `log`; the terminal is left the warnings.

    Call it once Prefect is imported: that is when it sets its handlers. Whoever calls it says
    himself how a run ended, and why.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    file = logging.FileHandler(log, delay=True)
    file.setLevel(logging.ERROR)
    file.setFormatter(logging.Formatter("%(asctime)s | %(levelname)s | %(message)s"))
    root = logging.getLogger()
    for terminal in root.handlers:
        terminal.addFilter(_is_no_error)
    root.addHandler(file)


def _is_no_error(record: logging.LogRecord) -> bool:
    return record.levelno < logging.ERROR
