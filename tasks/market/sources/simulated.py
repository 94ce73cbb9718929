"""A seeded market whose truth is known, delivered like a vendor would: history, then nights.

The market is the same whatever `ends` and `observed_from` say: they only cut and pack it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from conf.schema import SimulatedSource
from tasks.market.calendar import Calendar
from tasks.market.frames import (
    RAW_ACTIONS,
    RAW_BARS,
    RAW_LISTINGS,
    RAW_SERIES,
    empty,
    shaped,
)
from tasks.market.sources.companies import name_of, sector_name, symbol_of
from tasks.market.sources.market_model import Day, Market
from tasks.market.sources.mishaps import BARS, Parts, cut_off, on_offer, sent
from tasks.market.sources.planted_edge import planted_edge
from tasks.market.sources.protocol import DataSource, Delivery, Payload
from tasks.market.sources.tables import packed, unpacked

ACTIONS, LISTINGS = "actions", "listings"
PARTS = {BARS: RAW_BARS, ACTIONS: RAW_ACTIONS, LISTINGS: RAW_LISTINGS}


class _Printed(NamedTuple):
    """All a market printed, each frame sorted by its session and symbol."""

    bars: pl.DataFrame
    actions: pl.DataFrame
    listings: pl.DataFrame
    truth: pl.DataFrame  # session, symbol, expected_return


class SimulatedData(DataSource):
    """A simulated market: its past in one delivery, then one delivery for each session."""

    def __init__(self, conf: SimulatedSource):
        self._conf = conf

    def nights(self, until: date = date.max) -> list[date]:
        """Return the last session before `observed_from`, and every night from there on.

        Those are the sessions, and the holidays on which the vendor sends something all the same.
        """
        past = self._sessions[: self._live][-1:]
        offered = [*past, *self._sessions[self._live :], *self._holidays]
        return [n for n in sorted(offered) if on_offer(n, self._conf.mishaps, until)]

    def pull(self, nights: Sequence[date]) -> Iterator[Payload]:
        """Yield bars, actions and new listings of each night; a live night repeats its eve.

        What goes wrong with a night (`mishaps`) goes wrong each time it is asked for.
        """
        offered = self.nights()
        if unknown := sorted(set(nights) - set(offered)):
            raise ValueError(
                f"{self._conf.title!r} has no night {', '.join(map(str, unknown))}; "
                f"it has {len(offered)} from {offered[0]} to {offered[-1]}."
            )
        for night in sorted(set(nights)):
            past = night < self._conf.observed_from
            vintage: Literal["assumed", "observed"] = "assumed" if past else "observed"
            kind = self._conf.mishaps.get(night)
            for request, frame in self._sent(night).items():
                body = packed(frame)
                yield Payload(night, request, cut_off(body) if kind == "garbled" else body, vintage)

    def _sent(self, night: date) -> Parts:
        """Return what is sent for one night."""
        if night < self._conf.observed_from:
            return self._rows(date.min, date.min, night)
        kind = self._conf.mishaps.get(night)
        at = bisect_right(self._sessions, night) - 1
        own = night if night in self._holidays else self._sessions[at]
        right = self._rows(self._sessions[at - 1], own, night)
        if kind is None:
            return right
        before = self._rows(self._sessions[max(at - 2, 0)], *[self._sessions[at - 1]] * 2)
        return sent(kind, right, night=night, before=before)

    def _rows(self, eve: date, own: date, night: date) -> Parts:
        """Return the bars from `eve` to `night`, and what is new from `own` on."""
        return {
            BARS: _between(self._printed.bars, "session", eve, night),
            ACTIONS: _between(self._printed.actions, "ex_session", own, night),
            LISTINGS: _between(self._printed.listings, "from_session", own, night),
        }

    def normalise(self, payloads: Sequence[Payload]) -> Delivery:
        """Read one night's payloads."""
        if not payloads:
            raise ValueError("no payload to read: even an empty delivery has one.")
        frames = {request: empty(columns) for request, columns in PARTS.items()}
        for payload in payloads:
            if payload.request not in PARTS:
                raise ValueError(f"{payload.request!r} is none of {', '.join(PARTS)}.")
            what = f"{payload.request} of {payload.night}"
            frame = unpacked(payload.body, what=what)
            frames[payload.request] = shaped(frame, PARTS[payload.request])
        return Delivery(
            payloads[0].night,
            payloads[0].vintage,
            bars=frames[BARS],
            actions=frames[ACTIONS],
            listings=frames[LISTINGS],
            series=empty(RAW_SERIES),
        )

    def truth(self) -> pl.DataFrame:
        """Return (session, symbol, expected_return), sorted: what the planted edge is worth.

        The expected total return from the next open over `planted_horizon` sessions, known at the
        close of `session`, less what every name earns on average. Only names that traded and have
        a signal are in it; without a planted edge all values are zero.
        """
        return self._printed.truth

    @cached_property
    def _live(self) -> int:
        """The position of the first live session."""
        return bisect_left(self._sessions, self._conf.observed_from)

    @cached_property
    def _holidays(self) -> list[date]:
        """The nights that are no sessions and on which something is sent."""
        named = self._conf.mishaps
        sessions = set(self._sessions)
        for night, kind in named.items():
            if (kind == "holiday_rows") == (night in sessions):
                wanted = "a day without one" if kind == "holiday_rows" else "a session"
                raise ValueError(
                    f"{self._conf.title!r}: the mishap {kind!r} needs {wanted} up to "
                    f"{self._conf.ends}, and {night} is none."
                )
        return sorted(night for night, kind in named.items() if kind == "holiday_rows")

    @cached_property
    def _sessions(self) -> list[date]:
        last = self._conf.ends
        if last is None:
            raise ValueError(f"{self._conf.title!r} must say when it `ends`.")
        return Calendar(self._conf.calendar).sessions(self._conf.starts, last)

    @cached_property
    def _printed(self) -> _Printed:
        conf = self._conf
        edge = planted_edge(conf.planted_ic, horizon=conf.planted_horizon, sectors=conf.sectors)
        market = Market(
            seed=conf.seed, slots=conf.names, sectors=conf.sectors, strength=edge.strength
        )
        days = Calendar(conf.calendar)
        half = [days.is_half_day(session) for session in self._sessions]
        return _printed(
            self._sessions, market.days(len(self._sessions)), half=half, carry=edge.carry
        )


def _printed(
    sessions: Sequence[date], days: Iterator[Day], *, half: Sequence[bool], carry: float
) -> _Printed:
    """Collect what the sessions print, on half days with half the volume.

    `carry` turns a first tilt into one over the horizon.
    """
    bars, actions, listings, truth = (
        _Rows(sessions),
        _Rows(sessions),
        _Rows(sessions),
        _Rows(sessions),
    )
    for at, day in enumerate(days):
        prices = {name: getattr(day, f"{name}_N") for name in ("open", "high", "low", "close")}
        volume_N = np.maximum(np.round(day.volume_N / 2), 1.0) if half[at] else day.volume_N
        bars.add(at, day, day.traded_N, prices | {"volume": volume_N})
        is_split_N = day.traded_N & (day.split_N != 1)
        value_N = np.where(is_split_N, day.split_N, day.dividend_N)
        acts_N = is_split_N | (day.traded_N & (day.dividend_N > 0))
        actions.add(at, day, acts_N, {"value": value_N, "is_split": is_split_N})
        listings.add(at, day, day.listed_N, {"sector": day.sector_N})
        truth.add(at, day, np.isfinite(day.signal_N), {"expected_return": carry * day.tilt_N})
    kind = pl.when("is_split").then(pl.lit("split")).otherwise(pl.lit("dividend"))
    return _Printed(
        shaped(bars.frame("session"), RAW_BARS),
        shaped(actions.frame("ex_session").with_columns(kind=kind), RAW_ACTIONS),
        _listings(listings.frame("from_session")),
        truth.frame("session").select("session", "symbol", "expected_return"),
    )


def _listings(found: pl.DataFrame) -> pl.DataFrame:
    names = [name_of(number) for number in found["company"].to_list()]
    sectors = [sector_name(number) for number in found["sector"].to_list()]
    return shaped(
        found.with_columns(
            pl.Series("name", names, dtype=pl.String),
            pl.Series("sector", sectors, dtype=pl.String),
            asset_class=pl.lit("equity"),
        ),
        RAW_LISTINGS,
    )


class _Rows:
    """Columns of a long frame, gathered session by session."""

    def __init__(self, sessions: Sequence[date]):
        self._sessions = pl.Series(sessions, dtype=pl.Date)
        self._parts: dict[str, list[np.ndarray]] = {}

    def add(self, at: int, day: Day, chosen_N: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        """Append the chosen slots of one session."""
        slots = np.flatnonzero(chosen_N)
        where = {
            "at": np.full(len(slots), at, dtype=np.int32),
            "company": day.company_N[slots].astype(np.int32),
        }
        for name, column in (where | {k: v[slots] for k, v in columns.items()}).items():
            self._parts.setdefault(name, []).append(column)

    def frame(self, session: str) -> pl.DataFrame:
        """Return the rows with a date column named `session` and the symbol, sorted by both."""
        parts, self._parts = self._parts, {}
        columns = {name: np.concatenate(parts.pop(name)) for name in list(parts)}
        numbers = np.unique(columns["company"])
        symbols = pl.Series([symbol_of(int(number)) for number in numbers], dtype=pl.String)
        places = np.searchsorted(numbers, columns["company"])
        return (
            pl.DataFrame(columns)
            .with_columns(
                self._sessions[columns["at"]].alias(session), symbols[places].alias("symbol")
            )
            .sort(session, "symbol")
        )


def _between(frame: pl.DataFrame, column: str, first: date, last: date) -> pl.DataFrame:
    return frame.filter(pl.col(column).is_between(first, last))
