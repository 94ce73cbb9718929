"""Sockets that keep one deadline over everything a request does, however slowly it drips."""

import socket
import ssl
from collections.abc import Callable, Iterable
from queue import Empty, Queue
from threading import Thread
from typing import Any

import httpcore


class Deadline:
    """A moment on a clock; until one is set, nothing may be waited for."""

    def __init__(self, clock: Callable[[], float]):
        self._clock = clock
        self._end = clock()

    def set(self, seconds: float) -> None:
        """Let the deadline be `seconds` from now."""
        self._end = self._clock() + seconds

    def left(self) -> float:
        """Return the seconds that are left; zero or less when it has passed."""
        return self._end - self._clock()


class PatientBackend(httpcore.NetworkBackend):
    """Opens connections whose every step waits no longer than what is left of the deadline."""

    def __init__(self, deadline: Deadline):
        self._deadline = deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect, within what is left: one address after another, each with its share of it."""
        wait = _shorter(timeout, self._deadline, httpcore.ConnectTimeout)
        addresses = _addresses(host, port, wait)
        failed: Exception = httpcore.ConnectError(f"{host} has no address")
        for tried, address in enumerate(addresses):
            wait = _shorter(timeout, self._deadline, httpcore.ConnectTimeout)
            share = wait / (len(addresses) - tried)
            try:
                stream = self._inner.connect_tcp(
                    address, port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as reason:
                failed = reason
            else:
                return PatientStream(stream, self._deadline)
        raise failed


class PatientStream(httpcore.NetworkStream):
    """A connection that fails with a timeout once the deadline has passed."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline):
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there."""
        wait = _shorter(timeout, self._deadline, httpcore.ReadTimeout)
        return self._inner.read(max_bytes, wait)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of `buffer`."""
        self._inner.write(buffer, _shorter(timeout, self._deadline, httpcore.WriteTimeout))

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Go on encrypted."""
        wait = _shorter(timeout, self._deadline, httpcore.ConnectTimeout)
        stream = self._inner.start_tls(ssl_context, server_hostname, wait)
        return PatientStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows about itself."""
        return self._inner.get_extra_info(info)


def _addresses(host: str, port: int, wait: float) -> list[str]:
    """Return the addresses of a host, each once.

    The system's own search for them cannot be broken off: it is left to itself when time is up.
    """
    found: Queue[list[str] | Exception] = Queue()

    def look() -> None:
        try:
            told = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.put(list(dict.fromkeys(str(address[0]) for *_, address in told)))
        except (OSError, UnicodeError) as reason:  # not found, or no name at all
            found.put(reason)

    Thread(target=look, daemon=True).start()
    try:
        answer = found.get(timeout=wait)
    except Empty:
        raise httpcore.ConnectTimeout(f"no address of {host} in time") from None
    if isinstance(answer, Exception):
        raise httpcore.ConnectError(str(answer))
    return answer


def _shorter(timeout: float | None, deadline: Deadline, late: type[Exception]) -> float:
    left = deadline.left()
    if left <= 0:
        raise late("the deadline has passed")
    return left if timeout is None else min(timeout, left)
