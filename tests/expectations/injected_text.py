"""Files that went wrong as text, read as a source of files reads them."""

from collections.abc import Callable

import polars as pl

from tasks.market.sources import protocol
from tasks.market.sources.tables import raw_bars, text_table
from tests.expectations.injection import (
    WIDE,
    Corruption,
    Inject,
    Night,
    Planted,
    Rng,
    Spoilt,
    Unreadable,
    all_rows,
    is_of,
    keys,
    picked,
)

COLUMNS = ("symbol", "session", "open", "high", "low", "close", "volume")
Garble = Callable[[str, Rng], str]


def written(bars: pl.DataFrame) -> str:
    """Return bars as a vendor's text file, dates and numbers as they are usually printed."""
    return bars.select(COLUMNS).write_csv(float_precision=4)


def read(night: Night, text: str | bytes, planted: Planted) -> Spoilt:
    """Return the delivery that the file source makes of a text."""
    body = text.encode() if isinstance(text, str) else text
    same = {name: name for name in COLUMNS}
    try:
        table = text_table(body, COLUMNS, separator=",", quote='"', what="the file")
        bars = raw_bars(table, same, what="the file")
    except protocol.Unreadable as reason:
        return Unreadable(str(reason)), planted
    return night.right._replace(bars=bars), planted


def garbled(garble: Garble) -> Inject:
    """Change the whole text."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        return read(night, garble(written(night.right.bars), rng), WIDE)

    return inject


def instead(body: bytes) -> Inject:
    """Send something else in place of the file."""
    return lambda night, rng: read(night, body, WIDE)


def column_as(column: str, form: Callable[[str], str], *, share: float | None) -> Inject:
    """Print one column in another form, in a share of tonight's rows or in five of them."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        count = 5 if share is None else round(share * night.rows.height)
        names = picked(night, rng, count)
        text = night.right.bars.select(
            pl.col(name) if name == "symbol" else pl.col(name).cast(pl.String) for name in COLUMNS
        )
        changed = pl.Series([cell and form(cell) for cell in text[column]], dtype=pl.String)
        where = is_of(night.own, names)
        rows = night.right.bars.select(where.alias("hit"))["hit"]
        text = text.with_columns(pl.when(rows).then(changed).otherwise(column).alias(column))
        planted = WIDE if share is not None else Planted(rows=keys(night.own, names))
        return read(night, text.write_csv(quote_style="necessary"), planted)

    return inject


def unquoted_commas(night: Night, rng: Rng) -> Spoilt:
    """Print the prices of a few rows with a decimal comma and no quotes, which moves columns."""
    names = picked(night, rng, 5)
    lines = written(night.right.bars).splitlines(keepends=True)
    for at, line in enumerate(lines):
        symbol, day, *rest = line.split(",")
        if symbol in names and day == str(night.own):
            lines[at] = ",".join([symbol, day, *(cell.replace(".", ",") for cell in rest)])
    return read(night, "".join(lines), Planted(rows=keys(night.own, names)))


def header_again(night: Night, rng: Rng) -> Spoilt:
    """Print the header once more amid the rows."""
    head, *lines = written(night.right.bars).splitlines(keepends=True)
    place = int(rng.integers(1, len(lines)))
    text = "".join([head, *lines[:place], head, *lines[place:]])
    row = pl.DataFrame({"session": [None], "symbol": ["symbol"]})
    return read(night, text, all_rows(row.cast({"session": pl.Date})))


def cut(text: str, rng: Rng) -> str:
    """End the text somewhere in its second half, seldom at the end of a line."""
    return text[: int(len(text) * rng.uniform(0.5, 0.85))]


def cut_at_a_line(text: str, rng: Rng) -> str:
    """End the text in its second half, after a whole line."""
    return cut(text, rng).rsplit("\n", 1)[0] + "\n"


def with_thousands(number: str) -> str:
    """Print a number with commas between thousands."""
    return f"{float(number):,.2f}"


def with_comma(number: str) -> str:
    """Print a number with a decimal comma."""
    return number.replace(".", ",")


def columns_missing(text: str, rng: Rng) -> str:
    """Leave the last two columns out, header and all."""
    return "\n".join(line.rsplit(",", 2)[0] for line in text.splitlines()) + "\n"


def no_header_other_order(text: str, rng: Rng) -> str:
    """Drop the header and put the volume first."""
    rows = [line.split(",") for line in text.splitlines()[1:]]
    return "\n".join(",".join([row[-1], *row[:-1]]) for row in rows) + "\n"


def _kind(family: str, inject: Inject) -> Corruption:
    return Corruption("structural", family, inject)


PAGE = b"<!DOCTYPE html>\n<html><body><h1>503 Service Unavailable</h1></body></html>\n"
TEXT = {
    "cut off in a line": _kind("truncated file", garbled(cut)),
    "cut off at the end of a line": _kind("truncated file", garbled(cut_at_a_line)),
    "header amid the rows": _kind("text in columns", header_again),
    "n/a for a close": _kind(
        "text in columns", column_as("close", lambda number: "n/a", share=None)
    ),
    "words for a third of the volumes": _kind(
        "text in columns", column_as("volume", lambda number: "pending", share=0.34)
    ),
    "thousands separators in volume": _kind(
        "thousands separators", column_as("volume", with_thousands, share=0.5)
    ),
    "decimal commas in a few closes": _kind(
        "decimal comma", column_as("close", with_comma, share=None)
    ),
    "decimal commas without quotes": _kind("decimal comma", unquoted_commas),
    "tabs for commas": _kind("text in columns", garbled(lambda text, rng: text.replace(",", "\t"))),
    "columns missing": _kind("schema and types", garbled(columns_missing)),
    "columns in another order, no header": _kind("swapped columns", garbled(no_header_other_order)),
    "a web page for a file": _kind("text in columns", instead(PAGE)),
    "an error for a file": _kind(
        "text in columns", instead(b'{"error": "quota exceeded", "status": 200}\n')
    ),
    "noise for a file": _kind("text in columns", instead(bytes(range(256)) * 40)),
    "blank lines for a file": _kind("empty and half", instead(b"\n\n \n")),
}
