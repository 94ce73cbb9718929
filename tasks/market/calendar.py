"""The sessions of an exchange: which days trade, and when each closes."""

from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from typing import NamedTuple

FIRST, LAST = date(1985, 1, 1), date(2030, 12, 31)
FRIDAY = 4


class _Days(NamedTuple):
    first: date
    last: date
    sessions: list[date]
    opens: list[datetime]  # UTC, one a session
    closes: list[datetime]  # the same
    early: frozenset[date]  # sessions that close before their usual time
    zone: tzinfo


class Calendar:
    """The trading days of one exchange, from 1985 (or its first known day) to 2030.

    Args:
        name: A name known to `exchange_calendars`, such as `XNYS`.
    """

    def __init__(self, name: str):
        self.name = name
        self._days = _load(name)
        self._known = frozenset(self._days.sessions)

    @property
    def zone(self) -> tzinfo:
        """The exchange's time zone."""
        return self._days.zone

    @property
    def bounds(self) -> tuple[date, date]:
        """The first and the last day that anything is known of."""
        return self._days.first, self._days.last

    def sessions(self, first: date, last: date) -> list[date]:
        """Return the sessions from `first` to `last`, both included."""
        self._require(first, last)
        days = self._days.sessions
        return days[bisect_left(days, first) : bisect_right(days, last)]

    def is_session(self, day: date) -> bool:
        """Return whether the exchange trades on `day`."""
        self._require(day)
        return day in self._known

    def is_holiday(self, day: date) -> bool:
        """Return whether `day` is a Monday to Friday without a session."""
        return not self.is_session(day) and day.weekday() <= FRIDAY

    def is_half_day(self, day: date) -> bool:
        """Return whether `day` is a session that closes early, as before some holidays."""
        self._require(day)
        return day in self._days.early

    def on_or_before(self, day: date) -> date:
        """Return the newest session that is not later than `day`."""
        self._require(day)
        return self._at(bisect_right(self._days.sessions, day) - 1, f"on or before {day}")

    def on_or_after(self, day: date) -> date:
        """Return the oldest session that is not earlier than `day`."""
        self._require(day)
        return self._at(bisect_left(self._days.sessions, day), f"on or after {day}")

    def next(self, session: date) -> date:
        """Return the session after `session`."""
        return self.offset(session, 1)

    def previous(self, session: date) -> date:
        """Return the session before `session`."""
        return self.offset(session, -1)

    def offset(self, session: date, n: int) -> date:
        """Return the session `n` sessions after `session`; before it where `n` is negative."""
        if not self.is_session(session):
            raise ValueError(
                f"{session} is no session of {self.name}; "
                f"the one before is {self.on_or_before(session)}."
            )
        place = bisect_left(self._days.sessions, session) + n
        return self._at(place, f"{n} sessions from {session}")

    def close_of(self, session: date) -> datetime:
        """Return when `session` closes, in UTC; early closes count."""
        if not self.is_session(session):
            raise ValueError(f"{session} is no session of {self.name}: it has no close.")
        return self._days.closes[bisect_left(self._days.sessions, session)]

    def open_of(self, session: date) -> datetime:
        """Return when `session` opens, in UTC."""
        if not self.is_session(session):
            raise ValueError(f"{session} is no session of {self.name}: it has no open.")
        return self._days.opens[bisect_left(self._days.sessions, session)]

    def last_closed(self, now: datetime) -> date:
        """Return the newest session that has closed at `now`, a time with a zone."""
        if now.tzinfo is None:
            raise ValueError(f"{now} has no time zone: pass UTC.")
        place = bisect_right(self._days.closes, now.astimezone(UTC)) - 1
        return self._at(place, f"closed by {now}")

    def _at(self, place: int, wanted: str) -> date:
        if not 0 <= place < len(self._days.sessions):
            raise ValueError(
                f"No session of {self.name} {wanted}: "
                f"known from {self._days.first} to {self._days.last}."
            )
        return self._days.sessions[place]

    def _require(self, *days: date) -> None:
        for day in days:
            if not self._days.first <= day <= self._days.last:
                raise ValueError(
                    f"{day} lies outside the calendar {self.name}, "
                    f"known from {self._days.first} to {self._days.last}."
                )


@lru_cache(maxsize=16)
def _load(name: str) -> _Days:
    from exchange_calendars import errors, get_calendar, get_calendar_names

    if name not in get_calendar_names():
        raise ValueError(f"No calendar named {name!r} in exchange_calendars; XNYS is New York.")
    try:
        first, last = FIRST, LAST
        calendar = get_calendar(name, start=first.isoformat(), end=last.isoformat())
    except (ValueError, errors.CalendarError):  # some know fewer years, and say how many
        known = get_calendar(name)
        bounds = known.bound_min(), known.bound_max()
        first = max(FIRST, bounds[0].date()) if bounds[0] is not None else FIRST
        last = min(LAST, bounds[1].date()) if bounds[1] is not None else LAST
        calendar = get_calendar(name, start=first.isoformat(), end=last.isoformat())
    sessions = [stamp.date() for stamp in calendar.sessions]
    opens = [stamp.to_pydatetime() for stamp in calendar.schedule["open"]]
    closes = [stamp.to_pydatetime() for stamp in calendar.schedule["close"]]
    early = frozenset(stamp.date() for stamp in calendar.early_closes)
    return _Days(first, last, sessions, opens, closes, early, calendar.tz)
