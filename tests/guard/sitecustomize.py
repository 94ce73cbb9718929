"""Refuse every address and name that is not this machine, in this process and its children.

Python imports a module of this name when it starts, so a folder on PYTHONPATH is enough to
guard whatever a test starts. A refused attempt is also written down: a library that swallows
the error does not get away with it.
"""

import os
import sys
from ipaddress import ip_address
from typing import Any

RECORD = "AFTERCLOSE_TEST_LOOKUPS"  # the file that attempts are written to
WATCHED = (
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.gethostbyaddr",
    "socket.connect",
    "socket.sendto",
)


class OutsideLookupError(OSError):
    """A test reached for something that is not this machine."""


def is_here(host: Any) -> bool:
    """Say whether `host`, a name or an address, is this machine."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host is None or host in ("", "localhost", "localhost.localdomain"):
        return True
    try:
        address = ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def host_of(event: str, arguments: tuple[Any, ...]) -> Any:
    """Return the host that an audit event is about; None where there is none."""
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[-1]
        return address[0] if isinstance(address, tuple) else None  # else a socket file
    return arguments[0]


def guard(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise, and write down, where `event` reaches for another machine."""
    if event not in WATCHED:
        return
    host = host_of(event, arguments)
    if is_here(host):
        return
    if record := os.environ.get(RECORD):
        with open(record, "a") as lines:
            lines.write(f"{event} {host!r} by {' '.join(sys.argv[:3])}\n")
    raise OutsideLookupError(f"{event} reached for {host!r}: tests stay on this machine.")


if RECORD in os.environ:
    sys.addaudithook(guard)
