"""What the command line shows a person: targets, reasons, and where to look on."""

from datetime import date
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.environment import recorded_server
from flows.outcomes import Outcome
from tasks.releases import newest, page_of
from tasks.settings import data_folder
from tasks.why import Reasons, reasons

MOST_ROWS = 30


def show_lines(outcomes: list[dict[str, Any]]) -> None:
    """Print one line for each outcome."""
    console = Console()
    for outcome in outcomes:
        one = Outcome(**outcome)
        console.print(Text(one.line(), style="green" if one.good else "bold red"), soft_wrap=True)


def show_night(outcomes: list[dict[str, Any]]) -> None:
    """Print the targets of each book that has one, and where the page and the UIs are."""
    console = Console()
    for outcome in outcomes:
        released = newest(Outcome(**outcome).what)
        if released is None:
            continue
        if outcome["status"] in ("released", "nothing new"):
            console.print(_targets(released.path, str(released.session)))
        else:
            console.print(f"{released.book} keeps its target of {released.session}.")
        console.print(f"Release  {released.path}", soft_wrap=True)
        console.print(f"Page     {page_of(released.book, released.session)}", soft_wrap=True)
        console.print(f"Hash     {released.content_hash}", soft_wrap=True)
    console.print(_uis(), soft_wrap=True)
    show_lines(outcomes)


def _targets(folder: Any, session: str) -> Table:
    rows = pl.read_parquet(folder / "targets.parquet").sort("weight", descending=True)
    shown = rows.filter((pl.col("shares") != 0) | (pl.col("current_shares") != 0))
    table = Table(title=f"{folder.parent.parent.name}: targets after {session}")
    for column in ("symbol", "weight", "shares", "trade", "price", "expected", "risk", "binding"):
        left = column in ("symbol", "binding")
        table.add_column(column, justify="left" if left else "right")
    for row in shown.head(MOST_ROWS).iter_rows(named=True):
        table.add_row(
            row["symbol"],
            f"{row['weight']:.2%}",
            f"{row['shares']:,}",
            f"{row['shares'] - row['current_shares']:+,}",
            f"{row['reference_price']:,.2f}",
            f"{row['expected_return'] or 0.0:+.3%}",
            f"{row['risk_contribution'] or 0.0:.1%}",
            row["binding"] or "",
        )
    if shown.height > MOST_ROWS:
        table.caption = f"and {shown.height - MOST_ROWS} more in targets.parquet"
    return table


def _uis() -> str:
    servers = recorded_server(data_folder())
    if servers:
        return f"UIs      Prefect {servers.prefect}   MLflow {servers.mlflow}"
    return "UIs      `make up` starts the Prefect UI (127.0.0.1:4200) and MLflow (127.0.0.1:5000)"


def show_why(book: str, symbol: str, as_of: date | None) -> None:
    """Print why `book` wants what it wants of `symbol`."""
    console = Console()
    found = reasons(book, symbol, as_of)
    console.print(_facts(found, symbol))
    for title, rows in (
        ("its last rows, as known then", found.bars),
        ("set aside by the gate", found.quarantine),
        ("the contest's last information coefficients", found.record),
    ):
        console.print(f"\n{title}:")
        with pl.Config(tbl_cols=-1, tbl_width_chars=160, tbl_hide_dataframe_shape=True):
            console.print(str(rows) if rows.height else "none", soft_wrap=True, markup=False)


def _facts(found: Reasons, symbol: str) -> Table:
    champion, told = found.manifest["champion"], found.manifest["information_coefficient"]
    table = Table(title=f"{symbol} in {found.released.book}, {found.released.session}")
    table.add_column("what")
    table.add_column("is")
    held = found.target or {"weight": 0.0, "shares": 0, "current_shares": 0}
    rows = {name: value for name, value in held.items() if name != "instrument"}
    rows["order"] = f"{found.order['side']} {found.order['quantity']}" if found.order else "none"
    rows["forecast"] = _sure(found.forecast)
    rows["champion"] = f"{champion['recipe']}, fitted {champion['from_session']}"
    rows["weights"] = champion["weights_hash"]
    rows["record"] = (
        f"IC {told['value']:.4f} ± {told['error']:.4f} over {told['count']} sessions; "
        f"{told['shrunk']:.4f} of it is believed"
    )
    rows["drift"] = found.manifest.get("drift", {}).get("reason", "not judged")
    rows["release"] = found.released.content_hash
    rows["bars seen"] = found.manifest["seen"]["bars"]
    for name, value in rows.items():
        table.add_row(name, f"{value:.6g}" if isinstance(value, float) else str(value))
    return table


def _sure(forecast: dict[str, Any] | None) -> str:
    """Return what a forecast expects of the label, and how sure that is."""
    if forecast is None:
        return "none"
    width, spread = forecast["half_width"], forecast["seed_spread"]
    sure = "too few labels known to say how sure"
    if width is not None:
        sure = f"± {width:.2f} nine times in ten"
    seeds = "" if spread is None else f"; seeds differ by {spread:.2f} of a score"
    return f"{forecast['expected']:+.3f} deviations of the session's labels, {sure}{seeds}"
