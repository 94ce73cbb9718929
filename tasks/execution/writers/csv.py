"""Targets and orders as plain CSV, safe to open in a spreadsheet.

A text cell that a spreadsheet would run as a formula gets an apostrophe in front: one whose first
sign, after any white space, starts a formula, in its full-width form too, and any with a tab or a
line break in it, where programs may cut a cell in two. Numbers are written shortest, so that they
read back to the bit.
"""

import polars as pl

BLANK = r"[\s\x00-\x1f\u200b-\u200f\u2060\ufeff]"  # white space, seen or not
SIGN = r"[=+\-@|%\uff1d\uff0b\uff0d\uff20\uff5c\uff05]"  # with the full-width forms
FORMULA = rf"^{BLANK}*{SIGN}|[\t\r\n]"


def csv_files(targets: pl.DataFrame, orders: pl.DataFrame) -> dict[str, bytes]:
    """Return `targets.csv` and `orders.csv` with the columns of the frames, in their order."""
    return {"targets.csv": csv_bytes(targets), "orders.csv": csv_bytes(orders)}


def csv_bytes(frame: pl.DataFrame) -> bytes:
    """Return `frame` as UTF-8 CSV with a header, newline endings and ISO dates; null is empty."""
    guarded = frame.with_columns(
        pl.when(pl.col(name).str.contains(FORMULA))
        .then(pl.lit("'") + pl.col(name))
        .otherwise(name)
        .alias(name)
        for name, kind in frame.schema.items()
        if kind == pl.String
    )
    return guarded.write_csv(line_terminator="\n", quote_style="necessary").encode()
