"""Prices, adjusted closes and given actions of one delivery, held against each other.

Three accounts of the same history must agree: what was traded, what the vendor says happened
(splits and dividends), and the adjusted close that carries both. Where they do not, at least one
is wrong, and the row or action is named. Nothing is mended, and nothing is judged that the
delivery itself does not show: no list of symbols, no second source.

What each rule reads, since all rows of one delivery are known together:

- `dividend not carried`, `dividend at another size`, `split not carried`, `split at another size`
  and `adjustment without action` read a row and the one before it (in bars longer than a session,
  the one after it too): later rows change nothing of what they say.
- `dividend above the price` reads the close before the ex session.
- `unit slip`, `split misapplied`, `split not followed`, `dividend too large`, `dividend too small`
  and `dividend given twice` read the whole delivery: which level of prices is the odd one, how
  much the name usually moves, and what the price did after the ex session.
"""

from typing import Literal

import polars as pl

from expectations.dividends import wrong_dividends
from expectations.levels import split_slips, unit_slips
from expectations.price_history import Finding, History, history

CONTRADICTIONS = {
    "session": pl.Date,
    "symbol": pl.String,
    "kind": pl.String,
    "rule": pl.String,
    "detail": pl.String,
}


def contradictions(
    bars: pl.DataFrame, actions: pl.DataFrame, *, splits: Literal["applied", "as_traded"]
) -> pl.DataFrame:
    """Return every row and action that contradicts the others, with the rule it breaks.

    Rows without a positive close are left out, and so are actions without a positive value and
    those that are neither split nor dividend. An action whose ex session has no row counts on the
    next row. Rules on the adjusted close are silent where it is null or NaN: give it only where it
    is meant to carry every dividend and split, and give no actions that were inferred from it.

    Args:
        bars: `RAW_BARS` of one delivery, keys unique, in any order. `session` may be any date or
            datetime: bars may be longer or shorter than a session.
        actions: `RAW_ACTIONS` of the same delivery; `ex_session` of the type of `session`.
        splits: `as_traded` where prices jump on the ex session of a split and a dividend is cash a
            share as traded on its ex session, as in the lake; `applied` where the vendor restated
            older prices and dividends for later splits.

    Returns:
        `CONTRADICTIONS`, each once, sorted. The kind is that of the action, and null where a row is
        named; the session is the row's, or the ex session of the action.
    """
    told = history(bars, actions, splits=splits)
    found = [
        *unit_slips(told),
        *split_slips(told, lasting_is_the_action=splits == "as_traded"),
        *wrong_dividends(told),
    ]
    return _named(found, told, bars.schema["session"])


def _named(found: list[Finding], told: History, kind: pl.DataType) -> pl.DataFrame:
    """Return findings with the session and symbol they are about."""
    schema = CONTRADICTIONS | {"session": kind}
    if not found:
        return pl.DataFrame(schema=schema)
    lines = pl.DataFrame(
        found,
        schema={"at": pl.UInt32, "action": pl.Int64, "rule": pl.String, "detail": pl.String},
        orient="row",
    )
    keys = told.keys.with_row_index("at")
    acted = told.actions.select("ex_session", "kind").with_row_index("action")
    acted = acted.with_columns(pl.col("action").cast(pl.Int64))
    return (
        lines.join(keys, on="at", how="left")
        .join(acted, on="action", how="left")
        .with_columns(pl.coalesce("ex_session", "session").cast(kind).alias("session"))
        .select(list(schema))
        .unique()
        .sort("session", "symbol", "rule", "detail", "kind")
    )
