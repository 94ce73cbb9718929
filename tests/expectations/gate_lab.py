"""A simulated market whose nights are judged one by one, to be spoilt and judged again."""

import copy
import json
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl

from conf.schema import SimulatedSource
from expectations.desk import Desk, Judged
from tasks.market import frames
from tasks.market.calendar import Calendar
from tasks.market.sources.protocol import Delivery
from tasks.market.sources.simulated import SimulatedData
from tests.expectations.injected_dates import CLOSED
from tests.expectations.injection import KEYS, Corruption, Night, Planted, Unreadable

STARTS, LIVE = date(2018, 3, 1), date(2018, 8, 1)
FIRST, LAST = date(2018, 11, 14), date(2018, 12, 31)  # the nights that are spoilt
HALF_DAYS = (date(2018, 11, 23), date(2018, 12, 24))
LOOK_BACK = 60  # log returns that a robust deviation is made of
NORMAL = 1.4826  # median absolute deviation -> standard deviation of a normal
PAST = 6


class Result(NamedTuple):
    """What became of one spoilt night."""

    where: str  # row, symbol, warned, blocked, unreadable, or missed
    others: int  # clean rows set aside besides those planted
    reasons: str

    @property
    def caught(self) -> bool:
        """Whether nothing that was planted got through unnoticed."""
        return self.where != "missed"


class Lab:
    """A market and its clean deliveries.

    Args:
        seed: Of the market.
        names: How many are listed at once, most of the time.
    """

    def __init__(self, *, seed: int = 11, names: int = 400):
        self.conf = SimulatedSource(
            kind="simulated",
            title="A market to be spoilt",
            actions="given",
            asset_class="equity",
            starts=STARTS,
            observed_from=LIVE,
            ends=LAST + timedelta(days=4),
            expected_rows=round(0.95 * names),
            seed=seed,
            names=names,
        )
        self.days = Calendar("XNYS")
        market = SimulatedData(self.conf)
        nights = market.nights()
        self.deliveries = {night: market.normalise(list(market.pull([night]))) for night in nights}
        self.nights = [night for night in nights if FIRST <= night <= LAST]
        self._moves = _moves(self.deliveries.values())
        self.liquid = self._liquid()

    @cached_property
    def desks(self) -> dict[date, Desk]:
        """The desk as it stood before each night, every night before that judged as it was."""
        desk, stood = self._desk(), {}
        for night, delivery in self.deliveries.items():
            stood[night] = copy.deepcopy(desk)
            if night == self.nights[-1]:
                break
            desk.judge(delivery)
        return stood

    def spoilt(self, corruption: Corruption, seed: int) -> Result:
        """Spoil a night that the seed chooses, judge it, and compare with what was planted."""
        nights = self.suitable(corruption)
        tonight = nights[seed % len(nights)]
        start = self.days.offset(tonight, 1 - corruption.steps)
        follows = corruption.nights == "day off"
        desk = copy.deepcopy(self.desks[self.days.next(start) if follows else start])
        for step, session in enumerate(self.days.sessions(start, tonight)):
            night = self.night(session)._replace(step=step)
            delivery, planted = corruption.inject(night, np.random.default_rng(seed))
            if isinstance(delivery, Unreadable):
                return Result("unreadable", 0, delivery.why)
            try:
                judged = desk.judge(delivery)
            except pl.exceptions.PolarsError as error:  # it stops the night, and says nothing
                return Result("missed", 0, f"raised {type(error).__name__}: {error}")
        return found(judged, planted)

    def suitable(self, corruption: Corruption) -> list[date]:
        """Return the nights on which this corruption can happen."""
        if corruption.nights == "half day":
            return list(HALF_DAYS)
        if corruption.nights == "after closure":
            return [self.days.on_or_after(CLOSED)]
        if corruption.nights == "day off":
            ends = self.nights[:-1]
            return [night for night in ends if self.days.next(night) - night > timedelta(days=1)]
        return self.nights[corruption.steps : -1]

    def night(self, session: date) -> Night:
        """Return one clean night with what is needed to spoil it."""
        past = [self.deliveries[self.days.offset(session, -back)] for back in range(PAST)]
        moves = self._moves.filter(pl.col("session") <= session)
        own = moves.filter(session=session)
        cross = _deviation(own["move"])
        kept = moves.filter(pl.col("session") > self.days.offset(session, -LOOK_BACK - 1))
        kept = kept.filter(pl.col("session") < session)
        spread = (pl.col("move") - pl.col("move").median()).abs().median() * NORMAL
        scales = kept.group_by("symbol").agg(scale=spread, count=pl.len())
        scales = scales.filter(pl.col("count") >= LOOK_BACK - 5).with_columns(
            pl.col("scale").clip(cross)
        )
        eve = own.select("symbol", "eve_close").drop_nulls()
        return Night(
            right=past[0],
            past=past,
            after=self.deliveries[self.days.next(session)],
            day_off=session + timedelta(days=1),
            eve_close=dict(eve.sort("symbol").iter_rows()),
            scale=dict(scales.select("symbol", "scale").sort("symbol").iter_rows()),
            median=float(own["move"].median() or 0.0),
            calm=self._calm(session),
            liquid=self.liquid,
        )

    def _calm(self, session: date) -> frozenset[str]:
        back = [self.days.offset(session, -step) for step in range(1, 21)]
        usual = pl.concat([self.deliveries[day].bars.filter(session=day) for day in back])
        usual = usual.group_by("symbol").agg(usual=pl.col("volume").median())
        own = self.deliveries[session].bars.filter(session=session)
        calm = own.join(usual, on="symbol").filter(pl.col("volume") <= 1.5 * pl.col("usual"))
        return frozenset(calm["symbol"])

    def _desk(self) -> Desk:
        nothing = frames.empty(frames.BARS), frames.empty(frames.LISTINGS)
        return Desk("lab", self.conf, self.days, bars=nothing[0], listings=nothing[1])

    def _liquid(self) -> list[str]:
        start = self.days.offset(self.nights[0], -20)
        rows = pl.concat([d.bars for d in self.deliveries.values()]).filter(
            pl.col("session").is_between(start, self.nights[0])
        )
        dollars = rows.group_by("symbol").agg(dollars=(pl.col("close") * pl.col("volume")).median())
        ranked = dollars.sort("dollars", "symbol", descending=[True, False])["symbol"]
        return ranked.head(len(ranked) // 2).to_list()


def found(judged: Judged, planted: Planted) -> Result:
    """Say where what was planted was found: all of it, or it was missed."""
    verdict = judged.verdicts.row(0, named=True)
    aside = judged.quarantine.select("session", pl.col("symbol").fill_null("")).unique()
    rows = planted.rows.with_columns(pl.col("symbol").fill_null("").str.slice(0, 64)).unique()
    others = aside.join(rows, on=list(KEYS), how="anti", nulls_equal=True)
    reasons = verdict["reasons"]
    if verdict["verdict"] == "block":
        return Result("blocked", 0, reasons)
    if planted.wide:
        warned = verdict["verdict"] == "warn"
        return Result("warned" if warned else "missed", others.height, reasons)
    missed = rows.join(aside, on=list(KEYS), how="anti", nulls_equal=True).height
    missed += _actions_taken(judged, planted, aside)
    missed += planted.copies != _copies(verdict)
    if missed:
        return Result("missed", others.height, reasons)
    same = others.filter(pl.col("symbol").is_in(rows["symbol"].implode()))
    return Result("symbol" if same.height else "row", others.height - same.height, reasons)


def _actions_taken(judged: Judged, planted: Planted, aside: pl.DataFrame) -> int:
    """Count the wrong actions that were believed: taken on, and the bar they move kept."""
    names = judged.bars.select("instrument", "symbol").unique()
    taken = judged.actions.join(names, on="instrument").select("symbol", session="ex_session")
    believed = taken.join(planted.actions, on=list(KEYS), how="semi")
    return believed.join(aside, on=list(KEYS), how="anti").height


def _copies(verdict: dict[str, object]) -> int:
    findings = json.loads(str(verdict["findings"]))
    return sum(each["rows"] for each in findings if each["rule"] == "exact duplicates")


def _moves(deliveries: Iterator[Delivery]) -> pl.DataFrame:
    """Return (session, symbol, move, eve_close): log returns, actions put aside.

    `eve_close` is in the shares of the session and less its dividend.
    """
    deliveries = list(deliveries)
    bars = pl.concat([each.bars for each in deliveries]).unique(["session", "symbol"])
    acts = pl.concat([each.actions for each in deliveries])
    split = acts.filter(kind="split").select("symbol", session="ex_session", split="value")
    cash = acts.filter(kind="dividend").select("symbol", session="ex_session", cash="value")
    keys = list(KEYS)
    rows = bars.join(split, on=keys, how="left").join(cash, on=keys, how="left")
    eve = (pl.col("close").shift(1).over("symbol") - pl.col("cash").fill_null(0.0)) / pl.col(
        "split"
    ).fill_null(1.0)
    last = pl.col("session").shift(1).over("symbol")
    fresh = (pl.col("session") - last).dt.total_days() <= 5
    return (
        rows.sort("symbol", "session")
        .with_columns(eve_close=pl.when(fresh).then(eve))
        .with_columns(move=(pl.col("close") / pl.col("eve_close")).log())
        .select(*keys, "move", "eve_close")
        .drop_nulls()
    )


def _deviation(moves: pl.Series) -> float:
    return float((moves - moves.median()).abs().median() or 0.0) * NORMAL
