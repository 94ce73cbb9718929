"""The lake replaces exactly what is selected, in one commit, and reads what was known then."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake
from deltalake.exceptions import CommitFailedError
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_replaces_several_nights_in_one_commit(lake):
    both = bars((MONDAY, "AAA", MONDAY, 1.0), (TUESDAY, "AAA", TUESDAY, 2.0))
    over = {"source": ["us"], "delivery": [MONDAY, TUESDAY]}
    lake.replace("bars", both, over=over)
    lake.replace("bars", both.with_columns(close=pl.col("close") * 2), over=over)
    assert closes(lake.read("bars")) == [(MONDAY, "AAA", 2.0), (TUESDAY, "AAA", 4.0)]
    assert commits(lake, "bars") == 2


def commits(lake: Lake, table: str) -> int:
    return len(list(Path(lake.root, table, "_delta_log").glob("*.json")))


def test_refuses_rows_outside_what_it_replaces(lake):
    with pytest.raises(ValueError, match=r"1 rows lie outside .*2016, 6, 28"):
        lake.replace("bars", bars((MONDAY, "AAA", TUESDAY, 1.0)), over={"delivery": [MONDAY]})
    with pytest.raises(ValueError, match="`over` is empty"):
        lake.replace("bars", bars(), over={})


def test_names_missing_and_unknown_columns(lake):
    frame = bars((MONDAY, "AAA", MONDAY, 1.0)).rename({"close": "last"})
    with pytest.raises(ValueError, match=r"missing \['close'\], unknown \['last'\]"):
        lake.replace("bars", frame, over={"delivery": [MONDAY]})


@pytest.mark.parametrize("table", ["../bars", "bars//us", "", "./bars"])
def test_a_table_name_cannot_leave_the_root(lake, table):
    with pytest.raises(ValueError, match="is no table name"):
        lake.read(table)


def test_symbols_that_look_like_something_else_stay_text(lake):
    odd = ["1E5", "BRK.B", "MAR1", "NA", "NAN", "NULL", "TRUE", "^GSPC"]
    frame = bars(*((MONDAY, symbol, MONDAY, 1.0) for symbol in odd))
    lake.replace("bars", frame, over={"delivery": [MONDAY]})
    lake.replace("bars", frame.filter(pl.col("symbol") == "NA"), over={"symbol": ["NA"]})
    assert sorted(lake.read("bars")["symbol"]) == odd
    assert lake.read("bars", where={"symbol": ["1E5", "TRUE"]}).height == 2


@pytest.mark.parametrize(
    "source", ["o'neil", 'say "us"', "a; DROP TABLE bars --", "back\\slash", "%"]
)
def test_quotes_in_a_selection_are_only_text(lake, source):
    other = bars((MONDAY, "AAA", MONDAY, 1.0))
    odd = bars((MONDAY, "AAA", MONDAY, 2.0), source=source)
    lake.replace("bars", other, over={"source": ["us"]})
    for _ in range(2):
        lake.replace("bars", odd, over={"source": [source], "delivery": [MONDAY]})
    assert lake.read("bars", where={"source": [source]})["close"].to_list() == [2.0]
    assert lake.read("bars").height == 2


def test_gives_the_first_the_last_or_all_prints_that_were_known(lake):
    lake.replace("bars", bars((MONDAY, "AAA", MONDAY, 1.0)), over={"delivery": [MONDAY]})
    later = bars((MONDAY, "AAA", TUESDAY, 1.5), (TUESDAY, "AAA", TUESDAY, 2.0))
    lake.replace("bars", later, over={"delivery": [TUESDAY]})

    assert closes(lake.known("bars", as_of=MONDAY)) == [(MONDAY, "AAA", 1.0)]
    last = lake.known("bars", as_of=TUESDAY)
    assert closes(last) == [(MONDAY, "AAA", 1.5), (TUESDAY, "AAA", 2.0)]
    first = lake.known("bars", as_of=TUESDAY, prints="first")
    assert closes(first) == [(MONDAY, "AAA", 1.0), (TUESDAY, "AAA", 2.0)]
    everything = lake.known("bars", as_of=WEDNESDAY, prints="all")
    assert everything["close"].to_list() == [1.0, 1.5, 2.0]
    assert closes(lake.known("bars", as_of=TUESDAY, since=TUESDAY)) == [(TUESDAY, "AAA", 2.0)]


def test_a_later_delivery_of_the_same_session_wins(lake):
    holiday, next_day = date(2015, 7, 3), date(2015, 7, 6)
    frame = bars((next_day, "AAA", holiday, 1.0), (next_day, "AAA", next_day, 2.0))
    same_session = frame.with_columns(known_on=pl.lit(next_day))
    lake.replace("bars", same_session, over={"delivery": [holiday, next_day]})
    assert lake.known("bars", as_of=next_day)["close"].to_list() == [2.0]
    assert lake.known("bars", as_of=next_day, prints="first")["close"].to_list() == [1.0]


def test_each_source_has_its_own_prints(lake):
    frame = pl.concat(
        [
            bars((MONDAY, "AAA", MONDAY, price), source=name)
            for name, price in (("a", 1.0), ("b", 2.0))
        ]
    )
    lake.replace("bars", frame, over={"delivery": [MONDAY]})
    assert lake.known("bars", as_of=MONDAY)["close"].to_list() == [1.0, 2.0]
    assert lake.known("bars", as_of=MONDAY, source="b")["close"].to_list() == [2.0]


def test_selects_by_lists_and_spans(lake):
    frame = bars((MONDAY, "AAA", MONDAY, 1.0), (TUESDAY, "AAA", TUESDAY, 2.0))
    lake.replace("bars", frame, over={"session": Span(MONDAY, TUESDAY)})
    assert lake.read("bars", where={"session": [TUESDAY]})["close"].to_list() == [2.0]
    assert lake.read("bars", where={"session": Span(MONDAY, MONDAY)})["close"].to_list() == [1.0]
    assert lake.read("bars", where={"session": []}).is_empty()
    with pytest.raises(TypeError, match=r"not by 'us': put it in \[\]"):
        lake.read("bars", where={"source": "us"})


def test_a_table_without_known_on_has_no_as_of(lake):
    with pytest.raises(ValueError, match="no known_on: use read"):
        lake.known("quarantine", as_of=MONDAY)


def test_keeps_payloads_byte_for_byte(lake):
    body = bytes(range(256)) * 3
    frame = pl.DataFrame(
        [{"night": MONDAY, "request": "prices", "body": body, "sha256": "x", "vintage": "observed"}]
    )
    lake.replace("raw/us", frame, over={"night": [MONDAY]})
    lake.replace("raw/us", frame, over={"night": [MONDAY]})
    assert lake.read("raw/us")["body"].to_list() == [body]


def test_a_table_of_no_fixed_layout_takes_new_columns(lake):
    old = pl.DataFrame({"session": [MONDAY], "instrument": ["a"], "size": [1.0]})
    new = pl.DataFrame({"session": [TUESDAY], "instrument": ["a"], "size": [1.0], "value": [2.0]})
    lake.replace("features/price", old, over={"session": [MONDAY]})
    lake.replace("features/price", new, over={"session": [TUESDAY]})
    assert lake.read("features/price")["value"].to_list() == [None, 2.0]
    assert lake.read("features/price", columns=["size"]).columns == ["size"]
    assert lake.read("features/none", columns=["session", "size"]).columns == ["session", "size"]


def test_a_lost_race_is_run_again_as_a_whole(lake, monkeypatch):
    frame = bars((MONDAY, "AAA", MONDAY, 1.0))
    lake.replace("bars", frame, over={"delivery": [MONDAY]})
    losses = iter([True, True, False])

    def losing(*arguments: object, **named: object) -> None:
        if next(losses):
            raise CommitFailedError("another writer was faster")
        write_deltalake(*arguments, **named)

    monkeypatch.setattr("tasks.market.lake.write_deltalake", losing)
    lake.replace("bars", frame.with_columns(close=2.0), over={"delivery": [MONDAY]})
    assert lake.read("bars")["close"].to_list() == [2.0]


@pytest.mark.parametrize("same_night", [True, False])
def test_writers_at_once_leave_every_night_whole(lake, same_night):
    nights = [date(2016, 6, 1 + (0 if same_night else writer)) for writer in range(4)]

    def write(writer: int) -> None:
        night = nights[writer]
        frame = bars(*((night, f"S{i}", night, float(writer)) for i in range(50)))
        Lake(lake.root).replace("bars", frame, over={"delivery": [night]})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    kept = lake.read("bars")
    assert kept.height == 50 * len(set(nights))
    assert all(night["close"].n_unique() == 1 for night in kept.partition_by("delivery"))


def test_flushes_every_file_of_a_commit_and_the_folders_that_name_them(lake, monkeypatch):
    frame = bars((MONDAY, "AAA", MONDAY, 1.0))
    lake.replace("bars", frame, over={"delivery": [MONDAY]})
    before = {path for path in Path(lake.root).rglob("*") if path.is_file()}
    flushed = set()
    monkeypatch.setattr(
        os, "fsync", lambda handle: flushed.add(os.readlink(f"/proc/self/fd/{handle}"))
    )
    lake.replace("bars", frame, over={"delivery": [MONDAY]})
    new = {path for path in Path(lake.root).rglob("*") if path.is_file()} - before
    assert len(new) == 2
    assert {str(place) for path in new for place in (path, path.parent)} <= flushed


KILLED = """
import sys
from datetime import date
import polars as pl
from tasks.market.frames import BARS, shaped
from tasks.market.lake import Lake

lake, night = Lake(sys.argv[1]), date(2016, 6, 27)
rows = pl.DataFrame({"symbol": [f"S{i}" for i in range(200)]}).with_columns(
    session=night, delivery=night, instrument="symbol", source=pl.lit("us"), known_on=night
)
for close in range(10_000):
    lake.replace("bars", shaped(rows.with_columns(close=close), BARS), over={"delivery": [night]})
    print(close, flush=True)
"""


@pytest.mark.slow
def test_a_killed_writer_leaves_the_night_whole(lake):
    for kill in range(3):
        command = [sys.executable, "-c", KILLED, lake.root]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            for _ in range(3 + 2 * kill):
                writer.stdout.readline()
            time.sleep(0.013 * (kill + 1))
            writer.kill()
        kept = lake.read("bars")
        assert kept.height == 200
        assert kept["close"].n_unique() == 1


ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from("AB"), st.integers(0, 4), st.floats(1, 9)),
    unique_by=lambda row: row[:3],
    max_size=12,
)


@given(rows=ROWS, as_of=st.integers(0, 4), prints=st.sampled_from(["first", "last", "all"]))
@settings(max_examples=15, deadline=None)
def test_what_was_known_does_not_depend_on_what_came_later(tmp_path_factory, rows, as_of, prints):
    days = [date(2016, 6, 6) + timedelta(days=i) for i in range(5)]
    past = [row for row in rows if row[2] <= as_of]
    seen = []
    for number, chosen in enumerate((past, rows)):
        lake = Lake(str(tmp_path_factory.mktemp("lake") / str(number)))
        frame = bars(*((days[s], name, days[known], price) for s, name, known, price in chosen))
        lake.replace("bars", frame, over={"source": ["us"]})
        seen.append(lake.known("bars", as_of=days[as_of], prints=prints))
    assert seen[0].equals(seen[1])
