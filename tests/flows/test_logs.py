"""Errors go to a file with their tracebacks; the terminal keeps to warnings."""

import io
import logging

import pytest

from flows.logs import keep_errors


@pytest.fixture
def terminal(monkeypatch):
    """Give what the only handler of the root logger writes."""
    lines = io.StringIO()
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.StreamHandler(lines)])
    return lines


def test_errors_are_kept_with_their_traceback_and_stay_off_the_terminal(terminal, tmp_path):
    keep_errors(tmp_path / "logs" / "errors.log")
    logger = logging.getLogger("prefect.test")
    logger.warning("odd but usable")
    try:
        raise ValueError("no such night")
    except ValueError:
        logger.exception("the task failed")
    assert terminal.getvalue() == "odd but usable\n"
    kept = (tmp_path / "logs" / "errors.log").read_text()
    assert "Traceback" in kept
    assert "no such night" in kept
    assert "odd but usable" not in kept


def test_no_file_is_made_where_nothing_fails(terminal, tmp_path):
    keep_errors(tmp_path / "errors.log")
    logging.getLogger("prefect").warning("odd but usable")
    assert not (tmp_path / "errors.log").exists()
