"""The charts of our pages, as plain plotly figures: `data` and `layout`, ready for JSON.

All take frames sorted by session, or targets; a number that is not one leaves a gap.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

import polars as pl

Figure = dict[str, Any]
INK, SOFT, GRID = "#1b2530", "#5b6875", "#e6e9ed"
BLUE, PALE, RED, SAND = "#27517f", "#a9bfd6", "#a63d2f", "#c9a24a"
LINES = (BLUE, SAND, "#7b8794")
FONT = '-apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
MOST_BARS = 25
MOST_POINTS = 1500  # of a line; a longer one is thinned, its first and last point kept


def weights_chart(targets: pl.DataFrame) -> Figure:
    """Return weight beside share of the risk, for the largest positions."""
    held = targets.filter(pl.col("weight") != 0).with_columns(size=pl.col("weight").abs())
    top = held.sort("size", "instrument", descending=[True, False]).head(MOST_BARS).reverse()
    names = _unique(top["symbol"].to_list())
    made = figure(
        [
            _bars(names, top["risk_contribution"], "share of the risk", PALE),
            _bars(names, top["weight"], "weight", BLUE),
        ],
        xaxis={"tickformat": ".2~%", "side": "top"},
        yaxis={"automargin": True, "ticksuffix": "  ", "showgrid": False},
    )
    made["layout"] |= {"barmode": "group", "bargap": 0.35, "bargroupgap": 0.05}
    made["layout"]["legend"] |= {"traceorder": "reversed", "y": 1, "yref": "container"}
    made["layout"]["legend"] |= {"yanchor": "top"}
    made["layout"]["margin"] |= {"b": 10, "t": 56}
    return made


def weights_height(targets: pl.DataFrame) -> int:
    """Return how many pixels `weights_chart` needs."""
    held = int((targets["weight"] != 0).sum())
    return 90 + 24 * max(min(held, MOST_BARS), 3)


def nav_chart(nav: pl.DataFrame) -> Figure:
    """Return NAV through time. Takes (session, nav)."""
    line = _line(nav, "nav", "NAV", BLUE) | {"fill": "tozeroy", "fillcolor": "rgba(39,81,127,.07)"}
    low, high = _range(nav["nav"])
    return figure([line], yaxis={"range": [low, high], "tickformat": ",.4~s"}, legend=False)


def coverage_chart(coverage: pl.DataFrame) -> Figure:
    """Return daily profit and loss against VaR. Takes (session, loss, var_95, exceeded)."""
    profit = coverage.select("session", "exceeded", profit=-pl.col("loss"), bound=-pl.col("var_95"))
    calm, broken = profit.filter(~pl.col("exceeded")), profit.filter("exceeded")
    return figure(
        [
            _dots(calm, "profit", "day", PALE, 4),
            _dots(broken, "profit", "beyond VaR", RED, 6),
            _line(profit, "bound", "VaR 95% as it stood the night before", INK, thin=False),
        ],
        yaxis={"tickformat": ".1%"},
    )


def ic_chart(ic: pl.DataFrame, error: float | None) -> Figure:
    """Return the running sum of the ICs, in the cone that luck alone stays in 95 times in 100.

    Takes (session, ic) and the standard error of their mean, from which the cone is drawn.
    """
    summed = (
        ic.drop_nulls("ic")
        .drop_nans("ic")
        .sort("session")
        .with_columns(summed=pl.col("ic").cum_sum())
    )
    line = _line(summed, "summed", "IC, summed", BLUE)
    if error is None or not isfinite(error):
        return figure([line], yaxis={"tickformat": ".3~g"}, legend=False)
    count = pl.int_range(1, pl.len() + 1)
    luck = summed.with_columns(high=1.96 * error * (count * pl.len()).sqrt())
    high = _line(luck, "high", "", "rgba(0,0,0,0)")
    low = _line(luck.with_columns(low=-pl.col("high")), "low", "luck alone", "rgba(0,0,0,0)")
    quiet = {"hoverinfo": "skip"}
    shade = {"fill": "tonexty", "fillcolor": "rgba(201,162,74,.16)"}
    return figure(
        [high | quiet | {"showlegend": False}, low | quiet | shade, line],
        yaxis={"tickformat": ".3~g"},
    )


def truth_chart(truth: pl.DataFrame) -> Figure:
    """Return the estimate against what was planted. Takes (symbol, expected_return, truth)."""
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": numbers(truth["truth"]),
        "y": numbers(truth["expected_return"]),
        "text": truth["symbol"].to_list(),
        "hovertemplate": "%{text}: planted %{x:.2%}, expected %{y:.2%}<extra></extra>",
        "marker": {"color": BLUE, "size": 6, "opacity": 0.55},
    }
    axis = {"tickformat": ".1%", "zeroline": True, "zerolinecolor": "#b8c0c9"}
    return figure(
        [dots],
        xaxis=axis | {"title": {"text": "planted return over the horizon"}, "type": "linear"},
        yaxis=axis | {"title": {"text": "expected return"}},
        legend=False,
    )


def growth_chart(walks: Mapping[str, pl.DataFrame]) -> Figure:
    """Return the growth of 1 of each walk, on a log scale. Takes frames (session, nav)."""
    grown = {
        name: walk.with_columns(growth=pl.col("nav") / pl.col("nav").first())
        for name, walk in walks.items()
    }
    return figure(_lines(grown, "growth"), yaxis={"type": "log", "tickformat": ".3~g", "nticks": 8})


def drawdown_chart(walks: Mapping[str, pl.DataFrame]) -> Figure:
    """Return the fall from the highest NAV so far of each walk. Takes frames (session, nav)."""
    falls = {
        name: walk.with_columns(drawdown=pl.col("nav") / pl.col("nav").cum_max() - 1)
        for name, walk in walks.items()
    }
    return figure(_lines(falls, "drawdown"), yaxis={"tickformat": ".0%"})


def cost_chart(walks: Mapping[str, pl.DataFrame]) -> Figure:
    """Return costs paid so far as a fraction of NAV. Takes frames (session, nav, cost)."""
    paid = {
        name: walk.with_columns(paid=(pl.col("cost") / pl.col("nav")).cum_sum())
        for name, walk in walks.items()
    }
    return figure(_lines(paid, "paid"), yaxis={"tickformat": ".2~%"})


def thinned(frame: pl.DataFrame, most: int = MOST_POINTS) -> pl.DataFrame:
    """Return at most about `most` rows, evenly spaced, the first and the last among them."""
    every = -(-frame.height // most) if frame.height else 1
    if every <= 1:
        return frame
    kept = frame.gather_every(every)
    return kept if (frame.height - 1) % every == 0 else pl.concat([kept, frame.tail(1)])


def _lines(frames: Mapping[str, pl.DataFrame], column: str) -> list[Figure]:
    colours = [LINES[place % len(LINES)] for place in range(len(frames))]
    return [
        _line(frame, column, name, colour)
        for (name, frame), colour in zip(frames.items(), colours, strict=True)
    ]


def _line(frame: pl.DataFrame, column: str, name: str, colour: str, *, thin: bool = True) -> Figure:
    points = thinned(frame) if thin else frame
    stroke = {"color": colour, "width": 1.8 if thin else 1.2}
    return _through_time(points, column, name) | {"mode": "lines", "line": stroke}


def _dots(frame: pl.DataFrame, column: str, name: str, colour: str, size: int) -> Figure:
    marker = {"color": colour, "size": size}
    return _through_time(frame, column, name) | {"mode": "markers", "marker": marker}


def _through_time(frame: pl.DataFrame, column: str, name: str) -> Figure:
    return {
        "type": "scatter",
        "name": name,
        "x": days(frame["session"]),
        "y": numbers(frame[column]),
    }


def _bars(names: Sequence[str], values: pl.Series, name: str, colour: str) -> Figure:
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "x": numbers(values),
        "y": list(names),
        "marker": {"color": colour},
        "hovertemplate": "%{y}: %{x:.2%}<extra>" + name + "</extra>",
    }


def figure(
    data: list[Figure],
    *,
    xaxis: Figure | None = None,
    yaxis: Figure | None = None,
    legend: bool = True,
) -> Figure:
    """Return a figure of our look: data, and a layout with these axes."""
    axis = {"gridcolor": GRID, "zeroline": False, "fixedrange": True, "automargin": True}
    layout = {
        "font": {"family": FONT, "size": 12, "color": SOFT},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 10, "r": 10, "t": 10, "b": 30},
        "hovermode": "closest",
        "showlegend": legend,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "xaxis": axis | (xaxis or {"showgrid": False}),
        "yaxis": axis | (yaxis or {}),
    }
    return {"data": data, "layout": layout}


def _range(values: pl.Series) -> tuple[float, float]:
    """Return an axis that shows the shape of `values` without starting at zero."""
    found = [value for value in values.to_list() if value is not None and isfinite(value)]
    low, high = (min(found), max(found)) if found else (0.0, 1.0)
    room = 0.08 * (high - low) or 0.01 * abs(high) or 1.0
    return low - room, high + room


def days(sessions: pl.Series) -> list[str]:
    """Return dates as plotly reads them."""
    return [session.isoformat() for session in sessions]


def numbers(values: Iterable[float | None]) -> list[float | None]:
    """Return numbers of eight digits; None, a gap, for what is not finite."""
    return [
        float(f"{value:.8g}") if value is not None and isfinite(value) else None for value in values
    ]


def _unique(names: Sequence[str]) -> list[str]:
    """Return the names, repeated ones told apart: a bar chart merges bars of one name."""
    seen: dict[str, int] = {}
    told = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        told.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return told
