"""The `afterclose report` commands: pages for people who compare and judge."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import polars as pl

    from tasks.models_report import Report

app = typer.Typer(help="Write pages that compare and judge.", no_args_is_help=True)

Source = Annotated[str, typer.Option(help="A name in conf/sources whose nights are in the lake.")]
Universe = Annotated[str, typer.Option(help="A name in conf/universes: over whose members.")]
Bars = Annotated[
    Path | None, typer.Option(help="CSV or Parquet file of bars, instead of a source.")
]
Sectors = Annotated[
    Path | None, typer.Option(help="CSV or Parquet file (symbol, sector) beside --bars.")
]
Horizon = Annotated[int, typer.Option(min=1, max=60, help="Sessions the label looks ahead.")]
TradesAt = Annotated[
    Literal["open", "close"], typer.Option(help="With --bars: the price traded at.")
]
MaxDropped = Annotated[
    float, typer.Option(min=0, max=1, help="Share of cells a feature may lack and be judged.")
]
AsOf = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Last session known, YYYY-MM-DD; empty: the newest."),
]
SHOWN = 10
FIGURES = {"rank_ic": "+.4f", "error": ".4f", "t": "+.2f", "adjusted": ".3f"}
ORDER = {  # head -> figure of a model, and its form
    "model": ("model", ""),
    "IC": ("ic", "+.4f"),
    "ICIR": ("icir", "+.2f"),
    "rank IC": ("rank_ic", "+.4f"),
    "error": ("rank_ic_error", ".4f"),
    "t": ("rank_ic_t", "+.2f"),
    "paired": ("difference", "+.4f"),
    "its error": ("error", ".4f"),
    "its t": ("t", "+.2f"),
}
EARNED = {
    "model": ("model", ""),
    "spread": ("spread", "+.2%"),
    "error": ("spread_error", ".2%"),
    "net": ("net", "+.2%"),
    "break-even": ("break_even", "+.2%"),
    "turnover": ("turnover", ".0%"),
    "sessions": ("sessions", ",d"),
    "seeds": ("seeds", "d"),
}


@app.command()
def features(
    name: Annotated[str, typer.Argument(metavar="SET", help="A feature set, such as price.")],
    source: Source = "sample",
    universe: Universe = "every_name",
    bars: Bars = None,
    sectors: Sectors = None,
    horizon: Horizon = 5,
    trades_at: TradesAt = "open",
    max_dropped: MaxDropped = 0.35,
    min_names: Annotated[int, typer.Option(min=3, help="Fewest names of a session.")] = 20,
    as_of: AsOf = None,
) -> None:
    """Measure what each feature of a set was worth, with errors, and write a page."""
    from flows.cli import ready

    ready()
    from tasks.features_report import report_features
    from tasks.signals import Question

    question = Question(horizon, trades_at, max_dropped, min_names)
    try:
        page, strength = report_features(
            name,
            source=source,
            universe=universe,
            bars=bars,
            sectors=sectors,
            question=question,
            as_of=as_of.date() if as_of else None,
        )
    except (LookupError, ValueError, FileNotFoundError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    _show(strength)
    typer.echo(f"Page: {page}")


@app.command()
def models(
    contest: Annotated[str, typer.Argument(help="A name in conf/models.")] = "sample",
    as_of: AsOf = None,
) -> None:
    """Compare a contest's candidates on the same sessions and names, and write a page."""
    from flows.cli import ready

    ready()
    from tasks.models_report import report_models

    try:
        report = report_models(contest, as_of.date() if as_of else None)
    except (LookupError, ValueError, FileNotFoundError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    _compare(report)


def _compare(report: "Report") -> None:
    """Print the figures that decide, what they are worth, and where the page lies."""
    told = report.told
    for columns in (ORDER, EARNED):
        table = Table(box=None)
        for head in columns:
            table.add_column(head, justify="left" if head == "model" else "right", overflow="fold")
        for row in report.table.iter_rows(named=True):
            table.add_row(*(_told(row[key], form) for key, form in columns.values()))
        Console().print(table)
    champion, tried = told.champion, "unknown" if told.trials is None else f"{told.trials:,}"
    typer.echo(f"Champion: {champion.recipe} since {champion.since}. Ever tried: {tried}.")
    for row in told.looks.iter_rows(named=True):
        found = f"; {row['detectable']:.4f} would be found" if row["detectable"] else ""
        typer.echo(f"{row['session']}, {row['recipe']}: {row['verdict']}, {row['reason']}{found}")
    for name, why in told.left_out.items():
        typer.echo(f"Not compared: {name} ({why}).")
    if few := told.insufficient():
        typer.secho(few, fg="yellow")
    typer.echo(f"Page: {report.page}")


def _show(strength: "pl.DataFrame") -> None:
    table = Table(box=None)
    for column in ("feature", "kin", "rank IC", "error", "t", "p, adjusted", "sessions"):
        name = column in ("feature", "kin")
        table.add_column(column, justify="left" if name else "right", overflow="fold")
    for row in strength.head(SHOWN).iter_rows(named=True):
        table.add_row(
            row["feature"],
            row["family"],
            *(_told(row[key], form) for key, form in FIGURES.items()),
            f"{row['sessions']:,}",
        )
    Console().print(table)


def _told(value: str | float | None, form: str) -> str:
    return "" if value is None else format(value, form)
