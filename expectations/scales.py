"""How far a price usually moves and how much usually trades, told by each symbol's own sessions.

A robust scale is 1.4826 x the median absolute deviation: that of a normal's standard deviation,
and deaf to a few wild days.
"""

import polars as pl

NORMAL = 1.4826  # median absolute deviation -> standard deviation of a normal
OWN_MOVES = 60  # sessions that a symbol's own scale is taken over
FEWEST_OWN = 20  # of them, for it to mean something
USUAL_VOLUME = 20  # sessions that a symbol's usual volume is taken over
LAST_DAYS = 3  # sessions that say whether a symbol is in the news already
FEWEST_VOLUMES = 10
# The newest clean row of each of the last sessions.
RECENT = {
    "session": pl.Date,
    "symbol": pl.String,
    "open": pl.Float64,
    "high": pl.Float64,
    "low": pl.Float64,
    "close": pl.Float64,
    "volume": pl.Float64,
}


def own_scales(keys: pl.DataFrame, recent: pl.DataFrame) -> pl.DataFrame:
    """Return (session, symbol, own, usual, worth): what each key's symbol did before.

    `own` is the robust scale of its daily log returns, `usual` the median of its volume and
    `worth` of volume times close, over the last weeks or the last days, the larger. Null where too
    few sessions are known. Splits among them do not matter to a median.

    Args:
        keys: (session, symbol), each once; few of them, for each is looked up on its own.
        recent: `RECENT`.
    """
    before = (
        keys.select("symbol", at="session")
        .join(recent.select("session", "symbol", "close", "volume"), on="symbol")
        .filter(pl.col("session") < pl.col("at"))
        .sort("symbol", "at", "session")
        .with_columns(
            move=pl.when(pl.col("close") > 0)
            .then(pl.col("close"))
            .log()
            .diff()
            .over("symbol", "at")
        )
    )
    moves = pl.col("move").drop_nulls().tail(OWN_MOVES)
    volumes = pl.col("volume").drop_nulls().tail(USUAL_VOLUME)
    money = (pl.col("volume") * pl.col("close").abs()).drop_nulls().tail(USUAL_VOLUME)
    scale = (moves - moves.median()).abs().median() * NORMAL
    return before.group_by(pl.col("at").alias("session"), "symbol").agg(
        own=pl.when(moves.len() >= FEWEST_OWN).then(scale),
        usual=pl.when(volumes.len() >= FEWEST_VOLUMES).then(_lately(volumes)),
        worth=pl.when(money.len() >= FEWEST_VOLUMES).then(_lately(money)),
    )


def _lately(amounts: pl.Expr) -> pl.Expr:
    return pl.max_horizontal(amounts.median(), amounts.tail(LAST_DAYS).median())


def is_quiet(loud: float) -> pl.Expr:
    """Return whether a row with `usual` and `worth` trades less than `loud` times as usual.

    In shares or in money: a split that nobody tells of doubles the one, and not the other.
    """
    money = pl.col("volume") * pl.col("close").abs()
    return (pl.col("volume") < loud * pl.col("usual")) | (money < loud * pl.col("worth"))


def usual_volumes(recent: pl.DataFrame) -> pl.DataFrame:
    """Return (symbol, usual, least, worth): median and least volume, median money traded.

    Taken over the last `USUAL_VOLUME` sessions of `recent`, symbols with too few left out.
    """
    sessions = recent.select(pl.col("session").unique().sort().tail(USUAL_VOLUME))
    first = None if sessions.is_empty() else sessions["session"][0]
    rows = recent.filter(pl.col("session") >= pl.lit(first, dtype=pl.Date))
    told = rows.group_by("symbol").agg(
        sessions=pl.col("volume").count(),
        usual=pl.col("volume").median(),
        least=pl.col("volume").min(),
        worth=(pl.col("volume") * pl.col("close")).median(),
    )
    return told.filter(pl.col("sessions") >= FEWEST_VOLUMES).drop("sessions")
