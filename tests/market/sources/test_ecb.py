"""Fixings of the European Central Bank are known on their day, live, late and offline."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from conf.schema import EcbSource
from tasks.market.sources.ecb import EcbData
from tasks.market.sources.knowledge import known_within
from tasks.market.sources.protocol import Payload, Place, Unreadable
from tasks.market.sources.web_data import Reach
from tests.market.sources.cases.ecb import everything, fixings, quarter, source, zipped

ALL, QUARTER = "eurofxref-hist.zip", "eurofxref-hist-90d.xml"
NOWHERE = "http://127.0.0.1:9"


def read(night: date, vintage: str, request: str, body: bytes, **settings: object) -> pl.DataFrame:
    payload = Payload(night, request, body, vintage)
    return source(NOWHERE, **settings).normalise([payload]).series


def offline(**settings: object) -> EcbData:
    given: dict[str, object] = {
        "kind": "ecb",
        "title": "Fixings",
        "starts": date(1999, 1, 4),
        "observed_from": date(2020, 1, 2),
        "ends": date(2019, 12, 31),
        "expected_rows": 2,
        "currencies": ("USD", "JPY"),
        "offline": True,
        **settings,
    }
    return EcbData(EcbSource(**given), Place())


def test_a_late_night_brings_its_own_fixings_alone():
    for request, body in ((ALL, everything()), (QUARTER, quarter())):
        found = read(date(2023, 4, 6), "assumed", request, body)
        assert found.equals(fixings("2023-04-06", "2023-04-06"))


def test_a_live_night_reaches_back_and_its_corrections_are_known_from_then():
    found = read(date(2023, 4, 11), "observed", QUARTER, quarter(), look_back=3)
    assert found.equals(fixings("2023-04-05", "2023-04-11", live=True))


def test_what_was_fixed_after_the_night_changes_nothing():
    night = date(2023, 4, 6)
    altered = quarter().replace(b"1.0905", b"9.9").replace(b"1.0922", b"9.9")
    assert altered != quarter()
    for vintage in ("assumed", "observed"):
        assert read(night, vintage, QUARTER, altered).equals(
            read(night, vintage, QUARTER, quarter())
        )


def test_a_fixing_on_a_day_without_a_session_is_known_on_the_next():
    moved = quarter().replace(b"2023-04-06", b"2023-04-07")  # Good Friday
    found = read(date(2023, 4, 10), "assumed", QUARTER, moved)
    assert found["session"].unique().to_list() == [date(2023, 4, 7)]
    assert found["known_on"].unique().to_list() == [date(2023, 4, 10)]


def test_late_nights_together_bring_what_the_history_brings():
    days = [date(2023, 4, day) for day in (6, 10, 11, 12)]
    parts = [read(day, "assumed", ALL, everything()) for day in days]
    whole = read(
        date(2023, 4, 12), "assumed", ALL, everything(), observed_from=date(2023, 4, 13)
    ).filter(pl.col("session") >= days[0])
    assert pl.concat(parts).equals(whole)


def test_asks_for_the_small_file_only_where_it_reaches_far_enough(tmp_path):
    feed = source(NOWHERE)

    def asked(night: date, newest: date) -> list[str]:
        feed.nights(newest)
        return feed.requests(feed.reach_of([Payload(night, "", b"", "observed")]))

    assert asked(date(2023, 4, 11), date(2023, 4, 12)) == [QUARTER]
    assert asked(date(2023, 4, 11), date(2023, 8, 1)) == [ALL]
    assert asked(date(2023, 4, 5), date(2023, 4, 5)) == [ALL]  # the history


def test_a_currency_that_is_not_there_is_named():
    with pytest.raises(Unreadable, match="lacks XAU; it has: Date, USD"):
        read(date(2023, 4, 6), "assumed", ALL, everything(), currencies=("XAU",))
    with pytest.raises(Unreadable, match="no fixing of XAU"):
        read(date(2023, 4, 6), "assumed", QUARTER, quarter(), currencies=("XAU",))


@pytest.mark.parametrize("twice", ["USD, USD", "USD,USD"])
def test_a_currency_that_comes_twice_is_refused(twice):
    table = f"Date,GBP,{twice},\n2023-04-06,0.87,1.09,1.19,\n"
    with pytest.raises(Unreadable, match=r"hist\.zip has more than one column named 'USD'"):
        read(date(2023, 4, 6), "assumed", ALL, zipped(table))


def test_a_file_in_a_strange_encoding_is_refused():
    strange = quarter().replace(b"UTF-8", b"UTF-7")
    assert strange != quarter()
    with pytest.raises(Unreadable, match=r"is no XML .multi-byte encodings"):
        read(date(2023, 4, 6), "assumed", QUARTER, strange)


def test_broken_dates_and_numbers_do_not_pass_for_others():
    found = read(date(2023, 4, 6), "assumed", QUARTER, quarter().replace(b"1.0915", b"1,0915"))
    assert dict(found.select("name", "value").iter_rows()) == {"EURGBP": 0.87533, "EURUSD": None}


def test_a_day_that_cannot_be_read_is_refused_and_not_lost():
    body = quarter().replace(b'time="2023-04-05"', b'time="5 April 2023"')
    with pytest.raises(Unreadable, match="has the day '5 April 2023', not one like 2020-12-31"):
        read(date(2023, 4, 6), "assumed", QUARTER, body)


def test_a_row_that_does_not_say_when_it_became_known_is_refused():
    told = pl.DataFrame({"value": [1.0, 2.0], "known_on": [date(2023, 4, 6), None]})
    reach = Reach(date(2023, 4, 3), date(2023, 4, 6))
    with pytest.raises(Unreadable, match="1 rows do not say when they became known"):
        known_within(told, source(NOWHERE).calendar, reach, live=False)


def test_the_history_ships_inside_a_package():
    feed = offline()
    assert feed.nights() == [date(2019, 12, 31)]
    found = feed.normalise(list(feed.pull(feed.nights()))).series
    assert found["session"].min() == date(1999, 1, 4)
    assert found["session"].max() == date(2019, 12, 31)
    row = {"session": date(1999, 1, 4), "name": "EURUSD", "value": 1.1789}
    assert found.row(1, named=True) == {**row, "known_on": date(1999, 1, 4)}
    assert (found["known_on"] >= found["session"]).all()


def test_offline_there_is_nothing_but_history():
    with pytest.raises(ValueError, match="must lie before `observed_from`"):
        offline(ends=date(2020, 1, 2))


def test_reads_the_real_files(shared_data: Path):
    body = (shared_data / "raw" / "ecb" / "eurofxref-hist.zip").read_bytes()
    settings = {"starts": date(1999, 1, 4), "observed_from": date(2026, 4, 14)}
    found = read(
        date(2026, 4, 13), "assumed", ALL, body, currencies=("USD", "JPY", "TRY"), **settings
    )
    told = pl.read_parquet(shared_data / "multi" / "fx_ecb_1999_2026.parquet").select(
        session="date", name="symbol", value="close"
    )
    wanted = told.filter(pl.col("name").is_in(found["name"].unique().to_list()))
    assert found["name"].n_unique() == 3
    assert found.select(wanted.columns).equals(wanted.sort("session", "name"))
