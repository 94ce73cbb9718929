"""What all sources pulled over the web share: their nights, and pulls that can be broken off."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import NamedTuple

import polars as pl
from pydantic import SecretStr

from conf.schema import WebSource
from tasks.market.calendar import LAST, Calendar
from tasks.market.frames import (
    RAW_ACTIONS,
    RAW_BARS,
    RAW_FUNDAMENTALS,
    RAW_LISTINGS,
    RAW_SERIES,
    empty,
    shaped,
)
from tasks.market.sources.protocol import DataSource, Delivery, Payload, Place
from tasks.market.sources.spool import Spool
from tasks.market.sources.web import Web

NO_BARS, NO_ACTIONS, NO_LISTINGS = empty(RAW_BARS), empty(RAW_ACTIONS), empty(RAW_LISTINGS)
NO_SERIES, NO_FUNDAMENTALS = empty(RAW_SERIES), empty(RAW_FUNDAMENTALS)


class Reach(NamedTuple):
    """What one night is asked for: rows from `since` to `night`, both included."""

    since: date
    night: date


class WebData(DataSource):
    """A source over the web: history in one delivery, then one delivery for each session.

    The history and a night that is pulled late are `assumed`: a late night brings its own session
    alone. The newest night until the day that was asked about is seen live while it lasts: from
    `live_from` of its place on. It is `observed`, and reaches back `look_back` sessions.

    A source gives `requests` and `ask`, and `normalise`; perhaps `headers` and `hosts`.
    """

    def __init__(self, conf: WebSource, place: Place):
        self._web_conf = conf
        self._place = place
        self._spool = Spool(place.spool)
        self._until = date.max

    @abstractmethod
    def requests(self, reach: Reach) -> list[str]:
        """Return what to ask for, one text a payload, without secrets; at least one."""

    @abstractmethod
    def ask(self, request: str) -> bytes:
        """Ask for one of `requests`, and return the answer as sent."""

    def headers(self) -> Mapping[str, SecretStr | str]:
        """Return what is sent along with each request."""
        return {}

    def hosts(self) -> Sequence[str]:
        """Return the hosts that may be asked besides that of `base_url` and the settings' own."""
        return ()

    @cached_property
    def web(self) -> Web:
        """The server; it is first thought of when something is asked."""
        return Web(self._web_conf, headers=self.headers(), hosts=self.hosts())

    def secret(self, variable: str) -> SecretStr:
        """Return the key that the environment holds in `variable`."""
        if variable not in self._place.secrets:
            raise ValueError(
                f"{self._web_conf.title!r} needs a key: set the environment variable {variable}."
            )
        return self._place.secrets[variable]

    @property
    def newest(self) -> date:
        """The day that was last asked about."""
        return self._until

    def nights(self, until: date = date.max) -> list[date]:
        """Return the night of the history and each session from `observed_from` to `until`."""
        self._until = until
        return [self._history, *self._sessions(until)]

    def pull(self, nights: Sequence[date]) -> Iterator[Payload]:
        """Yield the answers for `nights`, those kept of an unfinished pull first."""
        offered = {self._history, *self._sessions(date.max)}
        if unknown := sorted(set(nights) - offered):
            raise ValueError(
                f"{self._web_conf.title!r} has no night {', '.join(map(str, unknown))}: it has "
                f"{self._history}, and the sessions from {self._web_conf.observed_from} on."
            )
        for night in sorted(set(nights)):
            live = self._is_live(night)
            for request in self.requests(self._reach(night)):
                body = self._spool.get(night, request)
                if body is None:
                    body = self.ask(request)
                    self._spool.keep(night, request, body)
                yield Payload(night, request, body, "observed" if live else "assumed")

    def landed(self, nights: Sequence[date]) -> None:
        """Forget the answers that are in the lake now."""
        self._spool.forget(nights)

    def reach_of(self, payloads: Sequence[Payload]) -> Reach:
        """Return what the night of `payloads` may bring rows of."""
        if not payloads:
            raise ValueError("no payload to read: even an empty delivery has one.")
        night = payloads[0].night
        return self._since(night, live=payloads[0].vintage == "observed")

    def _reach(self, night: date) -> Reach:
        return self._since(night, live=self._is_live(night))

    def _is_live(self, night: date) -> bool:
        newest = self._sessions(self._until)[-1:]  # on a holiday, that of the session before it
        return newest == [night] and night >= self._place.live_from

    def _since(self, night: date, *, live: bool) -> Reach:
        if night == self._history:
            return Reach(self._web_conf.starts, night)
        back = self._web_conf.look_back if live else 0
        return Reach(self.calendar.offset(night, -back), night)

    @cached_property
    def calendar(self) -> Calendar:
        """The sessions that nights are told by."""
        return Calendar(self._web_conf.calendar)

    @cached_property
    def _history(self) -> date:
        return self.calendar.previous(self.calendar.on_or_after(self._web_conf.observed_from))

    def _sessions(self, until: date) -> list[date]:
        last = min(until, self._web_conf.ends or LAST, LAST)
        first = self._web_conf.observed_from
        return self.calendar.sessions(first, last) if first <= last else []


def delivery(
    payloads: Sequence[Payload],
    *,
    bars: pl.DataFrame = NO_BARS,
    actions: pl.DataFrame = NO_ACTIONS,
    listings: pl.DataFrame = NO_LISTINGS,
    series: pl.DataFrame = NO_SERIES,
    fundamentals: pl.DataFrame = NO_FUNDAMENTALS,
) -> Delivery:
    """Return the delivery of one night's `payloads`; frames that are not given are empty."""
    return Delivery(
        payloads[0].night,
        payloads[0].vintage,
        bars=shaped(bars, RAW_BARS),
        actions=shaped(actions, RAW_ACTIONS),
        listings=shaped(listings, RAW_LISTINGS),
        series=shaped(series, RAW_SERIES),
        fundamentals=shaped(fundamentals, RAW_FUNDAMENTALS),
    )
