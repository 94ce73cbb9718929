"""The charts of signals: strength with errors, decay, return by quantile, and through time."""

from collections.abc import Sequence

import polars as pl

from tasks.reports.charts import BLUE, PALE, SAND, Figure, days, figure, numbers, thinned

MOST = 25  # features whose strength is drawn
COLOURS = (BLUE, SAND, "#2c6e49", "#a63d2f", "#6b5b95", "#7b8794")


def strength_chart(strength: pl.DataFrame) -> Figure:
    """Return rank IC with 1.96 errors, the strongest on top. Takes `Worth.strength`."""
    top = strength.head(MOST).reverse()
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": numbers(top["rank_ic"]),
        "y": top["feature"].to_list(),
        "error_x": {
            "type": "data",
            "array": numbers(top["error"] * 1.96),
            "color": "#5b6875",
            "thickness": 1,
            "width": 3,
        },
        "marker": {"color": [BLUE if found else PALE for found in top["found"]]},
        "hovertemplate": "%{y}: %{x:.4f}<extra></extra>",
    }
    axis = {"zeroline": True, "zerolinecolor": "#b8c0c9", "tickformat": ".3~g"}
    names = {"automargin": True, "ticksuffix": "  ", "showgrid": False}
    return figure([bars], xaxis=axis, yaxis=names, legend=False)


def strength_height(strength: pl.DataFrame) -> int:
    """Return how many pixels `strength_chart` needs."""
    return 60 + 22 * max(min(strength.height, MOST), 3)


def decay_chart(decay: pl.DataFrame, features: Sequence[str]) -> Figure:
    """Return rank IC by horizon. Takes `Worth.decay`."""
    return _lines(decay, features, "horizon", "rank_ic", {"title": "sessions", "type": "category"})


def quantile_chart(quantiles: pl.DataFrame, features: Sequence[str]) -> Figure:
    """Return mean return by quantile. Takes `Worth.quantiles`."""
    made = _lines(quantiles, features, "quantile", "label", {"title": "tenth", "dtick": 1})
    made["layout"]["yaxis"]["tickformat"] = ".2~%"
    return made


def summed_chart(daily: pl.DataFrame, features: Sequence[str]) -> Figure:
    """Return the running sums of rank IC. Takes `Worth.daily`."""
    lines = []
    for feature, colour in zip(features, COLOURS, strict=False):
        own = daily.filter(pl.col("feature") == feature).drop_nulls("rank_ic").sort("session")
        summed = thinned(own.with_columns(summed=pl.col("rank_ic").cum_sum()))
        lines.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": feature,
                "x": days(summed["session"]),
                "y": numbers(summed["summed"]),
                "line": {"color": colour, "width": 1.8},
            }
        )
    return figure(lines, yaxis={"tickformat": ".3~g"})


def _lines(
    frame: pl.DataFrame, features: Sequence[str], key: str, value: str, axis: Figure
) -> Figure:
    """Return a line with errors for each feature."""
    lines = []
    for feature, colour in zip(features, COLOURS, strict=False):
        own = frame.filter(pl.col("feature") == feature).sort(key)
        errors = {"type": "data", "array": numbers(own["error"]), "thickness": 1, "width": 3}
        lines.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": feature,
                "x": own[key].to_list(),
                "y": numbers(own[value]),
                "error_y": errors,
                "line": {"color": colour, "width": 1.8},
                "marker": {"size": 6},
            }
        )
    titled = axis | {"title": {"text": axis["title"]}, "showgrid": False}
    zero = {"tickformat": ".3~g", "zeroline": True, "zerolinecolor": "#b8c0c9"}
    return figure(lines, xaxis=titled, yaxis=zero)
