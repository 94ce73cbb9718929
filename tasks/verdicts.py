"""What stands of nights: which landed, the verdict on each, and which speaks for another."""

from datetime import date
from typing import Any

import polars as pl

from tasks.market.lake import Lake, Where, content_hash
from tasks.settings import load_source

# By content. A figure that comes out may be about a month long gone: it speaks of when it came.
DATED_BY = {"bars": "session", "series": "known_on", "fundamentals": "known_on"}


def landed_nights(lake: Lake, source: str) -> list[date]:
    """Return the nights of `source` whose payloads are kept, oldest first."""
    return sorted(set(lake.read(f"raw/{source}", columns=["night"])["night"]))


def serving(lake: Lake, source: str, night: date) -> dict[str, Any] | None:
    """Return the verdict on the delivery of `night`: its own, or that of history in one go."""
    verdicts = verdicts_of(lake, source)
    own = verdicts.filter(pl.col("delivery") == night)
    if own.is_empty():
        spans = history_spans(lake, source)
        covers = [delivery for first, delivery in spans if first <= night <= delivery]
        own = verdicts.filter(pl.col("delivery").is_in(covers))
    return None if own.is_empty() else own.row(0, named=True)


def history_spans(lake: Lake, source: str) -> list[tuple[date, date]]:
    """Return from when to when each delivery speaks that is not of its night alone, oldest first.

    History in one go speaks from its first clean row on. A night that was pulled late is `assumed`
    too, and speaks of its own session. A source that begins with history that was blocked has
    nothing else to say of all that came before.
    """
    verdicts = verdicts_of(lake, source)
    assumed = verdicts.filter(pl.col("vintage") == "assumed")
    if assumed.is_empty():
        return []
    table = load_source(source).content
    where: Where = {"source": [source], "delivery": assumed["delivery"].to_list()}
    rows = lake.read(table, where=where, columns=["delivery", DATED_BY[table]])
    spans = rows.group_by("delivery").agg(first=pl.col(DATED_BY[table]).min())
    begins = assumed.filter(
        pl.col("delivery") == verdicts["delivery"][0], pl.col("verdict") == "block"
    ).select("delivery", first=pl.lit(date.min))
    told = pl.concat([spans, begins]).sort("delivery")
    return list(told.select("first", "delivery").iter_rows())


def verdicts_of(lake: Lake, source: str) -> pl.DataFrame:
    """Return the verdicts on the deliveries of `source`, oldest night first."""
    return lake.read("verdicts", where={"source": [source]}).sort("delivery")


def judged_hash(lake: Lake, source: str, as_of: date) -> str:
    """Return the hash of what was judged of `source` and is known at `as_of`.

    It changes where a night lands late, is judged to another end or has other rows let out by then;
    while nights are written, their verdicts are gone.
    """
    verdicts = verdicts_of(lake, source).filter(pl.col("known_on") <= as_of)
    return content_hash(verdicts.drop("findings", "reasons"))
