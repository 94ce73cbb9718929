"""Coverage of the lake: what each source has brought, how fresh it is, what was set aside."""

from datetime import date
from typing import Any, NamedTuple

import polars as pl

from tasks.backfill import holes
from tasks.market.fundamentals import is_annual
from tasks.market.lake import Lake
from tasks.settings import calendar, load_source, names_in, open_lake, resolve_session
from tasks.verdicts import landed_nights, verdicts_of

RECENT_NIGHTS = 20
CHANGED = 1e-9  # two prints that differ by less than this share are the same


class Held(NamedTuple):
    """How the rows are told apart that a source brings."""

    names: str  # column of whom a row speaks of
    key: tuple[str, ...]  # of what a later delivery may say otherwise
    value: str
    day: str  # column of how new a row is


HELD = {
    "bars": Held("instrument", ("session", "instrument"), "close", "session"),
    "series": Held("name", ("session", "name"), "value", "session"),
    "fundamentals": Held(
        "instrument", ("period_end", "instrument", "item", "form"), "value", "known_on"
    ),
}


def sources_with_data() -> list[str]:
    """Return the sources of which anything has landed or been judged."""
    lake = open_lake()
    judged = set(lake.read("verdicts", columns=["source"])["source"])
    landed = {name for name in names_in("sources") if landed_nights(lake, name)}
    return sorted(judged | landed)


def coverage(source: str) -> dict[str, Any]:
    """Return what is known of one source, as one plain record.

    first and last are its nights; `holes` counts the sessions between them that no delivery
    covers, and `sessions_behind` those that have closed since the newest clean row; `revised`
    counts the closes, values or figures (by `content`) that a later delivery changed.
    """
    lake, settings = open_lake(), load_source(source)
    verdicts, landed = verdicts_of(lake, source), landed_nights(lake, source)
    held = HELD[settings.content]
    rows = lake.read(
        settings.content,
        where={"source": [source]},
        columns=list({*held.key, held.names, held.value, held.day, "delivery", "known_on"}),
    )
    newest, due = rows[held.day].max(), resolve_session(source, None, None).session
    behind = _sessions_behind(settings.calendar, newest if isinstance(newest, date) else None, due)
    nights = verdicts["delivery"].to_list()
    return {
        "source": source,
        "title": settings.title,
        "content": settings.content,
        "first": nights[0] if nights else None,
        "last": nights[-1] if nights else None,
        "landed": len(landed),
        "waiting": len(landed) - verdicts.height,
        "verdicts": dict(verdicts.group_by("verdict").len().sort("verdict").iter_rows()),
        "holes": len(holes(lake, source, nights[0], nights[-1])) if nights else 0,
        "newest_session": newest,
        "sessions_behind": behind,
        "rows": rows.height,
        "instruments": rows[held.names].n_unique(),
        "revised": _revised(rows, held),
        **_quarantine(lake, source, verdicts),
    }


def _sessions_behind(name: str, newest: date | None, due: date) -> int | None:
    if newest is None:
        return None
    return max(len(calendar(name).sessions(min(newest, due), due)) - 1, 0)


def _revised(rows: pl.DataFrame, held: Held) -> int:
    """Return of how many keys a later delivery says otherwise than one before it.

    Of what one delivery says the last that became known counts: one may tell of many years, with
    what was corrected in them. A year and a quarter that end on one day are two figures.
    """
    if "form" in held.key:
        rows = rows.with_columns(form=is_annual())
    apart = rows.join(_differing(rows, held), on=held.key, how="semi")  # few are left to sort
    said = apart.sort("known_on").unique([*held.key, "delivery"], keep="last")
    return _differing(said, held).height


def _differing(rows: pl.DataFrame, held: Held) -> pl.DataFrame:
    """Return the keys of which the rows do not all say the same."""
    prints = rows.group_by(held.key).agg(
        low=pl.col(held.value).min(), high=pl.col(held.value).max()
    )
    largest = pl.max_horizontal(pl.col("low").abs(), pl.col("high").abs())
    return prints.filter(pl.col("high") - pl.col("low") > CHANGED * largest)


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
