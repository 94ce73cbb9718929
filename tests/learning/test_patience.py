"""No server of MLflow holds a night for longer than it is given."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from threading import Event, Thread

import pytest

from tasks.learning import patience
from tasks.learning.patience import bounded
from tasks.learning.tracking import TrackingError, opened

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def served(body: bytes, *, pause: float) -> Iterator[str]:
    """Give the address of a server that answers everything by `body`, byte by byte."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer(client: socket.socket) -> None:
            with client, suppress(OSError):
                client.recv(65536)
                client.sendall(HEAD % len(body))
                for byte in body:
                    client.sendall(bytes([byte]))
                    time.sleep(pause)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    Thread(target=answer, args=[server.accept()[0]], daemon=True).start()

        Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def dribbling() -> Iterator[str]:
    yield from served(b" " * 600, pause=0.2)


@pytest.fixture
def odd() -> Iterator[str]:
    yield from served(b'{"experiments": "none"}', pause=0)


@pytest.fixture(autouse=True)
def _nothing_late(monkeypatch):
    monkeypatch.setattr(patience, "_late", [])


def asked(uri: str) -> int:
    with opened(uri) as client:
        return len(client.search_experiments())


def test_a_server_that_dribbles_holds_nobody_longer_than_the_bound(dribbling, monkeypatch):
    import mlflow  # noqa: F401  # that takes longer than the bound of this test

    monkeypatch.setattr(patience, "BOUND_S", 2)
    start = time.monotonic()
    with pytest.raises(TrackingError, match="MLflow took longer than 2 s"):
        bounded(lambda: asked(dribbling))
    assert time.monotonic() - start < 10


def test_who_was_given_up_once_is_asked_nothing_more(monkeypatch):
    monkeypatch.setattr(patience, "BOUND_S", 0.05)
    asked, ended = [], Event()
    with pytest.raises(TrackingError, match="took longer"):
        bounded(ended.wait)
    ended.set()
    with pytest.raises(TrackingError, match="is asked nothing more"):
        bounded(lambda: asked.append("again"))
    assert not asked


def test_an_answer_of_another_shape_is_an_error_of_mlflow_s(odd):
    with pytest.raises(TrackingError, match=r"127\.0\.0\.1"):
        asked(odd)


def test_what_comes_in_time_comes_as_it_is():
    def fails():
        raise LookupError("it is not there")

    assert bounded(lambda: 3) == 3
    with pytest.raises(LookupError, match="it is not there"):
        bounded(fails)
