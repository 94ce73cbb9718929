"""Actions that the price does not follow: a split that was none, a dividend 100 times too large.

Tonight's close is held against the last one, both with the action undone and as it stands. Where
it fits as it stands and not with the action, the action would make a return that nobody had.
"""

import polars as pl

from expectations.moves import NEAR

BIG = 0.18  # log: a split from 6:5 on is big enough for the price to show it
LEAST = 0.25  # log: a dividend of a symbol whose own scale is unknown is doubted from here on
_KEY = ["session", "symbol"]
REFUSED = {
    "session": pl.Date,
    "symbol": pl.String,
    "kind": pl.String,
    "rule": pl.String,
    "detail": pl.String,
}


def unfollowed_actions(chain: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Return `REFUSED`: the actions whose ex session has a row that does not bear them out.

    Of several actions in a session each is held against the price alone, and none is refused that
    it bears together with the others.

    Args:
        chain: `expectations.moves`, with `own_scale` where an observed night has it.
        actions: `RAW_ACTIONS`, usable ones.
    """
    kinds = actions.filter(pl.col("kind").is_in(["split", "dividend"]))
    if kinds.is_empty():
        return pl.DataFrame(schema=REFUSED)
    first = chain.group_by("symbol", "session", maintain_order=True).first()
    first = first.with_columns(last=pl.col("close").shift(1).over("symbol"))
    known = chain.drop("value").filter("own", ~pl.col("signed"), pl.col("move").is_not_null())
    known = known.unique(_KEY, keep="last").join(first.select(*_KEY, "last"), on=_KEY, how="left")
    split = pl.col("kind") == "split"
    together = kinds.group_by("ex_session", "symbol").agg(
        shares=pl.col("value").filter(split).product(), cash=pl.col("value").filter(~split).sum()
    )
    held = known.join(
        kinds.join(together, on=["ex_session", "symbol"]),
        left_on=_KEY,
        right_on=["ex_session", "symbol"],
    )
    plain = _away(pl.col("close"))
    undone = pl.when(split).then(pl.col("close") * pl.col("value"))
    alone = undone.otherwise(pl.col("close") + pl.col("value"))
    # A dividend is cash a share after a split of the same session.
    all_of_them = (pl.col("close") + pl.col("cash")) * pl.col("shares")
    off = pl.min_horizontal(_away(alone).abs(), _away(all_of_them).abs())
    size = pl.col("value").log().abs()
    scale = pl.max_horizontal(pl.col("own_scale") * NEAR, pl.col("spread") * NEAR)
    scale = pl.when(pl.col("own_scale").is_null()).then(LEAST).otherwise(scale)
    doubted_split = (size >= BIG) & (pl.col("off") > size / 2)
    doubted_cash = (pl.col("off") > scale) & (pl.col("plain").abs() < pl.col("off") / 2)
    doubted = pl.when(split).then(doubted_split).otherwise(doubted_cash)
    return (
        held.with_columns(plain=plain, off=off)
        .filter(doubted & (pl.col("plain").abs() < pl.col("off")))
        .select(
            *_KEY,
            "kind",
            rule=pl.format("{} not in the price", "kind"),
            detail=pl.format("{} of {}: close {} after {}", "kind", "value", "close", "last"),
        )
        .sort(*_KEY, "kind")
    )


def _away(close: pl.Expr) -> pl.Expr:
    """Return how far a close is from the last one, in logs, less the session's own move."""
    return (close / pl.col("last")).log() - pl.col("centre")
