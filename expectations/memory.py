"""What a desk remembers from night to night, so that a delivery can be held against it."""

from datetime import date

import polars as pl

from expectations.eve import ACTED, LAST_VALUES, Eve
from expectations.scales import OWN_MOVES, RECENT
from tasks.market.adjust import is_nothing
from tasks.market.identity import EVE

LAST = 61  # values of each series: a night may tell sixty again
USUAL_NIGHTS = 20  # how many nights say what a usual delivery holds
REACH = OWN_MOVES + 1  # sessions before a night whose rows it is held against


class Memory:
    """The clean rows of the last nights, and who was listed.

    Args:
        bars: `BARS` of earlier deliveries, recent ones at least.
        listings: `LISTINGS` of earlier deliveries, all of them.
        series: `SERIES` of earlier deliveries, recent ones at least.
        actions: `ACTIONS` of earlier deliveries, of recent ex sessions at least.
    """

    def __init__(
        self,
        bars: pl.DataFrame,
        listings: pl.DataFrame,
        series: pl.DataFrame,
        actions: pl.DataFrame,
    ) -> None:
        bars = bars.sort("session", "delivery", maintain_order=True)
        self.closes = _newest_rows(bars)  # `EVE`: the last clean row of each symbol
        self.recent = _newest_of_each_key(bars)
        self.listed = listings.sort("known_on", "delivery", "instrument")
        self.values = _last_values(series.sort("known_on", "delivery").select(list(LAST_VALUES)))
        self.actions = actions.sort("known_on", "delivery", maintain_order=True)
        self._own_rows = _own_rows(bars)  # of the last nights, newest last

    def forget_before(self, first: date) -> None:
        """Forget rows before `first`, so that a memory made anew from the lake holds the same."""
        self.closes = self.closes.filter(pl.col("session") >= first)
        self.recent = self.recent.filter(pl.col("session") >= first)
        self.actions = self.actions.filter(pl.col("ex_session") >= first)

    def add(
        self,
        bars: pl.DataFrame,
        listings: pl.DataFrame,
        series: pl.DataFrame,
        actions: pl.DataFrame,
    ) -> None:
        """Remember what a judged night adds to the lake, each frame as its table there."""
        self.actions = pl.concat([self.actions, actions]).sort("known_on", maintain_order=True)
        self.listed = pl.concat([self.listed, listings])
        self.values = _last_values(pl.concat([self.values, series.select(list(LAST_VALUES))]))
        if bars.is_empty():
            return
        self.closes = _newest_rows(pl.concat([self.closes, bars.select(list(EVE))]))
        self.recent = _with_newer(self.recent, bars.select(list(RECENT)))
        self._own_rows = [*self._own_rows, *_own_rows(bars)][-USUAL_NIGHTS:]

    def eve(self, cleared: pl.DataFrame, second: pl.DataFrame) -> Eve:
        """Return what is known before a night.

        Args:
            cleared: `CLEARED` of `expectations.eve`.
            second: `SECOND` of `expectations.eve`.
        """
        rows = sorted(self._own_rows)
        return Eve(
            closes=self.closes,
            own_rows=rows[len(rows) // 2] if rows else None,
            recent=self.recent,
            listed=self.listed,
            cleared=cleared,
            second=second,
            actions=_standing(self.actions, self.closes),
            values=self.values,
        )


def _standing(actions: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """Return `ACTED`: the newest word on each action, where that is not that there was none."""
    newest = actions.unique(["ex_session", "instrument", "kind"], keep="last")
    named = newest.filter(~is_nothing()).join(names, on="instrument", how="inner")
    return named.select(list(ACTED)).sort("ex_session", "symbol", "kind")


def _newest_rows(bars: pl.DataFrame) -> pl.DataFrame:
    newest = bars.select(list(EVE)).sort("session", maintain_order=True)
    return newest.unique("symbol", keep="last", maintain_order=True).sort("symbol")


def _newest_of_each_key(bars: pl.DataFrame) -> pl.DataFrame:
    """Return the newest row of each key; `bars` are in the order of their deliveries."""
    return bars.select(list(RECENT)).unique(["session", "symbol"], keep="last", maintain_order=True)


def _with_newer(recent: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """Return `recent` with the rows of `bars`, which replace those of the same key."""
    old = pl.col("session") < bars["session"].min()
    touched = pl.concat([recent.filter(~old), bars])
    return pl.concat([recent.filter(old), _newest_of_each_key(touched)])


def _last_values(series: pl.DataFrame) -> pl.DataFrame:
    """Return the last values of each series, as one who reads `series` by then finds them."""
    told = series.sort("known_on", maintain_order=True)
    newest = told.unique(["name", "session"], keep="last", maintain_order=True)
    return newest.sort("name", "session").group_by("name", maintain_order=True).tail(LAST)


def _own_rows(bars: pl.DataFrame) -> list[int]:
    """Return how many rows of its own session (a holiday has none) each delivery brought."""
    own = bars.filter(pl.col("session") == pl.col("delivery"))
    return own.group_by("delivery").len().sort("delivery")["len"].to_list()[-USUAL_NIGHTS:]
