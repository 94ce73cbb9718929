"""The page of a walk gives every figure its error and asks nothing of any network."""

import re
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from conf.schema import Book
from tasks.reports.backtest import backtest_page
from tasks.reports.charts import drawdown_chart
from tasks.simulation.performance import figures, volatility_ratio
from tasks.simulation.walk import WALKED

MANDATE = Book.model_validate(
    {
        "title": "A <b>book</b>",
        "source": "sample",
        "contest": "sample",
        "universe": "sample",
        "capital": 1e6,
        "objective": {"optimiser": "mean_variance"},
        "risk": {"factors": 1},
        "costs": {"commission_bps": 1, "half_spread_bps": 2},
        "limits": {"box": {"max": 0.5}},
        "warn": "Survivors & others",
    }
)


def walked(scale: float, seed: int = 1, sessions: int = 400) -> pl.DataFrame:
    returns = np.random.default_rng(seed).normal(0.0003, 0.01 * scale, sessions)
    frame = pl.DataFrame(
        {
            "session": [date(2015, 1, 1) + timedelta(n) for n in range(sessions)],
            "nav": 1e6 * np.cumprod(1 + returns),
            "cost": 10.0,
            "turnover": 0.01,
            "status": "decided",
        }
    )
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in WALKED.items()
    )


def page(own: float = 0.7, **changes: pl.DataFrame) -> str:
    walks = {"lab": walked(own), "minimum variance": walked(0.6), "equal weight": walked(1.0)}
    walks |= changes
    return backtest_page(
        book="lab",
        mandate=MANDATE,
        walks=walks,
        figures=figures(walks, trials=3),
        ratio=volatility_ratio(walks["lab"], walks["equal weight"]),
    )


def test_the_page_is_one_file_that_is_the_same_each_time():
    made = page()
    assert made == page()
    assert "default-src 'none'" in made
    outside = re.sub(r"<script>.*?</script>", "", made, flags=re.S)
    assert not re.search(r"https?://|src=|href=|@import|url\(", outside)


def test_every_walk_stands_in_the_table_with_its_errors():
    made = page()
    table = made[made.index("Figures and their errors") :]
    for name in ("lab", "minimum variance", "equal weight"):
        assert f"<b>{name}</b>" in table
    assert table.count("\u00b1") >= 9


def test_what_counts_as_a_trial_is_said_beside_the_figure():
    made = page()
    assert "Counted as trials are 3 choices of features, labels, models and settings" in made


def test_the_deepest_fall_drawn_is_the_one_in_the_table():
    walk = walked(1.0)
    (line,) = drawdown_chart({"lab": walk})["data"]
    assert min(line["y"]) == pytest.approx(figures({"lab": walk}, trials=1)["drawdown"][0])
    assert line["y"][0] == 0


@pytest.mark.parametrize(
    ("own", "said"), [(0.7, "the calmer book"), (1.0, "cannot be told apart"), (1.5, "livelier")]
)
def test_the_verdict_on_volatility_follows_its_range(own, said):
    other = walked(1.0, seed=3)
    assert said in page(own, **{"equal weight": other})


def test_the_mandates_words_are_escaped():
    assert "A &lt;b&gt;book&lt;/b&gt;" in page()
    assert "Survivors &amp; others" in page()


def test_sessions_that_kept_their_target_are_listed_with_the_reason():
    assert "kept their last target" not in page()
    status = pl.when(pl.int_range(pl.len()) == 9).then(pl.lit("infeasible: <box>"))
    broken = walked(0.7).with_columns(status=status.otherwise("status"))
    made = page(lab=broken)
    assert "On 1 session no book met all limits" in made
    assert "infeasible: &lt;box&gt;" in made
