"""Everything that prices, and the actions beside them, say against each other in one delivery."""

from typing import NamedTuple

import polars as pl

from expectations.classes import CLASSES
from expectations.eve import Eve
from expectations.excursions import far_fields
from expectations.jumps import Jumps, unexplained_jumps
from expectations.moves import chains, with_near_bounds, with_signed_bounds
from expectations.sorting import KEY, NAMED, Reach, without
from expectations.unfollowed import unfollowed_actions


class Moved(NamedTuple):
    """Rows after their moves were judged."""

    clean: pl.DataFrame  # `RAW_BARS`
    aside: pl.DataFrame  # (session, symbol, rule, detail)
    confirmed: list[str]  # symbols whose new level was taken on
    quiet: list[str]  # likewise, of a move that was only large for its volume
    refused: pl.DataFrame  # (session, symbol, kind) of actions the price does not follow


def judge_moves(
    rows: pl.DataFrame, actions: pl.DataFrame, eve: Eve, classes: pl.DataFrame, reach: Reach
) -> Moved:
    """Return the rows whose prices follow from what was known, and the others with their rule.

    Takes `rows` (`RAW_BARS`, unique keys, finite) and `actions` (`RAW_ACTIONS`) known tonight.
    """
    acted = actions["symbol"].drop_nulls().unique()
    chain = chains(rows, eve.closes, classes, eve.recent)
    chain = with_signed_bounds(chain, eve.recent)
    if reach.observed:
        chain = with_near_bounds(chain, eve.recent, reach.sessions, acted)
    else:
        unknown = {"since": pl.Date, "own_scale": pl.Float64, "near": pl.Float64}
        chain = chain.with_columns(pl.lit(None, kind).alias(k) for k, kind in unknown.items())
    jumps = unexplained_jumps(chain, actions, observed=reach.observed, until=reach.sessions[-1])
    left, jumped = _without_jumps(rows, jumps)
    ceiling = CLASSES["equity"].ceiling
    far = far_fields(left, chain, eve.recent, ceiling=ceiling, acted=acted, observed=reach.observed)
    refused = unfollowed_actions(chain, actions)
    splits = refused.filter(pl.col("kind") == "split").select(list(NAMED))
    left, odd = without(left, [splits, far])
    others = refused.join(odd, on=list(KEY), how="anti").select(list(NAMED)).unique(KEY)
    return Moved(
        clean=left,
        aside=pl.concat([jumped, odd, others.sort(KEY)]),
        confirmed=jumps.confirmed,
        quiet=jumps.quiet,
        refused=refused.select(*KEY, "kind"),
    )


def _without_jumps(rows: pl.DataFrame, jumps: Jumps) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that are left, and the jumped ones with every row of a jumped symbol."""
    if jumps.rows.is_empty():
        return rows, jumps.rows
    marked = rows.join(jumps.rows, on=list(KEY), how="left", maintain_order="left")
    whole = pl.col("symbol").is_in(jumps.symbols) & pl.col("rule").is_null()
    marked = marked.with_columns(
        rule=pl.when(whole).then(pl.lit("symbol set aside")).otherwise("rule"),
        detail=pl.when(whole)
        .then(pl.lit("its newest row of this night cannot be trusted"))
        .otherwise("detail"),
    )
    aside = marked.filter(pl.col("rule").is_not_null()).select(list(NAMED))
    return marked.filter(pl.col("rule").is_null()).drop("rule", "detail"), aside
