"""Coverage of the lake: what each source has brought, how fresh it is, what was set aside."""

from datetime import date
from typing import Any

import polars as pl

from tasks.judge import verdicts_of
from tasks.market.lake import Lake
from tasks.settings import calendar, load_source, names_in, open_lake, resolve_session

RECENT_NIGHTS = 20
CHANGED = 1e-9  # closes of two prints that differ by less than this share are the same


def sources_with_data() -> list[str]:
    """Return the sources of which anything has landed or been judged."""
    lake = open_lake()
    judged = set(lake.read("verdicts", columns=["source"])["source"])
    landed = {name for name in names_in("sources") if f"raw/{name}" in lake.tables()}
    return sorted(judged | landed)


def coverage(source: str) -> dict[str, Any]:
    """Return what is known of one source, as one plain record.

    first and last are its nights; `sessions_behind` counts the sessions that have closed since the
    newest clean one; `revised` counts the (session, instrument) whose close a later delivery
    changed.
    """
    lake, settings = open_lake(), load_source(source)
    verdicts = verdicts_of(lake, source)
    landed = lake.read(f"raw/{source}", columns=["night"])["night"].unique()
    bars = lake.read(
        "bars",
        where={"source": [source]},
        columns=["session", "instrument", "close", "known_on", "delivery"],
    )
    newest, due = bars["session"].max(), resolve_session(source, None, None).session
    behind = _sessions_behind(settings.calendar, newest if isinstance(newest, date) else None, due)
    return {
        "source": source,
        "title": settings.title,
        "first": verdicts["delivery"].min(),
        "last": verdicts["delivery"].max(),
        "landed": landed.len(),
        "waiting": landed.len() - verdicts.height,
        "verdicts": dict(verdicts.group_by("verdict").len().sort("verdict").iter_rows()),
        "newest_session": newest,
        "sessions_behind": behind,
        "rows": bars.height,
        "instruments": bars["instrument"].n_unique(),
        "revised": _revised(bars),
        **_quarantine(lake, source, verdicts),
    }


def _sessions_behind(name: str, newest: date | None, due: date) -> int | None:
    if newest is None:
        return None
    return max(len(calendar(name).sessions(min(newest, due), due)) - 1, 0)


def _revised(bars: pl.DataFrame) -> int:
    prints = bars.group_by("session", "instrument").agg(
        low=pl.col("close").min(), high=pl.col("close").max()
    )
    moved = (pl.col("high") - pl.col("low")).abs() > CHANGED * pl.col("high").abs()
    return prints.filter(moved).height


def _quarantine(lake: Lake, source: str, verdicts: pl.DataFrame) -> dict[str, Any]:
    """Return how many rows were set aside in all and lately, by which rules, and let out again."""
    where = {"source": [source]}
    held = lake.read("quarantine", where=where)
    recent = held.join(verdicts.tail(RECENT_NIGHTS), on="delivery", how="semi")
    rules = recent.group_by("rule").agg(pl.col("rows").sum()).sort("rows", "rule", descending=True)
    return {
        "quarantined": int(held["rows"].sum()),
        "quarantined_lately": dict(rules.head(5).iter_rows()),
        "cleared": lake.read("cleared", where=where).height,
    }
