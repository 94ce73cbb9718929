"""Packed nightly deliveries (`YYYYMMDD.tar.gz`), read in memory and never unpacked to disk."""

import tarfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import NamedTuple

import polars as pl

from tasks.market.sources.protocol import Unreadable
from tasks.market.sources.tables import raw_bars, text_table

MOST_PACKED = 64 * 2**20  # bytes of one archive as sent
MOST_UNPACKED = 512 * 2**20  # bytes of one archive once inflated
MOST_MEMBERS = 64
PRICES, SYMBOLS = "prices.csv", "symbols.txt"


class Archive(NamedTuple):
    """What one archive held: bars as `RAW_BARS`, and names (symbol, name) in the order sent."""

    bars: pl.DataFrame
    names: pl.DataFrame


def read_archive(body: bytes, columns: Mapping[str, str], *, what: str) -> Archive:
    """Read `prices.csv` and `symbols.txt` of a packed night.

    Either may be absent or empty. Links, folders, devices and members under any path are ignored.
    Without a header the prices' columns come in the order of `columns`.
    """
    members = _members(body, what=what)
    table = text_table(
        members.get(PRICES, b""),
        list(columns.values()),
        separator=",",
        quote=None,
        what=f"{PRICES} in {what}",
    )
    names = text_table(
        members.get(SYMBOLS, b""),
        ["symbol", "name"],
        separator="\t",
        quote=None,
        what=f"{SYMBOLS} in {what}",
    )
    return Archive(raw_bars(table, columns, what=f"{PRICES} in {what}"), names)


def _members(body: bytes, *, what: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=BytesIO(_inflated(body, what=what)), mode="r:") as tar:
            for count, member in enumerate(tar):
                if count >= MOST_MEMBERS:
                    raise Unreadable(f"{what} holds more than {MOST_MEMBERS} members.")
                name = member.name.removeprefix("./")
                plain = member.isreg() and not member.issparse() and member.size <= MOST_UNPACKED
                if plain and name in (PRICES, SYMBOLS):
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
