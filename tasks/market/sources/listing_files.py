"""Files that say who a symbol was, and when."""

from datetime import date

import polars as pl

from tasks.market.frames import RAW_LISTINGS, shaped

LASTS = date(2050, 1, 1)  # ticker histories give names in use a last day in a far year


def intervals_of(history: pl.DataFrame) -> pl.DataFrame:
    """Return what a ticker history says as `RAW_LISTINGS`, sorted by symbol and day.

    Takes (permanent_id, date, ticker), with `exchange` where it is known. The first row of an id
    says when it began; the `date` of each later one is the last day of its ticker, which began the
    day after the row before. A ticker that is still in use has no `to_session`. Names and asset
    classes are not in such a file, and null.

    >>> row = {"permanent_id": "META", "date": date(2012, 5, 18), "ticker": "FB"}
    >>> rows = [row, row | {"date": date(2022, 6, 8)}]
    >>> rows.append(row | {"date": date(2050, 12, 31), "ticker": "META"})
    >>> found = intervals_of(pl.DataFrame(rows))
    >>> found.select("symbol", pl.col("from_session", "to_session").cast(pl.String)).rows()
    [('FB', '2012-05-18', '2022-06-08'), ('META', '2022-06-09', None)]
    """
    rows = history.sort("permanent_id", "date", maintain_order=True)
    before = pl.col("date").shift(1).over("permanent_id")
    place = pl.int_range(pl.len()).over("permanent_id")
    found = rows.with_columns(
        symbol=pl.col("ticker"),
        vendor_id=pl.col("permanent_id"),
        from_session=pl.when(place > 1).then(before.dt.offset_by("1d")).otherwise(before),
        to_session=pl.when(pl.col("date") < LASTS).then("date"),
        place=place,
    )
    named = shaped(found.filter(pl.col("place") > 0), RAW_LISTINGS)
    return named.sort("symbol", "from_session", "vendor_id")
