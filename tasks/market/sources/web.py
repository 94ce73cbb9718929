"""Asking a server over the web: politely, within bounds, and with suspicion of the answer.

Nothing of the environment is trusted (no proxy, no netrc), and no secret is ever shown.
"""

import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import random as _random

import httpcore
import httpx
from pydantic import SecretStr
from tenacity import RetryCallState, Retrying, retry_if_exception_type

from conf.schema import WebSource
from tasks.market.sources.answers import MIB, MOST_VALUES, Expected, complaint, values_in
from tasks.market.sources.deadline import Deadline, PatientBackend
from tasks.market.sources.pace import Pace, asked_wait
from tasks.market.sources.secrecy import Secrets

MOST_REDIRECTS = 3
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0  # of the random pauses between two tries
REDIRECTS = (301, 302, 303, 307, 308)
BUSY = (408, 425, 429, 500, 502, 503, 504)
DO = {  # status -> what a person can do about it
    401: "check the key",
    402: "the plan does not cover this",
    403: "check the key, the plan, and whether this address has asked too often",
    404: "check the name of what is asked for",
    418: "this address is shut out for asking too often: wait long, then lower per_minute",
    429: "lower per_minute, or ask again later",
    451: "the server may not answer from this country",
}


class Refused(ConnectionError):
    """A server that gave nothing in time; asking again later may help."""


class Unwelcome(ValueError):
    """An answer that is not what was asked for; waiting does not mend it."""


class _Later(Exception):
    """What came this time, worth another try; `wait` is what the server asked for, in seconds."""

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait


class Web:
    """One server, and how it is asked.

    Args:
        conf: Address, pace, patience and bounds.
        headers: Sent along; secret ones only to the server that was meant.
        hosts: Further hosts that may be asked.
        sleep: Waits a number of seconds.
        clock: Tells seconds that only ever grow.
        random: Gives numbers from 0 to 1, for the pauses between tries.
    """

    def __init__(
        self,
        conf: WebSource,
        *,
        headers: Mapping[str, SecretStr | str] = {},
        hosts: Sequence[str] = (),
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = _random,
    ):
        self._conf = conf
        self._base = httpx.URL(conf.base_url)
        self._hosts = {self._base.host, *(host.lower() for host in (*conf.hosts, *hosts))}
        self._headers = dict(headers)
        self._secrets = Secrets()
        self._secrets.add(value for value in headers.values() if isinstance(value, SecretStr))
        self._sleep, self._random = sleep, random
        self._deadline = Deadline(clock)
        self._bytes_left = self._values_left = 0
        self._in_pages = False
        self._pace = Pace(conf.per_minute, sleep=sleep, clock=clock)
        by_tls = self._base.scheme == "https"
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False) if by_tls else None,
            keepalive_expiry=5.0,
            network_backend=PatientBackend(self._deadline),
        )
        for name, value in self._headers.items():
            if not (text := _plain(value)).isascii() or not text.isprintable():
                raise ValueError(f"The header {name} holds characters that cannot be sent.")

    @contextmanager
    def pages(self) -> Iterator[None]:
        """Let all that is asked within this `with` share the patience and size of one answer."""
        self._begin()
        self._in_pages = True
        try:
            yield
        finally:
            self._in_pages = False

    def get(
        self,
        url_or_path: str,
        *,
        params: Mapping[str, str] = {},
        secret_params: Mapping[str, SecretStr] = {},
        expect: Expected,
    ) -> bytes:
        """Return the answer as sent, inflated, once it looks like what was expected.

        Raises `Refused` where the server gave nothing in time or stayed busy, and `Unwelcome`
        where it answered with something else.
        """
        url = self._url(url_or_path)
        hidden = {name: value.get_secret_value() for name, value in secret_params.items()}
        self._secrets.add(secret_params.values())
        asked = str(url.copy_merge_params(dict(params))) if params else str(url)
        full = url.copy_merge_params({**params, **hidden}) if params or hidden else url
        if not self._in_pages:
            self._begin()
        retrying = Retrying(
            stop=self._give_up,
            wait=self._pause,
            retry=retry_if_exception_type(_Later),
            sleep=self._sleep,
            reraise=True,
        )
        # The errors are raised anew from nothing: what they came from may hold a secret.
        try:
            self._take_turn()
            body = retrying(self._attempt, full)
            if wrong := complaint(body, expect, limit=self._most, show=self._secrets.shown):
                raise Unwelcome(f"the server sent {wrong}")
            self._take(body, expect)
        except _Later as last:
            tries = retrying.statistics.get("attempt_number", 0)
            told = f"{asked}: {last}, after {tries} of {self._conf.attempts} tries."
            raise Refused(self._secrets.clean(told)) from None
        except Unwelcome as reason:
            raise Unwelcome(self._secrets.clean(f"{asked}: {reason}.")) from None
        return body

    @property
    def _most(self) -> int:
        return int(self._conf.answer_mib * MIB)

    def _url(self, url_or_path: str) -> httpx.URL:
        if "://" in url_or_path:
            return httpx.URL(url_or_path)
        return httpx.URL(f"{self._conf.base_url.rstrip('/')}/{url_or_path.lstrip('/')}")

    def _attempt(self, url: httpx.URL) -> bytes:
        asked = _origin(url)
        for _ in range(MOST_REDIRECTS + 1):
            self._require_allowed(url)
            answer = self._ask(url, own=_origin(url) == asked)
            if isinstance(answer, bytes):
                return answer
            url = answer
        raise Unwelcome(f"the server redirects more than {MOST_REDIRECTS} times")

    def _ask(self, url: httpx.URL, *, own: bool) -> bytes | httpx.URL:
        """Return the body, or where the server says that it is; secrets go to our `own` alone."""
        headers = {"Accept": "*/*", "Accept-Encoding": "gzip", "User-Agent": "afterclose"}
        headers |= {
            name: _plain(value)
            for name, value in self._headers.items()
            if own or not isinstance(value, SecretStr)
        }
        waits = dict.fromkeys(("connect", "read", "write", "pool"), self._conf.timeout_s)
        try:
            with self._pool.stream(
                "GET", str(url), headers=list(headers.items()), extensions={"timeout": waits}
            ) as answer:
                found = httpx.Headers(answer.headers)
                if answer.status in REDIRECTS and "location" in found:
                    return self._joined(url, found["location"])
                self._require_good(answer.status, found, answer)
                return self._body(found, answer.iter_stream())
        except httpcore.TimeoutException:
            silent = self._deadline.left() > 0
            raise _Later(
                f"no sign for {self._conf.timeout_s:g} s (timeout_s)"
                if silent
                else f"not done within {self._conf.patience_s:g} s (patience_s)"
            ) from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as reason:
            raise _Later(f"the connection failed or was cut short ({reason})") from None

    def _joined(self, url: httpx.URL, location: str) -> httpx.URL:
        try:
            return url.join(location)
        except (httpx.InvalidURL, ValueError):
            where = self._secrets.shown(location.encode())
            raise Unwelcome(f"the server redirects to {where}") from None

    def _require_good(self, status: int, headers: httpx.Headers, answer: httpcore.Response) -> None:
        if status == 200:
            return
        start = b""
        for chunk in answer.iter_stream():
            start += chunk
            if len(start) > 1000:
                break
        what = f"status {status}"
        if start and "content-encoding" not in headers:
            what += f" {self._secrets.shown(start)}"
        what += f"; {DO[status]}" if status in DO else ""
        if status not in BUSY:
            raise Unwelcome(f"the server answered with {what}")
        wait = asked_wait(headers)
        what += f"; it asks to wait {wait:.0f} s" if wait is not None else ""
        raise _Later(f"the server answered with {what}", wait)

    def _body(self, headers: httpx.Headers, chunks: Iterable[bytes]) -> bytes:
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._bytes_left:
            raise Unwelcome(f"an answer of {length} bytes is more than answer_mib allows")
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "", "gzip", "x-gzip"):
            packing = self._secrets.shown(encoding.encode())
            raise Unwelcome(f"the server packs its answer as {packing}, which was not asked")
        unzip = zlib.decompressobj(zlib.MAX_WBITS | 16) if "gzip" in encoding else None
        body, most = bytearray(), self._bytes_left
        for chunk in chunks:
            if self._deadline.left() <= 0:
                raise httpcore.ReadTimeout("the deadline has passed")
            try:
                body += unzip.decompress(chunk, most + 1 - len(body)) if unzip else chunk
            except zlib.error as reason:
                raise Unwelcome(f"the server's gzip is broken ({reason})") from None
            if len(body) > most:
                raise Unwelcome(f"an answer of more than answer_mib = {self._conf.answer_mib:g}")
        if unzip and not unzip.eof:
            raise _Later("the gzip of the answer was cut short")
        if unzip and unzip.unused_data:
            raise Unwelcome("something follows the gzip of the answer")
        return bytes(body)

    def _require_allowed(self, url: httpx.URL) -> None:
        """Refuse any address but the server's own and, by https, those of the hosts listed."""
        where = f"{url.scheme}://{url.host}"
        if url.userinfo:
            raise Unwelcome(f"a user name in the address of {where} is not allowed")
        if _origin(url) == _origin(self._base):
            return
        if url.scheme != "https" or url.port is not None or url.host not in self._hosts:
            raise Unwelcome(
                f"{where} may not be asked: only https, and only {', '.join(sorted(self._hosts))}"
            )

    def _begin(self) -> None:
        self._pace.wait()
        self._deadline.set(self._conf.patience_s)
        self._bytes_left, self._values_left = self._most, MOST_VALUES

    def _take_turn(self) -> None:
        if self._pace.left() >= self._deadline.left():
            raise _Later(f"not done within {self._conf.patience_s:g} s (patience_s)")
        self._pace.wait()
        self._pace.take()

    def _take(self, body: bytes, expect: Expected) -> None:
        """Count an answer against what all its pages may hold."""
        self._bytes_left -= len(body)
        self._values_left -= values_in(body) if expect == "json" else 0
        if self._values_left < 0:
            raise Unwelcome(f"the server sent pages of more than {MOST_VALUES} values together")

    def _pause(self, state: RetryCallState) -> float:
        """Return what the server asked for, else a random share of a pause that doubles."""
        reason = state.outcome.exception() if state.outcome else None
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**state.attempt_number)
        wait = reason.wait if isinstance(reason, _Later) else None
        pause = self._random() * longest if wait is None else wait
        return max(pause, self._pace.left())

    def _give_up(self, state: RetryCallState) -> bool:
        """Say whether that was the last try, or the next would begin after the deadline."""
        spent = state.attempt_number >= self._conf.attempts
        if spent or state.upcoming_sleep >= self._deadline.left():
            return True
        self._pace.take(after=state.upcoming_sleep)
        return False


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _plain(value: SecretStr | str) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
