"""What checks a source comes before it, and the verdict warns of a night that it is silent on."""

from datetime import date

import pytest

from flows import backfill, steps
from flows.outcomes import Outcome
from tasks import ingest
from tasks.settings import open_lake
from tasks.verdicts import verdicts_of
from tests.house import SOURCE, House

EVE, NIGHT = date(2020, 12, 17), date(2020, 12, 18)
SHORT = SOURCE.replace("starts: 2020-01-02", "starts: 2020-11-02")


def tried(what, session, task, *arguments):
    """Run a task as a flow does, without a server."""
    try:
        return task.fn(*arguments), None
    except OSError as error:
        return None, Outcome(what, "failed", str(error), session)


@pytest.fixture
def checked(tmp_path, monkeypatch):
    """Open a house with a source `tiny` that the source `other` checks."""
    house = House(tmp_path / "checked")
    house.write("sources", "tiny", f"{SHORT}cross_check: {{source: other}}\n")
    house.write("sources", "other", SHORT)
    for flow in (steps, backfill):
        monkeypatch.setattr(flow, "tried", tried)
    monkeypatch.setattr(steps, "write_gate_page", type("Page", (), {"fn": lambda *_: ""}))
    with house.open():
        yield house


def verdicts(source: str) -> dict[date, str]:
    rows = verdicts_of(open_lake(), source)
    return dict(rows.select("delivery", "verdict").iter_rows())


def silent(monkeypatch, answer) -> None:
    """Let the source that checks give only what `answer` makes of its nights."""
    opened = ingest.open_source

    def reluctant(name: str):
        feed = opened(name)
        if name == "other":
            offered = feed.nights
            feed.nights = lambda until=date.max: answer(offered(until))
        return feed

    monkeypatch.setattr(ingest, "open_source", reluctant)


def refused(_):
    raise ConnectionError("the vendor is away")


@pytest.mark.slow
def test_what_checks_a_source_is_brought_before_it(checked):
    assert steps.ingested("tiny", NIGHT) is None
    assert verdicts("other")[NIGHT] == "pass"
    assert set(verdicts("tiny").values()) == {"pass"}


@pytest.mark.slow
@pytest.mark.parametrize("answer", [lambda nights: [n for n in nights if n != NIGHT], refused])
def test_a_night_that_nothing_checks_warns_and_goes_on(checked, monkeypatch, answer):
    steps.ingested("tiny", EVE)
    silent(monkeypatch, answer)
    assert steps.ingested("tiny", NIGHT) is None
    assert verdicts("tiny")[EVE] == "pass"
    row = verdicts_of(open_lake(), "tiny").row(-1, named=True)
    assert (row["delivery"], row["verdict"]) == (NIGHT, "warn")
    assert row["reasons"] == "not cross-checked: the second source told nothing of the session"


def test_a_backfill_brings_what_checks_its_nights_first(checked, monkeypatch):
    asked = []

    def noted(what, _, task, *arguments):
        asked.append((task.name, *arguments))
        return None, Outcome(what, "failed", "the vendor is away")

    monkeypatch.setattr(steps, "tried", noted)
    monkeypatch.setattr(backfill, "tried", noted)
    backfill._filled("tiny", EVE, NIGHT, True)
    assert asked == [
        ("land_deliveries", "other", NIGHT, EVE),
        ("land_deliveries", "tiny", NIGHT, EVE),
    ]
