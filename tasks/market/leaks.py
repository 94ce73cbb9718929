"""The leak audit: run a study over a market again with another future, and name what moved.

A *study* is any function from a tape to what it claims. Two kinds of claim are judged:

- *known* at the close of its session: features, members, scores. No alteration of what became
  known after a close may move a bit of what is claimed up to it.
- an *outcome* of the decision of its session: labels, fills. No alteration of that session's own
  prices, or of earlier ones, may move it: nobody trades at the close that he decides on.

What no alteration moves in any session could not have failed: the audit says it was not judged.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

import numpy as np
import polars as pl

from tasks.market.compared import KEY, ROWS, Difference, differences
from tasks.market.moments import moments_of
from tasks.market.tampered import TAMPERINGS, Tape, rewritten

AGAIN, PAST = "run again", "past rewritten"
MOMENTS = 6  # closes, spread evenly, that the future is altered after; `moments_of` adds others
# By gravity. What two runs over one market move says nothing of the future; what moves by no more
# than rounding does is as likely a sum over another number of names.
Kind = Literal["leak", "not repeatable", "last bits only"]
Verdict = Literal["clean", "leak", "not repeatable", "last bits only", "nothing to judge", "failed"]


class Claims(NamedTuple):
    """What a study says: frames by name, each with at most one row a (session, instrument).

    Columns beside the two are judged one by one; a frame without any is a list of members. Scores
    of a walk-forward should say when their model was `fitted_on`: where labels reach into the
    sessions that are scored shows only at the closes right after a fit.
    """

    known: Mapping[str, pl.DataFrame]
    outcomes: Mapping[str, pl.DataFrame] = MappingProxyType({})


class Study(NamedTuple):
    """What is audited.

    Args:
        name: What the findings call it.
        claims: What it says by a tape, of all sessions it can. It must read nothing else.
        tolerance: How far a number may move, as a share of the larger of the two, before it
            counts. Above 0 only for what does not give the same bits twice, or where it is `last
            bits only` since the order of a sum follows the number of names: numpy's mean over a
            wider grid does (`math.fsum`, or sums along sessions, do not, and need no tolerance).
    """

    name: str
    claims: Callable[[Tape], Claims]
    tolerance: float = 0.0


class StudyError(RuntimeError):
    """A study raised: the message says which, on which market, and what."""


class Move(NamedTuple):
    """A column that moved and must not; the numbers are those of its worst run."""

    output: str
    column: str  # `ROWS` where rows came or went
    by: tuple[str, ...]  # the alterations that moved it
    sessions: int
    names: int
    first: date  # the earliest session that moved
    largest: float | None  # change of a number; None where nothing but text or gaps moved
    kind: Kind


class Output(NamedTuple):
    """One frame of a study: how much of it was compared, and which columns never answered."""

    name: str
    cells: int  # values compared, over all runs
    columns: tuple[str, ...]
    silent: tuple[str, ...]  # of `columns`: no alteration of any session moved them

    @property
    def judged(self) -> bool:
        """Return whether something here could have failed."""
        return self.cells > 0 and len(self.silent) < len(self.columns)


class Audit(NamedTuple):
    """What came of an audit."""

    study: str
    outputs: tuple[Output, ...]
    moves: tuple[Move, ...]
    as_ofs: tuple[date, ...]  # the closes after which the future was altered
    runs: int  # of the study
    failure: str | None = None  # why it could not be judged at all

    @property
    def verdict(self) -> Verdict:
        """Return the gravest kind of what moved, and `clean` only where every output was judged.

        Where the study raised it is `failed`.
        """
        if self.failure is not None:
            return "failed"
        moved = {move.kind for move in self.moves}
        if moved:
            return next(kind for kind in get_args(Kind) if kind in moved)
        judged = all(output.judged for output in self.outputs)
        return "clean" if self.outputs and judged else "nothing to judge"


def failed(study: str, error: Exception) -> Audit:
    """Return the audit of a study that could not be judged: it says why, and is not clean."""
    return Audit(study, (), (), (), 0, str(error))


def audit(study: Study, tape: Tape, *, moments: int = MOMENTS, seed: int = 0) -> Audit:
    """Return what `study` claims too early, or too late, over a market.

    Args:
        study: What is judged.
        tape: The market it is judged on: the more happens in it, the more can be found.
        moments: How many closes, spread over the study's sessions, the future is altered after;
            those of `moments_of` come on top.
        seed: Of what is made up.
    """
    if tape.bars.is_empty() or not tape.sessions:
        raise ValueError(f"The tape for {study.name} has no bars: there is no market to alter.")
    told = _claims(study, tape, "as it is")
    _check_sessions(study, told, tape)
    record = _Record(told, study.tolerance)
    record.compare(AGAIN, _claims(study, tape, AGAIN), date.max)
    as_ofs = moments_of(told.known, told.outcomes, tape, count=moments)
    for as_of in as_ofs:
        for place, (name, tamper) in enumerate(TAMPERINGS.items()):
            random = np.random.default_rng([seed, as_of.toordinal(), place])
            other = tamper(tape, as_of, random)
            record.compare(name, _claims(study, other, f"{name} after {as_of}"), as_of)
        if told.outcomes:
            random = np.random.default_rng([seed, as_of.toordinal(), len(TAMPERINGS)])
            other = rewritten(tape, as_of, random)
            record.compare_past(_claims(study, other, f"{PAST} up to {as_of}"), as_of)
    return record.audit(study.name, as_ofs)


def _claims(study: Study, tape: Tape, market: str) -> Claims:
    try:
        return study.claims(tape)
    except Exception as error:
        raise StudyError(
            f"{study.name} raised {type(error).__name__} on the market {market}: {error}"
        ) from error


def _check_sessions(study: Study, told: Claims, tape: Tape) -> None:
    for name, frame in {**told.known, **told.outcomes}.items():
        early = frame.filter(pl.col("session") < tape.sessions[0])["session"]
        if early.len():
            raise ValueError(
                f"{study.name} says something of {early.sort()[0]} in {name!r}, before the first "
                f"session of its tape, {tape.sessions[0]}: drop what is not of the tape."
            )


class _Record:
    """What moved so far, and what was seen to answer."""

    def __init__(self, told: Claims, tolerance: float):
        self._told, self._tolerance, self._runs = told, tolerance, 1
        self._moves: dict[tuple[str, str], list[tuple[str, Difference]]] = {}
        self._cells: dict[str, int] = {}
        self._answered: set[tuple[str, str]] = set()

    def compare(self, by: str, other: Claims, as_of: date) -> None:
        """Note what is known up to `as_of` and moved, and what answers after it."""
        self._runs += 1
        early, late = pl.col("session") <= as_of, pl.col("session") > as_of
        for name in {**self._told.known, **other.known}:
            before, after = _named(self._told.known, name), _named(other.known, name)
            self._note(name, by, before.filter(early), after.filter(early))
            self._listen(name, before.filter(late), after.filter(late))
        for name, before in self._told.outcomes.items():
            after, own = _named(other.outcomes, name), pl.col("session") >= as_of
            if by == AGAIN:
                self._note(name, by, before, after)
            self._listen(name, before.filter(own), after.filter(own))

    def compare_past(self, other: Claims, as_of: date) -> None:
        """Note which outcomes of `as_of` and later moved with the prices up to it."""
        self._runs += 1
        own = pl.col("session") >= as_of
        for name, before in self._told.outcomes.items():
            self._note(name, PAST, before.filter(own), _named(other.outcomes, name).filter(own))

    def audit(self, study: str, as_ofs: tuple[date, ...]) -> Audit:
        """Return what came of it all."""
        outputs = []
        for name, frame in {**self._told.known, **self._told.outcomes}.items():
            columns = tuple(frame.drop(KEY).columns) or (ROWS,)
            silent = tuple(one for one in columns if (name, one) not in self._answered)
            outputs.append(Output(name, self._cells.get(name, 0), columns, silent))
        moves = tuple(_worst(*key, found) for key, found in self._moves.items())
        return Audit(study, tuple(outputs), moves, as_ofs, self._runs)

    def _note(self, name: str, by: str, before: pl.DataFrame, after: pl.DataFrame) -> None:
        if by != AGAIN:  # the same market twice proves nothing
            values = before.drop(KEY)
            filled = sum(one.len() - one.null_count() for one in values.get_columns())
            cells = filled if values.width else before.height
            self._cells[name] = self._cells.get(name, 0) + cells
        for found in differences(before, after, tolerance=self._tolerance):
            self._moves.setdefault((name, found.column), []).append((by, found))

    def _listen(self, name: str, before: pl.DataFrame, after: pl.DataFrame) -> None:
        """Note which columns answer to another future: their own values, in rows of both."""
        if after.is_empty():
            return
        for found in differences(before, after, tolerance=self._tolerance):
            self._answered.add((name, found.column))


def _named(frames: Mapping[str, pl.DataFrame], name: str) -> pl.DataFrame:
    if name in frames:
        return frames[name]
    return pl.DataFrame(schema={"session": pl.Date, "instrument": pl.String})


def _worst(output: str, column: str, found: Sequence[tuple[str, Difference]]) -> Move:
    sizes = [one.largest for _, one in found if one.largest is not None]
    return Move(
        output,
        column,
        tuple(dict.fromkeys(by for by, _ in found)),
        max(one.sessions for _, one in found),
        max(one.names for _, one in found),
        min(one.first for _, one in found),
        max(sizes, default=None),
        _kind(found),
    )


def _kind(found: Sequence[tuple[str, Difference]]) -> Kind:
    """Return what to call a move: a column that differs between equal markets proves no leak."""
    again = [one.last_bits for by, one in found if by == AGAIN]
    altered = [one.last_bits for by, one in found if by != AGAIN]
    if not all(again) or (again and all(altered)):
        return "not repeatable"
    return "last bits only" if all(altered) else "leak"
