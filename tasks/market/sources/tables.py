"""Tables as vendors send them: read as text, cast without complaint, packed to stable bytes."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import polars as pl

from tasks.market.frames import RAW_BARS, shaped
from tasks.market.sources.protocol import Unreadable


def packed(frame: pl.DataFrame) -> bytes:
    """Return `frame` as Parquet; equal frames give equal bytes, an empty one too."""
    sink = BytesIO()
    frame.rechunk().write_parquet(sink, compression="zstd", row_group_size=1_000_000)
    return sink.getvalue()


def unpacked(body: bytes, *, what: str) -> pl.DataFrame:
    """Read what `packed` wrote, or a Parquet file as sent; `what` names it in the error."""
    try:
        return pl.read_parquet(BytesIO(body))
    except (pl.exceptions.PolarsError, OSError) as reason:
        raise Unreadable(f"{what} is no readable Parquet ({reason}): pull it again.") from reason


def text_table(
    body: bytes, names: Sequence[str], *, separator: str, quote: str | None, what: str
) -> pl.DataFrame:
    """Read delimited text without guessing any type.

    The first line names the columns if it holds more than half of `names`; else there is no header
    and the columns are `names` in order. Further header lines stay as rows. Short lines are filled
    with nulls, long ones cut, bytes that are no UTF-8 replaced.
    """
    if not body.strip():
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    first = body.split(b"\n", 1)[0].decode("utf-8", "replace").lstrip("\ufeff")
    header = [cell.strip().strip('"') for cell in first.split(separator)]
    if 2 * len(set(names) & set(header)) <= len(names):
        header = list(names)
        body = separator.join(names).encode() + b"\n" + body
    try:
        return pl.read_csv(
            body,
            schema=dict.fromkeys(header, pl.String),
            separator=separator,
            quote_char=quote,
            encoding="utf8-lossy",
            truncate_ragged_lines=True,
        )
    except (pl.exceptions.PolarsError, OSError) as reason:
        raise Unreadable(f"{what} is no readable text table ({reason}): pull it again.") from reason


def table_of(path: Path, body: bytes, names: Sequence[str]) -> pl.DataFrame:
    """Read a CSV or Parquet file by its suffix; a CSV's cells all stay text."""
    if path.suffix == ".parquet":
        return unpacked(body, what=path.name)
    if path.suffix in (".csv", ".txt"):
        return text_table(body, names, separator=",", quote='"', what=path.name)
    raise ValueError(f"{path.name}: a table must end in .parquet, .csv or .txt.")


def as_real(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """Read `column` as numbers; null where it is none."""
    cleaned = column.str.strip_chars() if kind == pl.String else column
    return cleaned.cast(pl.Float64, strict=False)


def as_day(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """Read `column` as dates (text as YYYY-MM-DD); null where it is none."""
    if kind == pl.String:
        return column.str.strip_chars().str.to_date("%Y-%m-%d", strict=False)
    return column.cast(pl.Date, strict=False)


def raw_bars(table: pl.DataFrame, columns: Mapping[str, str], *, what: str) -> pl.DataFrame:
    """Return `RAW_BARS` of a vendor's table, rows in the order sent, none dropped.

    `columns` maps our names to the file's; those that are none of `RAW_BARS` are left to others.
    Symbols and currencies stay text; what cannot be read is null.
    """
    if absent := sorted(set(columns.values()) - set(table.columns)):
        raise Unreadable(
            f"{what} lacks the column(s) {', '.join(absent)}; it has: {', '.join(table.columns)}. "
            "Mend `columns` of the source."
        )
    wanted = []
    for ours, theirs in columns.items():
        column, kind = pl.col(theirs), table.schema[theirs]
        if ours not in RAW_BARS:
            continue
        if RAW_BARS[ours] == pl.String:
            wanted.append(column.cast(pl.String).alias(ours))
        elif ours == "session":
            wanted.append(as_day(column, kind).alias(ours))
        else:
            wanted.append(as_real(column, kind).alias(ours))
    return shaped(table.select(wanted), RAW_BARS)
