"""What an account makes up for when an action becomes known after its ex session.

What the book did since is gone over twice, name by name: with the actions as they were known at its
last settlement, and as they are known now. The account moves by the difference, so each split moves
its shares once and each dividend is paid once, however late; rows already written stay.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

import polars as pl

from tasks.execution.day import CRUMB

MOVES = {
    "instrument": pl.String,
    "more": pl.Int64,  # shares to be added
    "ratio": pl.Float64,  # what its price, the account's or the last fill's, is to be divided by
    "fallen": pl.Float64,  # dividends since that price, a share of now, in quoted terms
    "owed": pl.Float64,  # cash of dividends, in quoted terms
    "broken": pl.Float64,  # shares to be paid out, being fractions
    "resplit": pl.Boolean,  # a split was not known when the orders that wait were made
    "last_price": pl.Float64,  # of the last fill, where nothing is held
    "last_session": pl.Date,
}


def caught_up(
    book: pl.DataFrame,
    late: pl.DataFrame | None,
    past: pl.DataFrame | None,
    *,
    since: date,
    delisting_sessions: int,
) -> pl.DataFrame:
    """Move positions and orders by what became known after `since` about sessions up to it.

    Shares bought on or after the ex session are not split, shares sold since were of the new kind;
    a dividend is owed for what was held over the close before. A price older than a split is put
    in the new shares. Orders in a name whose split was not known are withdrawn: their size and
    limit rest on a wrong count. A holding that was paid out for its silence stays paid out.

    Args:
        book: Positions beside the orders that wait, one row a name.
        late: (instrument, ex_session, kind, value, known_on, delivery, unit_value), as
            `late_actions` gives them; None or empty on most nights.
        past: `LEDGER` rows of the book up to `since`, from its first session on. Shares held on
            that one are taken as they stand.
        since: The session that the account stands at.
        delisting_sessions: After so many without a price a holding was paid out.

    Returns:
        `book` with the cash that comes of it, in the book's currency: `owed` and `left_over`.
    """
    if late is None or late.is_empty():
        return book.with_columns(owed=pl.lit(0.0), left_over=pl.lit(0.0))
    if past is None:
        raise ValueError(f"Actions became known late after {since}: give the ledger's past too.")
    marks = dict(book.select("instrument", "price_session").iter_rows())
    found = _events(late, past, since=since, delisting_sessions=delisting_sessions)
    moves = [
        _move(name, events.iter_rows(named=True), marked_on=marks.get(name))
        for (name,), events in found.partition_by("instrument", as_dict=True).items()
    ]
    units = late.select("instrument", unit="unit_value").unique("instrument")
    return _moved(book, pl.DataFrame(moves, schema=MOVES).join(units, on="instrument"), past)


def _events(
    late: pl.DataFrame, past: pl.DataFrame, *, since: date, delisting_sessions: int
) -> pl.DataFrame:
    """Return what happened to each name, oldest first: actions as known now and before, and fills.

    Only actions of the ledger's own sessions count, as they do on time.
    """
    key, first = ["instrument", "session"], past["session"].min()
    sessions = past.select("session").unique().filter(pl.col("session") > first)
    own = late.rename({"ex_session": "session"}).join(sessions, on="session", how="semi")
    before = _in_force(own.filter(pl.col("known_on") <= since))
    actions = _in_force(own).join(before, on=key, how="left", suffix="_before")
    if bad := actions.filter(pl.col("split") <= 0)["instrument"].unique().sort().to_list():
        raise ValueError(f"Split ratio not above zero for {', '.join(bad)}.")
    rows = past.join(late.select("instrument").unique(), on="instrument", how="semi").sort(key)
    silent = pl.col("stale").shift(1).over("instrument") + 1 >= delisting_sessions
    opening = pl.when(pl.col("session") == first)
    fills = rows.select(
        *key,
        traded=opening.then("shares").otherwise("traded").fill_null(0.0),
        fill_price=opening.then("price").otherwise("fill_price"),
        ended=((pl.col("shares") == 0) & silent).fill_null(False),
    ).filter(pl.col("traded") != 0)
    return (
        actions.join(fills, on=key, how="full", coalesce=True)
        .with_columns(
            pl.col("split", "split_before").fill_null(1.0),
            pl.col("cash", "cash_before", "traded").fill_null(0.0),
            pl.col("ended").fill_null(False),
        )
        .sort(key)
    )


def _in_force(actions: pl.DataFrame) -> pl.DataFrame:
    """Return (instrument, session, split, cash) by the last print of each action."""
    key = ["instrument", "session"]
    last = actions.sort("known_on", "delivery").unique([*key, "kind"], keep="last")
    value, is_split = pl.col("value"), pl.col("kind") == "split"
    return (
        last.sort(*key, "kind")
        .group_by(key, maintain_order=True)
        .agg(split=value.filter(is_split).product(), cash=value.filter(~is_split).sum())
    )


def _move(name: str, events: Iterable[dict[str, Any]], *, marked_on: date | None) -> dict[str, Any]:
    """Go over one name's events with what was known before and with what is known now."""
    shares_before = shares = 0
    owed, broken, ratio, fallen, resplit = 0.0, 0.0, 1.0, 0.0, False
    last_price, last_session = None, None
    for event in events:
        split, split_before = event["split"], event["split_before"]
        exact_before, exact = shares_before * split_before, shares * split
        shares_before, shares = _whole(exact_before), _whole(exact)
        owed += exact * event["cash"] - exact_before * event["cash_before"]
        broken = broken * split + (exact - shares) - (exact_before - shares_before)
        resplit = resplit or split != split_before
        if marked_on is None or event["session"] > marked_on:
            ratio *= split / (1.0 if marked_on is None else split_before)
            fallen = fallen / split + event["cash"]
        shares_before += int(event["traded"])
        shares = 0 if event["ended"] else shares + int(event["traded"])
        if marked_on is None and event["traded"]:
            last_price, last_session = event["fill_price"], event["session"]
            ratio, fallen = 1.0, 0.0
    return {
        "instrument": name,
        "more": shares - shares_before,
        "ratio": ratio,
        "fallen": fallen,
        "owed": owed,
        "broken": broken,
        "resplit": resplit,
        "last_price": last_price,
        "last_session": last_session,
    }


def _moved(book: pl.DataFrame, moves: pl.DataFrame, past: pl.DataFrame) -> pl.DataFrame:
    """Return `book` moved; a name that was sold out too far, or not far enough, is held again."""
    rateless = moves.filter(pl.col("owed") != 0, ~pl.col("unit").is_finite().fill_null(False))
    if not rateless.is_empty():
        raise ValueError(
            f"A late dividend of {', '.join(rateless['instrument'].sort())} has no exchange rate: "
            "bring the rate of this session, and settle again."
        )
    sessions = past["session"].unique().sort()
    since_fill = sessions.len() - 1 - sessions.search_sorted(moves["last_session"], side="left")
    moves = moves.with_columns(last_stale=pl.Series(since_fill, dtype=pl.Int64))
    both = book.join(moves, on="instrument", how="full", coalesce=True)
    price = pl.coalesce("price", "last_price") / pl.col("ratio").fill_null(1.0)
    without = price - pl.col("fallen") * pl.col("unit").fill_nan(None).fill_null(0.0)
    withdrawn = pl.col("resplit").fill_null(False)
    return both.select(
        "instrument",
        shares=pl.col("shares").fill_null(0) + pl.col("more").fill_null(0),
        price=price,
        price_session=pl.coalesce("price_session", "last_session"),
        stale=pl.coalesce("stale", "last_stale"),
        quantity=pl.when(withdrawn).then(0).otherwise("quantity"),
        limit_price=pl.when(withdrawn).then(None).otherwise("limit_price"),
        owed=(pl.col("owed") * pl.col("unit")).fill_null(0.0),
        left_over=(pl.col("broken") * without).fill_null(0.0),
    )


def _whole(exact: float) -> int:
    """Cut towards zero as `day.after_actions` does, forgiving the last bits of a product."""
    return int(exact + CRUMB) if exact > 0 else int(exact - CRUMB)
