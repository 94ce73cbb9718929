"""Prices, adjusted closes and given actions either agree, or the odd one is named."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from expectations.contradictions import CONTRADICTIONS, contradictions
from tasks.market.frames import RAW_ACTIONS, RAW_BARS, empty
from tests.expectations.accounts import Told, adjusted, changed, day, market, restated

EX, SPLIT = 20, 75  # the rows of the first dividend and of the split


def found(told: Told, **how: str) -> list[tuple[date, str]]:
    lines = contradictions(told.bars, told.actions, splits=how.get("splits", "as_traded"))
    return lines.select("session", "rule").rows()


def levels(told: Told, **how: str) -> list[tuple[date, str]]:
    """Return what is found besides dividends, which are in the unit of the right prices."""
    return [line for line in found(told, **how) if "dividend" not in line[1]]


def given(told: Told, row: int, factor: float) -> Told:
    """Return the market with the value of the action of `row` multiplied."""
    hit = pl.col("ex_session") == day(row)
    value = pl.when(hit).then(pl.col("value") * factor).otherwise("value")
    return told._replace(actions=told.actions.with_columns(value))


def also(told: Told, row: int, kind: str, value: float) -> Told:
    more = pl.DataFrame([(day(row), "S0", kind, value)], schema=RAW_ACTIONS, orient="row")
    return told._replace(actions=pl.concat([told.actions, more]))


def without(told: Told, row: int) -> pl.DataFrame:
    return told.actions.filter(pl.col("ex_session") != day(row))


@pytest.mark.parametrize("seed", range(5))
def test_says_nothing_of_splits_dividends_and_spin_offs_that_agree(seed: int):
    told = market(names=12, seed=seed)
    assert found(told) == []
    assert found(restated(told), splits="applied") == []


def test_says_nothing_without_an_adjusted_close_where_prices_bear_the_actions():
    told = market(names=3)
    silent = told._replace(bars=told.bars.with_columns(adj_close=pl.lit(None, dtype=pl.Float64)))
    assert found(silent) == []


def test_says_nothing_of_adjusted_closes_that_are_rounded_to_cents():
    told = market(names=5)
    rounded = told.bars.with_columns(pl.col("adj_close").round(2))
    assert found(told._replace(bars=rounded)) == []


def test_takes_the_other_formula_for_a_dividend_too():
    told = market(split=1.0001)
    close = told.bars["close"].to_list()
    cash = [close[EX - 1] * (1 - close[EX] / (close[EX] + 0.8))]  # as p(ex) / (p(ex) + d)
    other = adjusted(told, given(told, EX, cash[0] / 0.8).actions)
    assert found(other) == []


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda m: adjusted(m, without(m, EX)), [(day(EX), "dividend not carried")]),
        (lambda m: given(m, EX, 100), [(day(EX), "dividend at another size")]),
        (lambda m: given(m, EX, 0.01), [(day(EX), "dividend at another size")]),
        (lambda m: given(m, EX, 0.85), [(day(EX), "dividend at another size")]),
        (lambda m: given(m, EX, 0.5), [(day(EX), "dividend carried twice")]),
        (lambda m: m._replace(actions=without(m, EX)), [(day(EX), "adjustment without action")]),
        (lambda m: adjusted(m, without(m, SPLIT)), [(day(SPLIT), "split not carried")]),
        (lambda m: changed(m, [40], adj_close=1.01), None),
        (lambda m: adjusted(also(m, EX + 1, "dividend", 0.8)), None),
    ],
)
def test_finds_what_the_adjusted_close_and_the_dividends_say_otherwise(
    spoil: Callable[[Told], Told], expected: list[tuple[date, str]] | None
):
    lines = found(spoil(market()))
    if expected is None:
        assert {rule for _, rule in lines} <= {"adjustment without action", "dividend given twice"}
        assert lines
    else:
        assert [line for line in lines if "too large" not in line[1]] == expected


def test_finds_a_dividend_that_is_a_hundred_times_too_large_in_both_accounts():
    told = adjusted(given(market(), EX, 60))
    assert found(told) == [(day(EX), "dividend too large")]


def test_finds_a_dividend_above_the_price_though_the_name_did_not_trade():
    told = market()
    flat = told.bars.with_columns(pl.lit(0.3).alias(c) for c in ("open", "high", "low", "close"))
    lines = found(told._replace(bars=flat.with_columns(adj_close=pl.lit(None, dtype=pl.Float64))))
    assert (day(EX), "dividend above the price") in lines


def test_finds_dividends_at_a_hundredth_by_how_the_price_falls():
    truth = market(cash=8.0)
    slipped = truth.actions.with_columns(
        value=pl.when(pl.col("kind") == "dividend").then(pl.col("value") / 100).otherwise("value")
    )
    told = adjusted(truth._replace(actions=slipped))
    assert {rule for _, rule in found(told)} == {"dividend too small"}


def test_does_not_take_a_passing_bad_print_on_the_ex_session_for_a_larger_dividend():
    told = market(sessions=40, cash=0.2)
    assert found(changed(told, [EX], all_prices=0.75)) == []
    for_good = found(changed(told, list(range(EX, 40)), all_prices=0.75))
    assert for_good == [(day(EX), "dividend too small")]


@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_finds_rows_a_hundredfold_off_and_only_those(factor: float):
    assert found(changed(market(), [33, 34], all_prices=factor)) == [
        (day(33), "unit slip"),
        (day(34), "unit slip"),
    ]


def test_calls_the_older_level_the_odd_one_when_the_unit_changes_for_good():
    lines = levels(changed(market(), list(range(40)), all_prices=100.0))
    assert lines == [(day(row), "unit slip") for row in range(40)]


def test_blames_the_newest_row_when_only_it_left_the_level():
    told = market(sessions=4)
    assert found(changed(told, [3], all_prices=0.01)) == [(day(3), "unit slip")]
    two = told._replace(bars=told.bars.head(2))
    assert found(changed(two, [1], all_prices=100.0)) == [(day(1), "unit slip")]


@pytest.mark.parametrize("field", ["open", "high", "low"])
def test_finds_one_price_of_a_row_that_is_a_hundredfold_off(field: str):
    slipped = changed(market(), [33], **{field: 0.01})
    assert found(slipped) == [(day(33), "unit slip")]


@pytest.mark.parametrize("split", [3.0, 1.5, 0.1])
@pytest.mark.parametrize(
    "rows", [list(range(SPLIT)), list(range(SPLIT - 6)), [SPLIT - 3], [SPLIT], [SPLIT + 2]]
)
@pytest.mark.parametrize("twice", [False, True])
def test_finds_rows_that_carry_a_split_not_at_all_or_twice(
    split: float, rows: list[int], twice: bool
):
    told = restated(market(split=split))
    spoiled = changed(told, rows, all_prices=1 / split if twice else split)
    expected = [(day(row), "split misapplied") for row in rows]
    assert levels(spoiled, splits="applied") == expected


@pytest.mark.parametrize(("field", "row"), [("low", 74), ("open", 77), ("low", 80)])
def test_finds_one_price_of_a_row_that_missed_the_split(field: str, row: int):
    slipped = changed(restated(market(split=3.0)), [row], **{field: 1 / 3})
    assert found(slipped, splits="applied") == [(day(row), "split misapplied")]


def test_finds_a_given_split_that_no_price_follows():
    told = market(split=1.0)
    lines = found(also(adjusted(told), 60, "split", 4.0))
    assert (day(60), "split not followed") in lines


def test_leaves_crashes_far_from_a_split_to_the_market():
    crashed = changed(restated(market(split=1.5)), list(range(20)), all_prices=1.5)
    assert found(crashed, splits="applied") == []


def test_exact_rules_say_the_same_of_the_past_whatever_comes_later():
    exact = {
        "dividend not carried",
        "dividend at another size",
        "dividend carried twice",
        "adjustment without action",
    }
    told = adjusted(market(names=3), market(names=3).actions.gather_every(2))
    early = [line for line in found(told) if line[1] in exact and line[0] < day(70)]
    assert early
    altered = changed(told, [r for r in range(360) if r % 120 >= 70], all_prices=1.7)
    cut = told._replace(bars=told.bars.filter(pl.col("session") < day(70)))
    for other in (altered, cut):
        assert [li for li in found(other) if li[1] in exact and li[0] < day(70)] == early


def test_takes_rows_and_actions_in_any_order():
    told = changed(given(market(names=4), EX, 100), [33, 200], all_prices=100.0)
    shuffled = Told(
        told.bars.sample(fraction=1, shuffle=True, seed=1),
        told.actions.sample(fraction=1, shuffle=True, seed=2),
    )
    assert found(shuffled) == found(told) != []


def test_reads_hourly_and_weekly_bars_by_their_own_times():
    told = changed(given(market(), EX, 100), [33], all_prices=100.0)
    for step in (timedelta(hours=1), timedelta(days=7)):
        times = {day(row): datetime(2019, 1, 1, tzinfo=UTC) + row * step for row in range(120)}
        timed = Told(
            told.bars.with_columns(pl.col("session").replace_strict(times)),
            told.actions.with_columns(pl.col("ex_session").replace_strict(times)),
        )
        assert found(timed) == [(times[at], rule) for at, rule in found(told)]


def test_finds_a_weekly_dividend_in_the_row_after_its_own():
    told = market(split=1.0001)
    late = told.actions.with_columns(
        pl.when(pl.col("kind") == "dividend")
        .then(pl.col("ex_session").dt.offset_by("-1d"))
        .otherwise("ex_session")
    )
    weeks = {day(row): date(2019, 1, 1) + timedelta(weeks=row) for row in range(120)}
    weekly = Told(
        told.bars.with_columns(pl.col("session").replace_strict(weeks)),
        late.with_columns(pl.col("ex_session").replace_strict(weeks)),
    )
    assert found(told._replace(actions=late)) != []
    assert found(weekly) == []


def test_has_nothing_to_say_of_nothing():
    told = market()
    for bars, actions in (
        (empty(RAW_BARS), empty(RAW_ACTIONS)),
        (empty(RAW_BARS), told.actions),
        (told.bars.with_columns(adj_close=pl.lit(None, dtype=pl.Float64)), empty(RAW_ACTIONS)),
        (told.bars.with_columns(pl.col("close") * -1), told.actions),
    ):
        lines = contradictions(bars, actions, splits="as_traded")
        assert (lines.schema, lines.height) == (CONTRADICTIONS, 0) or actions.is_empty()
