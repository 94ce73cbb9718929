"""The data sources, by the `kind` of their settings: each is called with (settings, folder)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from conf.schema import FilesSource, SampleSource, SimulatedSource
from tasks.market.sources.protocol import DataSource


def _sample(conf: SampleSource, folder: Path | None) -> DataSource:
    from tasks.market.sources.sample import SampleData

    return SampleData(conf)


def _files(conf: FilesSource, folder: Path | None) -> DataSource:
    from tasks.market.sources.files import FilesData

    return FilesData(conf, folder)


def _simulated(conf: SimulatedSource, folder: Path | None) -> DataSource:
    from tasks.market.sources.simulated import SimulatedData

    return SimulatedData(conf)


SOURCES: dict[str, Callable[[Any, Path | None], DataSource]] = {
    "sample": _sample,
    "files": _files,
    "simulated": _simulated,
}
