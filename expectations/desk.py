"""The desk where deliveries are judged one after another, each with what was known before it."""

import json
from collections.abc import Callable, Set
from datetime import date
from typing import NamedTuple

import polars as pl

from conf.schema import SourceBase
from expectations.gate import Eve, Judgement, judge
from tasks.market import frames
from tasks.market.adjust import infer_actions, restated_rows
from tasks.market.calendar import Calendar
from tasks.market.identity import identify
from tasks.market.sources.protocol import Delivery

Stamp = Callable[[pl.DataFrame, str | None], pl.DataFrame]
NAMED = ("name", "sector", "asset_class")


class Judged(NamedTuple):
    """What one judged night adds to the lake, each frame as its table in `frames`."""

    bars: pl.DataFrame
    actions: pl.DataFrame
    listings: pl.DataFrame
    series: pl.DataFrame
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
        known_on: Vendor night -> the session it was said to serve when first judged.
        sealed: Sessions that a release has read; what comes later for them counts from the next.

    """

    def __init__(
        self,
        source: str,
        settings: SourceBase,
        days: Calendar,
        *,
        bars: pl.DataFrame,
        listings: pl.DataFrame,
        known_on: dict[date, date],
        sealed: Set[date] = frozenset(),
    ) -> None:
        self.source, self.settings, self.days = source, settings, days
        self.known_on, self.sealed = known_on, sealed
        self.listed = listings.sort("known_on", "delivery", "instrument")
        self.closes = _newest_closes(bars)
        self.own_rows = _own_rows(bars)

    def judge(self, delivery: Delivery) -> Judged:
        """Judge one delivery, and remember its clean rows for the next."""
        session = self.days.on_or_before(delivery.night)
        verdict, actions = self._verdict(delivery, session)
        known_on = self._known_on(delivery.night, session)
        known = self.listed.filter(pl.col("instrument") != "")
        bars, new = identify(verdict.clean, known, source=self.source)
        stamp = self._stamp(delivery, known_on)
        judged = Judged(
            bars=self._bars(bars, stamp),
            actions=self._actions(actions, bars, stamp),
            listings=self._listings(delivery, bars, new, stamp),
            series=frames.shaped(stamp(delivery.series, None), frames.SERIES),
            quarantine=frames.shaped(stamp(verdict.quarantine, None), frames.QUARANTINE),
            verdicts=self._verdict_row(delivery, verdict, known_on),
        )
        self.listed = pl.concat([self.listed, judged.listings])
        if not bars.is_empty():
            self.closes = _newest_closes(pl.concat([self.closes, bars.select(self.closes.columns)]))
            self.own_rows = bars.filter(pl.col("session") == bars["session"].max()).height
        return judged

    def refuse(self, night: date, why: str) -> Judged:
        """Block a night whose payload cannot be taken apart."""
        known_on = self._known_on(night, self.days.on_or_before(night))
        row = {
            "source": self.source,
            "delivery": night,
            "known_on": known_on,
            "verdict": "block",
            "reasons": f"unreadable payload: {why}",
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
            quarantine=frames.empty(frames.QUARANTINE),
            verdicts=pl.DataFrame([row], schema=frames.VERDICTS),
        )

    def _verdict(self, delivery: Delivery, session: date) -> tuple[Judgement, pl.DataFrame]:
        """Return what the gate says, and the actions that count."""
        inferred = self.settings.actions == "inferred"
        eve = self.closes.select("symbol", "session", "close")
        actions = delivery.actions
        if inferred:
            actions = infer_actions(delivery.bars, eve, session=session)
        known = Eve(self.closes, self.own_rows)
        verdict = judge(delivery, actions, known, self.settings, self.days)
        if inferred and verdict.verdict != "block":
            again = restated_rows(delivery.bars, eve, verdict.actions, session=session)
            verdict = _without_restated(verdict, again)
        return verdict, verdict.actions

    def _known_on(self, night: date, session: date) -> date:
        if night in self.known_on:
            return self.known_on[night]
        return self.days.next(session) if session in self.sealed else session

    def _stamp(self, delivery: Delivery, known_on: date) -> Stamp:
        """Return a function that adds source, delivery and when each row counts as known."""

        def stamp(frame: pl.DataFrame, own: str | None) -> pl.DataFrame:
            known = pl.col(own) if own and delivery.vintage == "assumed" else pl.lit(known_on)
            columns = {"source": pl.lit(self.source), "delivery": pl.lit(delivery.night)}
            if "known_on" not in frame.columns:
                columns["known_on"] = known
            return frame.with_columns(vintage=pl.lit(delivery.vintage), **columns)

        return stamp

    def _bars(self, bars: pl.DataFrame, stamp: Stamp) -> pl.DataFrame:
        said = {"basis": self.settings.basis, "currency": self.settings.currency}
        bars = stamp(bars, "session").with_columns(**{k: pl.lit(v) for k, v in said.items()})
        return frames.shaped(bars, frames.BARS).sort("session", "instrument")

    def _actions(self, actions: pl.DataFrame, bars: pl.DataFrame, stamp: Stamp) -> pl.DataFrame:
        origin = "inferred" if self.settings.actions == "inferred" else "given"
        known = pl.concat(
            [bars.select("symbol", "instrument"), self.listed.select("symbol", "instrument")]
        ).filter(pl.col("instrument") != "")
        known = known.unique("symbol", keep="first", maintain_order=True)
        rows = actions.join(known, on="symbol", how="inner")
        rows = stamp(rows, "ex_session").with_columns(origin=pl.lit(origin))
        return frames.shaped(rows, frames.ACTIONS).sort("ex_session", "instrument", "kind")

    def _listings(
        self,
        delivery: Delivery,
        bars: pl.DataFrame,
        new: pl.DataFrame,
        stamp: Stamp,
    ) -> pl.DataFrame:
        """Return a row for each new instrument, and for each known one that is described anew.

        A name that came before its first bar waits with an empty instrument. Once one of its
        names says that an instrument is a fund, it stays one.
        """
        named = delivery.listings.group_by("symbol", maintain_order=True).agg(
            pl.col("name").first(),
            pl.col("sector").first(),
            pl.when((pl.col("asset_class") == "fund").any())
            .then(pl.lit("fund"))
            .otherwise(pl.col("asset_class").first())
            .alias("asset_class"),
        )
        before = self.listed.unique("symbol", keep="last", maintain_order=True)
        before = before.select("symbol", "instrument", *NAMED, "from_session")
        touched = pl.concat([named.select("symbol"), new.select("symbol")]).unique()
        rows = (
            touched.join(before, on="symbol", how="left")
            .join(named, on="symbol", how="left", suffix="_now")
            .join(new, on="symbol", how="left", suffix="_now")
            .with_columns(
                pl.coalesce("instrument_now", "instrument").fill_null("").alias("instrument"),
                pl.coalesce("name", "name_now").alias("name"),
                pl.coalesce("sector_now", "sector").alias("sector"),
                pl.when((pl.col("asset_class") == "fund") | (pl.col("asset_class_now") == "fund"))
                .then(pl.lit("fund"))
                .otherwise(pl.coalesce("asset_class_now", "asset_class").fill_null("unknown"))
                .alias("asset_class"),
                pl.coalesce("from_session_now", "from_session")
                .fill_null(self.days.on_or_before(delivery.night))
                .alias("from_session"),
            )
            .with_columns(currency=pl.lit(self.settings.currency))
        )
        same = ["symbol", "instrument", *NAMED]
        rows = rows.join(before, on=same, how="anti", nulls_equal=True)
        return frames.shaped(stamp(rows, "from_session"), frames.LISTINGS).sort(
            "symbol", "instrument"
        )

    def _verdict_row(self, delivery: Delivery, verdict: Judgement, known_on: date) -> pl.DataFrame:
        row = {
            "source": self.source,
            "delivery": delivery.night,
            "known_on": known_on,
            "verdict": verdict.verdict,
            "reasons": "; ".join(verdict.reasons),
            "rows": delivery.bars.height,
            "clean": verdict.clean.height,
            "quarantined": int(verdict.quarantine["rows"].sum() or 0),
            "findings": json.dumps(verdict.findings, sort_keys=True, default=str),
        }
        return pl.DataFrame([row], schema=frames.VERDICTS)


def _newest_closes(bars: pl.DataFrame) -> pl.DataFrame:
    columns = ["symbol", "session", "close", "volume"]
    newest = bars.select(columns).sort("session", maintain_order=True)
    return newest.unique("symbol", keep="last", maintain_order=True).sort("symbol")


def _own_rows(bars: pl.DataFrame) -> int | None:
    if bars.is_empty():
        return None
    newest = bars.filter(pl.col("delivery") == bars["delivery"].max())
    return newest.filter(pl.col("session") == newest["session"].max()).height


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
