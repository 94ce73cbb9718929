"""The `afterclose data` commands: what the lake holds, and what the gate and people said of it."""

import json
from datetime import datetime
from pathlib import Path
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

WORDS = {  # what a source brings -> whom its rows speak of, and what they say
    "bars": ("instruments", "closes"),
    "series": ("series", "values"),
    "fundamentals": ("instruments", "figures"),
}


@app.command()
def verdicts(source: SourceOption = None, as_json: Json = False) -> None:
    """Say what the gate said of every night: pass, warn, block or skip, and why."""
    _ready()
    from tasks.backfill import verdict_list
    from tasks.settings import open_lake

    found = [one for name in _sources(source) for one in verdict_list(open_lake(), name)]
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
    """Show coverage, freshness, quarantine and revisions of each source.

    One that holds data but whose settings are gone or wrong is named, and the others are shown.
    """
    _ready()
    from tasks.coverage import coverage

    names = _sources(source)
    found = [coverage(name) for name in names if _has_settings(name)]
    if as_json:
        typer.echo(json.dumps(found, default=str, indent=1))
        return
    console = Console()
    for one in found:
        console.print(_shown(one))
    if not names:
        console.print("No source has delivered yet: `afterclose ingest --source sample`.")


def _shown(one: dict[str, Any]) -> Table:
    table = Table(title=f"{one['source']}: {one['title']}", box=None, title_justify="left")
    table.add_column(style="dim")
    table.add_column()
    judged = ", ".join(f"{count} {verdict}" for verdict, count in one["verdicts"].items())
    waiting = f"{one['waiting']} landed but not judged" if one["waiting"] else ""
    span = f"{one['first']} to {one['last']}: {judged}" if judged else "none judged"
    lately = ", ".join(f"{rule} {count:,}" for rule, count in one["quarantined_lately"].items())
    holes, behind = one["holes"], one["sessions_behind"]
    names, values = WORDS[one["content"]]
    late = f"{behind} session{'s' * (behind != 1)} behind" if behind else "as new as can be"
    rows = {
        "nights": f"{span}; {waiting}" if waiting else span,
        "newest": "no clean row" if behind is None else f"{one['newest_session']}, {late}",
        "never came": f"{holes} session{'s' * (holes != 1)} between those nights",
        "holds": f"{one['rows']:,} rows of {one['instruments']:,} {names}",
        "revised": f"{one['revised']:,} {values} were changed by a later delivery",
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
    data = _ready()
    if not reason.strip():
        raise _refused("A row leaves quarantine for a reason: say which with --reason.")
    _sources(source)
    import getpass

    from flows.cli import finish, run
    from flows.logs import keep_errors
    from flows.quarantine import release as flow

    keep_errors(data / "logs" / "errors.log")
    finish(
        run(
            flow,
            source=source,
            night=night.date(),
            symbol=symbol,
            session=session.date() if session else None,
            reason=reason,
            cleared_by=by or getpass.getuser(),
        )
    )


def _sources(source: str | None) -> list[str]:
    """Return the source that was asked for, or all that hold data; leave where there is none."""
    from tasks.coverage import sources_with_data
    from tasks.settings import load_source

    try:
        return [source] if source and load_source(source) else sources_with_data()
    except (FileNotFoundError, ValueError) as error:  # it says which there are, or what is wrong
        raise _refused(str(error)) from None


def _has_settings(source: str) -> bool:
    """Return whether the settings of a source can be read; say so in a line where they cannot.

    The lake keeps what a source brought when its file is gone: the others are still shown.
    """
    from tasks.settings import load_source

    try:
        return bool(load_source(source))
    except (FileNotFoundError, ValueError) as error:
        typer.echo(f"{source} has data, but no settings to tell it by: {error}", err=True)
        return False


def _refused(why: str) -> typer.Exit:
    """Say why a command cannot be done as it was given; return what to raise."""
    typer.echo(why, err=True)
    return typer.Exit(2)


def _ready() -> Path:
    from flows.cli import ready

    return ready()
