"""A small simulated market in which all happens that a careless study trips over.

Beside what every simulated market has (late listings, delistings, suspensions, dividends,
holidays) names split, some prints and actions come late, some are corrected later, figures are
filed weeks after their period and restated, an index changes its members. Each row says when it
became known. Nobody need learn from such a market: it is there to be altered.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl

from conf.schema import SimulatedSource
from tasks.market.calendar import Calendar
from tasks.market.frames import ACTIONS, BARS, FUNDAMENTALS, LISTINGS, MEMBERS, SERIES, shaped
from tasks.market.sources.simulated import SimulatedData
from tasks.market.tampered import RATIOS, Random, Tape

FIRST = date(2018, 1, 2)
LATE, CORRECTED, TELLS_LATE = 0.01, 0.02, 0.3  # shares of prints, prints and actions
ENDS = (36, 28)  # sessions before the last one on which two names are delisted
IN_INDEX, CHANGES = 0.7, 0.2  # shares of the names
ITEMS = (
    *("revenue", "operating_income", "net_income", "assets", "liabilities", "equity", "cash"),
    *("current_assets", "current_liabilities", "shares"),
)
NAMES_OF_SERIES = {  # value at the start, and its daily moves
    "vix": (18.0, 1.0),
    "wti": (60.0, 1.2),
    "EURUSD": (1.15, 0.006),
    **{f"yield_{term}": (3.0, 0.05) for term in ("3m", "2y", "10y", "30y", "aaa", "baa")},
}


def eventful_tape(
    *, seed: int, names: int = 40, sessions: int = 380, symbols: Sequence[str] = ()
) -> Tape:
    """Return the tape of a simulated market; the same arguments give the same one.

    Args:
        seed: Another one is another market.
        names: Most names listed at once, 20 or more.
        sessions: How many, from the first of 2018 on.
        symbols: What the oldest names are called, for universes that list symbols.
    """
    days = Calendar("XNYS").sessions(FIRST, FIRST + timedelta(days=2 * sessions))[:sessions]
    random = np.random.default_rng(seed)
    delivered = _delivered(days, seed=seed, names=names)
    bars, actions, listings = (frame.rename({"symbol": "instrument"}) for frame in delivered)
    bars = _ended(bars, days, random)
    made = _splits(bars, random)
    bars = _split(bars, made)
    listings = _listings(listings, bars, symbols, days)
    called = listings.select("instrument", "symbol").unique("instrument")
    bars = _printed(bars, days, random).join(called, on="instrument", how="left")
    known = bars["instrument"].unique().sort().to_list()
    return Tape(
        tuple(days),
        shaped(bars, BARS).with_columns(bars["vwap"]),
        shaped(_told(pl.concat([actions, made], how="diagonal"), days, random), ACTIONS),
        listings,
        _members(called, bars, random),
        _fundamentals(known, days, random),
        _series(days, random),
    )


def _delivered(
    days: Sequence[date], *, seed: int, names: int
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    conf = SimulatedSource(
        kind="simulated",
        title="Eventful market",
        actions="given",
        starts=days[0],
        observed_from=days[-1],
        ends=days[-1],
        expected_rows=1,
        seed=seed,
        names=names,
    )
    data = SimulatedData(conf)
    nights = [data.normalise(list(data.pull([night]))) for night in data.nights()]
    bars = pl.concat([night.bars for night in nights])
    actions = pl.concat([night.actions for night in nights])
    listings = pl.concat([night.listings for night in nights])
    return (
        bars.unique(["session", "symbol"], keep="first").sort("session", "symbol"),
        actions.unique().sort("ex_session", "symbol", "kind"),
        listings.unique("symbol").sort("from_session", "symbol"),
    )


def _ended(bars: pl.DataFrame, days: Sequence[date], random: Random) -> pl.DataFrame:
    """Return the bars without those of two names after their ends, late among the sessions.

    Delistings are rare, and labels of the gone are judged by them alone: here are always some,
    near enough to the end to be seen by who warms up for a year.
    """
    lives = bars.group_by("instrument").agg(
        first=pl.col("session").min(), last=pl.col("session").max()
    )
    whole = lives.filter(pl.col("first") == days[0], pl.col("last") == days[-1])
    names = random.permutation(whole["instrument"].sort().to_numpy())[: len(ENDS)].tolist()
    ends = [days[max(len(days) - 1 - back, 1)] for back in ENDS]
    until = pl.DataFrame({"instrument": names, "end": ends}, schema_overrides={"end": pl.Date})
    rows = bars.join(until, on="instrument", how="left", maintain_order="left")
    return rows.filter((pl.col("session") <= pl.col("end")).fill_null(True)).drop("end")


def _splits(bars: pl.DataFrame, random: Random) -> pl.DataFrame:
    """Return a split for two fifths of the names, each on a session of its own bars."""
    dealt = bars[random.permutation(bars.height)]
    rows = dealt.unique("instrument", keep="first").sort("instrument")
    rows = rows.filter(pl.Series(random.random(rows.height) < 0.4))
    return rows.select(
        "instrument",
        ex_session="session",
        kind=pl.lit("split"),
        value=pl.Series(random.choice(RATIOS, size=rows.height)),
    )


def _split(bars: pl.DataFrame, splits: pl.DataFrame) -> pl.DataFrame:
    """Return the bars as traded after the splits, with a mean price of each session."""
    rows = bars.join(
        splits.select("instrument", "ex_session", ratio="value"), on="instrument", how="left"
    )
    since = (pl.col("session") >= pl.col("ex_session")).fill_null(False)
    ratio = pl.when(since).then("ratio").otherwise(1.0)
    prices = [pl.col(name) / ratio for name in ("open", "high", "low", "close")]
    rows = rows.with_columns(*prices, (pl.col("volume") * ratio).round())
    mean = (pl.col("high") + pl.col("low") + pl.col("close")) / 3
    return rows.with_columns(vwap=mean).drop("ex_session", "ratio").sort("session", "instrument")


def _printed(bars: pl.DataFrame, days: Sequence[date], random: Random) -> pl.DataFrame:
    """Return all prints: a few come a session late, and a few are corrected within the week."""
    chance = random.random(bars.height)
    late = pl.when(pl.Series(chance < LATE)).then(1).otherwise(0)
    first = _known(bars.with_columns(wait=late), "session", days)
    again = bars.filter(pl.Series(random.random(bars.height) < CORRECTED))
    wait = pl.Series(random.integers(2, 6, size=again.height))
    off = pl.Series(np.exp(random.normal(0, 0.03, again.height)))
    again = again.with_columns(pl.col("open", "high", "low", "close", "vwap") * off, wait=wait)
    second = _known(again, "session", days).filter(pl.col("known_on") > pl.col("session"))
    return pl.concat([first, second]).sort("known_on", "session", "instrument")


def _told(actions: pl.DataFrame, days: Sequence[date], random: Random) -> pl.DataFrame:
    late = pl.Series(random.random(actions.height) < TELLS_LATE)
    rows = actions.with_columns(wait=pl.when(late).then(2).otherwise(0), origin=pl.lit("given"))
    return _known(rows, "ex_session", days).sort("known_on", "instrument", "kind")


def _known(rows: pl.DataFrame, day: str, days: Sequence[date]) -> pl.DataFrame:
    """Return rows known `wait` sessions after their `day`; never later than the last session."""
    place = pl.Series(days, dtype=pl.Date).search_sorted(rows[day]) + rows["wait"]
    known = pl.Series(days, dtype=pl.Date)[place.clip(0, len(days) - 1)]
    return rows.with_columns(known_on=known, delivery=known).drop("wait")


def _listings(
    listings: pl.DataFrame, bars: pl.DataFrame, symbols: Sequence[str], days: Sequence[date]
) -> pl.DataFrame:
    """Return what was known at each listing, and of each name that is gone, that it is."""
    called = dict(zip(listings["instrument"].to_list(), symbols, strict=False))
    symbol = pl.col("instrument").replace(called)
    begun = listings.with_columns(
        symbol=symbol, known_on="from_session", delivery="from_session", to_session=None
    )
    last = bars.group_by("instrument").agg(to_session=pl.col("session").max())
    gone = last.filter(pl.col("to_session") < days[-20])
    ended = begun.drop("to_session").join(gone, on="instrument")
    ended = _known(ended.with_columns(wait=pl.lit(12)), "to_session", days)
    both = [shaped(begun, LISTINGS), shaped(ended, LISTINGS)]
    return pl.concat(both).sort("known_on", "instrument")


def _members(called: pl.DataFrame, bars: pl.DataFrame, random: Random) -> pl.DataFrame:
    """Return who is in the index from its first session on, and who came and went later."""
    lives = bars.group_by("instrument").agg(
        first=pl.col("session").min(), sessions=pl.col("session").unique().sort()
    )
    rows = called.join(lives, on="instrument").sort("first", "instrument")
    told = []
    for row in rows.iter_rows(named=True):
        inside = random.random() < IN_INDEX
        told.append((row["first"], row["symbol"], int(inside)))
        if random.random() < CHANGES and len(row["sessions"]) > 2:
            when = row["sessions"][int(random.integers(1, len(row["sessions"])))]
            told.append((when, row["symbol"], int(not inside)))
    frame = pl.DataFrame(told, schema=["session", "symbol", "member"], orient="row")
    frame = frame.with_columns(index=pl.lit("index"), known_on="session", delivery="session")
    return shaped(frame, MEMBERS).sort("known_on", "symbol")


def _fundamentals(names: Sequence[str], days: Sequence[date], random: Random) -> pl.DataFrame:
    """Return the figures of each quarter since a year before, filed late and often restated."""
    march = date(days[0].year - 2, 3, 1)
    quarters = pl.date_range(march, days[-1], interval="1q", eager=True).dt.month_end()
    rows = pl.DataFrame({"instrument": list(names)}).join(
        pl.DataFrame({"period_end": quarters}), how="cross"
    )
    rows = rows.join(pl.DataFrame({"item": list(ITEMS)}), how="cross")
    value = np.exp(random.normal(18, 1, rows.height))
    annual = pl.when(pl.col("period_end").dt.month() == 12).then(pl.lit("10-K"))
    wait = pl.Series(random.integers(20, 60, size=rows.height))
    rows = rows.with_columns(
        value=pl.Series(value),
        form=annual.otherwise(pl.lit("10-Q")),
        symbol="instrument",
        wait=wait,
    )
    again = rows.filter(pl.Series(random.random(rows.height) < 0.2)).with_columns(
        pl.col("value") * 0.8, pl.col("wait") + 40, pl.col("form") + "/A"
    )
    filed = pl.concat([rows, again]).with_columns(
        known_on=pl.col("period_end") + pl.duration(days="wait")
    )
    later = pl.DataFrame({"day": days}, schema={"day": pl.Date})
    filed = filed.sort("known_on").join_asof(
        later, left_on="known_on", right_on="day", strategy="forward"
    )
    filed = filed.filter(pl.col("day").is_not_null())
    filed = filed.with_columns(known_on="day", delivery="day")
    return shaped(filed, FUNDAMENTALS).sort("known_on", "instrument", "item", "period_end")


def _series(days: Sequence[date], random: Random) -> pl.DataFrame:
    """Return series that walk at random, each known a session later, and one correction in ten."""
    parts = []
    for name, (start, step) in NAMES_OF_SERIES.items():
        walk = start + np.cumsum(random.normal(0, step, len(days)))
        rows = pl.DataFrame({"session": days, "value": np.abs(walk) + 0.01})
        rows = rows.with_columns(name=pl.lit(name), wait=pl.lit(1))
        again = rows.filter(pl.Series(random.random(rows.height) < 0.1))
        again = again.with_columns(pl.col("value") * 1.01, wait=pl.lit(5))
        parts += [_known(frame, "session", days) for frame in (rows, again)]
    return shaped(pl.concat(parts), SERIES).sort("known_on", "name", "session")
