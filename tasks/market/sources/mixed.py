"""Several sources as one, on one calendar: a book may hold what many markets trade.

The first night brings all that the parts had by the time each of them had something; from then on a
night brings what the parts' own nights since the one before bring.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

import polars as pl

from conf.schema import MixedSource, SourceBase
from tasks.market.calendar import Calendar
from tasks.market.frames import RAW_LISTINGS, RAW_SERIES, shaped
from tasks.market.sources.joining import Joining
from tasks.market.sources.protocol import DataSource, Delivery, Payload, Place, Unreadable

HISTORY, NIGHT = "history", "night"  # first word of a request: of the first night, or a later one
FX_QUOTE = r"^[A-Z]{3}([A-Z]{3})(?:\.|$)"  # EURUSD, EURUSD.FXCM: the price of a euro in dollars


class _Part(NamedTuple):
    """One source, and how it gets on the calendar of all."""

    name: str
    conf: SourceBase
    source: DataSource
    joining: Joining


class MixedData(DataSource):
    """Other sources put together, each row on the session at whose close it was known.

    A part's payload is kept as sent; its request names the part and its own night. A night is
    `observed` if the newest own night of each part in it is. A later night that is not brings its
    session alone: what it says of earlier ones was not seen that night. Rows before `starts`,
    history after the first night, and what a later one tells again of sessions further back than
    `look_back` of this calendar, are not of this source.

    Args:
        conf: What is put together.
        place: Its `parts` are the sources, opened.
    """

    def __init__(self, conf: MixedSource, place: Place):
        if missing := sorted(set(conf.parts) - set(place.parts)):
            raise ValueError(f"{conf.title!r} lacks its parts {', '.join(missing)}: open them.")
        parts = {name: place.parts[name][0] for name in conf.parts}
        backs = {name: part.look_back for name, part in parts.items() if part.content == "bars"}
        if too_long := [name for name, back in backs.items() if back > conf.look_back]:
            raise ValueError(
                f"{conf.title!r} looks back {conf.look_back} sessions, but its parts "
                f"{', '.join(too_long)} up to {max(backs.values())}: raise its look_back to that."
            )
        self._conf, self._days = conf, Calendar(conf.calendar)
        self._parts = [
            _Part(name, settings, source, Joining(Calendar(settings.calendar), self._days))
            for name, (settings, source) in ((name, place.parts[name]) for name in conf.parts)
        ]
        self._until = date.max

    def nights(self, until: date = date.max) -> list[date]:
        """Return the first night, and each later one on which any part has something."""
        self._until = until
        return sorted(self._plan(until))

    def pull(self, nights: Sequence[date]) -> Iterator[Payload]:
        """Yield the parts' payloads, night by night and part by part."""
        plan = self._plan(self._until)
        if unknown := sorted(set(nights) - set(plan)):
            raise ValueError(
                f"{self._conf.title!r} has no night {', '.join(map(str, unknown))}; it has "
                f"{len(plan)} from {min(plan)} to {max(plan)}."
            )
        first = min(plan)
        for night in sorted(set(nights)):
            word = HISTORY if night == first else NIGHT
            for part in self._parts:
                for payload in part.source.pull(plan[night].get(part.name, [])):
                    request = f"{word}|{part.name}|{payload.night}|{payload.request}"
                    yield payload._replace(night=night, request=request)

    def landed(self, nights: Sequence[date]) -> None:
        """Let each part forget what it kept of its own nights."""
        plan = self._plan(self._until)
        for part in self._parts:
            own = [one for night in nights for one in plan.get(night, {}).get(part.name, [])]
            part.source.landed(own)

    def normalise(self, payloads: Sequence[Payload]) -> Delivery:
        """Read each part's payloads as it does itself, and put all on one calendar."""
        if not payloads:
            raise ValueError("no payload to read: even an empty delivery has one.")
        night, history = payloads[0].night, payloads[0].request.startswith(f"{HISTORY}|")
        by_part = _by_part(payloads)
        if strange := sorted(by_part.keys() - {part.name for part in self._parts}):
            raise Unreadable(
                f"The night of {night} was pulled with parts that are none any more: "
                f"{', '.join(strange)}. Bring them back, or pull into a new lake."
            )
        read = [
            self._read(part, by_part[part.name], night, history=history)
            for part in self._parts
            if part.name in by_part
        ]
        _refuse_shared_names(read, night)
        observed = all(each.vintage == "observed" for each in read)
        whole = Delivery(
            night,
            "observed" if observed else "assumed",
            bars=pl.concat([each.bars for each in read]),
            actions=pl.concat([each.actions for each in read]),
            listings=pl.concat([each.listings for each in read]),
            series=pl.concat([each.series for each in read]),
            fundamentals=pl.concat([each.fundamentals for each in read]),
            members=pl.concat([each.members for each in read]),
        )
        return self._within(whole, late=not history and not observed, history=history)

    def _read(
        self, part: _Part, nights: dict[date, list[Payload]], night: date, *, history: bool
    ) -> Delivery:
        """Return what one part brings: of its own nights the newest, where they say the same."""
        own = [part.source.normalise(nights[each]) for each in sorted(nights)]
        joining, acts = part.joining, _newest(own, "actions", ["ex_session", "symbol", "kind"])
        bars = _newest(own, "bars", ["session", "symbol"])
        if not joining.same:  # what closed before the session before the first joins none of ours
            eve = self._days.previous(self._days.on_or_after(self._conf.starts))
            bars = _since(eve, bars, "session")
        first = date.min if history else self._reach(night)
        acts = joining.actions(acts, bars, history=history, night=night)
        bars = joining.bars(bars, history=history, night=night)
        joined = Delivery(
            night,
            own[-1].vintage,
            bars=_since(first, bars, "session"),
            actions=_since(first, acts, "ex_session"),
            listings=joining.listings(pl.concat([each.listings for each in own])),
            series=joining.series(_newest(own, "series", ["session", "name", "known_on"])),
            fundamentals=joining.fundamentals(pl.concat([each.fundamentals for each in own])),
            members=joining.members(_newest(own, "members", ["session", "index", "symbol"])),
        )
        return _described(joined, part.conf)

    def _reach(self, night: date) -> date:
        """Return the first session that a night may tell again.

        So many sessions of a part may be more of ours, and the gate counts by ours.
        """
        return self._days.offset(self._days.on_or_before(night), -self._conf.look_back)

    def _within(self, whole: Delivery, *, late: bool, history: bool) -> Delivery:
        """Return `whole` without rows that are not of this source, or were not seen that night."""
        session = self._days.on_or_before(whole.night)
        first = session if late else self._conf.starts
        last = whole.night if history else date.max

        def kept(frame: pl.DataFrame, day: str) -> pl.DataFrame:
            return frame.filter(pl.col(day).is_between(first, last) | pl.col(day).is_null())

        return whole._replace(
            bars=kept(whole.bars, "session"),
            actions=kept(whole.actions, "ex_session"),
            series=kept(whole.series, "known_on").with_columns(
                # what a later night tells anew was not known before it
                known_on="known_on" if history else pl.max_horizontal("known_on", pl.lit(session))
            ),
            fundamentals=whole.fundamentals.filter(pl.col("known_on") <= last),
            members=whole.members.filter(pl.col("session") <= last),
        )

    def _plan(self, until: date) -> dict[date, dict[str, list[date]]]:
        """Return which nights of which part each night is made of."""
        end = min(self._conf.ends or date.max, self._days.bounds[1])
        until = min(until, end)
        told = {part.name: self._nights_of(part, until) for part in self._parts}
        begun = max((min(own.values()) for own in told.values() if own), default=until)
        begun = min(begun, self._days.on_or_before(end))
        if begun > until:  # what came before all had something belongs to the first night too
            told = {part.name: self._nights_of(part, begun) for part in self._parts}
        plan: dict[date, dict[str, list[date]]] = {}
        for name, own in told.items():
            for one, joined in own.items():
                night = min(max(joined, begun), end)
                plan.setdefault(night, {}).setdefault(name, []).append(one)
        return plan

    def _nights_of(self, part: _Part, until: date) -> dict[date, date]:
        """Return each night on offer from a part, and the night of ours that it belongs to."""
        own_until = part.joining.own_until(until)
        offered = part.source.nights(own_until)
        wanted = [night for night in offered if night <= own_until] or offered[:1]
        return {night: part.joining.session_of(night) for night in wanted}


def _by_part(payloads: Sequence[Payload]) -> dict[str, dict[date, list[Payload]]]:
    """Return each part's own payloads, by its own nights."""
    found: dict[str, dict[date, list[Payload]]] = {}
    for payload in payloads:
        _, name, own, request = payload.request.split("|", 3)
        night = date.fromisoformat(own)
        mine = payload._replace(night=night, request=request)
        found.setdefault(name, {}).setdefault(night, []).append(mine)
    return found


def _since(first: date, frame: pl.DataFrame, day: str) -> pl.DataFrame:
    """Return the rows from `first` on, and those without a day: they are the gate's to judge."""
    return frame.filter((pl.col(day) >= first) | pl.col(day).is_null())


def _newest(own: Sequence[Delivery], table: str, key: list[str]) -> pl.DataFrame:
    """Return the rows of all `own` nights; those that a later night says anew are left out.

    Rows that come twice within one night stay twice: that is the gate's to judge.
    """
    result: pl.DataFrame = getattr(own[0], table)
    for each in own[1:]:
        newer: pl.DataFrame = getattr(each, table)
        result = pl.concat([result.join(newer, on=key, how="anti", nulls_equal=True), newer])
    return result


def _described(delivery: Delivery, conf: SourceBase) -> Delivery:
    """Return a part's delivery with its class and currency said of every symbol.

    A pair of currencies is quoted in its second one, and is an exchange rate known by its close.
    """
    pair = pl.col("symbol").str.extract(FX_QUOTE) if conf.asset_class == "fx" else pl.lit(None)
    currency = pl.coalesce("currency", pair.cast(pl.String), pl.lit(conf.currency))
    told = pl.when(pl.col("asset_class") != "unknown").then("asset_class")
    bare = delivery.bars.select("symbol").drop_nulls().unique(maintain_order=True)
    bare = bare.join(delivery.listings.select("symbol"), on="symbol", how="anti").sort("symbol")
    listings = pl.concat([delivery.listings, shaped(bare, RAW_LISTINGS)]).with_columns(
        asset_class=told.fill_null(conf.asset_class), currency=currency
    )
    bars, series = delivery.bars.with_columns(currency=currency), delivery.series
    if conf.asset_class == "fx":
        closes = bars.filter(pl.col("close").is_finite(), pl.col("session").is_not_null())
        once = closes.unique(["session", "symbol"], keep="none", maintain_order=True)
        rates = once.select("session", name="symbol", value="close", known_on="session")
        series = pl.concat([series, shaped(rates, RAW_SERIES)])
    return delivery._replace(bars=bars, listings=listings, series=series)


def _refuse_shared_names(read: Sequence[Delivery], night: date) -> None:
    """Raise `Unreadable` where two parts speak of the same symbol or the same series."""
    for table, column in (("bars", "symbol"), ("series", "name")):
        names = [getattr(each, table).select(column).unique() for each in read]
        every = pl.concat(names)[column].drop_nulls()
        if twice := every.filter(every.is_duplicated()).unique().sort().to_list():
            raise Unreadable(
                f"{', '.join(twice)} of {night} came from more than one part: say in each part's "
                "settings which names it is to bring."
            )
