"""A target portfolio that makes no sense, or breaks a limit of its book, is not released."""

import polars as pl
import pytest

from conf.schema import Book
from expectations.gate import judge_targets
from tasks.market import frames

LIMITS = {
    "long_only": True,
    "box": {"min": 0.0, "max": 0.4},
    "gross": 1.0,
    "net": {"min": 0.9, "max": 1.0},
    "names": {"min": 2, "max": 10},
}


def book(**limits: object) -> Book:
    return Book.model_validate(
        {
            "title": "A book",
            "source": "sample",
            "contest": "sample",
            "universe": "all",
            "capital": 1000.0,
            "objective": {"optimiser": "minimum_variance"},
            "risk": {"factors": 1},
            "costs": {"commission_bps": 1, "half_spread_bps": 1},
            "limits": {**LIMITS, **limits},
        }
    )


def targets(**shares: int) -> pl.DataFrame:
    rows = [
        {
            "instrument": f"test:{name}:2015-01-02",
            "symbol": name,
            "weight": count * 10 / 1000,
            "value": count * 10.0,
            "shares": count,
            "reference_price": 10.0,
            "current_shares": 0,
            "risk_contribution": count / max(sum(shares.values()), 1),
        }
        for name, count in shares.items()
    ]
    return frames.shaped(
        pl.DataFrame(rows, schema_overrides={"shares": pl.Int64}), frames.DRAFT_TARGETS
    )


GOOD = targets(A=35, B=30, C=30)


def on_first(**values: object) -> pl.DataFrame:
    first = pl.int_range(pl.len()) == 0
    return GOOD.with_columns(
        pl.when(first).then(pl.lit(v)).otherwise(pl.col(k)).cast(GOOD.schema[k]).alias(k)
        for k, v in values.items()
    )


def test_passes_a_sensible_portfolio():
    done = judge_targets(GOOD, book())
    assert (done.verdict, done.reasons) == ("pass", [])


def test_blocks_empty_targets():
    done = judge_targets(frames.empty(frames.DRAFT_TARGETS), book())
    assert (done.verdict, done.reasons) == ("block", ["too few targets"])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (pl.concat([GOOD, GOOD.head(1)]), "an instrument comes twice"),
        (on_first(weight=None), "weight missing"),
        (on_first(instrument=None), "instrument missing"),
        (on_first(shares=None), "shares missing"),
        (on_first(weight=float("nan")), "weight missing"),
        (on_first(score=float("inf")), "numbers that are not finite"),
        (on_first(expected_return=float("nan")), "numbers that are not finite"),
        (on_first(reference_price=None), "shares without a price"),
        (on_first(value=349.0), "value is not shares times price"),
        (on_first(weight=0.34), "weights and values disagree"),
        (targets(A=45, B=30, C=20), "above its box"),
        (targets(A=40, B=40, C=25), "gross above its limit"),
        (targets(A=40, B=40), "net below its limit"),
        (targets(A=40, B=40, C=20, D=-5), "short positions traded"),
    ],
)
def test_blocks_what_cannot_be_released(bad, reason):
    done = judge_targets(bad, book())
    assert done.verdict == "block"
    assert reason in done.reasons


def test_counts_only_names_that_are_held():
    done = judge_targets(targets(A=40, B=40, C=15, D=0), book(names={"min": 4, "max": 9}))
    assert "too few names" in done.reasons


def test_asks_for_the_cash_that_must_stay():
    assert "too little cash" in judge_targets(GOOD, book(cash=0.1)).reasons


def test_asks_nothing_of_a_limit_that_is_switched_off():
    wide = book().model_copy(update={"switched_off": {"box": "no reason but this test"}})
    assert judge_targets(targets(A=45, B=30, C=20), wide).verdict == "pass"


def test_only_warns_of_a_position_that_drifted_and_cannot_be_traded():
    drifted = targets(A=45, B=30, C=20).with_columns(
        current_shares=pl.when(pl.col("symbol") == "A").then(45).otherwise(0).cast(pl.Int64)
    )
    done = judge_targets(drifted, book())
    assert (done.verdict, done.reasons) == ("warn", ["outside its box, but not to be traded"])


def test_knows_a_book_that_is_long_and_short():
    both = targets(A=30, B=30, C=-30, D=-30).with_columns(risk_contribution=pl.lit(0.25))
    neutral = book(
        long_only=False,
        box={"min": -0.3, "max": 0.3},
        gross=1.2,
        net={"min": -0.05, "max": 0.05},
    )
    assert judge_targets(both, neutral).reasons == []
