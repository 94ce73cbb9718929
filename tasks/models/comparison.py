"""Several models on the same rows: what each was worth, and how it differs from the champion."""

from collections.abc import Mapping
from statistics import NormalDist
from typing import NamedTuple

import polars as pl

from tasks.models.evaluation import evaluate
from tasks.statistics.hac import hac_mean, label_lags

ROW = ["session", "instrument"]
FIGURES = {
    "ic": "ic",
    "ic_error": "ic_error",
    "icir": "icir",
    "rank_ic": "rank_ic",
    "rank_ic_error": "rank_ic_error",
    "rank_ic_t": "rank_ic_t",
    "spread": "decile_spread",
    "spread_error": "decile_spread_error",
    "groups": "deciles",
    "turnover": "turnover",
    "break_even": "break_even",
}

COLUMNS = {
    "model": pl.String,
    **dict.fromkeys(FIGURES, pl.Float64),
    **dict.fromkeys(["net", "coverage", "difference", "error", "t"], pl.Float64),
    "sessions": pl.Int64,
}


class Comparison(NamedTuple):
    """What models were worth on their common rows.

    `table` has one row a model, the highest rank IC first; figures that cannot be measured are
    null. `difference` is the mean daily rank IC less the champion's, null for the champion, and
    `sessions` how many it stands on. `net` is the spread of the outer groups less the cost of
    renewing both every horizon. `daily` is (model, session, ic, rank_ic) of the judged sessions.
    """

    table: pl.DataFrame
    daily: pl.DataFrame
    sessions: int  # with enough names, common to all
    names: float  # a session


def compare(
    scores: Mapping[str, pl.DataFrame],
    labels: pl.DataFrame,
    *,
    champion: str,
    members: int,
    horizon: int,
    min_names: int,
    cost: float,
) -> Comparison:
    """Judge models on the rows that all of them scored, with errors that allow for overlap.

    Args:
        scores: Model -> (session, instrument, score).
        labels: (session, instrument, label).
        champion: The model that the others are held against.
        members: Rows that there were to score; the share that a model did is its coverage.
        horizon: Sessions the label looks ahead.
        min_names: Fewest labelled names for a session to count.
        cost: Of a traded unit, as a fraction.
    """
    if champion not in scores:
        raise ValueError(f"No scores of the champion {champion!r}; there is: {', '.join(scores)}.")
    common = scores[champion].select(ROW)
    for frame in scores.values():
        common = common.join(frame.select(ROW), on=ROW, how="semi")
    found = {
        name: evaluate(
            frame.join(common, on=ROW, how="semi"), labels, horizon=horizon, min_names=min_names
        )
        for name, frame in scores.items()
    }
    daily = {name: one.daily.filter(pl.col("names") >= min_names) for name, one in found.items()}
    rows = []
    for name, one in found.items():
        row = {key: one.metrics[of] for key, of in FIGURES.items()}
        row["net"] = row["spread"] - cost * 4 * row["turnover"]  # both ends, sold and bought
        row["coverage"] = scores[name].height / members
        row |= _paired(daily[name], daily[champion], horizon)
        rows.append({"model": name, **row})
    table = pl.DataFrame(rows, schema=COLUMNS).fill_nan(None)
    himself = pl.col("model") == champion
    blank = [pl.when(~himself).then(name).alias(name) for name in ("difference", "error", "t")]
    return Comparison(
        table.with_columns(blank).sort(
            "rank_ic", "model", descending=[True, False], nulls_last=True
        ),
        pl.concat(
            frame.select(pl.lit(name).alias("model"), "session", "ic", "rank_ic")
            for name, frame in daily.items()
        ).sort("model", "session"),
        daily[champion].height,
        found[champion].metrics["names"],
    )


def _paired(own: pl.DataFrame, champions: pl.DataFrame, horizon: int) -> dict[str, float]:
    """Return the mean daily difference of two rank ICs with its error, where both are known."""
    both = own.join(champions, on="session", suffix="_champion").sort("session")
    gap = (both["rank_ic"] - both["rank_ic_champion"]).drop_nulls()
    mean = hac_mean(gap.to_numpy(), lags=label_lags(len(gap), horizon=horizon))
    return {"difference": mean.value, "error": mean.error, "t": mean.t, "sessions": mean.count}


def hurdle(tries: int, *, level: float = 0.05) -> float:
    """Return the t, up or down, that the best of `tries` passes by luck with probability `level`.

    Bonferroni's bound with the normal distribution: exact for none, safe for tries that are alike.

    >>> [round(hurdle(tries), 2) for tries in (1, 10, 100)]
    [1.96, 2.81, 3.48]
    """
    return NormalDist().inv_cdf(1 - level / (2 * max(tries, 1)))
