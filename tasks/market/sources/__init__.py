"""The data sources, by the `kind` of their settings: each is called with (settings, place)."""

from collections.abc import Callable
from typing import Any

from conf.schema import FilesSource, SampleSource, SimulatedSource
from tasks.market.sources.protocol import DataSource, Place


def _sample(conf: SampleSource, place: Place) -> DataSource:
    from tasks.market.sources.sample import SampleData

    return SampleData(conf)


def _files(conf: FilesSource, place: Place) -> DataSource:
    from tasks.market.sources.files import FilesData

    return FilesData(conf, place.folder)


def _simulated(conf: SimulatedSource, place: Place) -> DataSource:
    from tasks.market.sources.simulated import SimulatedData

    return SimulatedData(conf)


SOURCES: dict[str, Callable[[Any, Place], DataSource]] = {
    "sample": _sample,
    "files": _files,
    "simulated": _simulated,
}
