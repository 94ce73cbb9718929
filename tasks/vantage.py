"""What a book sees at one close: read once, then rolled forward session by session.

The night rolls it to one session, the backtest over many: both decide by the same steps.
"""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from conf.schema import RiskModelConf
from tasks.approvals import approved
from tasks.drift import drift_known
from tasks.market.adjust import late_actions
from tasks.market.currency import Worth, in_currency, without_rounding
from tasks.market.history import View
from tasks.market.lake import Lake, Span
from tasks.market.windows import day_frame, recent_returns
from tasks.panels import history_of
from tasks.portfolio.alpha import expected_returns, shrunk_ic
from tasks.portfolio.snapshot import PRICE_SESSIONS, snapshot
from tasks.realised import record_known
from tasks.risk.factors import RiskModel, risk_model
from tasks.roster import Rates, Roster, days_back
from tasks.settings import calendar, load_book, load_contest, load_source
from tasks.simulation.walk import Close, Look, Policy
from tasks.statistics.hac import Mean, hac_mean, label_lags

if TYPE_CHECKING:
    from tasks.execution.ledger import Account
    from tasks.portfolio.decide import Decision


class Outlook(NamedTuple):
    """What is expected of the names at one close."""

    ic: Mean  # of the walk-forward record known then
    shrunk: float  # the part of it that can be told from zero, and that drift leaves
    forecast: pl.DataFrame  # instrument, score, z, expected_return over the horizon


class Vantage:
    """One book's market, roster, scores and record, as known at the session it is rolled to.

    Scores and price screens go by prices as quoted, liquidity by what they are worth in the
    source's currency; risk, sizes and money in the book's. A book whose names are all quoted in its
    own currency sees the same prices.

    Args:
        lake: Where all of it is kept.
        book: A name in `conf/books`.
        first: The first session it will be rolled to.
        last: The last one; nothing known later is read.

    """

    def __init__(self, lake: Lake, book: str, first: date, last: date) -> None:
        self.name, self.mandate = book, load_book(book)
        self.rules, self.source = (
            load_contest(self.mandate.contest),
            load_source(self.mandate.source),
        )
        self.days = calendar(self.source.calendar)
        self.roster = Roster(lake, self.mandate.source, self.mandate.universe, last)
        reach = max(_past(self.mandate.risk), PRICE_SESSIONS, self.roster.reach)
        since = max(first, self.days.on_or_after(self.source.starts))
        since = days_back(self.days, since, reach, self.source.starts)
        self.history = history_of(lake, self.mandate.source, last, since=since)
        currency = self.mandate.currency
        self._rates = Rates(lake, self.mandate.source, self.roster, currency, last)
        self._actions = lake.known("actions", as_of=last, source=self.mandate.source, prints="all")
        self._quoted: View | None = None
        self._worth = Worth((), None)
        scores = lake.read(
            f"forecasts/{self.mandate.contest}", where={"session": Span(first, last)}
        )
        self.scores = scores.partition_by("session", as_dict=True) if scores.height else {}
        self.record = record_known(lake, self.mandate.contest, last).sort("known_on", "session")
        self.verdicts = drift_known(lake, self.mandate.contest, Span(first, last))
        self._approved = approved(lake, book, self.mandate.contest)

    def roll(self, as_of: date) -> View:
        """Return what was known at `as_of`, in the book's currency; only ever forward."""
        self._quoted = self.history.roll(as_of)
        self._worth = self._rates.worth(self._quoted.instruments, self._quoted.sessions)
        return in_currency(self._quoted, self._worth.unit_TN)

    def day(self, as_of: date) -> pl.DataFrame:
        """Return the day of `as_of` that accounts settle at, in the book's currency."""
        return day_frame(self.roll(as_of), self._worth.unit_TN)

    def late(self, as_of: date) -> pl.DataFrame:
        """Return what `as_of` knows of names with an action that became known late, for `settle`.

        `ACTIONS` with `unit_value`, what a point is worth at `as_of`, to which this is rolled: by
        the listings and the rate of that session, also where a name has no bar any more.
        """
        self._as_quoted(as_of)
        late = late_actions(self._actions, as_of, since=self.days.offset(as_of, -1))
        if late.is_empty():
            return late.with_columns(unit_value=pl.lit(1.0))
        names = late["instrument"].unique().sort()
        unit_TN = self._rates.worth(names.to_list(), [as_of]).unit_TN
        units = names.to_frame().with_columns(
            unit_value=pl.lit(1.0) if unit_TN is None else pl.Series(unit_TN[-1])
        )
        return late.join(units, on="instrument", how="left")

    def members(self, as_of: date) -> list[str]:
        """Return who may be held at the close of `as_of`, to which this is rolled."""
        return self.roster.at(self._as_quoted(as_of))

    def _as_quoted(self, as_of: date) -> View:
        if self._quoted is None or self._quoted.as_of != as_of:
            raise LookupError(f"this is not rolled to {as_of}: call roll() first")
        return self._quoted

    def risk(self, view: View, held: Sequence[str]) -> RiskModel:
        """Return the risk of members and holdings, as the lake keeps it."""
        from tasks.risk.covariance import risk_frame, risk_of

        names = sorted({*self.members(view.as_of), *held})
        place = {name: number for number, name in enumerate(view.instruments)}
        columns = [place[name] for name in names if name in place]
        returns_TN = recent_returns(view, self.mandate.risk.look_back)[:, columns]
        if self._worth.unit_TN is not None:
            returns_TN = without_rounding(returns_TN)
        chosen = [view.instruments[column] for column in columns]
        return risk_of(risk_frame(risk_model(returns_TN, chosen, view.as_of, self.mandate.risk)))

    def drift(self, as_of: date) -> dict[str, Any]:
        """Return the verdict on drift at the close of `as_of`, a row of `DRIFT`."""
        if as_of not in self.verdicts:
            raise LookupError(
                f"no verdict on the drift of contest {self.mandate.contest!r} for {as_of}: run "
                "forecast_contest first"
            )
        return self.verdicts[as_of]

    def held(self, as_of: date) -> str:
        """Return why the book is held at the close of `as_of`; empty where it is not.

        Who approves it lets the book go on until the watch over the champion begins anew.
        """
        verdict = self.drift(as_of)
        lets_go = self._approved.get(verdict["watched_since"])
        if not verdict["hold"] or "hold" in self.mandate.drift_switched_off:
            return ""
        return "" if lets_go and lets_go <= as_of else str(verdict["reason"])

    def outlook(self, as_of: date, risk: RiskModel) -> Outlook:
        """Return expected returns from the champion's scores and what its record is worth."""
        known = self.record.filter(pl.col("known_on") <= as_of).sort("session")
        lags = label_lags(known.height, horizon=self.rules.horizon)
        mean = hac_mean(known["ic"].to_numpy(), lags=lags)
        shrunk = shrunk_ic(mean.value, mean.error)
        if "shrink" not in self.mandate.drift_switched_off:
            shrunk *= self.drift(as_of)["factor"]
        scores = self.scores.get((as_of,))
        if scores is None:
            raise LookupError(f"no forecast of contest {self.mandate.contest!r} for {as_of}")
        own = scores.select("instrument", "score")
        expected = expected_returns(own, risk, ic=shrunk, horizon=self.rules.horizon)
        return Outlook(mean, shrunk, own.join(expected, on="instrument", how="left"))

    def look(self, view: View, account: "Account", risk: RiskModel) -> tuple[Look, Outlook]:
        """Return what a policy may see at this close, and what is expected there."""
        outlook, quoted = self.outlook(view.as_of, risk), self._as_quoted(view.as_of)
        held = account.positions["instrument"].to_list()
        self._rates.require(quoted, self._worth, held)
        looked_at = snapshot(
            quoted,
            members=self.roster.at(quoted),
            held=held,
            listings=self.roster.known_at(view.as_of),
            forecast=outlook.forecast.select("instrument", "score", "expected_return"),
            worth=self._worth,
        )
        return Look(looked_at, risk), outlook

    def where_scored(self, policy: Policy) -> Policy:
        """Return `policy`, which keeps its last target where a blocked night has no scores."""

        def waiting(close: Close, account: "Account") -> "Decision | None":
            return policy(close, account) if (close.session,) in self.scores else None

        return waiting

    def close(self, as_of: date) -> Close:
        """Return the close of `as_of` as the walk sees it; true until the next one is asked for."""
        view = self.roll(as_of)
        seen: dict[tuple[str, ...], RiskModel] = {}

        def look(account: "Account") -> Look:
            held = tuple(account.positions["instrument"])
            risk = seen.get(held) or seen.setdefault(held, self.risk(view, held))
            return self.look(view, account, risk)[0]

        return Close(as_of, day_frame(view, self._worth.unit_TN), look, self.late(as_of))


def _past(conf: RiskModelConf) -> int:
    return conf.look_back + conf.coverage_sessions + 1
