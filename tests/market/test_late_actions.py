"""What came late is told on the night it became known, with all that is known of its names."""

from datetime import date

import polars as pl

from tasks.market.adjust import infer_actions, late_actions
from tasks.market.frames import ACTIONS, RAW_BARS, shaped

MON, TUE, WED, THU = (date(2016, 6, day) for day in (6, 7, 8, 9))


def actions(*rows: tuple[str, date, date, float]) -> pl.DataFrame:
    names = ["instrument", "ex_session", "known_on", "value"]
    told = pl.DataFrame(rows, schema=names, orient="row")
    return shaped(told.with_columns(kind=pl.lit("split"), delivery="known_on"), ACTIONS)


TOLD = actions(
    ("s:LATE", MON, MON, 2.0),
    ("s:LATE", TUE, WED, 3.0),
    ("s:EARLY", THU, MON, 4.0),
    ("s:TIMELY", WED, WED, 5.0),
    ("s:LATER", MON, THU, 6.0),
)


def values(session: date, since: date, told: pl.DataFrame = TOLD) -> list[float]:
    return late_actions(told, session, since=since)["value"].sort().to_list()


def test_a_name_with_a_late_action_is_told_with_all_that_is_known_of_it():
    assert values(WED, TUE) == [2.0, 3.0]
    assert values(THU, WED) == [6.0]


def test_actions_known_in_time_are_none_of_it():
    assert values(TUE, MON) == []
    assert values(MON, date(2016, 6, 3)) == []


def test_nothing_moves_when_what_becomes_known_later_is_altered():
    late = pl.col("known_on") > WED
    wild = TOLD.with_columns(value=pl.when(late).then(99.0).otherwise("value"))
    assert late_actions(wild, WED, since=TUE).equals(late_actions(TOLD, WED, since=TUE))


def test_a_split_of_a_lost_night_is_late_on_the_night_that_infers_it():
    eve = pl.DataFrame({"symbol": ["A", "B"], "session": [MON, MON], "close": [700.0, 50.0]})
    rows = [("A", TUE, 98.0), ("A", WED, 99.0), ("B", TUE, 51.0), ("B", WED, 52.0)]
    bars = pl.DataFrame(rows, schema=["symbol", "session", "close"], orient="row")
    bars = shaped(bars.with_columns(adj_close="close"), RAW_BARS)
    found = infer_actions(bars, eve, session=WED)
    assert found.rows() == [(TUE, "A", "split", 7.0)]
    told = shaped(found.with_columns(instrument="symbol", known_on=WED, delivery=WED), ACTIONS)
    assert values(WED, TUE, told) == [7.0]
    assert values(THU, WED, told) == []
