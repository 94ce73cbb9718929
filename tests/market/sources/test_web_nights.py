"""A night over the web is seen live while it lasts: what is asked later was not known then."""

from datetime import date

import pytest

from conf.schema import WebSource
from tasks.market.sources.protocol import Place
from tasks.market.sources.web_data import WebData, delivery

NIGHT, LATER = date(2026, 1, 7), date(2026, 1, 9)


class Echo(WebData):
    """Answers each request with itself: the stretch it was asked for."""

    def requests(self, reach):
        return [f"{reach.since} {reach.night}"]

    def ask(self, request):
        return request.encode()

    def normalise(self, payloads):
        return delivery(payloads)


def pulled(tmp_path, live_from: date):
    """Return what is pulled for the night where it is the newest that is asked about."""
    conf = WebSource(
        title="Echo",
        base_url="https://127.0.0.1",
        starts=date(2025, 1, 2),
        observed_from=date(2026, 1, 2),
        expected_rows=1,
        look_back=3,
    )
    feed = Echo(conf, Place(spool=tmp_path, live_from=live_from))
    assert feed.nights(NIGHT)[-1] == NIGHT
    return next(iter(feed.pull([NIGHT])))


def test_the_night_of_now_is_observed_and_reaches_back_for_corrections(tmp_path):
    payload = pulled(tmp_path, NIGHT)
    assert (payload.vintage, payload.request) == ("observed", "2026-01-02 2026-01-07")


@pytest.mark.parametrize("live_from", [LATER, date.max])
def test_a_night_that_is_over_brings_its_own_session_alone(tmp_path, live_from):
    payload = pulled(tmp_path, live_from)
    assert (payload.vintage, payload.request) == ("assumed", f"{NIGHT} {NIGHT}")
