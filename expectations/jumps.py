"""Prices that jump without a reason: a slipped decimal, a bad print, two securities under one name.

A row is judged by its close against the last trusted close of its symbol. A jump that a split or
a dividend explains is none. A jump without trading is a bad print. A new level is taken on once a
second traded session bears it. The judgement of a session never looks at a later one, except
inside one observed night, where both were known together.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from math import inf, log
from typing import NamedTuple

import polars as pl

from expectations.moves import FRESH_DAYS
from expectations.slips import RULES, like_a_split, slip

ROWS = {"session": pl.Date, "symbol": pl.String, "rule": pl.String, "detail": pl.String}


class Jumps(NamedTuple):
    """What cannot be explained."""

    rows: pl.DataFrame  # (session, symbol, rule, detail)
    symbols: list[str]  # symbols to be set aside whole: their newest row is among `rows`
    confirmed: list[str]  # symbols whose jump was taken on as a new level
    quiet: list[str]  # of these, the ones that only moved far without volume


class Bar(NamedTuple):
    """One close of the chain that a symbol is judged along."""

    session: date
    close: float
    volume: float | None
    traded: bool
    own: bool
    signed: bool
    centre: float  # the session's median move
    wide: float  # bounds of the move to this close
    near: float | None
    since: date | None  # `near` holds against closes from this session on


class Verdicts(NamedTuple):
    """What the walk along one chain found, by position."""

    bad: dict[int, bool]  # position -> whether it breaks the wide bound too
    confirmed: dict[int, bool]  # likewise of the first row of a level that was taken on


Action = tuple[date, str, float]  # ex session, kind, value


def unexplained_jumps(
    chain: pl.DataFrame, actions: pl.DataFrame, *, observed: bool, until: date
) -> Jumps:
    """Return the rows of a chain (`expectations.moves`) that jump.

    `until` is the session the night served. An observed night sets a symbol aside whole when its
    newest row breaks the wide bound; in history that was loaded in one go each row stands for
    itself.
    """
    move = pl.col("value").diff().over("symbol")
    fresh = pl.col("session").diff().over("symbol").dt.total_days() <= FRESH_DAYS
    beyond = (move.abs() > pl.col("wide")) | ((move - pl.col("centre")).abs() > pl.col("near"))
    judged = chain.with_columns(suspect=(pl.col("own") & fresh & beyond).fill_null(False))
    suspects = judged.filter("suspect")["symbol"].unique()
    explained = _by_symbol(actions)
    found: list[tuple[date, str, str, str]] = []
    whole, confirmed, quiet = [], [], []
    columns = (*Bar._fields, "suspect")
    parts = judged.filter(pl.col("symbol").is_in(suspects.implode()))
    for (key,), part in parts.group_by("symbol", maintain_order=True):
        symbol = str(key)
        *_, marks = rows = list(zip(*part.select(columns).iter_rows(), strict=True))
        bars = list(map(Bar._make, zip(*rows[:-1], strict=True)))
        agree = _agreement(bars, explained[symbol], until if observed else None)
        done = _walk(bars, [i for i, mark in enumerate(marks) if mark], agree, release=observed)
        own = [i for i in sorted(done.bad) if bars[i].own]
        found += [_line(symbol, bars, i, explained[symbol], wide=done.bad[i]) for i in own]
        whole += [symbol] if observed and done.bad.get(len(bars) - 1) else []
        confirmed += [symbol] if done.confirmed else []
        quiet += [symbol] if done.confirmed and not any(done.confirmed.values()) else []
    return Jumps(
        pl.DataFrame(found, schema=ROWS, orient="row"),
        sorted(whole),
        sorted(confirmed),
        sorted(quiet),
    )


def _by_symbol(actions: pl.DataFrame) -> dict[str, list[Action]]:
    positive = (pl.col("value") > 0) | (pl.col("kind") == "roll")
    usable = actions.filter(pl.col("value").is_finite(), positive)
    by_symbol: dict[str, list[Action]] = defaultdict(list)
    for symbol, *action in usable.select("symbol", "ex_session", "kind", "value").iter_rows():
        by_symbol[symbol].append((action[0], action[1], action[2]))
    return by_symbol


class Agree(NamedTuple):
    """How far apart two bars of a chain are, once actions are undone."""

    apart: Callable[[int, int], float]
    within: Callable[[int, int, bool], bool]  # the last: whether the near bound counts too


def _agreement(bars: Sequence[Bar], actions: list[Action], until: date | None) -> Agree:
    """Return whether one bar's close could follow another's, by position.

    An action explains a move from before its ex session to it or later. In an observed night the
    eve's row may already be restated for tonight's split, so that explains it too.
    """

    def moves(before: int, after: int) -> list[float]:
        old, new = bars[before], bars[after]
        ends = {new.session, until or new.session}
        prices = {new.close} | {_as_before(new.close, actions, old.session, end) for end in ends}
        if new.signed:
            return [price - old.close for price in prices]
        return [log(price / old.close) for price in prices if price > 0]

    def apart(before: int, after: int) -> float:
        return min(map(abs, moves(before, after)), default=inf) if before >= 0 else inf

    def within(before: int, after: int, near: bool) -> bool:
        if before < 0 or (bars[after].session - bars[before].session).days > FRESH_DAYS:
            return True
        new, told = bars[after], moves(before, after)
        wide = any(abs(move) <= new.wide for move in told)
        if not near or new.near is None or (new.since and bars[before].session < new.since):
            return wide
        return wide and any(abs(move - new.centre) <= new.near for move in told)

    return Agree(apart, within)


def _as_before(close: float, actions: list[Action], start: date, end: date) -> float:
    """Return what `close` would be without the actions that went ex after `start` up to `end`.

    The newest is undone first; in one session cash before a split, for it is paid on the new share.
    """
    for session, kind, value in sorted(
        actions, key=lambda a: (a[0], a[1] != "split"), reverse=True
    ):
        if start < session <= end:
            close = close * value if kind == "split" else close + value
    return close


def _walk(bars: Sequence[Bar], suspects: list[int], agree: Agree, *, release: bool) -> Verdicts:
    """Return which positions jump, and which were taken on as a new level.

    With `release` the row that first showed the confirmed level is let go as well. A session that
    was trusted at another price shows no level: it must be a session of its own.
    """
    bad: dict[int, bool] = {}
    confirmed: dict[int, bool] = {}
    at, trusted = suspects[0], suspects[0] - 1
    while at < len(bars):
        shown = trusted < at - 1 and (trusted < 0 or bars[trusted].session < bars[at - 1].session)
        borne = shown and bars[at - 1].traded and bars[at].traded
        nearer = borne and agree.apart(at - 1, at) < agree.apart(trusted, at)
        if nearer and agree.within(at - 1, at, True):
            confirmed[at - 1] = bad[at - 1]
            trusted = at
            if release:
                del bad[at - 1]
        elif agree.within(trusted, at, True):
            trusted = at
        else:
            bad[at] = not agree.within(trusted, at, False)
        at += 1
        if trusted == at - 1:
            at = next((mark for mark in suspects if mark >= at), len(bars))
            trusted = at - 1
    return Verdicts(bad, confirmed)


def _line(
    symbol: str, bars: Sequence[Bar], at: int, actions: Iterable[Action], *, wide: bool
) -> tuple[date, str, str, str]:
    """Return a row set aside: its rule, and the close it was held against."""
    bar = bars[at]
    against = bars[at - 1] if at else bar
    ratio = bar.close / against.close if against.close else inf
    told = None
    if wide and 0 < ratio < inf:
        splits = [v for session, kind, v in actions if kind == "split" and session == bar.session]
        told = slip(ratio, volume=bar.volume, before=against.close, split=max(splits, default=None))
    plain = RULES["jump" if wide else "near"] if bar.traded else RULES["print"]
    hint = like_a_split(ratio) if not told and 0 < ratio < inf else ""
    untraded = "" if bar.traded else ", nothing traded"
    detail = f"close {bar.close:g} after {against.close:g} on {against.session}{hint}{untraded}"
    return bar.session, symbol, told or plain, detail
