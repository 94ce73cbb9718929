"""Packed nightly deliveries (`YYYYMMDD.tar.gz`), read in memory and never unpacked to disk."""

import tarfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import NamedTuple

import polars as pl

from tasks.market.sources.protocol import Unreadable
from tasks.market.sources.tables import text_table

MOST_PACKED = 64 * 2**20  # bytes of one archive as sent
MOST_UNPACKED = 512 * 2**20  # bytes of one archive once inflated
MOST_MEMBERS = 64
PRICES, SYMBOLS, REPORTS = "prices.csv", "symbols.txt", "reports.csv"
# Columns of `reports.csv` where it has no header.
REPORTED = [
    *("symbol", "end_date", "amend", "period_focus", "fiscal_year", "doc_type"),
    *("revenues", "op_income", "net_income", "eps_basic", "eps_diluted", "dividend"),
    *("assets", "cur_assets", "cur_liab", "cash", "equity"),
    *("cash_flow_op", "cash_flow_inv", "cash_flow_fin"),
]


class Archive(NamedTuple):
    """What one archive held, each a table of text in the order sent."""

    prices: pl.DataFrame  # in the vendor's columns
    names: pl.DataFrame  # (symbol, name)
    reports: pl.DataFrame  # filings that became known that night, in the vendor's columns


def read_archive(body: bytes, columns: Mapping[str, str], *, what: str) -> Archive:
    """Read `prices.csv`, `symbols.txt` and `reports.csv` of a packed night.

    Each may be absent or empty. Links, folders, devices and members under any path are ignored.
    Without a header the prices' columns come in the order of `columns`.
    """
    members = _members(body, what=what)

    def table(member: str, names: list[str], separator: str) -> pl.DataFrame:
        text = members.get(member, b"")
        return text_table(text, names, separator=separator, quote=None, what=f"{member} in {what}")

    return Archive(
        table(PRICES, list(columns.values()), ","),
        table(SYMBOLS, ["symbol", "name"], "\t"),
        table(REPORTS, REPORTED, ","),
    )


def _members(body: bytes, *, what: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=BytesIO(_inflated(body, what=what)), mode="r:") as tar:
            for count, member in enumerate(tar):
                if count >= MOST_MEMBERS:
                    raise Unreadable(f"{what} holds more than {MOST_MEMBERS} members.")
                name = member.name.removeprefix("./")
                plain = member.isreg() and not member.issparse() and member.size <= MOST_UNPACKED
                if plain and name in (PRICES, SYMBOLS, REPORTS):
                    content = tar.extractfile(member)
                    found[name] = content.read() if content else b""
    except Unreadable:
        raise
    except (tarfile.TarError, ValueError, EOFError, OverflowError) as reason:
        raise Unreadable(f"{what} is no readable archive ({reason}): pull it again.") from reason
    return found


def _inflated(body: bytes, *, what: str) -> bytes:
    if len(body) > MOST_PACKED:
        raise Unreadable(f"{what} has {len(body)} bytes; at most {MOST_PACKED} are read.")
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # gzip framing
    try:
        inflated = stream.decompress(body, MOST_UNPACKED)
    except zlib.error as reason:
        raise Unreadable(f"{what} is no readable gzip ({reason}): pull it again.") from reason
    if stream.unconsumed_tail:
        raise Unreadable(f"{what} inflates beyond {MOST_UNPACKED} bytes.")
    if not stream.eof:
        raise Unreadable(f"{what} ends too early: pull it again.")
    return inflated
