"""A content hash names the rows, not how they happen to lie in memory."""

from datetime import date
from hashlib import sha256

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.market.hashing import content_hash, seen_hash

MONDAY, TUESDAY = date(2016, 6, 27), date(2016, 6, 28)
NAN = float("nan")
SCHEMA = {"known_on": pl.Date, "symbol": pl.String, "close": pl.Float64, "shares": pl.Int64}
FRAME = pl.DataFrame(
    [(MONDAY, "NA", 1.5, 1), (MONDAY, None, None, None), (TUESDAY, "", -0.0, -7)],
    schema=SCHEMA,
    orient="row",
)


def test_the_hash_is_the_one_of_all_versions_before():
    assert content_hash(FRAME) == "9417cf1f71fcc8af6a760feaf59e0024172c3df203927cf89b74696b8db66233"
    assert (
        content_hash(FRAME.clear())
        == "414efa54fb17b1e4555592ab04b5d9415aa9bb863cd03191e279d3bbd100fdb2"
    )


ROWS = st.lists(
    st.tuples(
        st.sampled_from([MONDAY, TUESDAY]),
        st.one_of(st.none(), st.text(max_size=3)),
        st.one_of(st.none(), st.floats()),
        st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
    ),
    max_size=8,
)


@given(rows=ROWS, order=st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_neither_the_order_of_rows_and_columns_nor_chunks_change_it(rows, order):
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    shuffled = list(rows)
    order.shuffle(shuffled)
    columns = list(SCHEMA)
    order.shuffle(columns)
    pieces = [pl.DataFrame([row], schema=SCHEMA, orient="row") for row in shuffled]
    other = pl.concat([frame.clear(), *pieces], rechunk=False).select(columns)
    assert content_hash(other) == content_hash(frame)
    assert seen_hash(other) == seen_hash(frame)


@given(rows=ROWS, others=ROWS)
@settings(max_examples=60, deadline=None)
def test_other_rows_have_another_hash(rows, others):
    def plain(found: list[tuple[object, ...]]) -> list[str]:
        return sorted(repr(tuple(0.0 if cell == 0.0 else cell for cell in row)) for row in found)

    frames = [pl.DataFrame(found, schema=SCHEMA, orient="row") for found in (rows, others)]
    hashes = {content_hash(frame) for frame in frames}
    assert (len(hashes) == 1) == (plain(rows) == plain(others))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"x": [None, 1.0]}, {"x": [NAN, 1.0]}),
        ({"x": ["ab", "c"]}, {"x": ["a", "bc"]}),
        ({"x": [None, ""]}, {"x": ["", ""]}),
        ({"x": [1.0]}, {"y": [1.0]}),
        ({"x": [1.0]}, {"x": [1]}),
        ({"x": [1.0, 1.0]}, {"x": [1.0]}),
        ({"x": [1.0], "y": [2.0]}, {"x": [2.0], "y": [1.0]}),
    ],
)
def test_tells_apart_what_only_looks_alike(one, other):
    assert content_hash(pl.DataFrame(one)) != content_hash(pl.DataFrame(other))


def test_there_is_one_zero_and_one_nan():
    negative_nan = pl.Series("x", [-1 << 51], dtype=pl.Int64).reinterpret(dtype=pl.Float64)
    assert negative_nan.is_nan().all()
    assert content_hash(negative_nan.to_frame()) == content_hash(pl.DataFrame({"x": [NAN]}))
    assert content_hash(pl.DataFrame({"x": [-0.0]})) == content_hash(pl.DataFrame({"x": [0.0]}))


def test_rows_that_differ_in_floats_only_have_one_order():
    frame = pl.DataFrame({"symbol": ["A"] * 4, "close": [2.0, -1.0, NAN, None]})
    assert content_hash(frame) == content_hash(frame.reverse())


def test_single_precision_and_flags_have_hashes_too():
    frame = pl.DataFrame({"size": [0.1, 0.2], "held": [True, False]})
    single = frame.with_columns(pl.col("size").cast(pl.Float32))
    assert len({content_hash(frame), content_hash(single)}) == 2
    assert content_hash(single) == content_hash(single.reverse())


def test_says_which_column_has_no_bytes():
    with pytest.raises(TypeError, match="Column 'x' is List"):
        content_hash(pl.DataFrame({"x": [[1]]}))


def test_what_was_seen_is_told_night_by_night():
    nights = FRAME.partition_by("known_on", as_dict=True)
    lines = [f"{night[0]} {content_hash(rows)}\n" for night, rows in sorted(nights.items())]
    assert seen_hash(FRAME) == sha256("".join(lines).encode()).hexdigest()


def test_rows_without_known_on_were_never_seen():
    with pytest.raises(ValueError, match="1 rows without known_on"):
        seen_hash(FRAME.with_columns(known_on=pl.Series([MONDAY, None, MONDAY])))
