"""A dividend that its vendor takes back is no longer known from the night it did so."""

import json
from copy import deepcopy
from datetime import date
from functools import cache

import polars as pl
import pytest

from conf.schema import SimulatedSource
from expectations.desk import Desk, Judged
from tasks.market import frames
from tasks.market.adjust import is_nothing
from tasks.market.calendar import Calendar
from tasks.market.sources.protocol import Delivery

pytestmark = pytest.mark.slow

DAYS = Calendar("XNYS")
NIGHTS = DAYS.sessions(date(2015, 6, 1), date(2015, 6, 5))
NAMES = 20
CONF = SimulatedSource(
    kind="simulated",
    title="With actions",
    actions="given",
    starts=date(2015, 1, 2),
    observed_from=date(2015, 1, 5),
    ends=date(2016, 6, 30),
    expected_rows=NAMES,
)


def desk(*before: Judged) -> Desk:
    """Return a desk as it stands after the nights `before`, made anew from what they wrote."""
    kept = {
        table: pl.concat([shape.clear(), *(getattr(night, table) for night in before)])
        for table, shape in {
            "bars": frames.empty(frames.BARS),
            "listings": frames.empty(frames.LISTINGS),
            "actions": frames.empty(frames.ACTIONS),
        }.items()
    }
    return Desk("here", CONF, DAYS, **kept)


def delivery(number: int, *, shares: float = 1.0, **told: float) -> Delivery:
    """Return the bars of a night and its eve, with what it tells of actions on the third night.

    From then on each share of S3 has become `shares` by its price.
    """
    rows = [
        (session, f"S{name}", price, price, price, price, 1e6 + at, None, "USD")
        for session in NIGHTS[max(number - 1, 0) : number + 1]
        for at in [NIGHTS.index(session)]
        for name in range(NAMES)
        for price in [(50.0 + name + at / 100) / (shares if name == 3 and at >= 2 else 1.0)]
    ]
    actions = [(NIGHTS[2], "S3", kind, value) for kind, value in told.items()]
    return Delivery(
        NIGHTS[number],
        "observed",
        pl.DataFrame(rows, frames.RAW_BARS, orient="row"),
        pl.DataFrame(actions, frames.RAW_ACTIONS, orient="row"),
        frames.empty(frames.RAW_LISTINGS),
        frames.empty(frames.RAW_SERIES),
    )


TOLD = [{}, {}, {"dividend": 0.4, "split": 1.0}, {"dividend": 0.0, "split": 1.0}]


@cache
def _begun() -> Desk:
    here = desk()
    for number in range(2):
        assert said(here.judge(delivery(number))) == ("pass", "")
    return here


def begun() -> Desk:
    """Return a desk that has judged the two nights before the actions."""
    return deepcopy(_begun())


def said(judged: Judged) -> tuple[str, str]:
    return judged.verdicts["verdict"].item(), judged.verdicts["reasons"].item()


def acted(judged: Judged) -> list[tuple[str, float, date]]:
    taken = judged.actions.filter(is_nothing()).height
    assert said(judged) == (("warn", "actions told no more") if taken else ("pass", ""))
    return judged.actions.select("kind", "value", "known_on").rows()


def test_a_dividend_that_is_told_no_more_is_taken_back_once():
    here = begun()
    found = [acted(here.judge(delivery(number, **TOLD[number]))) for number in (2, 3)]
    assert found == [[("dividend", 0.4, NIGHTS[2])], [("dividend", 0.0, NIGHTS[3])]]
    assert acted(here.judge(delivery(4, dividend=0.0, split=1.0))) == []


def test_a_desk_made_anew_each_night_says_the_same():
    nights: list[Judged] = []
    for number, told in enumerate([*TOLD, TOLD[-1]]):
        nights.append(desk(*nights).judge(delivery(number, **told)))
    assert [acted(night) for night in nights[2:]] == [
        [("dividend", 0.4, NIGHTS[2])],
        [("dividend", 0.0, NIGHTS[3])],
        [],
    ]


def test_what_a_night_takes_back_later_does_not_move_what_was_known_before():
    early, late = begun(), begun()
    before = early.judge(delivery(2, **TOLD[2])).actions
    after = [late.judge(delivery(number, **TOLD[number])) for number in (2, 3)]
    assert before.equals(after[0].actions)


def test_that_there_was_nothing_is_neither_a_split_nor_an_unusable_action():
    here = desk()
    here.judge(delivery(0))
    whole = delivery(1)
    none = pl.DataFrame(
        [
            (NIGHTS[1], f"S{n}", k, v)
            for n in range(NAMES)
            for k, v in (("split", 1.0), ("dividend", 0.0))
        ],
        frames.RAW_ACTIONS,
        orient="row",
    )
    assert acted(here.judge(whole._replace(actions=none))) == []


def findings(judged: Judged) -> dict[str, str]:
    told = json.loads(judged.verdicts["findings"].item())
    return {f["action_taken"]: f["examples"][0] for f in told if f["rule"] == "action told no more"}


def test_a_split_that_the_price_bears_is_not_taken_back():
    here = begun()
    split = here.judge(delivery(2, shares=4.0, split=4.0, dividend=0.0))
    assert acted(split) == [("split", 4.0, NIGHTS[2])]
    gone = here.judge(delivery(3, shares=4.0, split=1.0, dividend=0.0))
    assert said(gone) == ("warn", "actions told no more")
    assert gone.actions.is_empty()
    assert findings(gone) == {"action kept": f"split of S3 {NIGHTS[2]}"}


@pytest.mark.parametrize(
    ("kind", "value", "shares"), [("dividend", 7.95, 1 / 0.85), ("split", 1.1, 1.1)]
)
def test_a_special_dividend_or_a_few_new_shares_are_not_taken_back_either(kind, value, shares):
    here = begun()
    here.judge(delivery(2, shares=shares, **{kind: value}))
    none = {"split": 1.0, "dividend": 0.0}
    gone = here.judge(delivery(3, shares=shares, **none))
    assert said(gone) == ("warn", "actions told no more")
    assert gone.actions.is_empty()


def test_a_dividend_is_not_taken_back_by_a_row_that_is_not_believed():
    here = begun()
    here.judge(delivery(2, **TOLD[2]))
    torn = delivery(3, **TOLD[3])
    bad = (pl.col("symbol") == "S3") & (pl.col("session") == NIGHTS[2])
    wrong = pl.when(bad).then(-1.0).otherwise("close")
    gone = here.judge(torn._replace(bars=torn.bars.with_columns(close=wrong)))
    assert gone.actions.is_empty()
    assert "action kept" in findings(gone)


def test_an_action_told_both_ways_is_not_taken_back():
    here = begun()
    here.judge(delivery(2, **TOLD[2]))
    both = delivery(3, **TOLD[3])
    again = pl.concat([both.actions, delivery(3, dividend=0.4).actions])
    assert [row[:2] for row in acted(here.judge(both._replace(actions=again)))] == [
        ("dividend", 0.4)
    ]


def test_a_night_that_lost_all_its_actions_is_blocked():
    here = begun()
    paid = delivery(2)
    names = paid.bars.filter(pl.col("session") == NIGHTS[2])["symbol"].head(6)
    told = frames.shaped(
        pl.DataFrame({"symbol": names}).with_columns(
            ex_session=pl.lit(NIGHTS[2]), kind=pl.lit("dividend"), value=pl.lit(0.3)
        ),
        frames.RAW_ACTIONS,
    )
    assert len(acted(here.judge(paid._replace(actions=told)))) == 6
    lost = here.judge(delivery(3)._replace(actions=told.with_columns(value=pl.lit(0.0))))
    assert said(lost) == ("block", "too many: actions told no more")
    assert lost.actions.is_empty()
