"""The desk where deliveries are judged one after another, each with what was known before it."""

import json
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

import polars as pl

from conf.schema import SourceBase
from expectations.eve import CLEARED, LAST_VALUES, SECOND
from expectations.gate import Eve, Judgement, judge
from expectations.scales import OWN_MOVES, RECENT
from expectations.schema import schema_faults
from tasks.market import frames
from tasks.market.adjust import infer_actions, restated_rows
from tasks.market.calendar import Calendar
from tasks.market.futures import chained
from tasks.market.identity import EVE, identify
from tasks.market.sources.protocol import Delivery

_Chained = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]
Stamp = Callable[[pl.DataFrame, str | None], pl.DataFrame]
LAST = 20  # values of a series that say what level it is at
USUAL_NIGHTS = 20  # how many nights say what a usual delivery holds
REACH = OWN_MOVES + 1  # sessions before a night whose rows it is held against


class Judged(NamedTuple):
    """What one judged night adds to the lake, each frame as its table in `frames`."""

    bars: pl.DataFrame
    actions: pl.DataFrame
    listings: pl.DataFrame
    series: pl.DataFrame
    fundamentals: pl.DataFrame
    members: pl.DataFrame
    quarantine: pl.DataFrame
    verdicts: pl.DataFrame


class Desk:
    """Judges nights oldest first and carries what was known from one to the next.

    Args:
        source: The source's name and settings.
        settings: What the source says about itself.
        days: The source's calendar.
        bars: `BARS` of earlier deliveries, recent ones at least.
        listings: `LISTINGS` of earlier deliveries, all of them.
        cleared: `CLEARED` rows of this source: what a person let out of quarantine.
        second: (session, symbol, close, known_on) of the source that checks this one.
        series: `SERIES` of earlier deliveries, recent ones at least.
        sealed: The newest session that a release has read, if any: what comes later for it or for
            an earlier one counts as known from the session after.
    """

    def __init__(
        self,
        source: str,
        settings: SourceBase,
        days: Calendar,
        *,
        bars: pl.DataFrame,
        listings: pl.DataFrame,
        cleared: pl.DataFrame | None = None,
        second: pl.DataFrame | None = None,
        series: pl.DataFrame | None = None,
        sealed: date | None = None,
    ) -> None:
        self.source, self.settings, self.days = source, settings, days
        self.sealed = sealed
        self.cleared = frames.empty(frames.CLEARED) if cleared is None else cleared
        self.second = frames.empty(SECOND | {"known_on": pl.Date}) if second is None else second
        self.listed = listings.sort("known_on", "delivery", "instrument")
        bars = bars.sort("session", "delivery", maintain_order=True)
        self.eve = _newest_rows(bars)
        self.recent = _recent(bars)
        known = frames.empty(frames.SERIES) if series is None else series
        self.values = _last_values(known.sort("session", "delivery").select(list(LAST_VALUES)))
        self.own_rows = _own_rows(bars)  # of the last nights, newest last

    def judge(self, delivery: Delivery) -> Judged:
        """Judge one delivery, and remember its clean rows for the next."""
        if faults := schema_faults(delivery):
            return self.refuse(delivery.night, "; ".join(faults), fault="wrong schema")
        session = self.days.on_or_before(delivery.night)
        self._forget_before(self.days.offset(session, -REACH))
        verdict, actions = self._verdict(delivery, session)
        known_on = self.known_from(delivery.night)
        clean, actions, listings = self._with_continuous(verdict, actions)
        found = identify(
            clean,
            listings,
            self.listed,
            self.eve,
            source=self.source,
            currency=self.settings.currency,
            asset_class=self.settings.asset_class,
            session=session,
        )
        stamp = self._stamp(delivery, known_on)
        judged = Judged(
            bars=self._bars(found.bars, stamp),
            actions=self._actions(actions, found.names, stamp),
            listings=frames.shaped(stamp(found.listings, "from_session"), frames.LISTINGS),
            series=frames.shaped(stamp(verdict.told.series, None), frames.SERIES),
            fundamentals=self._fundamentals(verdict.told.fundamentals, found.names, stamp),
            members=frames.shaped(stamp(verdict.told.members, "session"), frames.MEMBERS),
            quarantine=frames.shaped(stamp(verdict.quarantine, None), frames.QUARANTINE),
            verdicts=self._verdict_row(delivery, verdict, known_on),
        )
        self.listed = pl.concat([self.listed, judged.listings])
        self.values = _last_values(
            pl.concat([self.values, judged.series.select(list(LAST_VALUES))])
        )
        if not found.bars.is_empty():
            self.eve = _newest_rows(pl.concat([self.eve, found.bars.select(list(EVE))]))
            self.recent = _with_newer(self.recent, found.bars.select(list(RECENT)))
            self.own_rows = [*self.own_rows, *_own_rows(judged.bars)][-USUAL_NIGHTS:]
        return judged

    def _with_continuous(self, verdict: Judgement, actions: pl.DataFrame) -> _Chained:
        """Return clean rows, actions and listings with those of the continuous futures."""
        if not self.settings.continuous:
            return verdict.clean, actions, verdict.told.listings
        told = pl.concat([frames.shaped(self.listed, frames.RAW_LISTINGS), verdict.told.listings])
        linked = chained(verdict.clean, told, self.eve, self.settings.continuous, self.days)
        return (
            pl.concat([verdict.clean, linked.bars]),
            pl.concat([frames.shaped(actions, frames.RAW_ACTIONS), linked.actions]),
            pl.concat([verdict.told.listings, linked.listings]),
        )

    def refuse(self, night: date, why: str, *, fault: str = "unreadable payload") -> Judged:
        """Block a night whose payload cannot be taken apart."""
        known_on = self.known_from(night)
        row = {
            "source": self.source,
            "delivery": night,
            "known_on": known_on,
            "vintage": "observed",
            "verdict": "block",
            "reasons": f"{fault}: {why}",
            "rows": 0,
            "clean": 0,
            "quarantined": 0,
            "findings": "[]",
        }
        return Judged(
            bars=frames.empty(frames.BARS),
            actions=frames.empty(frames.ACTIONS),
            listings=frames.empty(frames.LISTINGS),
            series=frames.empty(frames.SERIES),
            fundamentals=frames.empty(frames.FUNDAMENTALS),
            members=frames.empty(frames.MEMBERS),
            quarantine=frames.empty(frames.QUARANTINE),
            verdicts=pl.DataFrame([row], schema=frames.VERDICTS),
        )

    def _verdict(self, delivery: Delivery, session: date) -> tuple[Judgement, pl.DataFrame]:
        """Return what the gate says, and the actions that count."""
        inferred = self.settings.actions == "inferred"
        eve = self.eve.select("symbol", "session", "close")
        actions = delivery.actions
        if inferred:
            actions = infer_actions(delivery.bars, eve, session=session)
        usual = sorted(self.own_rows)[len(self.own_rows) // 2] if self.own_rows else None
        mine = pl.col("delivery") == delivery.night
        known = Eve(
            closes=self.eve,
            own_rows=usual,
            recent=self.recent,
            listed=self.listed,
            cleared=self.cleared.filter(mine).select(list(CLEARED)),
            second=self.second.filter(pl.col("known_on") <= session).sort(
                "session", "symbol", "known_on"
            ),
            values=self.values,
        )
        verdict = judge(delivery, actions, known, self.settings, self.days)
        if inferred and verdict.verdict != "block":
            again = restated_rows(delivery.bars, eve, verdict.actions, session=session)
            verdict = _without_restated(verdict, again)
        return verdict, verdict.actions

    def _forget_before(self, first: date) -> None:
        """Forget rows before `first`, so that a desk made anew from the lake knows the same."""
        self.eve = self.eve.filter(pl.col("session") >= first)
        self.recent = self.recent.filter(pl.col("session") >= first)

    def known_from(self, night: date) -> date:
        """Return the session from which on the delivery of `night` counts as known."""
        session = self.days.on_or_before(night)
        if self.sealed is None or session > self.sealed:
            return session
        return self.days.next(self.sealed)

    def _stamp(self, delivery: Delivery, known_on: date) -> Stamp:
        """Return a function that adds source, delivery and when each row counts as known."""

        def stamp(frame: pl.DataFrame, own: str | None) -> pl.DataFrame:
            known = pl.lit(known_on)
            if own and delivery.vintage == "assumed":  # on its own session, unless that is sealed
                floor = date.min if self.sealed is None else self.days.next(self.sealed)
                known = pl.max_horizontal(pl.col(own), pl.lit(floor))
            columns = {"source": pl.lit(self.source), "delivery": pl.lit(delivery.night)}
            if "known_on" not in frame.columns:
                columns["known_on"] = known
            return frame.with_columns(vintage=pl.lit(delivery.vintage), **columns)

        return stamp

    def _bars(self, bars: pl.DataFrame, stamp: Stamp) -> pl.DataFrame:
        said = pl.lit(self.settings.currency), pl.lit(self.settings.basis)
        bars = stamp(bars, "session").with_columns(
            currency=pl.coalesce("currency", said[0]), basis=said[1]
        )
        return frames.shaped(bars, frames.BARS).sort("session", "instrument")

    def _actions(self, actions: pl.DataFrame, names: pl.DataFrame, stamp: Stamp) -> pl.DataFrame:
        origin = "inferred" if self.settings.actions == "inferred" else "given"
        rows = actions.join(names, on="symbol", how="inner")
        rows = stamp(rows, "ex_session").with_columns(origin=pl.lit(origin))
        return frames.shaped(rows, frames.ACTIONS).sort("ex_session", "instrument", "kind")

    def _fundamentals(self, told: pl.DataFrame, names: pl.DataFrame, stamp: Stamp) -> pl.DataFrame:
        """Return filings of listed symbols; one that nobody lists has no instrument to speak of."""
        own = self.settings.content == "fundamentals"  # then nothing else names an instrument
        rows = stamp(told.join(names, on="symbol", how="left" if own else "inner"), None)
        if own:
            named = pl.concat_str(pl.lit(self.source), "symbol", separator=":")
            rows = rows.with_columns(instrument=pl.coalesce("instrument", named))
        return frames.shaped(rows, frames.FUNDAMENTALS).sort("period_end", "instrument", "item")

    def _clean(self, verdict: Judgement) -> pl.DataFrame:
        kept = {"series": verdict.told.series, "fundamentals": verdict.told.fundamentals}
        return kept.get(self.settings.content, verdict.clean)

    def _verdict_row(self, delivery: Delivery, verdict: Judgement, known_on: date) -> pl.DataFrame:
        row = {
            "source": self.source,
            "delivery": delivery.night,
            "known_on": known_on,
            "vintage": delivery.vintage,
            "verdict": verdict.verdict,
            "reasons": "; ".join(verdict.reasons),
            "rows": getattr(delivery, self.settings.content).height,
            "clean": self._clean(verdict).height,
            "quarantined": int(verdict.quarantine["rows"].sum() or 0),
            "findings": json.dumps(verdict.findings, sort_keys=True, default=str),
        }
        return pl.DataFrame([row], schema=frames.VERDICTS)


def _newest_rows(bars: pl.DataFrame) -> pl.DataFrame:
    newest = bars.select(list(EVE)).sort("session", maintain_order=True)
    return newest.unique("symbol", keep="last", maintain_order=True).sort("symbol")


def _recent(bars: pl.DataFrame) -> pl.DataFrame:
    """Return the newest row of each key; `bars` are in the order of their deliveries."""
    return bars.select(list(RECENT)).unique(["session", "symbol"], keep="last", maintain_order=True)


def _with_newer(recent: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """Return `recent` with the rows of `bars`, which replace those of the same key."""
    old = pl.col("session") < bars["session"].min()
    touched = pl.concat([recent.filter(~old), bars])
    return pl.concat([recent.filter(old), _recent(touched)])


def _last_values(series: pl.DataFrame) -> pl.DataFrame:
    """Return the last values of each series; `series` is in the order of its deliveries."""
    newest = series.unique(["name", "session"], keep="last", maintain_order=True)
    return newest.sort("name", "session").group_by("name", maintain_order=True).tail(LAST)


def _own_rows(bars: pl.DataFrame) -> list[int]:
    """Return how many rows of its own session (a holiday has none) each delivery brought."""
    own = bars.filter(pl.col("session") == pl.col("delivery"))
    return own.group_by("delivery").len().sort("delivery")["len"].to_list()[-USUAL_NIGHTS:]


def _without_restated(verdict: Judgement, restated: pl.DataFrame) -> Judgement:
    """Set aside rows of the eve that only restate a split, so that it counts once."""
    keys = ["session", "symbol"]
    hit = verdict.clean.join(restated.select(keys), on=keys, how="semi")
    rows = hit.select(
        *keys,
        rule=pl.lit("restated_for_split"),
        detail=pl.lit("the eve's own row already carries tonight's split"),
        rows=pl.lit(1, dtype=pl.Int64),
    )
    quarantine = pl.concat([verdict.quarantine, rows.select(verdict.quarantine.columns)])
    return verdict._replace(
        clean=verdict.clean.join(hit.select(keys), on=keys, how="anti"), quarantine=quarantine
    )
