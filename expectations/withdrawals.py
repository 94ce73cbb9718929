"""Actions that a vendor tells no more: taken back, but where prices still bear them out.

A vendor that mends a mistake tells a session again without the action. One that lost a column for
a night does the same, of every name at once.
"""

from typing import NamedTuple

import polars as pl

from expectations.eve import Eve
from expectations.facts import ALLOWED, Facts
from expectations.findings import Finding, noted
from tasks.market import frames
from tasks.market.adjust import is_nothing

SHOWN = 0.05  # log: from here on the price shows an action; a usual day moves it by less
_KEY = ["ex_session", "symbol", "kind"]


class Withdrawals(NamedTuple):
    """Known actions of which a night says that there were none."""

    taken: pl.DataFrame  # `RAW_ACTIONS`: that there was none, which counts from tonight
    kept: pl.DataFrame  # `RAW_ACTIONS`: likewise, not believed: the known action stands
    known: int  # known actions of the sessions that the night tells again

    def facts(self) -> Facts:
        """Return how many there are, and which share of those that could be."""
        found = self.taken.height + self.kept.height
        broad = found > ALLOWED
        return {"withdrawn": found, "withdrawn_share": found / max(self.known, 1) if broad else 0}

    def notes(self, rows: int) -> list[Finding]:
        """Return a finding for each of the two, where there is any; `rows` were delivered."""
        done = {"taken back": self.taken, "action kept": self.kept}
        return [
            noted("action told no more", _places(part), part.height, rows, what)
            for what, part in done.items()
            if part.height
        ]


def withdrawals(actions: pl.DataFrame, clean: pl.DataFrame, eve: Eve) -> Withdrawals:
    """Return the known actions that a night takes back.

    One is not believed where the row of its ex session did not pass, or where the closes around
    it are nearer to what the action makes of them than to nothing; of less than 5 % they cannot
    tell.

    Args:
        actions: `RAW_ACTIONS` as they came, with those that say there was nothing.
        clean: `RAW_BARS` that passed.
        eve: What was known before.
    """
    nothing = actions.filter(is_nothing()).unique(_KEY)
    told = actions.filter(~is_nothing())
    again = nothing.join(told, on=_KEY, how="anti").rename({"value": "nothing"})
    found = eve.actions.join(again, on=_KEY, how="inner")
    if found.is_empty():
        none = frames.empty(frames.RAW_ACTIONS)
        return Withdrawals(none, none, 0)
    days = nothing["ex_session"].unique()
    held = found.join(_closes(clean, eve), on=["ex_session", "symbol"], how="left").with_columns(
        believed=~pl.coalesce(_borne_out(), True)
    )
    lines = held.with_columns(value="nothing").sort(_KEY)
    return Withdrawals(
        taken=frames.shaped(lines.filter("believed"), frames.RAW_ACTIONS),
        kept=frames.shaped(lines.filter(~pl.col("believed")), frames.RAW_ACTIONS),
        known=eve.actions.filter(pl.col("ex_session").is_in(days.implode())).height,
    )


def _closes(clean: pl.DataFrame, eve: Eve) -> pl.DataFrame:
    """Return (ex_session, symbol, close, last) of each clean row and the known close before it."""
    row = ["session", "symbol", "close"]
    rows = pl.concat([part.select(row) for part in (eve.recent, clean)])
    rows = rows.unique(["session", "symbol"], keep="last", maintain_order=True).sort("session")
    paired = rows.with_columns(last=pl.col("close").shift(1).over("symbol"))
    own = paired.join(clean, on=["session", "symbol"], how="semi")
    return own.select("symbol", "close", "last", ex_session="session")


def _borne_out() -> pl.Expr:
    """Return whether the price bears the action; null where the row did not pass.

    A dividend too small for the price to show it, and a session without a close before, speak
    neither for the action nor against it.
    """
    split, cash = pl.col("kind") == "split", pl.col("close") + pl.col("value")
    undone = pl.when(split).then(pl.col("close") * pl.col("value")).otherwise(cash)
    plain = (pl.col("close") / pl.col("last")).log()
    fitted = (undone / pl.col("last")).log()
    shown = ((fitted - plain).abs() >= SHOWN) & (fitted.abs() < plain.abs())
    return pl.when(pl.col("close").is_not_null()).then(shown.fill_null(False))


def _places(part: pl.DataFrame) -> list[str]:
    return [f"{kind} of {symbol} {day}" for day, symbol, kind, _ in part.iter_rows()]
