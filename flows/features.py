"""The command `afterclose features`: a feature set on a file of one's own."""

import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from tasks.features_file import Written


def features(
    name: Annotated[
        str, typer.Argument(metavar="SET", help="A feature set; a wrong name lists them.")
    ],
    bars: Annotated[
        Path,
        typer.Option(
            help="CSV or Parquet: session, symbol, close, and as many of open, high, low, volume, "
            "vwap and split as there are."
        ),
    ],
    out: Annotated[Path, typer.Option(help="CSV or Parquet to write.")],
    warm_up: Annotated[
        Literal["full", "partial"],
        typer.Option(help="Null until a window is full, or numbers of what there is of it."),
    ] = "full",
    actions: Annotated[
        Path | None, typer.Option(help="CSV or Parquet of splits: ex_session, symbol, kind, value.")
    ] = None,
    calendar: Annotated[
        str | None,
        typer.Option(help="Whose sessions, such as XNYS; empty: the dates in the file."),
    ] = None,
) -> None:
    """Compute a feature set on any file of bars."""
    from tasks.features_file import write_features

    began, console = time.perf_counter(), Console()
    try:
        with console.status(f"Computing {name} ..."):
            partial = warm_up == "partial"
            written = write_features(
                name, bars, out, partial=partial, actions=actions, calendar=calendar
            )
    except (OSError, ValueError) as error:  # it says what is wrong, and what to do
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    for warning in written.warnings:
        typer.echo(warning, err=True)
    console.print(_shown(name, written, time.perf_counter() - began))
    console.print(f"Written to {out}", soft_wrap=True, markup=False, highlight=False)


def _shown(name: str, written: "Written", seconds: float) -> Table:
    table = Table(box=None)
    cells = {
        "set": name,
        "names": f"{written.names:,}",
        "sessions": f"{written.sessions:,}",
        "features": f"{written.features:,}",
        "rows": f"{written.rows:,}",
        "null": f"{written.nulls:.1%}",
        "seconds": f"{seconds:.1f}",
        "GiB": f"{_peak():.2f}",
    }
    for column in cells:
        table.add_column(column, justify="left" if column == "set" else "right")
    table.add_row(*(Text(cell) for cell in cells.values()))
    return table


def _peak() -> float:
    """Return the most memory that this process held, in GiB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1024**3 if sys.platform == "darwin" else 1024**2)
