"""The `afterclose audit` commands: what uses knowledge that it could not have had."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from tasks.audit import Audit

app = typer.Typer(help="Look for knowledge from the future.", no_args_is_help=True)

STYLES = {"clean": "green", "leak": "bold red", "nothing to judge": "yellow", "failed": "bold red"}
STYLES |= {"not repeatable": "yellow", "last bits only": "yellow"}
ADVICE = {
    "not repeatable": "Two runs over one market differ: fix the seed, the order and the number of "
    "threads, or name a `tolerance`, then audit again.",
    "last bits only": "No more than rounding moved: use sums that do not depend on how many names "
    "there are (math.fsum, or along sessions), or name a `tolerance`, then audit again.",
}
MOST_SILENT = 5  # columns that never answered, named in the table


@app.callback()
def _commands() -> None:
    """Look for knowledge from the future."""


@app.command()
def leaks(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[SET|CONTEST|MODEL]",
            help="A feature set, a contest or a model; empty: all sets and contests.",
        ),
    ] = None,
    bars: Annotated[
        Path | None,
        typer.Option(
            help="CSV or Parquet (session, symbol, open, high, low, close, volume, and vwap if "
            "there is) to audit a set on; empty: a small simulated market."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Cut, poison, shift and shuffle the future, run again, and name what moved before it.

    Features, members and scores must not move by a bit with what became known later; labels not
    with prices up to their own session. Leaves with 1 where something moved, where nothing could
    be judged, and where a study failed, which is named.
    """
    _ready()
    from tasks.audit import audits

    try:
        found = list(audits(name, bars=bars))
    except (FileNotFoundError, ValueError) as error:  # it says which there are, or what is wrong
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(
            json.dumps([_plain(one) for one in found], default=str, indent=1, allow_nan=False)
        )
    else:
        _show(found)
    if any(one.verdict != "clean" for one in found):
        raise typer.Exit(1)


def _plain(one: "Audit") -> dict[str, Any]:
    """Return an audit as names and values."""
    outputs = [output._asdict() | {"judged": output.judged} for output in one.outputs]
    moves = [move._asdict() | {"largest": _finite(move.largest)} for move in one.moves]
    return one._asdict() | {"verdict": one.verdict, "outputs": outputs, "moves": moves}


def _finite(value: float | None) -> float | None:
    """Return a number that JSON has a word for."""
    return value if value is not None and math.isfinite(value) else None


def _show(found: "list[Audit]") -> None:
    console = Console()
    table = Table(box=None)
    for column in ("audited", "verdict", "output", "values compared", "closes", "not judged"):
        number = column in ("values compared", "closes")
        table.add_column(column, justify="right" if number else "left")
    for one in found:
        if one.failure is not None:
            table.add_row(one.study, Text(one.verdict, style=STYLES[one.verdict]))
        for row, output in enumerate(one.outputs):
            first = row == 0
            table.add_row(
                one.study if first else "",
                Text(one.verdict, style=STYLES[one.verdict]) if first else "",
                output.name,
                f"{output.cells:,}",
                str(len(one.as_ofs)) if first else "",
                Text(_silent(output.silent, len(output.columns))),
            )
    console.print(table)
    for one in found:
        if one.moves:
            console.print(_moved(one))
        if one.verdict in ADVICE:
            console.print(Text(ADVICE[one.verdict]))
        if one.failure is not None:
            console.print(Text(f"{one.study} failed: {one.failure}"))


def _silent(silent: tuple[str, ...], columns: int) -> str:
    """Return which columns no alteration moved: nothing can be said of them."""
    if not silent:
        return ""
    if len(silent) == columns:
        return "all of it: it is constant, empty, or reads something else"
    more = len(silent) - MOST_SILENT
    return ", ".join(silent[:MOST_SILENT]) + (f" and {more} more" if more > 0 else "")


def _moved(one: "Audit") -> Table:
    table = Table(title=f"{one.study}: moved, and must not", box=None, title_justify="left")
    for column in (
        "output",
        "column",
        "what",
        "by",
        "sessions",
        "names",
        "first",
        "largest change",
    ):
        number = column in ("sessions", "names", "largest change")
        table.add_column(column, justify="right" if number else "left")
    for move in one.moves:
        largest = "" if move.largest is None else f"{move.largest:.3g}"
        counts = f"{move.sessions:,}", f"{move.names:,}"
        where = move.output, move.column, move.kind, ", ".join(move.by)
        table.add_row(*where, *counts, str(move.first), largest)
    return table


def _ready() -> None:
    from flows.cli import ready

    ready()
