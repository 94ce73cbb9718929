"""No test touches the network: the guard that sees to it is itself tested."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from sitecustomize import OutsideLookupError, is_here


def test_a_name_lookup_is_refused_and_written_down(outside_lookups: Path):
    with pytest.raises(OutsideLookupError, match=r"example\.com"):
        socket.getaddrinfo("example.com", 443)
    assert "example.com" in outside_lookups.read_text()
    outside_lookups.unlink()


def test_a_connection_to_an_address_is_refused(outside_lookups: Path):
    with socket.socket() as plain, pytest.raises(OutsideLookupError):
        plain.connect(("192.0.2.1", 9))
    outside_lookups.unlink()


def test_what_a_test_starts_is_guarded_too(outside_lookups: Path):
    code = "import socket\ntry: socket.getaddrinfo('example.com', 80)\nexcept OSError: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "example.com" in outside_lookups.read_text(), "swallowed, and still written down"
    outside_lookups.unlink()


def test_this_machine_may_be_reached():
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
    assert socket.getaddrinfo("localhost", 80)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", None, b"::1"])
def test_knows_this_machine(host):
    assert is_here(host)


@pytest.mark.parametrize("host", ["192.168.0.1", "8.8.8.8", "fe80::1", "localhost.example.com"])
def test_knows_another_machine(host):
    assert not is_here(host)
