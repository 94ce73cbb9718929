"""A batch in one row: the aggregates the suites judge, and the bounds that depend on the night."""

from collections.abc import Iterable
from math import ceil, inf

import polars as pl

from conf.schema import Book, SourceBase
from expectations.breadth import breadth_facts
from expectations.eve import Eve
from expectations.moves import FEWEST
from expectations.rules import Sorted
from expectations.slips import JUMPS, RULES
from expectations.sorting import Reach

Facts = dict[str, float]

# Of 320 real nights none brought less than 0.91 of the median of those before it.
MOST_OF_IT = 2 / 3  # share of the usual rows below which a night counts as half
HALF = 0.5  # likewise where few rows are usual, or only the source says how many
ALLOWED = 3  # so many oddities are no pattern, however small the night
_SAME = 1e-6  # closes that differ by less than this share are the same
_BREADTH = ("missing_names", "new_names", "opens_beyond", "columns_lost")
_SLACK = 1e-9  # weights are sums of floats


def night_facts(
    delivered: pl.DataFrame, sorted_out: Sorted, actions: pl.DataFrame, eve: Eve, reach: Reach
) -> Facts:
    """Return the aggregates of one delivery (`delivered`: its rows as they came)."""
    clean, aside = sorted_out.clean, sorted_out.quarantine
    jumped = aside.filter(pl.col("rule").is_in(JUMPS))
    quiet = aside.filter(pl.col("rule") == RULES["near"])
    disagreeing = aside.filter(pl.col("rule") == "sources disagree")
    checking = eve.second.filter(pl.col("session") == reach.sessions[-1])
    before = clean.join(eve.closes, on="symbol", how="inner", suffix="_eve")
    newest = reach.sessions[-1] if reach.observed else clean["session"].max()
    jumps = jumped["symbol"].n_unique() + len(sorted_out.confirmed) - len(sorted_out.quiet)
    facts: Facts = {
        "rows": delivered.height,
        "own_rows": clean.filter(pl.col("session") == newest).height,
        "repeated_share": _repeated_share(clean, before, reach) if reach.observed else 0,
        "quarantined": int(aside["rows"].sum()),
        "copies": int(sorted_out.copies["rows"].sum()),
        "conflicts": sorted_out.conflicts,
        "jumps": jumps if reach.observed else jumped.height,
        "quiet_moves": quiet["symbol"].n_unique() + len(sorted_out.quiet),
        "disagreeing": disagreeing.height,
        "checking": checking.height,
        "splits": _splits(actions) if reach.observed else 0,
        "corrected": _corrected(before) if reach.observed else 0,
        "holes": _holes(clean),
        "bad_actions": actions.filter(~usable_action()).height,
        "missing_sessions": 0 if reach.observed else _missing_sessions(clean, reach),
    }
    if not reach.observed:
        return facts | dict.fromkeys(_BREADTH, 0) | {"volume_ratio": 1}
    return facts | breadth_facts(delivered.select("session", "symbol"), clean, eve, reach)


def night_bounds(
    rows: int,
    sorted_out: Sorted,
    *,
    actions: int,
    own_rows: int | None,
    source: SourceBase,
    reach: Reach,
) -> Facts:
    """Return the parameters of the night's suite: shares of what was delivered or expected.

    `rows` and `actions` were delivered; `own_rows` a usual night brought, None on the first.
    """
    clean = sorted_out.clean
    usual = source.expected_rows if own_rows is None else own_rows
    least = HALF if own_rows is None or own_rows < FEWEST else MOST_OF_IT
    keys = clean.height + sorted_out.conflicts
    names = clean["symbol"].n_unique() if reach.observed else clean.height
    return {
        "half_own_rows": max(1, ceil(least * usual)),  # nothing at all is never enough
        "usual_own_rows": ceil(0.9 * usual),
        "some_quarantined": _allowed(0.01, rows),
        "many_quarantined": _allowed(0.2, rows),
        "some_copies": 0.001 * rows,
        "some_conflicts": _allowed(0.001, keys),
        "many_conflicts": _allowed(0.02, keys),
        "some_jumps": _allowed(0.005, names),
        "many_jumps": _allowed(0.03, names),
        "some_quiet_moves": _allowed(0.01, names),
        "many_quiet_moves": _allowed(0.05, names),
        "some_disagreeing": _allowed(0.005, names),
        "many_disagreeing": _allowed(0.05, names),
        "many_splits": _allowed(0.05, names),
        "least_volume_ratio": 0.25 if reach.half_day else 0.6,  # seen: 0.36 and 0.69
        "many_bad_actions": _allowed(0.05, actions),
        "some_corrected": _allowed(0.05, names),
        "many_corrected": max(FEWEST, 0.5 * names),
        "some_holes": _allowed(0.05, clean.height),
        "some_missing": _allowed(0.02, len(reach.sessions)),
        "many_missing": _allowed(0.5, len(reach.sessions)),
    }


def asked_of_clean(clean: pl.DataFrame, signed: list[str]) -> pl.DataFrame:
    """Return what the suite of the clean rows asks for, as numbers: quick to compare.

    `positive` is the close where it must be above zero, and 1 where prices may be negative;
    `absent` is 1 where there is no close; `copies` how many rows have the row's key.
    """
    close = pl.col("close")
    positive = pl.when(pl.col("symbol").is_in(signed)).then(1.0).otherwise(close)
    return clean.select(
        "close",
        positive=positive if signed else close,
        absent=close.is_null() | close.is_nan(),
        copies=pl.len().over("session", "symbol"),
    ).with_columns(pl.col("absent", "copies").cast(pl.Int64))


def told_facts(told: pl.DataFrame, believed: pl.DataFrame, aside: int, eve: Eve) -> Facts:
    """Return the aggregates of a delivery of series or filings: `told` came, `believed` is left."""
    names = told["name"] if "name" in told.columns else told["symbol"].clear()
    known = eve.values["name"].unique()
    silent = known.filter(~known.is_in(names.unique().implode())).len() if names.len() else 0
    return {
        "rows": told.height,
        "believed": believed.height,
        "quarantined": aside,
        "silent": silent / max(known.len(), 1),
    }


def told_bounds(rows: int) -> Facts:
    """Return the parameters of the suite of a delivery of `rows` rows that are no bars."""
    return {"some_quarantined": _allowed(0.01, rows), "many_quarantined": _allowed(0.2, rows)}


def target_facts(targets: pl.DataFrame, book: Book) -> Facts:
    """Return the aggregates of one target portfolio (`DRAFT_TARGETS`).

    A position that is not to be traded may have drifted out of its box and cannot be helped; it
    is counted apart.
    """
    numbers = targets.select("weight", "value", "reference_price", "score", "expected_return")
    held = targets.filter(pl.col("shares") != 0)
    traded = targets.filter(pl.col("shares") != pl.col("current_shares"))
    kept = targets.filter(pl.col("shares") == pl.col("current_shares"))
    box, weight = book.limits.box, pl.col("weight")
    outside = ~weight.is_between(box.min - _SLACK, box.max + _SLACK)
    unit = pl.col("unit_value").fill_null(1.0)
    price_value = pl.col("shares") * pl.col("reference_price") * unit
    gaps = held.select(
        value=(pl.col("value") - price_value).abs().max() / pl.col("value").abs().sum(),
        weight=(weight / weight.abs().sum() - pl.col("value") / pl.col("value").abs().sum())
        .abs()
        .max(),
        risk=(pl.col("risk_contribution").sum() - 1).abs()
        * pl.col("risk_contribution").is_not_null().any(),
    )
    return {
        "not_finite": sum(int((~numbers[c].is_finite()).sum()) for c in numbers.columns),
        "unpriced": int((~(held["reference_price"] > 0).fill_null(False)).sum()),
        "value_gap": _first(gaps["value"]),
        "weight_gap": _first(gaps["weight"]),
        "risk_gap": _first(gaps["risk"]),
        "shorts": traded.filter(weight < -_SLACK).height,
        "lightest": _or_zero(traded["weight"].min()),
        "heaviest": _or_zero(traded["weight"].max()),
        "outside_untraded": kept.filter(outside).height,
        "gross": float(targets["weight"].abs().sum()),
        "net": float(targets["weight"].sum()),
        "names": held.height,
    }


def target_bounds(book: Book) -> Facts:
    """Return the parameters of the target suite; a limit the book lacks bounds nothing."""
    limits = book.limits
    return {
        "box_min": limits.box.min - _SLACK,
        "box_max": limits.box.max + _SLACK,
        "gross": (limits.gross or inf) + _SLACK,
        "net_min": (limits.net.min if limits.net else -inf) - _SLACK,
        "net_max": (limits.net.max if limits.net else inf) + _SLACK,
        "invested": 1 - limits.cash + _SLACK,
        "names_min": limits.names.min if limits.names else 0,
        "names_max": limits.names.max if limits.names else inf,
    }


def limits_in_force(book: Book, known: Iterable[str]) -> tuple[str, ...]:
    """Return those of the `known` limits that the book has and has not switched off."""
    has = {name for name in known if getattr(book.limits, name) not in (None, False)}
    return tuple(sorted(has - set(book.switched_off)))


def _allowed(share: float, of: int) -> float:
    return max(ALLOWED, share * of)


def _repeated_share(clean: pl.DataFrame, before: pl.DataFrame, reach: Reach) -> float:
    """Return the share of rows known already, or sent again under a new date.

    Of the last two sessions: what a source tells of those before is always known.
    """
    late = pl.col("session") >= reach.sessions[-2]
    known = pl.col("session") <= pl.col("session_eve")
    again = (pl.col("close") == pl.col("close_eve")) & (pl.col("volume") == pl.col("volume_eve"))
    repeated = before.filter(late, known | (again & (pl.col("volume") > 0)).fill_null(False))
    return repeated.height / max(clean.filter(late).height, 1)


def _corrected(before: pl.DataFrame) -> int:
    same_session = pl.col("session") == pl.col("session_eve")
    moved = (pl.col("close") / pl.col("close_eve") - 1).abs() > _SAME
    return before.filter(same_session & moved).height


def _holes(clean: pl.DataFrame) -> int:
    """Count rows without a number that other rows of this delivery have."""
    given = [c for c in ("open", "high", "low", "volume") if clean[c].null_count() < clean.height]
    return clean.filter(pl.any_horizontal(pl.col(given).is_null())).height if given else 0


def usable_action() -> pl.Expr:
    """Return whether a row of `RAW_ACTIONS` says what happened, to whom and when."""
    signed = pl.col("kind") == "roll"
    value = pl.col("value").is_finite() & (signed | (pl.col("value") > 0))
    known = pl.col("kind").is_in(["split", "dividend", "roll"])
    named = pl.col("symbol").is_not_null() & pl.col("ex_session").is_not_null()
    return (value & known & named).fill_null(False)


def _splits(actions: pl.DataFrame) -> int:
    return actions.filter(pl.col("kind") == "split")["symbol"].n_unique()


def _missing_sessions(clean: pl.DataFrame, reach: Reach) -> int:
    given = set(clean["session"].unique().to_list())
    if not given:
        return len(reach.sessions)
    return sum(1 for day in reach.sessions if min(given) <= day and day not in given)


def _first(values: pl.Series) -> float:
    """Return the one value of an aggregate; 0 where there was nothing to aggregate."""
    value = values.item()
    return 0.0 if value is None else float(value)


def _or_zero(value: object) -> float:
    return float(value) if isinstance(value, float) else 0.0
