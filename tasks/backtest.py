"""Backtest task: walk a book through its past with the functions of the night."""

from datetime import date
from pathlib import Path

from prefect import get_run_logger, task

from tasks.drift import judge_drift
from tasks.execution.ledger import Account
from tasks.forecast import champions
from tasks.market.lake import Lake
from tasks.portfolio.decide import Decision
from tasks.progress import steps
from tasks.settings import calendar, data_folder, load_book, load_source, open_lake
from tasks.simulation.performance import figures, volatility_ratio
from tasks.simulation.policies import equal_weight, mandated, minimum_variance, monthly
from tasks.simulation.walk import Close, Policy, Step, walk, walked_frame
from tasks.tune import trials_made
from tasks.vantage import Vantage


@task(task_run_name="walk-{book}-{first}-{last}")
def walk_book(book: str, first: date, last: date) -> str:
    """Walk `book` from `first` to `last` beside equal weight and minimum variance; write the page.

    Opens with the book's capital at the close of `first`. Forecasts, records and champions are
    those known at each session. Sharpe ratios are deflated by the choices that were ever tried for
    the contest, or by its candidates where MLflow knows of fewer. Returns the page's path.
    """
    from tasks.reports.backtest import backtest_page

    vantage, walked = walked_sessions(open_lake(), book, first, last)
    frames = {name: walked_frame(own) for name, own in walked.items()}
    ever = trials_made(vantage.mandate.contest)
    if ever is None:
        get_run_logger().warning("MLflow does not say what was tried: counted are candidates alone")
    table = figures(frames, trials=max(ever or 0, len(vantage.rules.candidates)))
    folder = data_folder() / "reports" / "backtests"
    page = _written(
        folder / f"{book}_{first}_{last}.html",
        backtest_page(
            book=book,
            mandate=vantage.mandate,
            walks=frames,
            figures=table,
            ratio=volatility_ratio(frames[book], frames["equal weight"]),
        ),
    )
    table.write_csv(folder / f"{book}_{first}_{last}.csv")
    get_run_logger().info("%s: %d sessions walked", book, frames[book].height)
    return str(page)


def walked_sessions(
    lake: Lake, book: str, first: date, last: date
) -> tuple[Vantage, dict[str, list[Step]]]:
    """Return the book's desk and each policy's steps, oldest first."""
    mandate = load_book(book)
    titles = champions(lake, mandate.contest, last)
    if titles.is_empty() or titles["from_session"][0] > first:
        known = "none" if titles.is_empty() else titles["from_session"][0]
        raise LookupError(
            f"no champion of {mandate.contest!r} is known at {first} (the first: {known}): "
            "start the walk later"
        )
    days = calendar(load_source(mandate.source).calendar)
    sessions = days.sessions(first, last)
    judge_drift(lake, mandate.contest, sessions)
    vantage = Vantage(lake, book, first, last)
    horizon = vantage.rules.horizon
    policies: dict[str, Policy] = {
        book: _unless_held(vantage, mandated(mandate, book=book, horizon=horizon)),
        "minimum variance": minimum_variance(mandate, book=book, horizon=horizon),
        "equal weight": monthly(equal_weight(mandate, book=book)),
    }
    policies = {name: vantage.where_scored(one) for name, one in policies.items()}
    closes = (vantage.close(session) for session in steps(sessions, f"walking {book}"))
    walked: dict[str, list[Step]] = {name: [] for name in policies}
    for each in walk(closes, policies, mandate=mandate, trades_at=vantage.source.trades_at):
        for name, one in each.items():
            walked[name].append(one)
    return vantage, walked


def _unless_held(vantage: Vantage, policy: Policy) -> Policy:
    """Return `policy`, which keeps its last target where the night would hold the book."""

    def waiting(close: Close, account: Account) -> Decision | None:
        return None if vantage.held(close.session) else policy(close, account)

    return waiting


def _written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
