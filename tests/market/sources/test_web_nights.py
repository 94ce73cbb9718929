"""A night over the web is seen live while it lasts: what is asked later was not known then."""

from datetime import UTC, date, datetime

import pytest

from conf.schema import WebSource
from tasks.market.calendar import Calendar
from tasks.market.sources.protocol import Place
from tasks.market.sources.web_data import WebData, delivery
from tasks.settings import live_since

NIGHT, LATER = date(2026, 1, 7), date(2026, 1, 9)


class Echo(WebData):
    """Answers each request with itself: the stretch it was asked for."""

    def requests(self, reach):
        return [f"{reach.since} {reach.night}"]

    def ask(self, request):
        return request.encode()

    def normalise(self, payloads):
        return delivery(payloads)


def pulled(tmp_path, live_from: date, night: date = NIGHT, until: date = NIGHT):
    """Return what is pulled for a night, the newest unless `until` is later."""
    conf = WebSource(
        title="Echo",
        base_url="https://127.0.0.1",
        starts=date(2025, 1, 2),
        observed_from=date(2026, 1, 2),
        expected_rows=1,
        look_back=3,
    )
    feed = Echo(conf, Place(spool=tmp_path, live_from=live_from))
    assert night in feed.nights(until)
    return next(iter(feed.pull([night])))


def test_the_night_of_now_is_observed_and_reaches_back_for_corrections(tmp_path):
    payload = pulled(tmp_path, NIGHT)
    assert (payload.vintage, payload.request) == ("observed", "2026-01-02 2026-01-07")


@pytest.mark.parametrize("live_from", [LATER, date.max])
def test_a_night_that_is_over_brings_its_own_session_alone(tmp_path, live_from):
    payload = pulled(tmp_path, live_from)
    assert (payload.vintage, payload.request) == ("assumed", f"{NIGHT} {NIGHT}")


WEDNESDAY, THANKSGIVING, FRIDAY = (date(2026, 11, day) for day in (25, 26, 27))


@pytest.mark.parametrize(
    ("now", "until", "vintage"),
    [
        (datetime(2026, 11, 25, 22, tzinfo=UTC), WEDNESDAY, "observed"),
        (datetime(2026, 11, 26, 16, tzinfo=UTC), WEDNESDAY, "observed"),
        (datetime(2026, 11, 26, 16, tzinfo=UTC), THANKSGIVING, "observed"),
        (datetime(2026, 11, 27, 14, tzinfo=UTC), THANKSGIVING, "observed"),  # not open yet
        (datetime(2026, 11, 27, 15, tzinfo=UTC), THANKSGIVING, "assumed"),
        (datetime(2026, 11, 27, 15, tzinfo=UTC), FRIDAY, "assumed"),
        (datetime(2026, 11, 27, 19, tzinfo=UTC), FRIDAY, "assumed"),  # Friday's own night
        (datetime(2026, 11, 26, 16, tzinfo=UTC), date.max, "assumed"),  # asked about no day
    ],
)
def test_the_night_before_a_holiday_lasts_until_the_next_open(tmp_path, now, until, vintage):
    """Wednesday's pull failed: what is pulled on Thanksgiving is still seen live."""
    payload = pulled(tmp_path, live_since(Calendar("XNYS"), now), WEDNESDAY, until)
    since = date(2026, 11, 20) if vintage == "observed" else WEDNESDAY
    assert (payload.vintage, payload.request) == (vintage, f"{since} {WEDNESDAY}")


@pytest.mark.parametrize("until", [date(2026, 1, 1), date(2026, 1, 2)])
def test_the_history_is_never_live(tmp_path, until):
    history = date(2025, 12, 31)
    payload = pulled(tmp_path, date.min, history, until)
    assert (payload.vintage, payload.request) == ("assumed", f"2025-01-02 {history}")
