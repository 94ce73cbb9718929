"""The `afterclose models` commands: who holds a contest's title, and how a person gives it."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import polars as pl

app = typer.Typer(help="See who holds a title, and give it.", no_args_is_help=True)

Contest = Annotated[str, typer.Argument(help="A name in conf/models.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the name of who says so.")]
By = Annotated[str | None, typer.Option(help="Who says so; empty: the user here.")]
AsOf = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Last session whose target stands; empty: the newest."),
]
NEWEST = 12  # rows of each table that are shown
STYLES = {"promote": "green", "vetoed": "bold red", "insufficient evidence": "yellow"}
LOOK = ["recipe", "verdict", "difference", "error", "t", "p", "adjusted_p", "level", "detectable"]


@app.command()
def promote(
    contest: Contest,
    recipe: Annotated[str, typer.Argument(help="One of its candidates.")],
    reason: Reason,
    by: By = None,
    as_of: AsOf = None,
) -> None:
    """Give a recipe the title from the next session on, for a reason that is kept."""
    _ready()
    from flows.promote import promote as flow

    _run(flow, reason, by, as_of, contest=contest, recipe=recipe)


@app.command()
def rollback(contest: Contest, reason: Reason, by: By = None, as_of: AsOf = None) -> None:
    """Take back the last change of the title, from the next session on, for a reason."""
    _ready()
    from flows.promote import rollback as flow

    _run(flow, reason, by, as_of, contest=contest)


@app.command()
def show(
    contest: Contest,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show who held the title, what was decided, and how the challengers stood at the last look."""
    _ready()
    from tasks.promote import overview

    _known(contest)
    found = overview(contest)
    if as_json:
        rows = {name: frame.to_dicts() for name, frame in found.items()}
        typer.echo(json.dumps(rows, default=str, indent=1))
        return
    console = Console()
    for name, frame in found.items():
        if frame.is_empty():
            console.print(f"{name}: none")
            continue
        console.print(_table(name, frame))
        if name == "last look":
            for row in frame.iter_rows(named=True):
                console.print(Text(f"{row['recipe']}: {row['reason']}"), soft_wrap=True)


def _table(name: str, frame: "pl.DataFrame") -> Table:
    """Return the newest rows of a frame; of a look the figures that decide."""
    title = name
    if name == "last look":
        first = frame.row(0, named=True)
        since = f" at the sessions since {first['since']}" if first["since"] else ""
        title = f"last look: {first['session']}{since}, against {first['champion']}"
        frame = frame.select(*LOOK, "sessions")
    table = Table(title=title, box=None, title_justify="left")
    for column, kind in frame.schema.items():
        table.add_column(column.replace("_", " "), justify="right" if kind.is_numeric() else "left")
    for row in frame.tail(NEWEST).iter_rows(named=True):
        table.add_row(*(_cell(column, value) for column, value in row.items()))
    return table


def _cell(column: str, value: Any) -> Text:
    if value is None:
        return Text("")
    if column == "verdict":
        return Text(value, style=STYLES.get(value, ""))
    if column in ("weights_hash", "before"):
        return Text(value[:12])
    return Text(f"{value:.4g}" if isinstance(value, float) else str(value))


def _run(flow: Any, reason: str, by: str | None, as_of: datetime | None, **given: str) -> None:
    import getpass

    from flows.cli import finish, run

    if not reason.strip():
        raise _refused("A title changes for a reason: say which with --reason.")
    _known(given["contest"])
    said = {"reason": reason, "decided_by": by or getpass.getuser()}
    finish(run(flow, **given, **said, as_of=as_of.date() if as_of else None))


def _known(contest: str) -> None:
    """Leave where there is no such contest, and say which there are."""
    from tasks.settings import load_contest

    try:
        load_contest(contest)
    except (FileNotFoundError, ValueError) as error:
        raise _refused(str(error)) from None


def _refused(why: str) -> typer.Exit:
    """Say why a command cannot be done as it was given; return what to raise."""
    typer.echo(why, err=True)
    return typer.Exit(2)


def _ready() -> None:
    from flows.cli import ready

    ready()
