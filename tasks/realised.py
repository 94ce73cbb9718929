"""What came of forecasts: each session's label is met once, on the first night it is known.

What later corrections would say restates nothing. How far labels fell from what was expected says
how sure the next forecast is; so both are rolled forward together, session by session.
"""

from collections import deque
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.market import frames
from tasks.market.history import Array, View
from tasks.market.lake import Lake, Span, Where
from tasks.market.windows import tail
from tasks.panels import history_of, total_returns
from tasks.roster import Roster
from tasks.settings import calendar, load_contest, load_source

if TYPE_CHECKING:
    from conf.schema import Contest

RECORDS = {
    "session": pl.Date,
    "known_on": pl.Date,
    "horizon": pl.Int64,
    "ic": pl.Float64,
    "rank_ic": pl.Float64,
    "names": pl.Int64,
    "label_ic": pl.Float64,  # mean of standardised score x label; null with too few names
    "covered": pl.Float64,  # share of labels within their interval; null where there was none
}
RESIDUALS = {
    "session": pl.Date,
    "instrument": pl.String,
    "known_on": pl.Date,
    "residual": pl.Float64,  # standardised label less what was expected of it
}


def record_known(lake: Lake, contest: str, as_of: date) -> pl.DataFrame:
    """Return the contest's `RECORDS` known at `as_of`, oldest first."""
    records = lake.read(f"records/{contest}")
    if records.is_empty():
        return pl.DataFrame(schema=RECORDS)
    known = records.filter(pl.col("known_on") <= as_of).sort("session")
    return frames.shaped(known, RECORDS)  # those of an earlier version said less


def forget_forecasts(lake: Lake, contest: str, since: date) -> None:
    """Forget the forecasts from `since` on, what was measured of them, and all that rests on it."""
    over: Where = {"session": Span(since, date.max)}
    for table in ("drift", "records", "residuals", "forecasts"):
        stale = lake.read(f"{table}/{contest}", where=over)
        if not stale.is_empty():
            lake.replace(f"{table}/{contest}", stale.clear(), over=over)


class Realised:
    """The forecasts of a contest and what became of them, as known at the session rolled to.

    Args:
        lake: Where both are kept.
        contest: A name in `conf/models`.
        first: The first session to be forecast; stored forecasts from it on do not count.
        last: The last session it will be rolled to; nothing known later is read.
    """

    def __init__(self, lake: Lake, contest: str, first: date, last: date) -> None:
        from tasks.models.uncertainty import Residuals

        self._lake, self._contest, self._rules = lake, contest, load_contest(contest)
        source = load_source(self._rules.source)
        self._days, self._reach = calendar(source.calendar), self._rules.horizon + 1
        self._known = Residuals()
        records = record_known(lake, contest, date.max)
        self._records = {one["session"]: one for one in records.iter_rows(named=True)}
        self._residuals = self._stored_residuals(records, min(first, last))
        since = self._days.next(records["session"][-1]) if records.height else date.min
        self._forecasts = self._stored_forecasts(since, first)
        start = max(since, min([first, *self._forecasts]))
        reached = self._days.offset(last, -self._reach)
        due = self._days.sessions(start, reached) if start <= reached else []
        self._to_learn = deque([*self._records, *due])
        self._history = history_of(lake, self._rules.source, last, since=start) if due else None
        by_sector = due and self._rules.label == "sector_neutral"
        universe = self._rules.universe
        self._roster = Roster(lake, self._rules.source, universe, last) if by_sector else None
        self._rows: list[dict[str, Any]] = []
        self._fresh: list[pl.DataFrame] = []

    def roll(self, as_of: date) -> None:
        """Learn what has become known by the close of `as_of`; only ever forward."""
        reached = self._days.offset(as_of, -self._reach)
        while self._to_learn and self._to_learn[0] <= reached:
            session = self._to_learn.popleft()
            record = self._records.get(session) or self._measured(session)
            if record:
                ic, covered = record["label_ic"], record["covered"]
                self._known.learn(
                    self._residuals.pop(session, np.empty(0)),
                    ic=np.nan if ic is None else ic,
                    covered=np.nan if covered is None else covered,
                )

    def sure(self, scores: pl.DataFrame) -> pl.DataFrame:
        """Return one session's scores with what is `expected` and its `half_width`, as known now.

        Takes (session, instrument, score, ...) of the session this is rolled to.
        """
        from tasks.models.uncertainty import standardised_rows

        now = self._known.interval()
        z_N = standardised_rows(scores["score"].to_numpy()[None])[0]
        width = now.half_width if not np.isnan(now.half_width) else None
        told = scores.with_columns(
            expected=pl.Series(now.ic * z_N, dtype=pl.Float64),
            half_width=pl.lit(width, pl.Float64),
        )
        self._forecasts[scores["session"][0]] = told
        return told

    def keep(self) -> int:
        """Write what was measured since the last time; return of how many sessions."""
        if not self._rows:
            return 0
        records = pl.DataFrame(self._rows, schema=RECORDS)
        over: Where = {"session": Span(records["session"][0], records["session"][-1])}
        residuals = pl.concat(self._fresh)
        self._lake.replace(f"residuals/{self._contest}", residuals, over=over)
        self._lake.replace(f"records/{self._contest}", records, over=over)
        self._rows, self._fresh = [], []
        return records.height

    def _stored_residuals(self, records: pl.DataFrame, first: date) -> dict[date, Array]:
        """Return the sizes of those residuals that an interval from `first` on may stand on."""
        from tasks.models.uncertainty import MOST_PAST

        told = records.filter(pl.col("known_on") <= first, pl.col("label_ic").is_not_null())
        since = told["session"][-MOST_PAST] if told.height >= MOST_PAST else date.min
        where: Where = {"session": Span(since, date.max)}
        return {
            session: part["residual"].abs().to_numpy()
            for session, part in self._by_session("residuals", where).items()
            if session in self._records
        }

    def _stored_forecasts(self, since: date, before: date) -> dict[date, pl.DataFrame]:
        return self._by_session("forecasts", {"session": Span(since, before)})

    def _by_session(self, table: str, where: Where) -> dict[date, pl.DataFrame]:
        rows = self._lake.read(f"{table}/{self._contest}", where=where)
        if rows.is_empty():
            return {}
        return {key[0]: part for key, part in rows.partition_by("session", as_dict=True).items()}

    def _measured(self, session: date) -> dict[str, Any] | None:
        """Meet the labels of a session on the first night they are known; None without scores."""
        scores = self._forecasts.pop(session, None)
        if scores is None or self._history is None:
            return None
        view = self._history.roll(self._days.offset(session, self._reach))
        sectors = self._roster.sectors_at(session) if self._roster else {}
        met = _met(scores, view, self._rules, _peers(self._lake, self._rules, scores, sectors))
        self._residuals[session] = met.residuals["residual"].abs().to_numpy()
        self._rows.append(met.record)
        self._fresh.append(met.residuals)
        return met.record


class Met(NamedTuple):
    """One session's forecasts beside their labels."""

    record: dict[str, Any]  # RECORDS
    residuals: pl.DataFrame  # RESIDUALS


def _met(scores: pl.DataFrame, view: View, rules: "Contest", peers: "Peers") -> Met:
    """Return how scores met their labels, known at `view.as_of` and not before."""
    from tasks.learning.neutral import neutral_labels
    from tasks.learning.panel import standardised_labels
    from tasks.models.uncertainty import covered_share, session_ics, standardised_rows
    from tasks.statistics.ic import ic_series, rank_ic_series

    returns_N = total_returns(tail(view, rules.horizon + 2), rules, rules.horizon)[0]
    place = {name: number for number, name in enumerate(view.instruments)}
    label_TN = returns_N[None, [place[name] for name in scores["instrument"]]]
    everyone_TN = np.ones(label_TN.shape, bool)
    label_TN = neutral_labels(label_TN, everyone_TN, kind=rules.label, **peers._asdict())
    score_TN = scores["score"].to_numpy()[None]
    both = np.flatnonzero(np.isfinite(score_TN[0]) & np.isfinite(label_TN[0]))
    pair = score_TN[:, both], label_TN[:, both]
    ranked_TN = standardised_labels(label_TN, everyone_TN, min_names=rules.min_names)
    residual_N = ranked_TN[0] - scores["expected"].to_numpy()
    width = scores["half_width"][0]
    record = {
        "session": scores["session"][0],
        "known_on": view.as_of,
        "horizon": rules.horizon,
        "ic": float(ic_series(*pair, min_names=rules.min_names)[0]),
        "rank_ic": float(rank_ic_series(*pair, min_names=rules.min_names)[0]),
        "names": both.size,
        "label_ic": _known(session_ics(standardised_rows(score_TN), ranked_TN)[0]),
        "covered": _known(covered_share(np.abs(residual_N), np.nan if width is None else width)),
    }
    residuals = scores.select(
        "session",
        "instrument",
        known_on=pl.lit(view.as_of),
        residual=pl.Series(residual_N, dtype=pl.Float64).fill_nan(None),
    )
    return Met(record, residuals.drop_nulls("residual"))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


class Peers(NamedTuple):
    """What the labels of the scored names are cleared of, as known at their session; (1, N)."""

    sector_TN: NDArray[np.int64] | None
    beta_TN: Array | None


def _peers(lake: Lake, rules: "Contest", scores: pl.DataFrame, sectors: Mapping[str, str]) -> Peers:
    from tasks.learning.neutral import sector_codes

    sector_TN, beta_TN = None, None
    if rules.label == "sector_neutral":
        sector_TN = sector_codes([sectors.get(name) for name in scores["instrument"]])[None]
    if rules.label == "beta_neutral" and rules.beta:
        session = scores["session"][0]
        where: Where = {"source": [rules.source], "session": Span(session, session)}
        columns = ["instrument", rules.beta]
        told = lake.read(f"features/{rules.features}", where=where, columns=columns)
        beta_of = dict(told.iter_rows())
        beta_TN = np.array([[beta_of.get(name) for name in scores["instrument"]]], np.float64)
    return Peers(sector_TN, beta_TN)
