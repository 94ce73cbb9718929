"""Nets by name; each is imported when asked for."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.learning.net import Net


def _chart_cnn() -> "type[Net]":
    from tasks.models.nets.chart_cnn import ChartCnn

    return ChartCnn


def _conv_lstm() -> "type[Net]":
    from tasks.models.nets.conv_lstm import ConvLstm

    return ConvLstm


def _linear() -> "type[Net]":
    from tasks.models.nets.linear import Linear

    return Linear


def _lstm() -> "type[Net]":
    from tasks.models.nets.lstm import Lstm

    return Lstm


def _mixer() -> "type[Net]":
    from tasks.models.nets.mixer import Mixer

    return Mixer


def _mlp() -> "type[Net]":
    from tasks.models.nets.mlp import Mlp

    return Mlp


def _tcn() -> "type[Net]":
    from tasks.models.nets.tcn import Tcn

    return Tcn


def _transformer() -> "type[Net]":
    from tasks.models.nets.transformer import Transformer

    return Transformer


NETS: dict[str, "Callable[[], type[Net]]"] = {
    "chart_cnn": _chart_cnn,
    "conv_lstm": _conv_lstm,
    "linear": _linear,
    "lstm": _lstm,
    "mixer": _mixer,
    "mlp": _mlp,
    "tcn": _tcn,
    "transformer": _transformer,
}
