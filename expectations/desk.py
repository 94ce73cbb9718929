"""The desk where deliveries are judged one after another, each with what was known before it."""

import json
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

import polars as pl

from conf.schema import SourceBase
from expectations.eve import CLEARED, SECOND, Eve
from expectations.gate import Judgement, judge
from expectations.memory import REACH as REACH
from expectations.memory import Memory
from expectations.news import last_filed, last_told
from expectations.schema import schema_faults
from tasks.market import frames
from tasks.market.adjust import infer_actions, restated_rows
from tasks.market.calendar import Calendar
from tasks.market.futures import chained
from tasks.market.holders import held_at
from tasks.market.identity import Identified, identify
from tasks.market.sources.protocol import Delivery

_Chained = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]
Stamp = Callable[[pl.DataFrame, str | None], pl.DataFrame]


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
        actions: `ACTIONS` of earlier deliveries, of recent ex sessions at least.
        told_until: The session of the newest earlier delivery that was not blocked, if any: what
            history in one go says anew of it or of earlier ones was not known before it came.
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
        actions: pl.DataFrame | None = None,
        told_until: date | None = None,
        sealed: date | None = None,
    ) -> None:
        self.source, self.settings, self.days = source, settings, days
        self.told_until, self.sealed = told_until, sealed
        self.cleared = frames.empty(frames.CLEARED) if cleared is None else cleared
        self.second = frames.empty(SECOND | {"known_on": pl.Date}) if second is None else second
        known = frames.empty(frames.SERIES) if series is None else series
        acted = frames.empty(frames.ACTIONS) if actions is None else actions
        self.memory = Memory(bars, listings, known, acted)

    def judge(self, delivery: Delivery) -> Judged:
        """Judge one delivery, and remember its clean rows for the next."""
        if faults := schema_faults(delivery):
            why = "; ".join(faults)
            return self.refuse(delivery.night, why, delivery.vintage, fault="wrong schema")
        session = self.days.on_or_before(delivery.night)
        self.memory.forget_before(self.days.offset(session, -REACH))
        verdict = self._verdict(delivery, session)
        known_on = self.known_from(delivery.night)
        clean, actions, listings = self._with_continuous(verdict)
        found = identify(
            clean,
            listings,
            self.memory.listed,
            self.memory.closes,
            source=self.source,
            currency=self.settings.currency,
            asset_class=self.settings.asset_class,
            session=session,
        )
        stamp = self._stamp(delivery, known_on)
        judged = Judged(
            bars=self._bars(found.bars, stamp),
            actions=self._actions(actions, found, stamp),
            listings=frames.shaped(stamp(found.listings, "from_session"), frames.LISTINGS),
            series=self._series(verdict.told.series, stamp),
            fundamentals=self._fundamentals(verdict.told.fundamentals, found, stamp),
            members=frames.shaped(stamp(verdict.told.members, "session"), frames.MEMBERS),
            quarantine=frames.shaped(stamp(verdict.quarantine, None), frames.QUARANTINE),
            verdicts=self._verdict_row(delivery, verdict, known_on),
        )
        self.memory.add(judged.bars, judged.listings, judged.series, judged.actions)
        if verdict.verdict != "block":
            self.told_until = session
        return judged

    def _with_continuous(self, verdict: Judgement) -> _Chained:
        """Return clean rows, actions and listings with those of the continuous futures."""
        if not self.settings.continuous:
            return verdict.clean, verdict.actions, verdict.told.listings
        known = frames.shaped(self.memory.listed, frames.RAW_LISTINGS)
        told = pl.concat([known, verdict.told.listings])
        recent = self.memory.recent
        linked = chained(verdict.clean, told, recent, self.settings.continuous, self.days)
        return (
            pl.concat([verdict.clean, linked.bars]),
            pl.concat([frames.shaped(verdict.actions, frames.RAW_ACTIONS), linked.actions]),
            pl.concat([verdict.told.listings, linked.listings]),
        )

    def refuse(
        self, night: date, why: str, vintage: str, *, fault: str = "unreadable payload"
    ) -> Judged:
        """Block a night whose payload cannot be taken apart."""
        known_on = self.known_from(night)
        row = {
            "source": self.source,
            "delivery": night,
            "known_on": known_on,
            "vintage": vintage,
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

    def _verdict(self, delivery: Delivery, session: date) -> Judgement:
        """Return what the gate says, by the actions that are given or inferred."""
        inferred = self.settings.actions == "inferred"
        eve = self.memory.closes.select("symbol", "session", "close")
        actions = delivery.actions
        if inferred:
            actions = infer_actions(delivery.bars, eve, session=session)
        known = self._known(delivery, session)
        verdict = judge(delivery, actions, known, self.settings, self.days)
        if inferred and verdict.verdict != "block":
            again = restated_rows(delivery.bars, eve, verdict.actions, session=session)
            verdict = _without_restated(verdict, again)
        return verdict

    def _known(self, delivery: Delivery, session: date) -> Eve:
        """Return what is known before a delivery that is about `session`."""
        mine = pl.col("delivery") == delivery.night
        second = self.second.filter(pl.col("known_on") <= session)
        return self.memory.eve(
            cleared=self.cleared.filter(mine).select(list(CLEARED)),
            second=second.sort("session", "symbol", "known_on"),
        )

    def known_from(self, night: date) -> date:
        """Return the session from which on the delivery of `night` counts as known."""
        session = self.days.on_or_before(night)
        if self.sealed is None or session > self.sealed:
            return session
        return self.days.next(self.sealed)

    def _stamp(self, delivery: Delivery, known_on: date) -> Stamp:
        """Return a function that adds source, delivery and when each row counts as known.

        A row that says so itself is not believed to have been known before the night that brought
        it. Of history in one go it is, and each other row from its own session on, but never where
        that is sealed, nor where an earlier delivery has told of that session.
        """
        floor, assumed = known_on, delivery.vintage == "assumed"
        if assumed:
            floor = date.min if self.sealed is None else self.days.next(self.sealed)
        told = self.told_until or date.min

        def known(day: str | None) -> pl.Expr:
            if day is None:
                return pl.lit(known_on)
            since = pl.max_horizontal(day, pl.lit(floor))
            return pl.when(pl.col(day) > told).then(since).otherwise(pl.lit(known_on))

        def stamp(frame: pl.DataFrame, own: str | None) -> pl.DataFrame:
            day = "known_on" if "known_on" in frame.columns else own if assumed else None
            return frame.with_columns(
                source=pl.lit(self.source),
                delivery=pl.lit(delivery.night),
                known_on=known(day),
                vintage=pl.lit(delivery.vintage),
            )

        return stamp

    def _bars(self, bars: pl.DataFrame, stamp: Stamp) -> pl.DataFrame:
        said = pl.lit(self.settings.currency), pl.lit(self.settings.basis)
        bars = stamp(bars, "session").with_columns(
            currency=pl.coalesce("currency", said[0]), basis=said[1]
        )
        return frames.shaped(bars, frames.BARS).sort("session", "instrument")

    def _actions(self, actions: pl.DataFrame, found: Identified, stamp: Stamp) -> pl.DataFrame:
        """Return the actions with who held their symbol on the ex session."""
        if actions.is_empty():
            return frames.empty(frames.ACTIONS)
        origin = "inferred" if self.settings.actions == "inferred" else "given"
        rows = held_at(actions, found.holders, day="ex_session")
        rows = stamp(rows.filter(pl.col("instrument").is_not_null()), "ex_session")
        rows = frames.shaped(rows.with_columns(origin=pl.lit(origin)), frames.ACTIONS)
        return rows.sort("ex_session", "instrument", "kind")

    def _series(self, told: pl.DataFrame, stamp: Stamp) -> pl.DataFrame:
        return last_told(frames.shaped(stamp(told, None), frames.SERIES), self.memory.values)

    def _fundamentals(self, told: pl.DataFrame, found: Identified, stamp: Stamp) -> pl.DataFrame:
        """Return filings with who held their symbol when they became known.

        One of a symbol that nobody held has no instrument to speak of.
        """
        if told.is_empty():
            return frames.empty(frames.FUNDAMENTALS)
        rows = stamp(held_at(told, found.holders, day="known_on"), None)
        if self.settings.content == "fundamentals":  # then nothing else names an instrument
            named = pl.concat_str(pl.lit(self.source), "symbol", separator=":")
            rows = rows.with_columns(instrument=pl.coalesce("instrument", named))
        rows = rows.filter(pl.col("instrument").is_not_null())
        return last_filed(frames.shaped(rows, frames.FUNDAMENTALS))

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
