"""Every feature set: known in time, the same to the bit however asked, and honest about itself."""

import numpy as np
import polars as pl
import pytest

from tasks.features import FEATURE_SETS, engine
from tasks.features.block import Block
from tasks.features.engine import (
    Feature,
    FeatureSet,
    grid_features,
    missing_inputs,
)
from tasks.features.grid import block_of, grid_of
from tasks.market.context import Context
from tasks.market.history import FIELDS, View
from tests.features.nine_names import (
    NAMES,
    SESSIONS,
    TAIL,
    acted,
    beside,
    computed_over,
    filings,
    history,
    market,
    series,
)


def session_features(
    view: View, chosen: FeatureSet, *, shown: tuple[str, ...] | None = None
) -> pl.DataFrame:
    """Return the features at the end of a view, perhaps with these inputs beside bars alone."""
    there = beside(view)
    if shown is not None:
        there = {name: there[name] for name in there if name in shown}
    return pl.concat(grid_features(grid_of(view, there), chosen, [view.as_of]))


def lacking(chosen: FeatureSet, *absent: str) -> list[str]:
    """Return the features that read an input which this market does not have."""
    unknown = {"vwap", *absent}
    return [one.name for one in chosen.features if unknown & set(one.inputs)]


def same(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Return whether two frames agree to the bit."""
    if one.schema != other.schema or not one.select("session", "instrument").equals(
        other.select("session", "instrument")
    ):
        return False
    numbers = [frame.drop("session", "instrument").fill_null(np.nan) for frame in (one, other)]
    return numbers[0].to_numpy().tobytes() == numbers[1].to_numpy().tobytes()


# As the others, but slow.
LARGE = {"alpha158", "alpha360", "everything", "families", "price_alpha158"}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else [])
        for name in sorted(FEATURE_SETS)
    ],
)
def chosen(request) -> FeatureSet:
    return FEATURE_SETS[request.param]()


@pytest.fixture(scope="module")
def full(chosen) -> pl.DataFrame:
    return computed_over(history(*market(), own_market=True), chosen, SESSIONS)


def tail(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("session").is_in(TAIL))


def test_has_the_promised_columns_and_rows(chosen, full):
    assert full.columns == ["session", "instrument", *chosen.columns]
    assert set(full.schema.dtypes()[2:]) == {pl.Float32}
    closes = market()[0].select("session", "instrument").sort("session", "instrument")
    assert full.select("session", "instrument").equals(closes)
    assert not full.select(pl.col(chosen.columns).is_infinite().any()).row(0).count(True)
    assert not full.select(pl.col(chosen.columns).is_nan().any()).row(0).count(True)


def test_has_numbers_once_a_name_is_old_enough(chosen, full):
    newest = full.filter(pl.col("session") == SESSIONS[-1], pl.col("instrument") == "N5")
    told = [name for name in chosen.columns if name not in lacking(chosen)]
    # Windows that begin in one of the 3 % of gaps are null, and so is what reads a gap itself.
    assert newest.select(told).null_count().sum_horizontal().item() <= 2 + len(told) // 20


def test_names_differ_and_look_back_is_bounded(chosen):
    assert len(set(chosen.columns)) == len(chosen.columns)
    assert all(1 <= feature.look_back <= 253 for feature in chosen.features)


def test_tail_equals_full(chosen, full):
    assert same(computed_over(history(*market()), chosen, TAIL), tail(full))


def test_one_session_equals_many(chosen, full):
    view = history(*market()).roll(TAIL[2])
    assert same(session_features(view, chosen), full.filter(pl.col("session") == TAIL[2]))


def test_does_not_depend_on_the_order_of_rows(chosen, full):
    bars, actions = market()
    mixed = bars.sample(fraction=1, shuffle=True, seed=1)
    shuffled = history(mixed, actions.reverse(), own_market=True)
    assert same(computed_over(shuffled, chosen, TAIL), tail(full))


def test_does_not_depend_on_how_many_rows_a_frame_is_built_from(chosen, full, monkeypatch):
    for name in ("CELLS", "COLUMNS", "SESSIONS"):
        monkeypatch.setattr(engine, name, 7)
    assert same(computed_over(history(*market()), chosen, TAIL), tail(full))


@pytest.mark.parametrize("kept", [["N0"], ["N4"], ["N0", "N3"], [f"N{i}" for i in range(1, 9)]])
def test_does_not_depend_on_which_other_names_are_there(chosen, full, kept):
    bars, actions = market()
    part = history(bars.filter(pl.col("instrument").is_in(kept)), actions)
    assert same(
        computed_over(part, chosen, TAIL), tail(full).filter(pl.col("instrument").is_in(kept))
    )


def test_depends_on_other_names_through_the_market_alone(chosen, full):
    """With half of the names the market is another one, and only what reads it moves."""
    bars, actions = market()
    half = pl.col("instrument").is_in([f"N{i}" for i in range(5)])
    found = computed_over(history(bars.filter(half), actions, own_market=True), chosen, TAIL)
    wanted = tail(full).filter(half)
    for feature in chosen.features:
        column = ["session", "instrument", feature.name]
        moved = not same(found.select(column), wanted.select(column))
        assert moved == ("market" in feature.inputs), feature.name


def test_does_not_depend_on_how_much_history_is_loaded(chosen, full):
    skipped = len(SESSIONS) - len(TAIL) - chosen.look_back + 1
    short = history(*market(), skipped=skipped, own_market=True)
    assert same(computed_over(short, chosen, TAIL), tail(full))


def test_does_not_move_when_the_future_is_altered(chosen, full):
    bars, _ = market()
    now = SESSIONS[280]
    later = pl.col("session") > now
    poisoned = bars.with_columns(
        pl.when(later).then(pl.col(name) * 17 + 3).otherwise(pl.col(name)).alias(name)
        for name in FIELDS
    )
    poisoned = pl.concat([poisoned.filter(~later), poisoned.filter(later).gather_every(2)])
    none = acted([(150, "N0", 1 / 3), (281, "N5", 10.0)])
    poison = pl.when(pl.col("known_on") > now).then(pl.col("value") * -3).otherwise("value")
    told = (frame.with_columns(value=poison) for frame in (series(), filings()))
    past = history(poisoned, none, own_market=True)
    found = computed_over(past, chosen, SESSIONS[260:281], Context(*told, none))
    assert same(found, full.filter(pl.col("session").is_between(SESSIONS[260], now)))


def test_a_later_correction_split_or_delisting_restates_nothing(chosen, full):
    bars, actions = market()
    known_late = bars.filter(pl.col("session") == SESSIONS[289]).with_columns(
        pl.col("close") * 2, known_on=pl.lit(SESSIONS[292]), delivery=pl.lit(SESSIONS[292])
    )
    split_late = acted([(285, "N6", 2.0)]).with_columns(known_on=pl.lit(SESSIONS[295]))
    gone = bars.filter((pl.col("instrument") != "N7") | (pl.col("session") <= SESSIONS[294]))
    changed = history(pl.concat([gone, known_late]), pl.concat([actions, split_late]))
    found = computed_over(changed, chosen, SESSIONS[280:])
    wanted = full.filter(pl.col("session") >= SESSIONS[280])
    untouched = (pl.col("session") < SESSIONS[295]) | ~pl.col("instrument").is_in(["N6", "N7"])
    assert same(found.filter(untouched), wanted.filter(untouched))
    assert not same(found.filter(~untouched), wanted.filter(~untouched))


def windowed(view: View, rows: int) -> View:
    arrays = (np.ascontiguousarray(array[-rows:]) for array in view[3:])
    return View(view.as_of, view.sessions[-rows:], view.instruments, *arrays)


def computed(view: View, feature: Feature, *, reach: int = 0) -> np.ndarray:
    """Return a feature as computed, before it is rounded to float32, which hides last bits."""
    block = block_over(view, dict.fromkeys(feature.inputs, reach or feature.look_back))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.broadcast_to(feature.compute(block), block.shape)
        return found[0, : len(view.instruments)].copy()


def block_over(view: View, reach: dict[str, int]) -> Block:
    names = np.arange(len(view.instruments))
    return block_of(grid_of(view, beside(view)), names, 1, reach, partial=False)


def test_declared_look_back_of_each_feature_is_enough_and_needed(chosen):
    view = history(*market()).roll(SESSIONS[-1])
    for feature in chosen.features:
        shared = computed(view, feature, reach=chosen.look_back)
        exact = computed(windowed(view, feature.look_back), feature)
        assert exact.tobytes() == shared.tobytes(), feature.name
        if feature.look_back == 1:
            continue
        less = computed(windowed(view, feature.look_back - 1), feature)
        assert np.isnan(less).all(), f"{feature.name} looks back less than it says"


def test_each_name_is_computed_alone_as_among_others_to_the_last_bit(chosen):
    view = history(*market()).roll(SESSIONS[-1])
    for feature in chosen.features:
        together = computed(view, feature)
        for name in range(NAMES):
            one = slice(name, name + 1)
            arrays = (np.ascontiguousarray(array[:, one]) for array in view[3:])
            alone = View(view.as_of, view.sessions, view.instruments[one], *arrays)
            assert computed(alone, feature).tobytes() == together[one].tobytes(), feature.name


def test_reads_no_input_it_does_not_declare(chosen, full):
    view = history(*market()).roll(SESSIONS[-1])
    newest = full.filter(pl.col("session") == SESSIONS[-1])
    for feature in chosen.features:
        others = {f"{name}_TN" for name in (*FIELDS, "dividend") if name not in feature.inputs}
        alone = FeatureSet("alone", (feature,))
        blind = view._replace(**dict.fromkeys(others - {"close_TN"}, view.close_TN * 0 + 5))
        found = session_features(blind, alone, shown=feature.inputs)
        assert same(found, newest.select("session", "instrument", feature.name)), feature.name


@pytest.mark.parametrize(
    "absent", ["open", "high", "low", "volume", "market", "series/vix", "figure/shares"]
)
def test_is_null_without_its_inputs_and_says_so(chosen, absent):
    view = history(*market()).roll(SESSIONS[-1])
    if absent in FIELDS:
        view = view._replace(**{f"{absent}_TN": np.full(view.close_TN.shape, np.nan)})
    shown = tuple(name for name in beside(view) if name != absent)
    needing = lacking(chosen, absent)
    there = {name: values for name, values in beside(view).items() if name != absent}
    assert missing_inputs(grid_of(view, there), chosen) == needing
    found = session_features(view, chosen, shown=shown)
    assert found.select(needing).null_count().row(0) == (found.height,) * len(needing)


def test_a_split_that_is_known_changes_no_feature(chosen, full):
    """The same market, in which one name splits 7 for 2 inside every window."""
    bars, actions = market()
    after = (pl.col("session") >= SESSIONS[294]) & (pl.col("instrument") == "N5")
    split = bars.with_columns(
        *(pl.when(after).then(pl.col(n) / 3.5).otherwise(pl.col(n)).alias(n) for n in FIELDS[:4]),
        volume=pl.when(after).then(pl.col("volume") * 3.5).otherwise(pl.col("volume")),
    )
    known = pl.concat([actions, acted([(294, "N5", 3.5)])])
    context = Context(series(), filings(), known)
    found = computed_over(history(split, known), chosen, TAIL, context)
    found = found.drop("session", "instrument")
    plain = tail(full).drop("session", "instrument")
    np.testing.assert_allclose(  # a logarithm of volume + 1 feels the unit a little
        found.fill_null(-9).to_numpy(), plain.fill_null(-9).to_numpy(), rtol=1e-5, atol=5e-6
    )


def test_a_registered_set_is_named_as_it_is_listed():
    assert all(make().name == name for name, make in FEATURE_SETS.items())


def test_refuses_a_feature_that_reads_more_than_it_declares():
    greedy = Feature("greedy", "test", ("close",), 2, lambda block: block.price("close", 3)[0])
    with pytest.raises(ValueError, match="Asked for 3 sessions of close, declared 2"):
        session_features(history(*market()).roll(SESSIONS[5]), FeatureSet("x", (greedy,)))


def test_refuses_an_input_that_does_not_exist():
    odd = Feature("odd", "test", ("typical",), 2, lambda block: block.price("typical", 1))
    with pytest.raises(ValueError, match="No input named typical"):
        session_features(history(*market()).roll(SESSIONS[5]), FeatureSet("x", (odd,)))


def test_shows_earlier_prices_and_volumes_in_the_newest_shares():
    view = history(*market()).roll(SESSIONS[-1])
    block = block_over(view, {"close": 5, "volume": 5})
    close, volume = view.close_TN[-5:, 4], view.volume_TN[-5:, 4]
    np.testing.assert_array_equal(block.price("close")[:, 4], close / [3, 3, 1, 1, 1])
    np.testing.assert_array_equal(block.volume(3)[:, 4], volume[-3:] * [1, 1, 1])
    np.testing.assert_array_equal(block.volume()[:, 4], volume * [3, 3, 1, 1, 1])
    np.testing.assert_array_equal(block.raw("close")[:, 4], close)


def test_is_empty_without_sessions(chosen):
    assert computed_over(history(*market()), chosen, []).is_empty()
