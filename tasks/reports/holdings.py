"""The two tables a trader looks at: what to hold and why, and what changes."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from tasks.reports.paper import Column, Row, meter, paragraph, section, table
from tasks.reports.words import (
    NOTHING,
    basis_points,
    counted,
    listed,
    money,
    number,
    percent,
    text,
    with_error,
)


def holdings(targets: pl.DataFrame, currency: str, drawing: str) -> str:
    """Return the section of positions, largest first, with the chart `drawing` above the table."""
    size = pl.col("weight").abs()
    ordered = targets.sort(size, pl.col("instrument"), descending=[True, False])
    held = ordered.filter(pl.col("weight") != 0)
    left = (pl.col("weight") == 0) & (pl.col("current_shares") != 0)
    gone = ordered.filter(left)["symbol"].sort().to_list()
    words = (
        "A name is held for what it is expected to return, within its limits, and for how little "
        "risk it adds. Its share of the risk is that of the book\u2019s variance: beside the "
        "weight it shows who stirs the book and who calms it."
    )
    if held.is_empty():
        return section("What to hold, and why", paragraph("Cash alone."), _sold_out(gone))
    return section(
        "What to hold, and why",
        paragraph(words, "soft"),
        drawing,
        table(_target_columns(held, currency), held.rows(named=True)),
        _sold_out(gone),
    )


def _target_columns(held: pl.DataFrame, currency: str) -> list[Column]:
    largest = float(held["weight"].abs().max() or 0) or 1.0  # type: ignore[arg-type]
    columns = [
        Column("Symbol", lambda row: f"<b>{text(row['symbol'])}</b>", "t"),
        Column(
            "Weight",
            lambda row: (
                percent(row["weight"], 2)
                + meter(abs(row["weight"]) / largest, short=row["weight"] < 0)
            ),
        ),
        Column("Change", lambda row: _change(row["drift"])),
        Column("Shares", lambda row: number(row["shares"], 0)),
        Column("Price", lambda row: number(row["reference_price"], 2)),
        Column("Value", lambda row: money(row["value"], currency)),
        Column("Score", _score),
        Column("Expected return", lambda row: _expected(row)),
        Column("Share of risk", lambda row: percent(row["risk_contribution"])),
    ]
    if held["binding"].fill_null("").ne("").any():
        columns.append(Column("Held back by", lambda row: text(row["binding"]), "wrap"))
    return columns


def changes(orders: pl.DataFrame, summary: Mapping[str, Any], currency: str) -> str:
    """Return the section of orders, largest first, with their expected cost."""
    if orders.is_empty():
        return section("What changes", paragraph("Nothing: the book already holds its target."))
    ordered = orders.sort("notional", "instrument", descending=[True, False])
    bought = float(orders.filter(pl.col("side") == "buy")["notional"].sum())
    sold = float(orders.filter(pl.col("side") == "sell")["notional"].sum())
    words = (
        f"{counted(orders.height, 'order')}: buy {money(bought, currency)}, sell "
        f"{money(sold, currency)}. Commission, half the spread and our own impact should cost "
        f"{money(summary.get('cost'), currency)}, {number(summary.get('cost_bps'), 2)} bps of NAV."
    )
    if summary.get("first_investment"):
        words += " This is the first investment, exempt from the limit on turnover."
    return section(
        "What changes",
        paragraph(words),
        table(_order_columns(orders, currency), ordered.rows(named=True)),
    )


def _order_columns(orders: pl.DataFrame, currency: str) -> list[Column]:
    columns = [
        Column("Symbol", lambda row: f"<b>{text(row['symbol'])}</b>", "t"),
        Column("Side", _side, "t"),
        Column("Shares", lambda row: number(row["quantity"], 0)),
        Column("Limit price", lambda row: number(row["limit_price"], 2)),
        Column("Notional", lambda row: money(row["notional"], currency)),
    ]
    if orders["volume_share"].is_not_null().any():
        columns.append(Column("Of daily volume", lambda row: percent(row["volume_share"], 2)))
    return [*columns, Column("Expected cost", lambda row: money(row["cost"], currency, 2))]


def _score(row: Row) -> str:
    """Return the score, give or take how far its seeds differ."""
    spread = row.get("seed_spread")
    return number(row["score"], 3) if spread is None else with_error(row["score"], spread)


def _side(row: Row) -> str:
    tone = "good" if row["side"] == "buy" else "bad"
    return f'<span class="{tone}">{text(row["side"])}</span>'


def _change(drift: float | None) -> str:
    if drift is None or abs(drift) < 5e-5:
        return f'<span class="soft">{NOTHING}</span>'
    return percent(drift, 2, signed=True)


def _expected(row: Row) -> str:
    value = row["expected_return"]
    return basis_points(value, signed=True) if value else f'<span class="soft">{NOTHING}</span>'


def _sold_out(symbols: Sequence[str]) -> str:
    return paragraph(f"Sold out: {listed(symbols, most=40)}.", "small") if symbols else ""
