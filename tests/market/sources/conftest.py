"""A vendor's server for the tests of a module, sound again before each of them."""

from collections.abc import Iterator

import pytest

from tests.market.sources.vendor import Vendor


@pytest.fixture(scope="module")
def server() -> Iterator[Vendor]:
    with Vendor() as server:
        yield server


@pytest.fixture
def vendor(server: Vendor, request: pytest.FixtureRequest) -> Vendor:
    """Give a server that answers by the `ROUTES` of the test's module, where it has some."""
    server.routes, server.fault = getattr(request.module, "ROUTES", {}), None
    server.calls.clear()
    server.headers.clear()
    return server
