"""One page about one fit: IC through time, cumulative decile returns, loss curves."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SMOOTH = 63  # sessions a mean is taken over


def fit_page(
    title: str,
    daily: pl.DataFrame,
    deciles: pl.DataFrame,
    curves: Mapping[str, Sequence[float]],
    *,
    horizon: int,
) -> str:
    """Return one offline HTML page of three charts.

    Takes `daily` (session, ic, rank_ic), `deciles` (session, decile, label) with 1 the lowest
    scores, and the losses by step. Labels look `horizon` sessions ahead and overlap, so each
    session counts for one part in `horizon`: a book that renews that part of itself every session.
    """
    from plotly.subplots import make_subplots

    titles = (
        f"Rank IC, mean of {SMOOTH} sessions, and its running sum",
        "Cumulative return by decile of the score, before costs",
        "Loss by step",
    )
    figure = make_subplots(rows=3, cols=1, subplot_titles=titles, vertical_spacing=0.09)
    _ic(figure, daily)
    _deciles(figure, deciles, horizon)
    _losses(figure, curves)
    figure.update_layout(title=title, height=1150, template="plotly_white", hovermode="x")
    page: str = figure.to_html(include_plotlyjs=True, full_html=True, div_id="fit")
    return page


def _ic(figure: "Figure", daily: pl.DataFrame) -> None:
    rank_ic = daily.sort("session").select(
        "session",
        smooth=pl.col("rank_ic").rolling_mean(SMOOTH, min_samples=SMOOTH // 2),
        summed=pl.col("rank_ic").fill_null(0.0).cum_sum(),
    )
    sessions = rank_ic["session"].to_list()
    for name, shown in (("smooth", f"mean of {SMOOTH}"), ("summed", "running sum")):
        hidden = "legendonly" if name == "summed" else True
        values = rank_ic[name].to_list()
        figure.add_scatter(x=sessions, y=values, name=shown, visible=hidden, row=1, col=1)
    figure.add_hline(y=0, line_width=1, row=1, col=1)


def _deciles(figure: "Figure", deciles: pl.DataFrame, horizon: int) -> None:
    for (decile,), rows in sorted(deciles.partition_by("decile", as_dict=True).items()):
        rows = rows.sort("session")
        summed = (rows["label"].fill_null(0.0) / horizon).cum_sum().to_list()
        figure.add_scatter(
            x=rows["session"].to_list(), y=summed, name=f"decile {decile}", row=2, col=1
        )


def _losses(figure: "Figure", curves: Mapping[str, Sequence[float]]) -> None:
    for name, values in sorted(curves.items()):
        steps = list(range(1, len(values) + 1))
        figure.add_scatter(x=steps, y=list(values), name=name, row=3, col=1)
