"""The `afterclose data` commands: what the lake holds, and what the gate and people said of it."""

import json
from datetime import date, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

app = typer.Typer(help="Look at what was delivered and judged.", no_args_is_help=True)

SourceOption = Annotated[
    str | None, typer.Option(help="A name in conf/sources; empty: every one that holds data.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Day = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The vendor night.")]
STYLES = {"pass": "green", "warn": "yellow", "block": "bold red", "skip": "dim"}


@app.command()
def verdicts(source: SourceOption = None, as_json: Json = False) -> None:
    """Say what the gate said of every night: pass, warn, block or skip, and why."""
    _ready()
    from tasks.backfill import verdict_list
    from tasks.coverage import sources_with_data
    from tasks.settings import load_source, open_lake

    names = [source] if source else sources_with_data()
    for name in names:
        load_source(name)  # says which there are
    found = [one for name in names for one in verdict_list(open_lake(), name)]
    if as_json:
        typer.echo(json.dumps(found, default=str, indent=1))
        return
    table = Table(box=None)
    for column in ("source", "night", "verdict", "rows", "clean", "set aside", "reasons"):
        number = column in ("rows", "clean", "set aside")
        table.add_column(column, justify="right" if number else "left")
    for one in found:
        table.add_row(
            one["source"],
            str(one["night"]),
            Text(one["verdict"], style=STYLES[one["verdict"]]),
            *(f"{one[count]:,}" for count in ("rows", "clean", "quarantined")),
            Text("; ".join(one["reasons"])),
        )
    Console().print(table if found else "No delivery was judged yet.")


@app.command()
def status(source: SourceOption = None, as_json: Json = False) -> None:
    """Show coverage, freshness, quarantine and revisions of each source."""
    _ready()
    from tasks.coverage import coverage, sources_with_data

    found = [coverage(name) for name in ([source] if source else sources_with_data())]
    if as_json:
        typer.echo(json.dumps(found, default=str, indent=1))
        return
    console = Console()
    for one in found:
        console.print(_shown(one))
    if not found:
        console.print("No source has delivered yet: `afterclose ingest --source sample`.")


def _shown(one: dict[str, Any]) -> Table:
    table = Table(title=f"{one['source']}: {one['title']}", box=None, title_justify="left")
    table.add_column(style="dim")
    table.add_column()
    judged = ", ".join(f"{count} {verdict}" for verdict, count in one["verdicts"].items())
    lately = ", ".join(f"{rule} {count:,}" for rule, count in one["quarantined_lately"].items())
    behind = one["sessions_behind"]
    rows = {
        "nights": f"{one['first']} to {one['last']}: {judged or 'none judged'}"
        + (f"; {one['waiting']} landed but not judged" if one["waiting"] else ""),
        "newest": f"{one['newest_session']}, {behind} sessions behind"
        if behind is not None
        else "no clean row",
        "holds": f"{one['rows']:,} rows of {one['instruments']:,} instruments",
        "revised": f"{one['revised']:,} closes were changed by a later delivery",
        "set aside": f"{one['quarantined']:,} rows; in the last nights: {lately or 'none'}"
        + (f"; {one['cleared']} let out by a person" if one["cleared"] else ""),
    }
    for name, text in rows.items():
        table.add_row(name, Text(text))
    return table


@app.command()
def release(
    symbol: Annotated[str, typer.Argument(help="Whose rows were set aside.")],
    source: Annotated[str, typer.Option(help="A name in conf/sources.")],
    night: Day,
    reason: Annotated[str, typer.Option(help="Why the rows are right after all.")],
    session: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Only the row of this session; empty: all."),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who says so; empty: the user here.")] = None,
) -> None:
    """Let rows out of quarantine, for a reason that is kept, and judge what follows anew."""
    _ready()
    import getpass

    from flows.cli import finish, run
    from flows.quarantine import release as flow

    finish(
        run(
            flow,
            source=source,
            night=night.date(),
            symbol=symbol,
            session=_day(session),
            reason=reason,
            cleared_by=by or getpass.getuser(),
        )
    )


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _ready() -> None:
    from flows.cli import ready

    ready()
