"""Say which rows of a table are meant: as polars conditions and as the SQL of a Delta commit."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

import polars as pl

from tasks.market.frames import Table

MONTH = "month"


class Span(NamedTuple):
    """Dates from `first` to `last`, both included."""

    first: date
    last: date


Where = Mapping[str, Sequence[str | date] | Span]  # all must hold; a sequence lists what may be


def conditions(where: Where) -> list[pl.Expr]:
    """Return one condition for each column that `where` names."""
    return [_condition(name, wanted) for name, wanted in where.items()]


def _condition(name: str, wanted: Sequence[str | date] | Span) -> pl.Expr:
    if isinstance(wanted, str | date):
        raise TypeError(f"{name!r} selects by a list or a Span, not by {wanted!r}: put it in [].")
    if isinstance(wanted, Span):
        return pl.col(name).is_between(pl.lit(wanted.first), pl.lit(wanted.last))
    return pl.col(name).is_in(list(wanted)) if wanted else pl.lit(False)


def predicate(where: Where, layout: Table) -> str:
    """Return `where` as SQL, with the months it falls in where the table has them."""
    clauses = [f'"{name}" {_sql(wanted)}' for name, wanted in where.items()]
    if months := _months(where, layout):
        clauses.append(f"{MONTH} BETWEEN {_literal(months[0])} AND {_literal(months[1])}")
    return " AND ".join(clauses)


def _months(where: Where, layout: Table) -> tuple[str, str] | None:
    """Return the first and the last month that the selected rows can lie in, if that is told."""
    wanted = where.get(layout.time) if layout.time else None
    if not wanted:
        return None
    days = [day for day in wanted if isinstance(day, date)]
    return f"{min(days):%Y-%m}", f"{max(days):%Y-%m}"


def pruned(rows: pl.LazyFrame, where: Where, layout: Table) -> pl.LazyFrame:
    """Return the rows that `where` selects, leaving other months unread where it can."""
    wanted = conditions(where)
    if months := _months(where, layout):
        wanted.append(pl.col(MONTH).is_between(pl.lit(months[0]), pl.lit(months[1])))
    return rows.filter(*wanted) if wanted else rows


def _sql(wanted: Sequence[str | date] | Span) -> str:
    if isinstance(wanted, Span):
        return f"BETWEEN {_literal(wanted.first)} AND {_literal(wanted.last)}"
    if not wanted:
        raise ValueError("An empty list selects no row: nothing can be replaced over it.")
    return f"IN ({', '.join(_literal(value) for value in wanted)})"


def _literal(value: str | date) -> str:
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    return "'" + value.replace("'", "''") + "'"
