"""A vendor on this machine that answers as recorded, and misbehaves on demand.

It speaks through aiohttp; what no honest server would send goes over its socket byte by byte.
"""

import asyncio
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import NamedTuple

import polars as pl
from aiohttp import web

from tasks.market.sources.protocol import DataSource

# Settings with which a source gives up soon enough for a test.
QUICK = {
    "attempts": 3,
    "timeout_s": 0.3,
    "patience_s": 2.5,
    "per_minute": 1e6,
    "answer_mib": 4.0,
}

Step = bytes | float | None  # on the wire: bytes to send, seconds to wait, or a reset


class Answer(NamedTuple):
    """One answer: as aiohttp sends it, or, where there is a script, as the script says."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = {}
    script: Iterable[Step] | None = None


Route = Callable[[web.Request], Answer]
Behaviour = Callable[[Answer, web.Request, int], Answer]  # the int: times this was asked before


class WebCase(NamedTuple):
    """One source, the routes that serve it well, and what it must make of them."""

    source: DataSource
    routes: Mapping[str, Route]  # path -> what it answers
    expected: pl.DataFrame  # the rows of `night`, sorted by their columns
    frame: str  # the frame of the delivery they are in: bars, series or fundamentals
    night: date  # the night that is pulled, as the newest one


class Vendor:
    """A server on 127.0.0.1 for the time of a `with`; `routes` and `fault` may be set any time."""

    def __init__(self, routes: Mapping[str, Route] | None = None):
        self.routes: Mapping[str, Route] = routes or {}
        self.fault: Behaviour | None = None
        self.calls: list[str] = []  # path and query of each request, in order
        self.headers: list[Mapping[str, str]] = []  # what came with each
        self.url = ""
        self._seen: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "Vendor":
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def heal(self) -> None:
        """Answer well from now on."""
        self.fault = None

    async def _open(self) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        return f"http://127.0.0.1:{port}"

    async def _close(self) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(request.path_qs)
        self.headers.append(dict(request.headers))
        route = self.routes.get(request.path)
        answer = route(request) if route else Answer(b"no such thing", 404)
        if self.fault:
            answer = self.fault(answer, request, self._seen[request.path_qs])
        self._seen[request.path_qs] += 1
        if answer.script is not None:
            await _play(request.transport, answer.script)
        return web.Response(body=answer.body, status=answer.status, headers=answer.headers)


async def _play(transport: asyncio.Transport | None, script: Iterable[Step]) -> None:
    """Send a script over a connection and close it."""
    assert transport is not None
    for step in script:
        if transport.is_closing():
            return
        if isinstance(step, bytes):
            transport.write(step)
            while transport.get_write_buffer_size() > 1 << 18 and not transport.is_closing():
                await asyncio.sleep(0.001)
        elif step is None:
            await asyncio.sleep(0.02)  # what was sent goes out first
            linger = struct.pack("ii", 1, 0)  # none: the other side sees a reset
            handle = transport.get_extra_info("socket")
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
        else:
            await asyncio.sleep(step)
    transport.close()
