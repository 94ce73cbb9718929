"""The gate: every delivery and every target passes here, or the night stops.

Row rules in polars set rows aside; suites of Great Expectations judge what is left and its
aggregates. It fails closed: an expectation that raises is a block, and so is an empty frame.
"""

from collections.abc import Iterable
from functools import cache
from math import isfinite
from typing import Any, Literal, NamedTuple

import great_expectations as gx
import polars as pl
from great_expectations.core import ExpectationSuite, ExpectationValidationResult
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.data_context.types.base import ProgressBarsConfig

from conf.schema import Book, SourceBase
from expectations import suites
from expectations.blocked import left_by_block
from expectations.classes import classes_of, signed_symbols
from expectations.eve import Eve as Eve
from expectations.facts import (
    Facts,
    asked_of_clean,
    limits_in_force,
    night_bounds,
    night_facts,
    target_bounds,
    target_facts,
    told_bounds,
    told_facts,
    usable_action,
)
from expectations.findings import EXAMPLES, Finding, row_findings, told_findings
from expectations.news import may_be_silent, nothing_new, overdue
from expectations.rules import sort_out
from expectations.sorting import Reach, counted
from expectations.told import Told, nothing_of, sort_told, without_lost_rates
from expectations.withdrawals import withdrawals
from tasks.market import frames
from tasks.market.adjust import is_nothing
from tasks.market.calendar import Calendar
from tasks.market.sources.protocol import Delivery

Verdict = Literal["pass", "warn", "block", "skip"]

_BLOCKS = {"critical": "blocked the night", "warning": "warned", "info": "noted"}


class Judgement(NamedTuple):
    """What the gate says of one delivery."""

    verdict: Verdict
    reasons: list[str]
    clean: pl.DataFrame  # `RAW_BARS`, sorted by session and symbol; empty on a block, as the rest
    quarantine: pl.DataFrame  # (session, symbol, rule, detail, rows), sorted
    findings: list[Finding]  # rule, severity, passed, rows, share, examples, action_taken, ...
    actions: pl.DataFrame  # `RAW_ACTIONS`: those to believe, withdrawals too; empty on a block
    told: Told  # listings, series, filings and memberships that may be believed


class TargetJudgement(NamedTuple):
    """What the gate says of one target portfolio."""

    verdict: Verdict
    reasons: list[str]
    findings: list[Finding]


def judge(
    delivery: Delivery, actions: pl.DataFrame, eve: Eve, source: SourceBase, calendar: Calendar
) -> Judgement:
    """Judge one delivery, with the `actions` (`RAW_ACTIONS`) given or inferred for it.

    Actions that say there was none take back what was known, or nothing. A night that is no session
    ends `skip`, and its rows of earlier sessions count all the same.
    A blocked night has no clean rows, so nobody can use them by mistake.
    """
    reach = _reach(delivery, source, calendar)
    told = sort_told(delivery, eve, reach)
    if source.content != "bars":
        return _judge_told(delivery, told, eve, source, reach)
    rows, said, actions = delivery.bars.height, actions, actions.filter(~is_nothing())
    classes = classes_of(
        delivery.bars["symbol"],
        eve.listed,
        told.listings,
        asset_class=source.asset_class,
        currency=source.currency,
    )
    done = sort_out(delivery.bars, actions, eve, classes, reach, source=source)
    holiday = _is_holiday(reach)
    gone = withdrawals(said, done.clean, eve)
    facts = night_facts(delivery.bars, done, actions, eve, reach) | gone.facts()
    bounds = night_bounds(
        rows,
        done,
        actions=actions.height,
        own_rows=eve.own_rows,
        source=source,
        reach=reach,
    )
    asked = "holiday" if holiday else "checked night" if source.cross_check else "night"
    findings = _validated(asked, pl.DataFrame([facts]), bounds, rows)
    if not done.clean.is_empty():  # without a clean row the night's own suite blocks
        signed = [*signed_symbols(classes), *done.cleared["symbol"]]
        findings += _validated("clean", asked_of_clean(done.clean, signed), {}, rows)
    verdict, reasons = _verdict(findings)
    if holiday and verdict != "block":
        verdict, reasons = "skip", ["holiday", *reasons]
    passed = done.clean.clear() if verdict == "block" else done.clean
    rated = without_lost_rates(told, delivery.bars, passed)
    told = told._replace(series=rated.series) if verdict == "block" else rated
    notes = [*row_findings(done, delivery.bars, eve, reach), *gone.notes(rows)]
    notes += told_findings(told, delivery)
    refused = done.refused.rename({"session": "ex_session"})
    usable = actions.filter(usable_action()).join(refused, on=refused.columns, how="anti")
    usable = pl.concat([usable, gone.taken])
    quarantine = pl.concat([done.quarantine, counted(told.aside)])
    if verdict == "block":
        told, left = left_by_block(told, eve, findings)
        notes += left
    findings = [*notes, *findings]
    return _judgement(verdict, reasons, done.clean, quarantine, findings, usable, told)


def _judge_told(
    delivery: Delivery, told: Told, eve: Eve, source: SourceBase, reach: Reach
) -> Judgement:
    """Judge a delivery of series or filings, which has no bars.

    A night that brings nothing is a block where there must be something, and else `skip`.
    """
    came, left = delivery.series, told.series
    if source.content == "fundamentals":
        came, left = delivery.fundamentals, told.fundamentals
    aside = counted(told.aside)
    late = overdue(left, eve, reach) if source.content == "series" else []
    facts = told_facts(came, left, int(aside["rows"].sum()), eve) | {"overdue": len(late)}
    findings = _validated("told", pl.DataFrame([facts]), told_bounds(came.height), came.height)
    verdict, reasons = _verdict(findings)
    if came.is_empty() and _is_holiday(reach):
        verdict, reasons = "skip", ["holiday"]
    elif came.is_empty() and may_be_silent(eve, reach):
        verdict, reasons = _verdict(f for f in findings if f["fault"] != "delivery")
    silent = nothing_new(left, eve) if source.content == "series" else came.is_empty()
    if silent and verdict == "pass":
        verdict, reasons = "skip", ["nothing new"]
    findings = [*told_findings(told, delivery, late), *findings]
    if verdict == "block":
        told = nothing_of(told)
    none = frames.empty(frames.RAW_BARS), frames.empty(frames.RAW_ACTIONS)
    return _judgement(verdict, reasons, none[0], aside, findings, none[1], told)


def _judgement(
    verdict: Verdict,
    reasons: list[str],
    clean: pl.DataFrame,
    quarantine: pl.DataFrame,
    findings: list[Finding],
    actions: pl.DataFrame,
    told: Told,
) -> Judgement:
    """Return the judgement; on a block no bar and no action that came may be used."""
    if verdict == "block":
        clean, actions = clean.clear(), actions.clear()
    return Judgement(verdict, reasons, clean, quarantine, findings, actions, told)


def _is_holiday(reach: Reach) -> bool:
    return reach.observed and reach.night != reach.sessions[-1]


def judge_targets(targets: pl.DataFrame, book: Book) -> TargetJudgement:
    """Judge a target portfolio (`DRAFT_TARGETS`) against sense and the book's limits.

    It may be empty only where the book says so, by no fewest number of names.
    """
    targets = frames.shaped(targets, frames.DRAFT_TARGETS)
    columns = ["instrument", "symbol", "weight", "value", "shares", "current_shares"]
    fewest: Facts = {"fewest": book.limits.names.min if book.limits.names else 1}
    findings = _validated("target rows", targets.select(columns), fewest, targets.height)
    verdict, reasons = _verdict(findings)
    if verdict != "block":
        in_force = limits_in_force(book, suites.TARGET_LIMITS)
        facts = pl.DataFrame([target_facts(targets, book)])
        asked = " ".join(["target facts", *in_force])
        findings += _validated(asked, facts, target_bounds(book), targets.height)
        verdict, reasons = _verdict(findings)
    return TargetJudgement(verdict, reasons, findings)


def _reach(delivery: Delivery, source: SourceBase, calendar: Calendar) -> Reach:
    last = calendar.on_or_before(delivery.night)
    if delivery.vintage == "assumed":
        return Reach(calendar.sessions(source.starts, last), delivery.night, observed=False)
    known = calendar.sessions(calendar.offset(last, -source.look_back), last)
    half = calendar.is_half_day(last)
    return Reach(known, delivery.night, observed=True, half_day=half)


# --- Great Expectations --------------------------------------------------------------------------


@cache
def _batches() -> BatchDefinition[Any]:
    """Return the one door to pandas frames, in a context that lives in memory only."""
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(enable=False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("gate").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("whole")


@cache
def _suite(asked: str) -> ExpectationSuite:
    """Return a suite by name; a target's facts are followed by the limits in force."""
    if asked.startswith("target facts"):
        limits = asked.split()[2:]
        expectations = [*suites.TARGET_FACTS, *(e for n in limits for e in suites.TARGET_LIMITS[n])]
    else:
        expectations = {
            "night": [*suites.OWN_SESSION, *suites.EVERY_NIGHT],
            "checked night": [*suites.OWN_SESSION, *suites.EVERY_NIGHT, *suites.CHECKED],
            "holiday": suites.EVERY_NIGHT,
            "clean": suites.CLEAN_BARS,
            "told": suites.TOLD,
            "target rows": suites.TARGET_ROWS,
        }[asked]
    return ExpectationSuite(name=asked, expectations=expectations)


def _validated(asked: str, frame: pl.DataFrame, parameters: Facts, rows: int) -> list[Finding]:
    """Return one finding for each expectation of the suite, in the suite's order."""
    batch = _batches().get_batch(batch_parameters={"dataframe": frame.to_pandas()})
    result = batch.validate(
        _suite(asked), result_format="BASIC", expectation_parameters=dict(parameters)
    )
    said = {_config(r).meta["rule"]: r for r in result.results}
    asked_rules = [(e.meta or {})["rule"] for e in _suite(asked).expectations]
    if missing := [rule for rule in asked_rules if rule not in said]:
        raise RuntimeError(f"The suite {asked!r} gave no result for {', '.join(missing)}.")
    return [_finding(said[rule], rows) for rule in asked_rules]


def _finding(result: ExpectationValidationResult, rows: int) -> Finding:
    """Return one result of a suite as a plain record; an exception counts as a critical failure."""
    said = _config(result)
    raised = _exceptions(result.exception_info)
    observed = result.result.get("observed_value")
    unexpected = result.result.get("unexpected_count")
    count = observed if unexpected is None else unexpected
    severity = "critical" if raised else str(said.severity.value)
    return {
        "rule": said.meta["rule"],
        "layer": "suite",
        "severity": severity,
        "passed": bool(result.success) and not raised,
        "reason": f"cannot be judged: {said.meta['reason']}" if raised else said.meta["reason"],
        "fault": said.meta["fault"],
        "observed": float(count) if count is not None and isfinite(count) else None,
        "bounds": {k: float(v) for k, v in said.kwargs.items() if k in ("min_value", "max_value")},
        "rows": rows,
        "share": None,
        "examples": raised[:EXAMPLES],
        "action_taken": "none" if result.success and not raised else _BLOCKS[severity],
    }


def _config(result: ExpectationValidationResult) -> Any:
    if result.expectation_config is None or not result.expectation_config.meta:
        raise RuntimeError("A result of the suite does not say which expectation it belongs to.")
    return result.expectation_config


def _exceptions(info: dict[str, Any]) -> list[str]:
    """Return what was raised inside an expectation; the record is flat or keyed by metric."""
    each = [info] if "raised_exception" in info else list(info.values())
    return sorted({str(e.get("exception_message")) for e in each if e.get("raised_exception")})


def _verdict(findings: Iterable[Finding]) -> tuple[Verdict, list[str]]:
    """Return the worst severity that failed; of each fault the first to fail gives the reason."""
    failed = [f for f in findings if not f["passed"]]
    worst: Verdict = "pass"
    if failed:
        worst = "block" if any(f["severity"] == "critical" for f in failed) else "warn"
    speaking = {f["fault"]: f["reason"] for f in reversed(failed)}
    kept = [f for f in failed if worst != "block" or f["severity"] == "critical"]
    return worst, list(dict.fromkeys(speaking[f["fault"]] for f in kept))
