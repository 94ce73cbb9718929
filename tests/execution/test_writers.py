"""Every writer round-trips, and nothing in its cells can run."""

from datetime import date

import polars as pl
import pytest

from tasks.execution.writers import WRITERS
from tasks.execution.writers.csv import csv_bytes
from tasks.market.frames import DRAFT_ORDERS, DRAFT_TARGETS, shaped

TARGETS = shaped(
    pl.DataFrame(
        {
            "instrument": ["s:NA:2016-01-04", "s:TRUE:2016-01-04"],
            "symbol": ["NA", "TRUE"],
            "weight": [1 / 3, -0.1],
            "shares": [12, -4],
            "price_session": [date(2016, 6, 30)] * 2,
            "binding": ["box, turnover", ""],
        }
    ),
    DRAFT_TARGETS,
)
ORDERS = shaped(
    pl.DataFrame({"client_order_id": ["x"], "instrument": ["s:NA:2016-01-04"], "quantity": [3]}),
    DRAFT_ORDERS,
)


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_writes_named_bytes_the_same_each_time(name):
    files = WRITERS[name](TARGETS, ORDERS)
    assert files
    assert all(isinstance(body, bytes) and body for body in files.values())
    assert files == WRITERS[name](TARGETS, ORDERS)


def test_csv_reads_back_to_the_bit():
    body = WRITERS["csv"](TARGETS, ORDERS)["targets.csv"]
    back = pl.read_csv(body, schema=DRAFT_TARGETS)
    told = pl.col("binding").fill_null("")
    assert back.with_columns(told).equals(TARGETS.with_columns(told))


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "|calc", "%0"])
def test_no_cell_is_a_formula(cell):
    line = csv_bytes(pl.DataFrame({"symbol": [cell], "weight": [-0.5]}))
    assert pl.read_csv(line)["symbol"].item() == f"'{cell}"
    assert line.endswith(b",-0.5\n")


@pytest.mark.parametrize("sign", list("=+-@|%＝＋－＠"))
@pytest.mark.parametrize(
    "blank", ["", " ", "  ", "\u00a0", "\u3000", "\ufeff", "\u200b", "\t", "\n"]
)
def test_no_white_space_or_width_hides_a_formula(sign, blank):
    cell = f"{blank}{sign}1+1"
    assert pl.read_csv(csv_bytes(pl.DataFrame({"symbol": [cell]})))["symbol"].item() == f"'{cell}"


@pytest.mark.parametrize("cell", ["A\t=1", "A\r=1", "A\n=1", "A\t", " \rB"])
def test_no_cell_can_be_cut_in_two_unmarked(cell):
    assert pl.read_csv(csv_bytes(pl.DataFrame({"symbol": [cell]})))["symbol"].item() == f"'{cell}"


@pytest.mark.parametrize("cell", ["BRK-B", "A=B", " padded", "x@y", "50%", "s:A:2016-01-04"])
def test_harmless_cells_stay(cell):
    body = csv_bytes(pl.DataFrame({"symbol": [cell], "weight": [1.0]}))
    assert pl.read_csv(body)["symbol"].item() == cell


def test_csv_is_as_it_always_was():
    frame = pl.DataFrame({"symbol": ["A,B", 'say "x"', None], "day": [date(2016, 1, 4)] * 3})
    assert (
        csv_bytes(frame) == b'symbol,day\n"A,B",2016-01-04\n"say ""x""",2016-01-04\n,2016-01-04\n'
    )
