"""The report on a feature set: measured on a source or on bars of one's own, and written."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from tasks.features.bars import grid_for
from tasks.features_file import bars_of, scanned
from tasks.settings import data_folder, load_source, open_lake, resolve_session
from tasks.signals import Answer, Question, own_signals, stored_signals, with_size

OWN_BARS = (
    "Bars as the file gives them: no gate has judged them, dividends are not counted, and the "
    "universe is whoever is in the file. If these are the survivors, all of it looks better."
)
OWN_SECTORS = "Sectors are those of the file, all along."


def report_features(
    features: str,
    *,
    source: str,
    universe: str,
    bars: Path | None,
    sectors: Path | None,
    question: Question,
    as_of: date | None,
) -> tuple[Path, pl.DataFrame]:
    """Measure a set, write its page, and return the page's path and the strengths."""
    from tasks.reports.features import Studied, features_page

    if sectors is not None and bars is None:
        raise ValueError("Sectors of a file stand beside bars of a file: give --bars, too.")
    if bars is not None:
        answer, warn = _of_own_bars(features, bars, sectors, question, as_of)
        where = bars.stem
        data = f"{bars.name}, every name with a close"
    else:
        settings = load_source(source)
        question = question._replace(trades_at=settings.trades_at)
        session = resolve_session(source, as_of, None).session
        answer = stored_signals(
            open_lake(), features, source, universe, question=question, as_of=session
        )
        where, warn = f"{source}_{universe}", ""
        data = f"{settings.title}, universe {universe}"
    studied = Studied(
        features=features,
        data=data,
        sessions=answer.sessions,
        names=answer.names,
        members=answer.members,
        horizon=question.horizon,
        trades_at=question.trades_at,
        max_dropped=question.max_dropped,
        groups=answer.groups,
        warn=warn,
    )
    path = data_folder() / "reports" / "features" / f"{features}_{where}_{question.horizon}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(features_page(answer.worth, studied), encoding="utf-8")
    answer.worth.strength.write_csv(path.with_suffix(".csv"))
    return path, answer.worth.strength


def _of_own_bars(
    features: str, bars: Path, sectors: Path | None, question: Question, as_of: date | None
) -> tuple[Answer, str]:
    """Return what a set is worth on the bars of a file, and what a reader should know of them."""
    own = bars_of(bars, None)
    days = own.rows["session"].unique().sort().to_list()
    if as_of and as_of < days[0]:
        raise ValueError(f"{bars} begins on {days[0]}: nothing was known at {as_of}.")
    chosen = with_size(features)
    grid = grid_for(chosen, own, days)
    grid = grid.until(sum(day <= as_of for day in days)) if as_of else grid
    told = _sectors_of(sectors, grid.instruments) if sectors else {}
    answer = own_signals(grid, chosen, question=question, sectors=told)
    return answer, " ".join([OWN_BARS, *([OWN_SECTORS] if sectors else []), *own.warnings])


def _sectors_of(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the sector of each name that the file tells of; each once."""
    try:
        table = scanned(path).collect()
    except pl.exceptions.PolarsError as reason:
        raise ValueError(f"{path} cannot be read: {reason}") from reason
    if absent := [name for name in ("symbol", "sector") if name not in table.columns]:
        raise ValueError(f"{path} lacks {', '.join(absent)}: expected symbol, sector.")
    told = table.select("symbol", "sector").drop_nulls().unique()
    if twice := sorted(told.filter(pl.col("symbol").is_duplicated())["symbol"].unique()):
        raise ValueError(f"{path} tells two sectors of {', '.join(twice[:5])}: one of each.")
    found = {symbol: sector for symbol, sector in told.iter_rows() if symbol in set(names)}
    if not found:
        raise ValueError(f"{path} tells of none of the {len(names)} names of the bars.")
    return found
