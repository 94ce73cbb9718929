"""A blocked night leaves no bar, but what else it told, unless that cannot be trusted."""

from itertools import pairwise
from typing import Any

import pytest

from expectations import gate, suites
from tasks.market.sources.protocol import Delivery
from tests.expectations.told_case import (
    AFTER,
    DAYS,
    EVE,
    NAMES,
    NEWS,
    NIGHT,
    RATES,
    TABLES,
    begun,
    delivery,
    desk,
    filing,
    left,
    named,
    rate,
    verdict,
)

pytestmark = pytest.mark.slow


def stale(**news: Any) -> Delivery:
    """Return a night that sends the eve again, and perhaps has news."""
    return delivery(NIGHT, [], **news)._replace(bars=delivery(EVE).bars)


@pytest.mark.parametrize("blocked", [delivery(NIGHT, [], **NEWS), stale(**NEWS)])
def test_a_night_blocked_for_its_bars_leaves_what_else_it_told(blocked):
    judged = begun().judge(blocked)
    assert verdict(judged)[0] == "block"
    assert left(judged) == {"listings": 2, "series": 1, "fundamentals": 1, "members": 1}
    assert judged.bars.is_empty()
    assert judged.actions.is_empty()
    for name in TABLES:
        assert getattr(judged, name)["known_on"].unique().to_list() == [NIGHT]
    assert '"action_taken": "kept"' in judged.verdicts["findings"][0]


def test_it_tells_what_the_night_tells_when_it_passes():
    blocked, passed = begun().judge(stale(**NEWS)), begun().judge(delivery(NIGHT, **NEWS))
    assert verdict(passed)[0] == "pass"
    for name in TABLES:
        assert getattr(blocked, name).equals(getattr(passed, name), null_equal=True), name


def test_what_breaks_a_rule_of_its_own_is_set_aside_on_a_blocked_night_too():
    wrong = [*NEWS["filings"], filing(float("inf"), symbol="S05")]
    judged = begun().judge(stale(**NEWS | {"filings": wrong}))
    assert left(judged) == {"listings": 2, "series": 1, "fundamentals": 1, "members": 1}
    assert judged.quarantine.filter(rule="not finite")["symbol"].to_list() == ["S05"]


WAVE = [f"W{number:02}" for number in range(60)]
DOUBTED = {
    "the bars are of other names": delivery(NIGHT, WAVE, **NEWS),
    "the listings are of other names": stale(**NEWS | {"listings": [named(w) for w in WAVE]}),
    "too much of it is wrong": stale(
        **NEWS | {"filings": [filing(float("nan"), symbol=name) for name in NAMES]}
    ),
}


@pytest.mark.parametrize("blocked", DOUBTED.values(), ids=DOUBTED.keys())
def test_nothing_is_left_of_a_night_that_cannot_be_trusted(blocked):
    judged = begun().judge(blocked)
    assert verdict(judged)[0] == "block"
    assert left(judged) == dict.fromkeys(TABLES, 0)
    assert '"action_taken": "left out"' in judged.verdicts["findings"][0]


def test_names_that_all_change_at_once_are_not_believed_of_a_blocked_night():
    here = desk()
    here.judge(delivery(EVE, listings=[named(name, f"Old {name}") for name in NAMES]))
    turned = [named(name, f"Old {other}") for name, other in pairwise(NAMES)]
    assert left(here.judge(stale(listings=turned)))["listings"] == 0


def test_a_wave_of_strange_names_is_still_strange_on_its_second_night():
    here = begun()
    here.judge(stale(listings=[named(name) for name in WAVE]))
    assert verdict(here.judge(delivery(AFTER, WAVE)))[0] == "block"


def test_nothing_is_left_where_a_rule_could_not_be_judged(monkeypatch):
    broken = {
        "type": "expect_column_max_to_be_between",
        "severity": "info",
        "kwargs": {"column": "no such column", "max_value": 1},
        "meta": {"rule": "broken", "reason": "a broken rule", "fault": "broken"},
    }
    here = begun()
    monkeypatch.setattr(suites, "EVERY_NIGHT", [*suites.EVERY_NIGHT, broken])
    gate._suite.cache_clear()
    judged = here.judge(stale(**NEWS))
    gate._suite.cache_clear()
    assert verdict(judged)[0] == "block"
    assert left(judged) == dict.fromkeys(TABLES, 0)


def test_nothing_is_left_of_a_night_of_a_wrong_schema():
    night = stale(**NEWS)
    judged = begun().judge(night._replace(members=night.members.drop("member")))
    assert verdict(judged)[1].startswith("wrong schema")
    assert left(judged) == dict.fromkeys(TABLES, 0)


def test_nothing_is_left_of_a_night_of_values_that_is_blocked_for_them():
    here = desk(RATES)
    wrong = [rate(day, float("nan"), NIGHT) for day in DAYS.sessions(DAYS.offset(EVE, -20), EVE)]
    judged = here.judge(delivery(NIGHT, [], series=[*wrong, rate(NIGHT, 2.5, NIGHT)]))
    assert verdict(judged)[0] == "block"
    assert left(judged) == dict.fromkeys(TABLES, 0)
