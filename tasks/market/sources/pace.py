"""How often a server is asked, and how long it wants to be left alone."""

from collections.abc import Callable
from email.utils import parsedate_to_datetime

import httpx


class Pace:
    """Turns to ask, spaced evenly.

    Args:
        per_minute: Most turns in a minute.
        sleep: Waits a number of seconds.
        clock: Tells seconds that only ever grow.
    """

    def __init__(
        self, per_minute: float, *, sleep: Callable[[float], None], clock: Callable[[], float]
    ):
        self._gap_s = 60.0 / per_minute
        self._sleep, self._clock = sleep, clock
        self._free_at = clock()

    def left(self) -> float:
        """Return the seconds until the next turn, zero where it is now."""
        return max(self._free_at - self._clock(), 0.0)

    def wait(self) -> None:
        """Sleep until the next turn."""
        if left := self.left():
            self._sleep(left)

    def take(self, *, after: float = 0.0) -> None:
        """Take the turn that is `after` seconds from now."""
        self._free_at = self._clock() + after + self._gap_s


def asked_wait(headers: httpx.Headers) -> float | None:
    """Return the seconds of `Retry-After`: a number, or a date by the server's own clock.

    None where there is no sense in it.
    """
    said = headers.get("retry-after", "").strip()
    if said.isdecimal():
        return float(said[:12])
    try:
        gap = parsedate_to_datetime(said) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):
        return None
    return max(gap.total_seconds(), 0.0) or None
