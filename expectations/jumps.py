"""Prices that jump without a reason: a slipped decimal, a bad print, two securities under one name.

A row is judged by its close against the last trusted close of its symbol. A jump that a split or
a dividend explains is none. A jump without trading is a bad print. A new level is taken on once a
second traded session bears it. The judgement of a session never looks at a later one, except
inside one observed night, where both were known together.
"""

from collections import defaultdict
from collections.abc import Callable
from datetime import date
from math import log
from typing import NamedTuple

import polars as pl

FLOOR = 0.9  # log: a close that is 2.46 times the last one, or less than 0.41 of it
ROBUST = 30.0  # in robust standard deviations of the session's moves, where that is wider
CEILING = 1.6  # log: even on the wildest day a factor of five asks for a reason
FEWEST = 20  # moves in a session, for a deviation to mean something
UNTRADED = 0.4  # log: a price that moved by half without a share traded
FRESH_DAYS = 10  # an older close says nothing about tonight's
_NORMAL = 1.4826  # median absolute deviation -> standard deviation of a normal

_ROWS = {"session": pl.Date, "symbol": pl.String, "rule": pl.String, "detail": pl.String}


class Jumps(NamedTuple):
    """What cannot be explained."""

    rows: pl.DataFrame  # (session, symbol, rule, detail)
    symbols: list[str]  # symbols to be set aside whole: their newest row is among `rows`
    confirmed: list[str]  # symbols whose jump was taken on as a new level


class Bar(NamedTuple):
    """One close of the chain that a symbol is judged along."""

    session: date
    close: float
    traded: bool


Action = tuple[date, str, float]  # ex session, kind, value


def unexplained_jumps(
    rows: pl.DataFrame,
    closes: pl.DataFrame,
    actions: pl.DataFrame,
    *,
    observed: bool,
    until: date,
) -> Jumps:
    """Return the rows of `rows` (session, symbol, close, volume; unique keys) that jump.

    `closes` (symbol, session, close, volume) are the last trusted rows before tonight; `until` is
    the session the night served. An observed night sets a symbol aside whole when its newest row
    jumps; in history that was loaded in one go each row stands for itself.
    """
    chain = _chain(rows, closes)
    suspects = chain.filter("suspect")["symbol"].unique()
    if suspects.is_empty():
        return Jumps(pl.DataFrame(schema=_ROWS), [], [])
    bounds = dict(chain.select("session", "bound").unique("session").iter_rows())
    explained = _by_symbol(actions)
    found: list[tuple[date, str, str, str]] = []
    whole, confirmed = [], []
    judged = chain.filter(pl.col("symbol").is_in(suspects.implode()))
    for (symbol,), part in judged.group_by("symbol", maintain_order=True):
        bars = list(map(Bar._make, part.select("session", "close", "traded").iter_rows()))
        agree = _agreement(bars, bounds, explained[str(symbol)], until if observed else None)
        marks = part["suspect"].arg_true().to_list()
        bad, taken_on = _bad_rows(bars, marks, agree, release=observed)
        own = part["own"].to_list()
        found += [_line(str(symbol), bars, i) for i in sorted(bad) if own[i]]
        whole += [str(symbol)] if observed and len(bars) - 1 in bad else []
        confirmed += [str(symbol)] if taken_on else []
    return Jumps(pl.DataFrame(found, schema=_ROWS, orient="row"), sorted(whole), sorted(confirmed))


def _chain(rows: pl.DataFrame, closes: pl.DataFrame) -> pl.DataFrame:
    """Return each symbol's trusted close and then tonight's rows, with suspects marked."""
    traded = (pl.col("volume") != 0).fill_null(True).alias("traded")
    columns = [pl.col("symbol", "session", "close"), traded]
    own = rows.select(columns, own=pl.lit(True))
    eve = closes.join(own, on="symbol", how="semi").select(columns, own=pl.lit(False))
    own = own.join(eve.select("symbol", trusted="session"), on="symbol", how="left")
    own = own.filter(pl.col("trusted").is_null() | (pl.col("session") >= pl.col("trusted")))
    fresh = pl.col("session").diff().over("symbol").dt.total_days() <= FRESH_DAYS
    move = pl.when(fresh).then(pl.col("close").log().diff().over("symbol"))
    width = (pl.col("move") - pl.col("move").median()).abs().median() * (_NORMAL * ROBUST)
    enough = pl.col("move").count() >= FEWEST
    return (
        pl.concat([eve, own.drop("trusted")])
        .sort("symbol", "session", "own")
        .with_columns(move=move)
        .with_columns(
            bound=pl.when(enough).then(width).fill_null(0).clip(FLOOR, CEILING).over("session")
        )
        .with_columns(
            suspect=pl.col("own")
            & (
                pl.col("move").abs() > pl.when("traded").then("bound").otherwise(UNTRADED)
            ).fill_null(False)
        )
    )


def _by_symbol(actions: pl.DataFrame) -> dict[str, list[Action]]:
    usable = actions.filter(pl.col("value").is_finite(), pl.col("value") > 0)
    by_symbol: dict[str, list[Action]] = defaultdict(list)
    for symbol, *action in usable.select("symbol", "ex_session", "kind", "value").iter_rows():
        by_symbol[symbol].append((action[0], action[1], action[2]))
    return by_symbol


def _agreement(
    bars: list[Bar], bounds: dict[date, float], actions: list[Action], until: date | None
) -> Callable[[int, int], bool]:
    """Return whether one bar's close could follow another's, by position.

    An action explains a move from before its ex session to it or later. In an observed night the
    eve's row may already be restated for tonight's split, so that explains it too.
    """

    def agree(before: int, after: int) -> bool:
        if before < 0:
            return True
        old, new = bars[before], bars[after]
        if (new.session - old.session).days > FRESH_DAYS:
            return True
        bound = bounds[new.session] if new.traded else UNTRADED
        ends = {new.session, until or new.session}
        prices = {new.close} | {_as_before(new.close, actions, old.session, end) for end in ends}
        return any(abs(log(price / old.close)) <= bound for price in prices)

    return agree


def _as_before(close: float, actions: list[Action], start: date, end: date) -> float:
    """Return what `close` would be without the actions that went ex after `start` up to `end`."""
    for session, kind, value in sorted(actions, reverse=True):
        if start < session <= end:
            close = close * value if kind == "split" else close + value
    return close


def _bad_rows(
    bars: list[Bar], suspects: list[int], agree: Callable[[int, int], bool], *, release: bool
) -> tuple[set[int], bool]:
    """Return the positions that jump, and whether a jump was taken on as a new level.

    With `release` the row that first showed the confirmed level is let go as well.
    """
    bad: set[int] = set()
    taken_on = False
    at, trusted = suspects[0], suspects[0] - 1
    while at < len(bars):
        borne_twice = trusted < at - 1 and bars[at - 1].traded and bars[at].traded
        if agree(trusted, at):
            trusted = at
        elif borne_twice and agree(at - 1, at):
            trusted, taken_on = at, True
            bad -= {at - 1} if release else set()
        else:
            bad.add(at)
        at += 1
        if trusted == at - 1:
            at = next((mark for mark in suspects if mark >= at), len(bars))
            trusted = at - 1
    return bad, taken_on


def _line(symbol: str, bars: list[Bar], at: int) -> tuple[date, str, str, str]:
    bar = bars[at]
    rule = "unexplained jump" if bar.traded else "bad print"
    against = f" after {bars[at - 1].close:g} on {bars[at - 1].session}" if at else ""
    untraded = "" if bar.traded else ", nothing traded"
    return bar.session, symbol, rule, f"close {bar.close:g}{against}{untraded}"
