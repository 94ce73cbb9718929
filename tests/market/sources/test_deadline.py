"""A connection is tried at every address of its host, and for no longer than was set."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import httpcore
import pytest

from tasks.market.sources.deadline import Deadline, PatientBackend

HOST = "vendor.example"
SILENT = [f"127.0.0.{number}" for number in range(1, 7)]


@pytest.fixture
def silent() -> Iterator[int]:
    """Yield a port that takes no connection and refuses none, at each of `SILENT`."""
    opened: list[socket.socket] = []
    port = 0
    for address in SILENT:
        opened.append(socket.socket())
        opened[-1].bind((address, port))
        opened[-1].listen(0)
        port = opened[-1].getsockname()[1]
        for _ in range(8):  # what its queue takes, and more
            opened.append(socket.socket())
            opened[-1].setblocking(False)
            opened[-1].connect_ex((address, port))
    yield port
    for one in opened:
        one.close()


@pytest.fixture
def open_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def known_as(monkeypatch: pytest.MonkeyPatch, *addresses: str, after: float = 0.0) -> None:
    """Let `HOST` have these addresses, found after so many seconds."""
    system = socket.getaddrinfo

    def look(host: str, port: int, *rest: Any, **more: Any) -> Any:
        if host != HOST:
            return system(host, port, *rest, **more)
        time.sleep(after)
        if not addresses:
            raise socket.gaierror("Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look)


def backend(seconds: float) -> PatientBackend:
    deadline = Deadline(time.monotonic)
    deadline.set(seconds)
    return PatientBackend(deadline)


def test_many_silent_addresses_take_no_longer_than_one(silent, monkeypatch):
    known_as(monkeypatch, *SILENT)
    began = time.monotonic()
    with pytest.raises(httpcore.ConnectTimeout):
        backend(60.0).connect_tcp(HOST, silent, timeout=0.4)
    assert time.monotonic() - began < 1.5
    began = time.monotonic()
    with pytest.raises(httpcore.ConnectTimeout):
        backend(0.4).connect_tcp(HOST, silent, timeout=60.0)
    assert time.monotonic() - began < 1.5


def test_an_address_that_answers_is_found_behind_those_that_do_not(open_port, monkeypatch):
    known_as(monkeypatch, "127.0.0.2", "127.0.0.3", "127.0.0.1")  # the others refuse
    stream = backend(5.0).connect_tcp(HOST, open_port, timeout=5.0)
    assert stream.get_extra_info("server_addr") == ("127.0.0.1", open_port)
    stream.close()


def test_a_slow_search_for_addresses_is_not_waited_for(monkeypatch):
    known_as(monkeypatch, "127.0.0.1", after=3.0)
    began = time.monotonic()
    with pytest.raises(httpcore.ConnectTimeout, match=r"no address of vendor\.example in time"):
        backend(0.2).connect_tcp(HOST, 9, timeout=5.0)
    assert time.monotonic() - began < 1.5


def test_a_host_without_an_address_is_a_failed_connection(monkeypatch):
    known_as(monkeypatch)
    with pytest.raises(httpcore.ConnectError, match="Name or service not known"):
        backend(5.0).connect_tcp(HOST, 9, timeout=5.0)


def test_a_name_that_is_none_is_a_failed_connection():
    with pytest.raises(httpcore.ConnectError, match="label"):
        backend(5.0).connect_tcp("a" * 70, 9, timeout=5.0)


def test_nothing_is_tried_after_the_deadline(monkeypatch):
    known_as(monkeypatch, "127.0.0.1")
    with pytest.raises(httpcore.ConnectTimeout, match="the deadline has passed"):
        backend(0.0).connect_tcp(HOST, 9)
