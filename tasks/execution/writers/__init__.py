"""Broker files by name: each makes file names and bytes from released targets and orders."""

from collections.abc import Callable

import polars as pl


def _csv(targets: pl.DataFrame, orders: pl.DataFrame) -> dict[str, bytes]:
    from tasks.execution.writers.csv import csv_files

    return csv_files(targets, orders)


WRITERS: dict[str, Callable[[pl.DataFrame, pl.DataFrame], dict[str, bytes]]] = {
    "csv": _csv,
}
