"""Models are compared on the rows that all of them scored, and paired with the champion."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.models.comparison import FIGURES, compare
from tasks.models.evaluation import evaluate
from tasks.statistics.hac import hac_mean, label_lags

T, N, HORIZON = 60, 40, 3
GENERATOR = np.random.default_rng(5)
DAYS = [date(2021, 1, 1) + timedelta(days=number) for number in range(T)]
NAMES = [f"N{number:02}" for number in range(N)]
LABEL = GENERATOR.normal(0, 0.02, (T, N))
GOOD, NOISE = (LABEL * weight + GENERATOR.normal(0, 0.02, (T, N)) for weight in (0.5, 0.0))


def rows(values: np.ndarray, name: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "session": [day for day in DAYS for _ in NAMES],
            "instrument": NAMES * T,
            name: values.ravel(),
        }
    )


LABELS = rows(LABEL, "label")
SCORES = {"champion": rows(NOISE, "score"), "good": rows(GOOD, "score")}


def compared(scores=SCORES, labels=LABELS, *, cost: float = 0.001, champion: str = "champion"):
    return compare(
        scores,
        labels,
        champion=champion,
        members=T * N,
        horizon=HORIZON,
        min_names=10,
        cost=cost,
    )


def row_of(found, model: str) -> dict:
    return found.table.row(by_predicate=pl.col("model") == model, named=True)


def test_what_one_model_did_not_score_counts_for_none():
    some = SCORES["good"].filter(pl.col("instrument") > "N05", pl.col("session") > DAYS[9])
    found = compared(SCORES | {"some": some})
    common = SCORES["champion"].filter(pl.col("instrument") > "N05", pl.col("session") > DAYS[9])
    alone = evaluate(common, LABELS, horizon=HORIZON, min_names=10).metrics
    champion = row_of(found, "champion")
    assert {key: champion[key] for key in FIGURES} == {k: alone[of] for k, of in FIGURES.items()}
    assert (found.sessions, found.names) == (50, 34)
    assert row_of(found, "some")["coverage"] == pytest.approx(some.height / (T * N))
    assert champion["coverage"] == 1
    same = [key for key in (*FIGURES, "difference", "t") if key != "coverage"]
    assert [row_of(found, "some")[key] for key in same] == [
        row_of(found, "good")[key] for key in same
    ]


def test_the_difference_is_paired_session_by_session_and_the_champion_has_none():
    found = compared()
    own = {name: found.daily.filter(pl.col("model") == name)["rank_ic"] for name in SCORES}
    by_hand = hac_mean((own["good"] - own["champion"]).to_numpy(), lags=label_lags(T, horizon=3))
    good, champion = row_of(found, "good"), row_of(found, "champion")
    assert (good["difference"], good["error"], good["t"]) == by_hand[:3]
    assert good["difference"] == pytest.approx(good["rank_ic"] - champion["rank_ic"])
    assert good["t"] > 3
    assert champion["difference"] is champion["error"] is champion["t"] is None
    turned = row_of(compared(champion="good"), "champion")
    assert (turned["difference"], turned["t"]) == (-good["difference"], -good["t"])


def test_at_the_break_even_cost_nothing_is_left_of_the_spread():
    good = row_of(compared(cost=0.0), "good")
    assert good["net"] == good["spread"] > 0
    left = row_of(compared(cost=good["break_even"]), "good")
    assert left["net"] == pytest.approx(0, abs=1e-12)


def test_the_order_is_by_rank_ic_and_what_orders_nothing_stands_last():
    same = SCORES["good"].with_columns(score=pl.lit(1.0))
    found = compared(SCORES | {"same": same})
    assert found.table["model"].to_list() == ["good", "champion", "same"]
    none = row_of(found, "same")
    assert none["rank_ic"] is none["difference"] is None
    assert none["sessions"] == 0
    assert row_of(found, "good") == row_of(compared(), "good")


def test_what_comes_later_moves_no_earlier_session():
    later = pl.col("session") > DAYS[39]
    changed = LABELS.with_columns(label=pl.when(later).then(-pl.col("label")).otherwise("label"))
    before, after = compared().daily, compared(labels=changed).daily
    assert after.filter(~later).equals(before.filter(~later))
    assert not after.filter(later).equals(before.filter(later))


def test_a_champion_without_scores_is_refused():
    with pytest.raises(ValueError, match="No scores of the champion 'nobody'; there is: champion"):
        compared(champion="nobody")
