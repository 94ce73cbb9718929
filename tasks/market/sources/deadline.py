"""Sockets that keep one deadline over everything a request does, however slowly it drips."""

import ssl
from collections.abc import Callable, Iterable
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
        """Connect, within what is left."""
        wait = _shorter(timeout, self._deadline, httpcore.ConnectTimeout)
        stream = self._inner.connect_tcp(host, port, wait, local_address, socket_options)
        return PatientStream(stream, self._deadline)


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


def _shorter(timeout: float | None, deadline: Deadline, late: type[Exception]) -> float:
    left = deadline.left()
    if left <= 0:
        raise late("the deadline has passed")
    return left if timeout is None else min(timeout, left)
