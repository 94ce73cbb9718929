"""The data sources, by the `kind` of their settings: each is called with (settings, place)."""

from collections.abc import Callable
from typing import Any

from conf.schema import (
    AlpacaSource,
    BinanceSource,
    EcbSource,
    EdgarSource,
    FilesSource,
    FredSource,
    FrenchSource,
    MixedSource,
    SampleSource,
    SimulatedSource,
    TiingoSource,
    YahooSource,
)
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


def _tiingo(conf: TiingoSource, place: Place) -> DataSource:
    from tasks.market.sources.tiingo import TiingoData

    return TiingoData(conf, place)


def _alpaca(conf: AlpacaSource, place: Place) -> DataSource:
    from tasks.market.sources.alpaca import AlpacaData

    return AlpacaData(conf, place)


def _yahoo(conf: YahooSource, place: Place) -> DataSource:
    from tasks.market.sources.yahoo import YahooData

    return YahooData(conf, place)


def _fred(conf: FredSource, place: Place) -> DataSource:
    from tasks.market.sources.fred import FredData

    return FredData(conf, place)


def _ecb(conf: EcbSource, place: Place) -> DataSource:
    from tasks.market.sources.ecb import EcbData

    return EcbData(conf, place)


def _edgar(conf: EdgarSource, place: Place) -> DataSource:
    from tasks.market.sources.edgar import EdgarData

    return EdgarData(conf, place)


def _french(conf: FrenchSource, place: Place) -> DataSource:
    from tasks.market.sources.french import FrenchData

    return FrenchData(conf, place)


def _binance(conf: BinanceSource, place: Place) -> DataSource:
    from tasks.market.sources.binance import BinanceData

    return BinanceData(conf, place)


def _mixed(conf: MixedSource, place: Place) -> DataSource:
    from tasks.market.sources.mixed import MixedData

    return MixedData(conf, place)


SOURCES: dict[str, Callable[[Any, Place], DataSource]] = {
    "sample": _sample,
    "files": _files,
    "simulated": _simulated,
    "mixed": _mixed,
    "tiingo": _tiingo,
    "alpaca": _alpaca,
    "yahoo": _yahoo,
    "fred": _fred,
    "ecb": _ecb,
    "edgar": _edgar,
    "french": _french,
    "binance": _binance,
}
