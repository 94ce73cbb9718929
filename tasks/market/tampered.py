"""A market's tape, and the ways to alter its future: what was known at a close stays as it was.

A tape holds rows of the lake's frames, each with the session on which it became known. Whoever
computes something from one and dates it can be asked again over the same tape with another
future: what it said of sessions before the alteration must not move by a bit.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import polars as pl

Random = np.random.Generator
PRICES = ("open", "high", "low", "close", "vwap", "adj_close")
# Frame -> the column of the day that its rows speak of.
DAYS = MappingProxyType(
    {
        "bars": "session",
        "actions": "ex_session",
        "listings": "from_session",
        "members": "session",
        "fundamentals": "period_end",
        "series": "session",
    }
)
# Frame -> the columns that say something of that day; as many of them as the frame has.
SAID: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "bars": (*PRICES, "volume"),
        "actions": ("value",),
        "listings": ("symbol", "name", "sector", "to_session"),
        "members": ("member",),
        "fundamentals": ("value",),
        "series": ("value",),
    }
)
RATIOS = (0.1, 1.5, 2.0, 3.0, 7.0)  # of splits that are made up
GONE, SPLIT, CORRECTED, CLOSED = 0.2, 0.4, 0.3, 0.15  # shares of names, rows and sessions
LATELY = 40  # sessions back of which something may be told anew


class Tape(NamedTuple):
    """All that a market told, with `known_on` (and `delivery`) in every row, and its sessions.

    Frames have the columns of the lake's tables of the same name, or those that matter to whom
    reads them; `bars` and `actions` those that a `History` takes.
    """

    sessions: tuple[date, ...]
    bars: pl.DataFrame
    actions: pl.DataFrame
    listings: pl.DataFrame
    members: pl.DataFrame
    fundamentals: pl.DataFrame
    series: pl.DataFrame


Tampering = Callable[[Tape, date, Random], Tape]


def cut(tape: Tape, as_of: date, random: Random) -> Tape:
    """Return the tape without what became known after `as_of`, as if it ended there."""
    frames = {name: getattr(tape, name).filter(_known(as_of)) for name in DAYS}
    return Tape(tuple(day for day in tape.sessions if day <= as_of), **frames)


def poisoned(tape: Tape, as_of: date, random: Random) -> Tape:
    """Return the tape with garbage in the place of what became known after `as_of`.

    Later prices, volumes, values and figures are others; names vanish and new ones come; splits
    and dividends are made up, some with an ex session of before; prints, figures, sectors and
    memberships of before are told anew; sessions fall out.
    """
    after = [day for day in tape.sessions if day > as_of]
    if not after:
        return tape
    closed = {day for day in after[1:] if random.random() < CLOSED}
    before = [day for day in tape.sessions if day <= as_of]
    names = tape.bars["instrument"].unique().sort().to_list()
    moment = _Moment(as_of, after, before[-LATELY:], names, random)
    bars = _poisoned_bars(tape.bars, moment)
    return Tape(
        tuple(day for day in tape.sessions if day not in closed),
        bars.filter(~pl.col("session").is_in(list(closed))),
        _poisoned_actions(tape.actions, tape.bars, moment),
        _renamed(_told_anew(tape.listings, "listings", moment), moment),
        _told_anew(tape.members, "members", moment),
        _told_anew(tape.fundamentals, "fundamentals", moment),
        _told_anew(tape.series, "series", moment),
    )


def shifted(tape: Tape, as_of: date, random: Random) -> Tape:
    """Return the tape with all that became known after `as_of` one session later."""
    after = [day for day in tape.sessions if day > as_of]
    moved = pl.DataFrame({"day": after[:-1], "later": after[1:]}, schema_overrides=_DAYS)

    def shift(name: str) -> pl.DataFrame:
        frame: pl.DataFrame = getattr(tape, name)
        late = frame.filter(~_known(as_of))
        for column in ("known_on",) if name == "fundamentals" else (DAYS[name], "known_on"):
            late = late.sort(column).join_asof(
                moved, left_on=column, right_on="day", strategy="forward"
            )
            within = (pl.col(column) <= as_of).fill_null(True)
            late = late.filter(within | pl.col("later").is_not_null()).with_columns(
                pl.when(within).then(column).otherwise("later").alias(column)
            )
            late = late.drop("day", "later", strict=False)
        return pl.concat([frame.filter(_known(as_of)), late.select(frame.columns)])

    return Tape(tape.sessions, **{name: shift(name) for name in DAYS})


def shuffled(tape: Tape, as_of: date, random: Random) -> Tape:
    """Return the tape with what became known after `as_of` dealt out anew over names and days."""

    def shuffle(name: str) -> pl.DataFrame:
        frame: pl.DataFrame = getattr(tape, name)
        late = frame.filter(~_known(as_of))
        said = [column for column in SAID[name] if column in frame.columns]
        dealt = late.select(said)[random.permutation(late.height)]
        return pl.concat([frame.filter(_known(as_of)), late.with_columns(dealt)])

    return Tape(tape.sessions, **{name: shuffle(name) for name in DAYS})


TAMPERINGS: dict[str, Tampering] = {
    "cut": cut,
    "poisoned": poisoned,
    "shifted": shifted,
    "shuffled": shuffled,
}


def rewritten(tape: Tape, as_of: date, random: Random) -> Tape:
    """Return the tape with other prices and values up to `as_of`, and the same ones after it.

    The same rows stand for the same days: only what they say is another. What is bought after
    `as_of` earns the same on either tape.
    """

    def rewrite(name: str) -> pl.DataFrame:
        frame: pl.DataFrame = getattr(tape, name)
        early = pl.col(DAYS[name]) <= as_of
        old = _garbled(frame.filter(early), name, random)
        return pl.concat([old, frame.filter(~early)])

    return tape._replace(
        bars=rewrite("bars"),
        actions=rewrite("actions"),
        fundamentals=rewrite("fundamentals"),
        series=rewrite("series"),
    )


# --- parts of the poison -------------------------------------------------------------------------


class _Moment(NamedTuple):
    """When the future begins, and whom it may touch."""

    as_of: date
    after: Sequence[date]
    lately: Sequence[date]
    names: Sequence[str]
    random: Random

    def some(self, share: float) -> list[str]:
        """Return a share of the names, at least one."""
        count = max(1, round(share * len(self.names)))
        return sorted(self.random.choice(self.names, size=count, replace=False).tolist())

    def soon(self, count: int) -> list[date]:
        """Return `count` sessions of the next ten."""
        near = min(10, len(self.after))
        return [self.after[place] for place in self.random.integers(0, near, size=count)]


_DAYS = {"day": pl.Date, "later": pl.Date}


def _known(as_of: date) -> pl.Expr:
    return pl.col("known_on") <= as_of


def _garbled(frame: pl.DataFrame, name: str, random: Random) -> pl.DataFrame:
    """Return `frame` with other numbers: each times a lognormal factor, so that no sign moves."""
    if name == "bars":
        return _other_bars(frame, random)
    said = [column for column in SAID[name] if column in frame.columns]
    numbers = [column for column in said if frame.schema[column].is_numeric()]
    factors = np.exp(random.normal(0.0, 0.5, (frame.height, len(numbers))))
    if name == "members":
        flips = pl.Series(random.random(frame.height) < 0.5)
        return frame.with_columns(member=(pl.col("member") - flips.cast(pl.Int64)).abs())
    return frame.with_columns(
        pl.col(column) * pl.Series(factors[:, place]) for place, column in enumerate(numbers)
    )


def _other_bars(bars: pl.DataFrame, random: Random) -> pl.DataFrame:
    """Return bars of another market that could be one: each row's low is lowest, its high highest.

    A study that looks over its input first must get as far as computing.
    """
    level, volume = (pl.Series(np.exp(random.normal(0.0, 0.5, bars.height))) for _ in range(2))
    wide = {name: pl.Series(np.exp(random.exponential(0.05, bars.height))) for name in PRICES}
    low, high = pl.col("low") * level / wide["low"], pl.col("high") * level * wide["high"]
    prices = {"low": low, "high": high}
    for name in ("open", "close", "vwap"):
        if name in bars.columns:
            inside = low + pl.Series(random.random(bars.height)) * (high - low)
            value = pl.coalesce(inside.clip(low, high), pl.col(name) * level)
            prices[name] = pl.when(pl.col(name).is_not_null()).then(value)
    if "adj_close" in bars.columns:
        prices["adj_close"] = pl.col("adj_close") * level * wide["adj_close"]
    return bars.with_columns(pl.col("volume") * volume, **prices)


def _told_anew(frame: pl.DataFrame, name: str, moment: _Moment) -> pl.DataFrame:
    """Return `frame` with another future, and with some of its known rows corrected in it."""
    known = frame.filter(_known(moment.as_of))
    late = _garbled(frame.filter(~_known(moment.as_of)), name, moment.random)
    newest = known.sort("known_on", DAYS[name], maintain_order=True)
    newest = newest.tail(newest.height if name == "listings" else newest.height // 2 + 1)
    picked = newest.filter(pl.Series(moment.random.random(newest.height) < CORRECTED))
    anew = _garbled(picked, name, moment.random)
    if name == "members":
        anew = anew.with_columns(member=1 - pl.col("member"))
    return pl.concat([known, late, _known_later(anew, moment)])


def _known_later(rows: pl.DataFrame, moment: _Moment) -> pl.DataFrame:
    days = pl.Series(moment.soon(rows.height), dtype=pl.Date)
    return rows.with_columns(known_on=days, delivery=days)


def _renamed(listings: pl.DataFrame, moment: _Moment) -> pl.DataFrame:
    """Return listings whose future rows tell of other sectors, names and ends."""
    late = listings.filter(~_known(moment.as_of))
    ends = pl.Series(moment.soon(late.height), dtype=pl.Date)
    other = {
        column: pl.lit(f"Other {column}") for column in ("sector", "name") if column in late.columns
    }
    late = late.with_columns(**other)
    if "to_session" in late.columns:
        late = late.with_columns(to_session=ends)
    return pl.concat([listings.filter(_known(moment.as_of)), late])


def _poisoned_bars(bars: pl.DataFrame, moment: _Moment) -> pl.DataFrame:
    known, late = bars.filter(_known(moment.as_of)), bars.filter(~_known(moment.as_of))
    late = _garbled(late, "bars", moment.random)
    gone = moment.some(GONE)
    ends = pl.DataFrame({"instrument": gone, "end": moment.soon(len(gone))})
    stay = late.join(ends, on="instrument", how="left", maintain_order="left")
    stay = stay.filter(pl.col("end").is_null() | (pl.col("session") < pl.col("end"))).drop("end")
    models = late.filter(pl.col("instrument").is_in(moment.some(GONE / 2)))
    new = [
        (pl.lit("NEW.") + pl.col(column)).alias(column)
        for column in ("instrument", "symbol")
        if column in bars.columns
    ]
    recent = known.filter(pl.col("session") >= moment.lately[0])
    picked = recent.filter(pl.Series(moment.random.random(recent.height) < CORRECTED))
    anew = _known_later(_garbled(picked, "bars", moment.random), moment)
    return pl.concat([known, stay, models.with_columns(new), anew])


def _poisoned_actions(actions: pl.DataFrame, bars: pl.DataFrame, moment: _Moment) -> pl.DataFrame:
    """Return actions with other values, and with splits and dividends that nobody ever paid."""
    known = actions.filter(_known(moment.as_of))
    late = _garbled(actions.filter(~_known(moment.as_of)), "actions", moment.random)
    price = bars.filter(_known(moment.as_of)).select(pl.col("close").median()).item() or 1.0
    made = [
        _made_up("split", moment.some(SPLIT), moment, late=False, price=price),
        _made_up("dividend", moment.some(SPLIT), moment, late=False, price=price),
        _made_up("split", moment.some(GONE), moment, late=True, price=price),
        _made_up("dividend", moment.some(GONE), moment, late=True, price=price),
    ]
    return pl.concat([known, late, *made], how="diagonal")


def _made_up(
    kind: str, names: Sequence[str], moment: _Moment, *, late: bool, price: float
) -> pl.DataFrame:
    """Return actions of the next sessions; `late` ones have their ex session before `as_of`."""
    known_on = moment.soon(len(names))
    places = moment.random.integers(0, len(moment.lately), size=len(names))
    ex_session = [moment.lately[place] for place in places] if late else known_on
    ratios = moment.random.choice(RATIOS, size=len(names))
    value = ratios if kind == "split" else 0.01 * price * ratios
    days = {"ex_session": ex_session, "known_on": known_on, "delivery": known_on}
    frame = pl.DataFrame({"instrument": list(names), "value": value, **days}, strict=False)
    return frame.with_columns(pl.col(*days).cast(pl.Date), kind=pl.lit(kind))
