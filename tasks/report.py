"""Report tasks: the page to read over breakfast, the gate's page, and what the Prefect UI shows."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from prefect import get_run_logger, runtime, task
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)

from tasks.execution.release import manifest_of
from tasks.execution.standing import Released
from tasks.market import frames
from tasks.market.lake import Lake
from tasks.market.windows import recent_returns
from tasks.releases import page_of, release_at
from tasks.reports.morning import Morning, morning_page
from tasks.reports.verdict import verdict_page
from tasks.risk.tail import coverage, portfolio_tail
from tasks.settings import data_folder, load_source, open_lake, open_source, tracking_uri
from tasks.statistics.hac import hac_mean, label_lags
from tasks.vantage import Vantage
from tasks.verdicts import serving

SHOWN_VERDICTS = 60  # newest deliveries on the gate's page
COVERED_OVER = 250  # newest sessions whose intervals are told about
TABLE_ROWS = 50  # of the targets in the Prefect UI


@task(task_run_name="report-{book}-{as_of}")
def write_report(book: str, as_of: date) -> str:
    """Write the morning page of the book's release of `as_of`, and the artifacts of the run."""
    released = release_at(book, as_of)
    if released is None:
        raise LookupError(f"Book {book!r} has no release of {as_of} to report on.")
    lake = open_lake()
    vantage = Vantage(lake, book, as_of, as_of)
    morning = _morning(lake, vantage, released, as_of)
    path = page_of(book, as_of)
    _write(path, morning_page(morning))
    if runtime.flow_run.id:
        _show(morning, path)
    get_run_logger().info("%s: page %s", book, path)
    return str(path)


@task(task_run_name="gate-page-{source}-{as_of}")
def write_gate_page(source: str, as_of: date) -> str:
    """Write the page of the gate's newest verdicts on `source`."""
    lake = open_lake()
    verdicts = lake.read("verdicts", where={"source": [source]}).sort("delivery")
    shown = verdicts.tail(SHOWN_VERDICTS)
    quarantine = lake.read("quarantine", where={"source": [source]})
    quarantine = quarantine.filter(pl.col("delivery").is_in(shown["delivery"].implode()))
    path = data_folder() / "reports" / "gate" / f"{source}.html"
    _write(path, verdict_page(shown, quarantine))
    if runtime.flow_run.id and shown.height:
        last = shown.row(-1, named=True)
        words = f"**{last['verdict']}** {last['reasons']}  \n{last['clean']} of {last['rows']} rows"
        words += f" passed, {last['quarantined']} in quarantine.  \nPage: `{path}`"
        create_markdown_artifact(
            words, key=_key(f"gate-{source}"), description="The gate's verdict"
        )
    return str(path)


def _morning(lake: Lake, vantage: Vantage, released: Released, as_of: date) -> Morning:
    manifest, mandate = manifest_of(released.path), vantage.mandate
    targets = pl.read_parquet(released.path / "targets.parquet")
    forecasts = vantage.scores.get((as_of,), frames.empty(frames.FORECASTS))
    spreads = frames.shaped(forecasts, frames.FORECASTS).select("instrument", "seed_spread")
    tail, cover = _risk(vantage, targets, as_of)
    ledger = lake.read(f"ledger/{released.book}").filter(pl.col("session") <= as_of)
    record, ic = _record(vantage, manifest, as_of)
    return Morning(
        book=released.book,
        title=mandate.title,
        currency=mandate.currency,
        session=as_of,
        next_session=vantage.days.next(as_of),
        content_hash=released.content_hash,
        revision=released.revision,
        warn=mandate.warn,
        verdict=serving(lake, mandate.source, as_of) or {},
        summary=manifest["summary"],
        targets=targets.join(spreads, on="instrument", how="left", maintain_order="left"),
        orders=pl.read_parquet(released.path / "orders.parquet"),
        checks=_checks(released),
        solver=manifest["solver"],
        tail=tail,
        coverage=cover[0],
        kupiec=cover[1],
        nav=ledger.group_by("session").agg(pl.col("nav").first()).sort("session"),
        record=record,
        ic=ic,
        drift=manifest.get("drift", {}),
        truth=_truth(vantage, targets, as_of),
    )


def _checks(released: Released) -> list[dict[str, Any]]:

    checks: list[dict[str, Any]] = json.loads((released.path / "checks.json").read_bytes())
    return checks


def _risk(
    vantage: Vantage, targets: pl.DataFrame, as_of: date
) -> tuple[dict[str, float], tuple[pl.DataFrame, float | None]]:
    """Return the tail of the targets, and how their VaR would have held over the past."""
    view, conf = vantage.roll(as_of), vantage.mandate.risk
    weight_of = dict(targets.select("instrument", "weight").iter_rows())
    columns = [place for place, name in enumerate(view.instruments) if name in weight_of]
    weights_N = np.array([weight_of[view.instruments[place]] for place in columns])
    past = conf.look_back + conf.coverage_sessions
    returns_TN = recent_returns(view, past)[:, columns]
    tail = portfolio_tail(weights_N, returns_TN, conf)
    held = coverage(weights_N, returns_TN, conf)
    days = view.sessions[-len(returns_TN) :]
    frame = held.sessions.with_columns(
        session=pl.Series([days[place] for place in held.sessions["index"]], dtype=pl.Date)
    ).select("session", "loss", "exceeded", var_95="var")
    return tail._asdict(), (frame, held.kupiec if held.judged else None)


def _record(
    vantage: Vantage, manifest: dict[str, Any], as_of: date
) -> tuple[dict[str, Any], pl.DataFrame]:
    """Return the champion's record as the page tells it, and its daily ICs."""
    known = vantage.record.filter(pl.col("known_on") <= as_of).sort("session")
    horizon = vantage.rules.horizon
    lags = label_lags(known.height, horizon=horizon)
    rank = hac_mean(known["rank_ic"].to_numpy(), lags=lags)
    told, champion = manifest["information_coefficient"], manifest["champion"]
    record = {
        "contest": vantage.mandate.contest,
        "recipe": champion["recipe"],
        "fitted_on": date.fromisoformat(str(champion["from_session"])),
        "horizon": horizon,
        "sessions": told["count"],
        "ic": told["value"],
        "ic_error": told["error"],
        "t": told["t"],
        "shrunk_ic": told["shrunk"],
        "rank_ic": rank.value,
        "rank_ic_error": rank.error,
        "half_width": _half_width(vantage, as_of),
        "covered": known["covered"].tail(COVERED_OVER).mean(),
        "drift_switched_off": dict(vantage.mandate.drift_switched_off),
    }
    return record, known.select("session", "ic")


def _half_width(vantage: Vantage, as_of: date) -> float | None:
    """Return how far from what is expected nine labels in ten should fall; None where unknown."""
    forecasts = vantage.scores.get((as_of,), frames.empty(frames.FORECASTS))
    widths = frames.shaped(forecasts, frames.FORECASTS)["half_width"].to_list()
    return widths[0] if widths else None


def _truth(vantage: Vantage, targets: pl.DataFrame, as_of: date) -> pl.DataFrame | None:
    """Return the estimate beside the planted truth, for simulated books alone."""
    if load_source(vantage.mandate.source).kind != "simulated":
        return None
    from tasks.market.sources.simulated import SimulatedData

    source = open_source(vantage.mandate.source)
    if not isinstance(source, SimulatedData):
        raise TypeError(f"{vantage.mandate.source} says it is simulated but knows no truth.")
    truth = source.truth().filter(pl.col("session") == as_of)
    named = targets.select("symbol", "expected_return")
    return named.join(truth.select("symbol", truth="expected_return"), on="symbol", how="inner")


def _show(morning: Morning, path: Path) -> None:
    """Show the release in the Prefect UI: a summary, the targets, and links."""
    summary, key = morning.summary, _key(morning.book)
    links = f"MLflow: {tracking_uri()}\n" if tracking_uri().startswith("http") else ""
    create_markdown_artifact(
        f"## {morning.book}: targets after {morning.session}\n\n"
        f"| | |\n|---|---|\n| NAV | {summary['nav']:,.0f} {morning.currency} |\n"
        f"| names | {summary['names']} |\n| turnover | {summary['turnover']:.2%} |\n"
        f"| expected cost | {summary['cost']:,.0f} {morning.currency} |\n"
        f"| volatility | {summary['volatility']:.1%} a year |\n"
        f"| VaR 95 %, one day | {morning.tail['var_95']:.2%} |\n"
        f"| content hash | `{morning.content_hash}` |\n\nPage: `{path}`\n\n{links}",
        key=f"{key}-summary",
        description=f"{morning.book} {morning.session}",
    )
    columns = ["symbol", "weight", "shares", "reference_price", "expected_return", "binding"]
    rows = morning.targets.sort("weight", descending=True).select(columns).head(TABLE_ROWS)
    create_table_artifact(
        rows.to_dicts(), key=f"{key}-targets", description=f"{morning.book} {morning.session}"
    )
    create_link_artifact(path.as_uri(), link_text="The morning page", key=f"{key}-page")


def _key(name: str) -> str:
    return name.replace("_", "-")


def _write(path: Path, text: str) -> None:
    """Write the page whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_suffix(".partial")
    staged.write_text(text)
    staged.rename(path)
