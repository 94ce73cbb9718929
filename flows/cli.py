"""The command line: every job of the house, here and now, with or without servers."""

import sys
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.audit import app as audit
from flows.data import app as data
from flows.features import features
from flows.models import app as models
from flows.report import app as report
from flows.tune import tune

app = typer.Typer(
    name="afterclose",
    help="From the closing bell to tomorrow's target portfolio.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


app.add_typer(audit, name="audit")
app.add_typer(data, name="data")
app.add_typer(models, name="models")
app.add_typer(report, name="report")


def _names(folder: str) -> list[str]:
    packaged = Path(__file__).parent.parent / "conf" / folder
    return sorted(path.stem for path in packaged.glob("*.yaml"))


AsOf = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Last session known, YYYY-MM-DD; empty: the newest."),
]
Force = Annotated[str | None, typer.Option(help="Why a released target may be replaced.")]
BookArgument = Annotated[str, typer.Argument(help=f"One of: {', '.join(_names('books'))}.")]


@app.command()
def night(
    books: Annotated[
        list[str] | None, typer.Argument(help=f"Any of: {', '.join(_names('books'))}.")
    ] = None,
    as_of: AsOf = None,
    force_reason: Force = None,
) -> None:
    """Run a whole night: ingest, judge, train what is due, forecast, and release targets."""
    ready()
    from flows.nightly import nightly

    books = books or ["sample"]
    outcomes = run(nightly, books=books, as_of=_day(as_of), force_reason=force_reason)
    from flows.display import show_night

    show_night(outcomes)
    _leave(outcomes)


@app.command()
def ingest(
    source: Annotated[str, typer.Option(help=f"{', '.join(_names('sources'))}.")] = "sample",
    as_of: AsOf = None,
) -> None:
    """Pull what a source offers and let the gate judge it."""
    ready()
    from flows.ingest import ingest as flow

    finish(run(flow, source=source, as_of=_day(as_of)))


@app.command()
def backfill(
    source: Annotated[str, typer.Option(help=f"{', '.join(_names('sources'))}.")] = "sample",
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First night; empty: all there is."),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], help="Last night; empty: the newest."),
    ] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Go on after a night that the gate blocks.")
    ] = False,
) -> None:
    """Land, judge and prepare the nights that are missing, oldest first; touches no target."""
    ready()
    from flows.backfill import backfill as flow

    dates = {"first": _day(first), "last": _day(last)}
    finish(run(flow, source=source, **dates, keep_going=keep_going))


@app.command()
def train(
    contest: Annotated[str, typer.Option(help=f"{', '.join(_names('models'))}.")] = "sample",
    as_of: AsOf = None,
) -> None:
    """Fit what a contest's schedule asks for, and log it for comparison."""
    ready()
    from flows.train import train as flow

    finish(run(flow, contest=contest, as_of=_day(as_of)))


@app.command()
def rebalance(
    book: BookArgument = "sample", as_of: AsOf = None, force_reason: Force = None
) -> None:
    """Release one book's target from data already judged."""
    ready()
    from flows.display import show_night
    from flows.rebalance import rebalance as flow

    outcomes = run(flow, book=book, as_of=_day(as_of), force_reason=force_reason)
    show_night(outcomes)
    _leave(outcomes)


@app.command()
def approve(
    book: BookArgument,
    reason: Annotated[str, typer.Option(help="Why it may go on; it is kept.")],
    by: Annotated[str | None, typer.Option(help="Who says so; empty: who is logged in.")] = None,
    as_of: AsOf = None,
) -> None:
    """Let a book go on whose night ended held, and release its target."""
    ready()
    from getpass import getuser

    from flows.approve import approve as flow
    from flows.display import show_night

    said = {"reason": reason, "approved_by": by or getuser()}
    outcomes = run(flow, book=book, **said, as_of=_day(as_of))
    show_night(outcomes)
    _leave(outcomes)


@app.command()
def backtest(
    book: BookArgument = "sample",
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First session; empty: a year back."),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], help="Last session; empty: the newest."),
    ] = None,
) -> None:
    """Walk a book through its past with the functions of the night; touches no target."""
    ready()
    from flows.backtest import backtest as flow

    finish(run(flow, book=book, first=_day(first), last=_day(last)))


@app.command()
def why(
    symbol: Annotated[str, typer.Argument(help="A symbol, such as MSFT.")],
    book: Annotated[str, typer.Option(help=f"{', '.join(_names('books'))}.")] = "sample",
    as_of: AsOf = None,
) -> None:
    """Say why a book wants what it wants of one name, back to the rows it rests on."""
    ready()
    from flows.display import show_why

    show_why(book, symbol, _day(as_of))


app.command()(features)
app.command()(tune)


@app.command()
def tour() -> None:
    """Walk through ten simulated nights as they can really go, each with what was done and why."""
    import os
    import tempfile

    for name in ("AFTERCLOSE_CONF", "AFTERCLOSE_LAKE"):  # the tour plays with what came along
        os.environ.pop(name, None)
    if "AFTERCLOSE_DATA" in os.environ:
        raise typer.Exit(_toured(ready()))
    # Never the data of real nights; it stays, for the pages that the tour names at its end.
    os.environ["AFTERCLOSE_DATA"] = tempfile.mkdtemp(prefix="afterclose-tour-")
    raise typer.Exit(_toured(ready()))


def _toured(data: Path) -> int:
    from flows.tour import tour as ten_nights

    return ten_nights(data)


@app.command()
def doctor() -> None:
    """Check that everything a night needs is here, and say what is not."""
    data = ready()
    from flows.doctor import examine

    raise typer.Exit(examine(data))


@app.command()
def up(
    prefect_port: Annotated[int, typer.Option(help="Port of the Prefect server.")] = 4200,
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow server.")] = 5000,
) -> None:
    """Start the Prefect and MLflow servers and a worker, and deploy the flows."""
    from flows.servers import Ports, announcement
    from flows.servers import up as start

    ports = Ports(prefect_port, mlflow_port)
    try:
        servers = start(_data(), ports, threads=_threads(), say=typer.echo)
    except RuntimeError as error:  # a port is taken, or a server did not come up
        typer.echo(f"Nothing was left running: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(announcement(_data(), servers))


@app.command()
def down() -> None:
    """Stop the worker and the servers, in order."""
    from flows.servers import down as stop

    typer.echo(f"{stop(_data())} processes ended")


def _threads() -> int:
    import os

    return int(os.environ.get("AFTERCLOSE_THREADS") or 1)


def _data() -> Path:
    import os

    return Path(os.environ.get("AFTERCLOSE_DATA") or "data").resolve()


def ready() -> Path:
    """Set the surroundings of a run before anything of Prefect or MLflow is imported."""
    from flows.environment import prepare

    data = _data()
    prepare(data, threads=_threads())
    return data


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def run(flow: Any, **parameters: Any) -> list[dict[str, Any]]:
    """Run a flow to its end; return its outcomes, or end with the reason it never began."""
    from flows.outcomes import outcomes_of

    plain = {k: v.value if isinstance(v, Enum) else v for k, v in parameters.items()}
    return outcomes_of(flow(**plain, return_state=True))


def finish(outcomes: list[dict[str, Any]]) -> None:
    """Print how a run ended, and leave with 1 where it did not end well."""
    from flows.display import show_lines

    show_lines(outcomes)
    _leave(outcomes)


def _leave(outcomes: list[dict[str, Any]]) -> None:
    from flows.outcomes import Outcome

    if not all(Outcome(**outcome).good for outcome in outcomes):
        raise typer.Exit(1)


if __name__ == "__main__":
    sys.exit(app())
