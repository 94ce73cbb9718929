"""Asking like a browser, for a server that turns other programs away.

Only the way a request travels is another; pace, patience, caps and suspicion are those of `Web`.
"""

from math import ceil
from typing import TYPE_CHECKING, Any

import httpcore

from conf.schema import WebSource
from tasks.market.sources.deadline import Deadline
from tasks.market.sources.web import Web

if TYPE_CHECKING:
    from curl_cffi.requests import Response, Session

UNPACKED = {b"content-encoding", b"content-length", b"transfer-encoding"}  # told before unpacking


class BrowserWeb(Web):
    """A server that is asked through the session that yfinance opens.

    The session speaks TLS and HTTP as Chrome does. It has neither cookie nor crumb: what is asked
    here needs none.
    """

    def __init__(self, conf: WebSource):
        super().__init__(conf)
        self._pool = BrowserPool(self._deadline, most_bytes=self._most)


class BrowserPool(httpcore.ConnectionPool):
    """Connections of a browser, within a deadline and a cap on what an answer unpacks to.

    Args:
        deadline: No request lasts longer.
        most_bytes: An answer that unpacks to more is cut just beyond it.
    """

    def __init__(self, deadline: Deadline, *, most_bytes: int):
        super().__init__()
        self._deadline = deadline
        self._most = most_bytes
        self._session = _session()

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        """Return the whole answer, unpacked; the headers asked with are the browser's own."""
        from curl_cffi import CurlOpt
        from curl_cffi.curl import CURL_WRITEFUNC_ERROR
        from curl_cffi.requests import exceptions

        silence = request.extensions["timeout"]["read"]
        options: dict[CurlOpt, Any] = {
            CurlOpt.NOPROXY: "*",  # nothing of the environment is trusted
            CurlOpt.LOW_SPEED_LIMIT: 1,  # bytes a second, over the time below
            CurlOpt.LOW_SPEED_TIME: ceil(silence),
        }
        self._session.curl_options = options
        left = self._deadline.left()
        if left <= 0:
            raise httpcore.ReadTimeout("the deadline has passed")
        body = bytearray()

        def take(chunk: bytes) -> int:
            if self._deadline.left() <= 0 or len(body) > self._most:
                return CURL_WRITEFUNC_ERROR  # curl stops here
            body.extend(chunk)
            return len(chunk)

        try:
            answer = self._session.request(
                "GET",
                bytes(request.url).decode("ascii"),
                timeout=left,
                allow_redirects=False,
                content_callback=take,
            )
        except exceptions.Timeout as reason:
            raise httpcore.ReadTimeout(str(reason)) from None
        except exceptions.RequestException as reason:
            if self._deadline.left() <= 0:
                raise httpcore.ReadTimeout("the deadline has passed") from None
            if len(body) <= self._most or reason.response is None:
                raise httpcore.RemoteProtocolError(_brief(reason)) from None
            answer = reason.response
        headers = [
            (name.encode("latin-1"), (value or "").encode("latin-1"))
            for name, value in answer.headers.multi_items()
            if name.lower().encode("latin-1") not in UNPACKED
        ]
        return httpcore.Response(answer.status_code, headers=headers, content=bytes(body))


def _session() -> "Session[Response]":
    try:
        import yfinance  # type: ignore[import-untyped]
        from curl_cffi.requests import Session
    except ImportError as reason:
        raise ModuleNotFoundError(
            f"Yahoo is asked through yfinance, which lacks here ({reason}): "
            "pip install 'afterclose[yahoo]'."
        ) from reason
    session = yfinance.Ticker("^GSPC").session
    if not isinstance(session, Session):
        raise ModuleNotFoundError(
            f"yfinance opened a {type(session).__name__}, which Yahoo turns away: "
            "pip install curl_cffi."
        )
    return session


def _brief(reason: Exception) -> str:
    """Return what curl says without the advice that follows it."""
    return str(reason).split(". See ", 1)[0]
