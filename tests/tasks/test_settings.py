"""Settings say what is wrong, and every run is about one session."""

from datetime import UTC, date, datetime
from traceback import format_exception

import pytest
import yaml

from conf.schema import TiingoSource
from tasks import settings
from tests.house import BOOK, CONTEST, SOURCE


@pytest.fixture
def house(build):
    house = build("settings")
    with house.open():
        yield house


def at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def test_a_session_given_by_hand_is_the_session(house):
    moment = settings.resolve_session("tiny", date(2020, 12, 18), None)
    assert moment == (date(2020, 12, 18), "", date(2020, 12, 18))


def test_a_holiday_given_by_hand_is_skipped_and_its_delivery_looked_at(house):
    moment = settings.resolve_session("tiny", date(2020, 12, 25), None)
    assert moment == (date(2020, 12, 24), "holiday", date(2020, 12, 25))


@pytest.mark.parametrize(
    ("started", "session"),
    [
        (at(date(2020, 12, 18), 20), date(2020, 12, 17)),  # before the close, 21:00 UTC
        (at(date(2020, 12, 18), 23), date(2020, 12, 18)),
        (at(date(2020, 12, 20), 12), date(2020, 12, 18)),  # a Sunday
    ],
)
def test_without_a_session_it_is_the_last_one_closed_at_the_scheduled_start(
    house, started, session
):
    assert settings.resolve_session("tiny", None, started).session == session


def test_a_scheduled_night_on_a_holiday_is_skipped(house):
    moment = settings.resolve_session("tiny", None, at(date(2020, 12, 25), 23))
    assert (moment.skip, moment.night) == ("holiday", date(2020, 12, 25))


def test_a_source_that_has_ended_stays_at_its_end(house):
    moment = settings.resolve_session("tiny", None, at(date(2026, 7, 3), 23))
    assert moment == (date(2020, 12, 30), "", date(2020, 12, 30))


def test_an_unknown_name_lists_the_known_ones(house):
    with pytest.raises(FileNotFoundError, match=r"No 'nobody' in .* there is: tiny"):
        settings.load_book("nobody")


def test_a_typo_in_a_book_is_named(house):
    house.write("books", "typo", BOOK.replace("capital:", "capitol:"))
    with pytest.raises(ValueError, match="capitol"):
        settings.load_book("typo")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("key_variable: 0f3c2d9a7b1e", "key_variable: String should match"),
        ("base_url: https://me:0f3c2d9a7b1e@api.tiingo.com", "base_url: Value error, base_url"),
        ("token: 0f3c2d9a7b1e", "token: Extra inputs are not permitted"),
    ],
)
def test_a_secret_in_the_wrong_place_is_named_by_its_key_and_not_shown(house, line, told):
    packaged = (settings.PACKAGED / "sources" / "tiingo.yaml").read_text()
    house.write("sources", "leaky", f"{packaged}\n{line}\n")
    with pytest.raises(ValueError, match=f"cannot be used: tiingo.{told}") as caught:
        settings.load_source("leaky")
    shown = "".join(format_exception(caught.value))
    assert "0f3c2d9a7b1e" not in shown
    with pytest.raises(ValueError, match="validation error") as caught:
        TiingoSource(**yaml.safe_load(f"{packaged}\n{line}\n"))
    assert "0f3c2d9a7b1e" not in str(caught.value)


def test_settings_that_hold_no_text_are_named(house):
    house.write("sources", "torn", "kind: files\ntitle: \x01\n")
    with pytest.raises(ValueError, match=r"torn\.yaml is no YAML: "):
        settings.load_source("torn")


def test_only_closes_can_be_checked_by_a_second_source(house):
    packaged = (settings.PACKAGED / "sources" / "fred.yaml").read_text()
    house.write("sources", "checked", f"{packaged}\ncross_check: {{source: tiny}}\n")
    with pytest.raises(ValueError, match="compares closes, and this source tells series"):
        settings.load_source("checked")


@pytest.mark.parametrize("other", ["tiny", "fred"])
def test_a_source_is_checked_by_another_one_with_bars(house, other):
    house.write("sources", "fred", (settings.PACKAGED / "sources" / "fred.yaml").read_text())
    house.write("sources", "tiny", f"{SOURCE}\ncross_check: {{source: {other}}}\n")
    with pytest.raises(ValueError, match=f"'{other}' cannot check 'tiny': name another source"):
        settings.load_source("tiny")


def test_what_checks_a_source_is_known(house):
    house.write("sources", "checked", f"{SOURCE}\ncross_check: {{source: nobody}}\n")
    with pytest.raises(FileNotFoundError, match="No 'nobody' in"):
        settings.load_source("checked")


def test_settings_that_are_no_yaml_are_named_by_their_line(house):
    house.write("sources", "torn", "kind: files\ntitle: 'not closed\nkey: 0f3c2d9a7b1e\n")
    with pytest.raises(ValueError, match=r"torn.yaml is no YAML from line \d on") as caught:
        settings.load_source("torn")
    assert "0f3c2d9a7b1e" not in "".join(format_exception(caught.value))


def test_an_unknown_model_lists_the_known_ones(house):
    house.write("models", "odd", CONTEST.replace("model: ridge", "model: oracle"))
    with pytest.raises(ValueError, match=r"No model named 'oracle'; there is: .*lightgbm, linear"):
        settings.load_contest("odd")


def test_a_book_and_its_contest_share_a_source(house):
    house.write("sources", "other", SOURCE)
    house.write("books", "torn", BOOK.replace("source: tiny", "source: other"))
    with pytest.raises(ValueError, match="name the same source in both"):
        settings.load_book("torn")


def test_the_hash_of_a_book_changes_with_what_it_depends_on(house):
    before = settings.book_hash("tiny")
    house.write("books", "dearer", BOOK.replace("half_spread_bps: 2", "half_spread_bps: 3"))
    assert settings.book_hash("dearer") != before
    assert settings.book_hash("tiny") == before


LIVE = SOURCE.replace("ends: 2020-12-30", "ends: 2030-12-30")
CLOSED, OPEN = date(2020, 12, 18), date(2020, 12, 21)


def test_a_session_that_has_not_closed_is_refused(house):
    """What a vendor says of it now would count as known at its close."""
    house.write("sources", "live", LIVE)
    for early in (OPEN, date(2029, 1, 2), date(2020, 12, 25)):
        with pytest.raises(ValueError, match=f"{early} is not over on XNYS.* is {CLOSED}"):
            settings.resolve_session("live", early, at(OPEN, 20))
    assert settings.resolve_session("live", CLOSED, at(OPEN, 20)).session == CLOSED
    assert settings.resolve_session("live", OPEN, at(OPEN, 22)).session == OPEN
    assert settings.resolve_session("live", date(2020, 12, 25), at(date(2020, 12, 25), 12)).skip


def test_the_past_of_a_source_that_has_ended_is_given_as_ever(house):
    assert settings.resolve_session("tiny", CLOSED, at(OPEN, 20)).session == CLOSED
    assert settings.resolve_session("tiny", OPEN, at(date(2021, 12, 21), 20)).session == OPEN


@pytest.mark.parametrize(
    ("calendar", "moment", "since"),
    [
        ("XNYS", at(CLOSED, 22), CLOSED),
        ("XNYS", at(date(2020, 12, 20), 12), CLOSED),  # the week-end belongs to its Friday
        ("XNYS", at(OPEN, 15), date.max),  # trading: nothing that is over is seen live
        ("XNYS", at(OPEN, 22), OPEN),
        ("24/7", at(OPEN, 15), date(2020, 12, 20)),  # no night between: until the next close
    ],
)
def test_a_night_is_seen_live_until_the_next_session_opens(calendar, moment, since):
    assert settings.live_since(settings.calendar(calendar), moment) == since
