"""Without a key FRED's figures are known no earlier than they can have been."""

from datetime import date, timedelta

import polars as pl
import pytest

from tasks.market.sources.fred import FredData
from tasks.market.sources.protocol import Payload, Unreadable
from tests.market.sources.cases.fred import AAA, DGS10, rows, source
from tests.market.sources.cases.fred import ROUTES as ROUTES

NOWHERE = "http://127.0.0.1:9"


def pulled(feed: FredData, newest: date, night: date) -> pl.DataFrame:
    feed.nights(newest)
    return feed.normalise(list(feed.pull([night]))).series


def plain(text: str, night: date = date(2021, 3, 5), series: str = "DGS10") -> pl.DataFrame:
    request = f"plain {series} 2019-01-01 {night}"
    feed = source(NOWHERE, observed_from=date(2021, 3, 8))
    return feed.normalise([Payload(night, request, text.encode(), "assumed")]).series


def test_a_figure_is_known_the_day_after_its_own(vendor):
    found = pulled(source(vendor.url), date(2021, 3, 5), date(2021, 3, 4))  # pulled late
    assert found.equals(rows(("2021-03-03", "yield_10y", 1.42, "2021-03-04")))


def test_a_friday_is_known_on_monday_and_a_missing_figure_never(vendor):
    history = pulled(source(vendor.url), date(2021, 3, 5), date(2021, 3, 1))
    known = dict(
        history.filter(pl.col("name") == "yield_10y").select("session", "known_on").iter_rows()
    )
    assert known[date(2021, 2, 26)] == date(2021, 3, 1)
    assert known[date(2021, 2, 12)] == date(2021, 2, 16)  # Monday the 15th is a holiday
    assert date(2021, 2, 15) not in known
    assert max(known.values()) == date(2021, 3, 1)


def test_a_month_is_known_from_the_first_session_of_the_next(vendor):
    history = pulled(source(vendor.url), date(2021, 3, 5), date(2021, 3, 1))
    monthly = history.filter(pl.col("name") == "yield_aaa").select("session", "known_on")
    assert monthly.rows() == [
        (date(2020, 11, 1), date(2020, 12, 1)),
        (date(2020, 12, 1), date(2021, 1, 4)),
        (date(2021, 1, 1), date(2021, 2, 1)),
        (date(2021, 2, 1), date(2021, 3, 1)),
    ]


@pytest.mark.parametrize(
    ("days", "known"),
    [
        (["2020-07-01", "2020-10-01"], "2021-01-04"),
        (["2019-01-01", "2020-01-01"], "2021-01-04"),
        (["2020-07-01", "2020-07-01", "2020-10-01"], "2021-01-04"),  # a row came twice
    ],
)
def test_a_quarter_and_a_year_are_known_when_they_are_over(days, known):
    text = "DATE,GDP\n" + "".join(f"{day},1\n" for day in days)
    found = plain(text, series="GDP")
    assert found.is_empty()  # of no name of these settings
    feed = source(NOWHERE, observed_from=date(2021, 3, 8), series={"output": "GDP"})
    request = "plain GDP 2019-01-01 2021-03-05"
    body = text.encode()
    found = feed.normalise([Payload(date(2021, 3, 5), request, body, "assumed")]).series
    assert found["known_on"].to_list()[-1] == date.fromisoformat(known)


def test_a_figure_that_came_late_is_told_on_the_night_it_came_and_no_earlier():
    feed = source(NOWHERE, series={"prices": "CPIAUCSL"}, observed_from=date(2021, 1, 4))
    published = {date(2020, month, 1): date(2020, month + 1, 12) for month in range(1, 12)}
    published |= {date(2020, 12, 1): date(2021, 1, 13), date(2021, 1, 1): date(2021, 2, 10)}
    told: dict[date, date] = {}
    for night in feed.calendar.sessions(date(2021, 1, 4), date(2021, 2, 26)):
        lines = [f"{month},{month:%m}\n" for month, came in published.items() if came <= night]
        feed.nights(night)
        (request,) = feed.requests(feed._reach(night))
        body = f"observation_date,CPIAUCSL\n{''.join(lines)}".encode()
        found = feed.normalise([Payload(night, request, body, "observed")]).series
        assert found["known_on"].to_list() == [night] * found.height
        told = dict.fromkeys(found["session"], night) | told
    assert told == {
        date(2020, 11, 1): date(2021, 1, 4),
        date(2020, 12, 1): date(2021, 1, 13),
        date(2021, 1, 1): date(2021, 2, 10),
    }


@pytest.mark.parametrize("lag_days", [1, 60])
@pytest.mark.parametrize("published_after", [45, 200, 360])  # days after the end of the year
def test_a_yearly_series_shows_its_step_on_every_night(lag_days, published_after):
    settings = {"series": {"output": "GDPA"}, "lag_days": lag_days, "lags": {}}
    feed = source(NOWHERE, observed_from=date(2021, 1, 4), **settings)
    years = {date(year, 1, 1): date(year, 12, 31) for year in range(2010, 2022)}
    night = date(2021, 1, 4)
    while night < date(2022, 1, 31):  # in February 2021 the figure of 2020 is still to come
        feed.nights(night)
        (request,) = feed.requests(feed._reach(night))
        asked_from = date.fromisoformat(request.split()[2])
        told = {
            first: last + timedelta(days=1 + lag_days)
            for first, last in years.items()
            if first >= asked_from and last + timedelta(days=published_after) <= night
        }
        lines = "".join(f"{first},1\n" for first in told)
        body = f"observation_date,GDPA\n{lines}".encode()
        found = feed.normalise([Payload(night, request, body, "observed")]).series
        assert found["session"].max() == max(first for first, due in told.items() if due <= night)
        night = feed.calendar.offset(night, 7)


def test_a_series_may_have_a_lag_of_its_own(vendor):
    late = {"yield_10y": "DGS10", "slow": "DGS10"}
    feed = source(vendor.url, series=late, lags={"slow": 8})
    history = pulled(feed, date(2021, 3, 5), date(2021, 3, 1))
    known = {
        name: dict(history.filter(name=name).select("session", "known_on").iter_rows())
        for name in late
    }
    assert known["yield_10y"][date(2021, 2, 16)] == date(2021, 2, 17)
    assert known["slow"][date(2021, 2, 16)] == date(2021, 2, 24)
    with pytest.raises(ValueError, match="lags of wti, but series are: yield_10y, yield_aaa"):
        source(NOWHERE, lags={"wti": 8})


def test_nothing_of_after_the_night_moves_what_was_known(vendor, monkeypatch):
    live, night = date(2021, 3, 4), date(2021, 3, 1)
    before = [pulled(source(vendor.url), live, one) for one in (night, live)]
    for day in (5, 8, 9):
        monkeypatch.setitem(DGS10, date(2021, 3, day), "99.0")
    monkeypatch.setitem(AAA, date(2021, 4, 1), "99.0")
    after = [pulled(source(vendor.url), live, one) for one in (night, live)]
    assert all(one.equals(same) for one, same in zip(before, after, strict=True))


def test_a_row_of_after_the_night_is_refused():
    with pytest.raises(Unreadable, match="a row of 2021-03-08, after 2021-03-05"):
        plain("DATE,DGS10\n2021-03-04,1.43\n2021-03-08,9.9\n")


def test_late_nights_together_bring_what_the_history_brings(vendor):
    feed = source(vendor.url)
    sessions = [date(2021, 3, day) for day in (2, 3, 4, 5)]
    parts = [pulled(feed, date(2021, 3, 8), night) for night in sessions]
    whole = pulled(
        source(vendor.url, observed_from=date(2021, 3, 8)), date(2021, 3, 8), sessions[-1]
    )
    assert pl.concat(parts).equals(whole.filter(pl.col("known_on") >= sessions[0]))


def test_a_table_cut_at_the_end_of_a_line_is_noticed_where_much_is_missing():
    lines = [f"2021-01-{day:02},1.0\n" for day in range(4, 30)]
    with pytest.raises(Unreadable, match="ends on 2021-01-29, long before 2021-03-05"):
        plain("DATE,DGS10\n" + "".join(lines))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("DATE,DGS10\n", "came with 0 days"),
        ("DATE,DGS10\n2021-03-04,1\n", "came with 1 days: whether they are days, months"),
        ("DATE,DGS10\n2021-03-04,1\n2021-03-04,1\n", "came with 1 days"),
        ("DATE,DGS2\n2021-03-04,1\n", "came with the columns DATE, DGS2"),
        ("DATE,DGS10\n4 March,1\n2021-03-04,1\n", "1 rows without a date"),
        ("DATE,DGS10\n-500-03-04,1\n2021-03-04,1\n", "1 rows without a date"),
        ("DATE,DGS10, DGS10\n2021-03-04,1,2\n", "more than one column named 'DGS10'"),
        ("DATE,DGS10\n2021-03-04,1,2\n", "is no table"),
    ],
)
def test_another_table_than_was_asked_for_is_refused(text, message):
    with pytest.raises(Unreadable, match=message):
        plain(text)


def test_what_is_no_number_is_null():
    assert plain("DATE,DGS10\n2021-03-03,1.5\n2021-03-04,oops\n")["value"].to_list() == [1.5, None]
