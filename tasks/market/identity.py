"""Who a symbol is: the instrument behind it, named so that any order of landing agrees."""

import polars as pl

from tasks.market.frames import DAY, TEXT

NEW_INSTRUMENTS = {"instrument": TEXT, "symbol": TEXT, "from_session": DAY}


def identify(
    bars: pl.DataFrame, listed: pl.DataFrame, *, source: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return `bars` with their `instrument`, and the instruments that were never seen before.

    A symbol that is listed keeps its newest instrument; a new one becomes
    `<source>:<symbol>:<first session it has a row in>`. One instrument a symbol for now: renames
    and re-used symbols are not told apart.

    Args:
        bars: `RAW_BARS` that passed the gate, of one or more nights.
        listed: `LISTINGS` known before them; rows of other sources do not count.
        source: Where the bars come from.

    Returns:
        `bars` plus `instrument`, sorted by session and symbol; and (instrument, symbol,
        from_session) of the new ones, sorted by symbol.
    """
    if nameless := bars.filter(pl.any_horizontal(pl.col("symbol", "session").is_null())).height:
        raise ValueError(f"{nameless} rows without symbol or session: the gate must drop them.")
    known = (
        listed.filter(pl.col("source") == source)
        .sort("symbol", "from_session", "instrument")
        .unique("symbol", keep="last", maintain_order=True)
        .select("symbol", "instrument")
    )
    new = (
        bars.join(known, on="symbol", how="anti")
        .group_by("symbol")
        .agg(from_session=pl.col("session").min())
        .with_columns(
            instrument=pl.concat_str(
                pl.lit(source), "symbol", pl.col("from_session").dt.to_string(), separator=":"
            )
        )
        .select(pl.col(name).cast(kind) for name, kind in NEW_INSTRUMENTS.items())
        .sort("symbol")
    )
    everyone = pl.concat([known, new.select("symbol", "instrument")])
    found = bars.join(everyone, on="symbol", how="left", validate="m:1")
    return found.sort("session", "symbol", maintain_order=True), new
