"""A table too large for one look is read a few months at a time, and reads the same."""

from datetime import date

import polars as pl

from tasks.market.frames import BARS, shaped
from tasks.market.lake import Lake


def test_a_table_read_in_pieces_reads_as_in_one(tmp_path, monkeypatch):
    lake = Lake(str(tmp_path))
    days = [date(2016, month, day) for month in (5, 6, 7) for day in (2, 3)]
    for delivery in days:
        rows = [(day, name, delivery, 1.0 * delivery.day) for day in days for name in ("B", "A")]
        known = [row for row in rows if row[0] <= delivery]
        lake.replace("bars", bars(known), over={"delivery": [delivery]})
    whole = {p: lake.known("bars", as_of=days[4], prints=p) for p in ("first", "last")}
    monkeypatch.setattr("tasks.market.lake.PIECE", 1)
    for prints, frame in whole.items():
        assert lake.known("bars", as_of=days[4], prints=prints).equals(frame, null_equal=True)
    assert whole["last"].height == 10


def bars(rows: list[tuple[date, str, date, float]]) -> pl.DataFrame:
    schema = {"session": pl.Date, "instrument": pl.String, "delivery": pl.Date, "close": pl.Float64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return shaped(frame.with_columns(source=pl.lit("us"), known_on="delivery"), BARS)
