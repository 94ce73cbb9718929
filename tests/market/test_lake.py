"""The lake replaces exactly what is selected, in one commit, and reads what was known then."""

from datetime import date

import polars as pl
import pytest

from tasks.market.frames import BARS, empty, shaped
from tasks.market.lake import Lake, Span, content_hash

MONDAY, TUESDAY, WEDNESDAY = date(2016, 6, 27), date(2016, 6, 28), date(2016, 6, 29)


def bars(*rows: tuple[date, str, date, float], source: str = "us") -> pl.DataFrame:
    """Rows (session, symbol, delivery, close), known on the night they were delivered."""
    frame = pl.DataFrame(
        rows,
        schema={"session": pl.Date, "symbol": pl.String, "delivery": pl.Date, "close": pl.Float64},
        orient="row",
    )
    named = frame.with_columns(
        instrument=pl.lit("us:") + pl.col("symbol") + pl.lit(":2016-06-27"),
        source=pl.lit(source),
        known_on=pl.col("delivery"),
    )
    return shaped(named, BARS)


def closes(frame: pl.DataFrame) -> list[tuple[date, str, float]]:
    return list(frame.select("session", "symbol", "close").iter_rows())


@pytest.fixture
def lake(tmp_path):
    return Lake(str(tmp_path / "lake"))


def test_gives_an_empty_frame_of_the_right_columns_where_the_table_is_absent(lake):
    assert lake.read("bars").schema == empty(BARS).schema
    assert lake.known("bars", as_of=MONDAY, columns=["close"]).columns == ["close"]


def test_replaces_only_the_selected_rows(lake):
    over = {"source": ["us"], "delivery": [MONDAY]}
    lake.replace("bars", bars((MONDAY, "AAA", MONDAY, 1.0)), over=over)
    lake.replace("bars", bars((TUESDAY, "AAA", TUESDAY, 2.0)), over={"delivery": [TUESDAY]})
    lake.replace("bars", bars((MONDAY, "BBB", MONDAY, 3.0)), over=over)
    assert closes(lake.read("bars")) == [(MONDAY, "BBB", 3.0), (TUESDAY, "AAA", 2.0)]


def test_writing_twice_is_as_writing_once(lake):
    frame = bars((MONDAY, "AAA", MONDAY, 1.0), (MONDAY, "BBB", MONDAY, 2.0))
    first = lake.replace("bars", frame, over={"delivery": [MONDAY]})
    again = lake.replace("bars", frame.reverse(), over={"delivery": [MONDAY]})
    assert first == again == content_hash(lake.read("bars"))


def test_an_empty_frame_deletes_the_selected_rows(lake):
    frame = bars((MONDAY, "AAA", MONDAY, 1.0), (TUESDAY, "AAA", TUESDAY, 2.0))
    lake.replace("bars", frame, over={"delivery": Span(MONDAY, TUESDAY)})
    lake.replace("bars", frame.clear(), over={"delivery": [MONDAY]})
    assert closes(lake.read("bars")) == [(TUESDAY, "AAA", 2.0)]
