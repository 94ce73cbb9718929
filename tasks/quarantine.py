"""Quarantine tasks: a person lets rows out that the gate set aside, and says why."""

import json
from collections.abc import Collection
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import polars as pl
from prefect import get_run_logger, task

from tasks.judge import (
    desk_before,
    drop,
    forget_derived,
    judge_nights,
    judged_night,
    refuse_if_read_meanwhile,
    sealed_until,
)
from tasks.locks import source_lock
from tasks.market import frames
from tasks.market.lake import Lake, Where
from tasks.settings import calendar, load_source, open_lake, open_source
from tasks.verdicts import verdicts_of

if TYPE_CHECKING:
    from expectations.desk import Judged

KEY = ["session", "symbol"]
CLEARED = "cleared by a person"


@task(task_run_name="clear-{source}-{night}-{symbol}")
def clear_rows(
    source: str,
    night: date,
    symbol: str,
    session: date | None,
    reason: str,
    cleared_by: str,
    cleared_at: datetime,
) -> str:
    """Let the rows of `symbol` out of the quarantine of one delivery, for a reason.

    The night is judged again as if they had broken no rule, and so are those after it that no
    release has read. Where a release has read that night, only what these rows tell is added, known
    from the session after it: what was released stays true to what was known. Returns what was
    done; raises `LookupError` where these rows cannot be had, for whoever asks.
    """
    if not reason.strip():
        raise ValueError("A row leaves quarantine for a reason: say which.")
    lake = open_lake()
    with source_lock(source):
        keys = _set_aside(lake, source, night, symbol, session)
        said = keys.with_columns(
            source=pl.lit(source),
            delivery=pl.lit(night),
            reason=pl.lit(reason.strip()),
            cleared_by=pl.lit(cleared_by),
            cleared_at=pl.lit(cleared_at.astimezone(UTC).isoformat(timespec="seconds")),
        )
        told = _out(lake, source, night, keys, frames.shaped(said, frames.CLEARED))
    get_run_logger().info("%s %s: %s cleared by %s", source, night, symbol, cleared_by)
    return f"{symbol} of {night}: {told}"


def _set_aside(
    lake: Lake, source: str, night: date, symbol: str, session: date | None
) -> pl.DataFrame:
    """Return the keys that are meant, or say what quarantine holds instead."""
    where: Where = {"source": [source], "delivery": [night]}
    held = lake.read("quarantine", where=where)
    meant = held.filter(pl.col("symbol") == symbol, pl.col("session").is_not_null())
    if session is not None:
        meant = meant.filter(pl.col("session") == session)
    if meant.is_empty():
        there = ", ".join(held["symbol"].unique().sort().head(10).to_list()) or "nothing"
        raise LookupError(
            f"Nothing of {symbol} lies in the quarantine of {source} {night}"
            f"{f' for {session}' if session else ''}; there is: {there}."
        )
    return meant.select(KEY).unique().sort(KEY)


def _out(lake: Lake, source: str, night: date, keys: pl.DataFrame, said: pl.DataFrame) -> str:
    """Write down what was said and judge what it touches; return what came of it.

    A night that no release has read loses its verdict first: a run that is killed meanwhile is
    found to be unfinished by whoever judges next.
    """
    sealed = sealed_until(source)
    judged = _judged_as_said(lake, source, night, said)
    left = judged.quarantine.join(keys, on=KEY, how="semi")
    if (out := keys.join(left, on=KEY, how="anti")).is_empty():
        rules = ", ".join(left["rule"].unique().sort())
        raise LookupError(
            f"No person can let these rows out: {rules}. Have the vendor send the night again."
        )
    refuse_if_read_meanwhile(source, sealed)
    verdicts = verdicts_of(lake, source)
    read = verdicts.filter(pl.col("known_on") <= (sealed or date.min))
    free = verdicts.join(read, on="delivery", how="anti").filter(pl.col("delivery") > night)
    nights = free["delivery"].sort().to_list()
    is_sealed = night in read["delivery"].to_list()
    if not is_sealed:
        drop(lake, "verdicts", {"source": [source], "delivery": [night]})
        nights = [night, *nights]
    symbols = said["symbol"].unique().to_list()
    over: Where = {"source": [source], "delivery": [night], "symbol": symbols}
    whole = pl.concat([lake.read("cleared", where=over), said]).unique(maintain_order=True)
    lake.replace("cleared", whole, over=over)
    blocked = judged.verdicts["verdict"].item() == "block"
    if is_sealed and not blocked:
        _add_late(lake, source, night, out, judged)
    if nights:
        judge_nights(lake, source, nights)
    if blocked:
        return "the night is blocked all the same"
    return f"{out.height} of {keys.height} rows have left quarantine"


def _judged_as_said(lake: Lake, source: str, night: date, said: pl.DataFrame) -> "Judged":
    """Return what the desk says of the night where rows were cleared as `said`."""
    desk = desk_before(lake, load_source(source), source, night)
    key = ["delivery", *KEY]
    desk.cleared = pl.concat([desk.cleared.join(said, on=key, how="anti"), said])
    raw = lake.read(f"raw/{source}", where={"night": [night]})
    return judged_night(desk, open_source(source), raw, night)


def _add_late(lake: Lake, source: str, night: date, out: pl.DataFrame, judged: "Judged") -> None:
    """Add what the rows that are `out` tell of a night that a release has read.

    All of it is known from the session after the release. The night's verdict stays; what it counts
    and who cleared what is brought up to date. The rows leave quarantine last: a run that is killed
    meanwhile can be done again.
    """
    over: Where = {"source": [source], "delivery": [night]}
    forget_derived(lake, source, judged.verdicts["known_on"].item())
    held = lake.read("quarantine", where=over).join(out, on=KEY, how="anti", nulls_equal=True)
    days = calendar(load_source(source).calendar)
    after, chains = days.next(days.on_or_before(night)), _chains_of(lake, source, out)
    for table, told in _told_by(judged, out, chains, until=after).items():
        standing = lake.read(table, where=over)
        same = [name for name in standing.columns if name != "known_on"]
        fresh = told.join(standing, on=same, how="anti", nulls_equal=True)
        lake.replace(table, pl.concat([standing, fresh]), over=over)
    lake.replace("verdicts", _recounted(lake, source, over, held), over=over)
    lake.replace("quarantine", held, over=over)


def _recounted(lake: Lake, source: str, over: Where, held: pl.DataFrame) -> pl.DataFrame:
    """Return the verdict that stands, with its rows counted anew and who cleared which."""
    from expectations.findings import noted

    settings, verdict = load_source(source), lake.read("verdicts", where=over)
    clean = lake.read(settings.content, where=over)
    if settings.content == "bars":
        clean = clean.filter(~pl.col("symbol").is_in(list(settings.continuous)))
    said = [
        f"{one['symbol']} {one['session']}: {one['cleared_by']} says {one['reason']}"
        for one in lake.read("cleared", where=over).iter_rows(named=True)
    ]
    cleared = noted(CLEARED, said, len(said), verdict["rows"].item(), "let through")
    before = json.loads(verdict["findings"].item())
    findings = [*(one for one in before if one["rule"] != CLEARED), cleared]
    return verdict.with_columns(
        clean=pl.lit(clean.height, pl.Int64),
        quarantined=pl.lit(int(held["rows"].sum()), pl.Int64),
        findings=pl.lit(json.dumps(findings, sort_keys=True, default=str)),
    )


def _chains_of(lake: Lake, source: str, out: pl.DataFrame) -> list[str]:
    """Return the continuous symbols that are chained from contracts among the rows `out`."""
    over: Where = {"source": [source], "symbol": out["symbol"].unique().to_list()}
    roots = set(lake.read("listings", where=over)["root"].drop_nulls())
    chains = load_source(source).continuous
    return [symbol for symbol, rules in chains.items() if rules.root in roots]


def _told_by(
    judged: "Judged", out: pl.DataFrame, chains: Collection[str], *, until: date
) -> dict[str, pl.DataFrame]:
    """Return by table what rows tell that are `out` of quarantine; bars come last.

    A bar may also be an exchange rate, and bring the action that explains it. One of a contract
    brings that of the continuous symbol it is in front of, one of `chains`, and the rolls that are
    paid by it: up to the session `until` after the night, since later ones are paid by closes it
    does not know.
    """
    chained = pl.col("symbol").is_in(list(chains))
    let_out = judged.bars.join(out, on=KEY, how="semi")
    in_front = judged.bars.filter(chained).join(
        let_out, on=["session", "open", "high", "low", "close"], how="semi", nulls_equal=True
    )
    bars = pl.concat([let_out, in_front])
    acted = bars.select("instrument", ex_session="session")
    explained = judged.actions.join(acted, on=["ex_session", "instrument"], how="semi")
    rolls = judged.actions.filter(pl.col("kind") == "roll", pl.col("ex_session") <= until)
    paid = rolls.join(judged.bars.filter(chained), on="instrument", how="semi")
    named = pl.col("symbol").is_in(out["symbol"].implode()) | chained
    return {
        "actions": pl.concat([explained, paid]).unique(maintain_order=True),
        "listings": judged.listings.filter(named),
        "series": judged.series.join(
            out.rename({"symbol": "name"}), on=["session", "name"], how="semi"
        ),
        "bars": bars,
    }
