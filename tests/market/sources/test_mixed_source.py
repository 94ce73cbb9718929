"""Markets that close at other hours meet on one calendar, each as it was known at its close."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

import polars as pl
import pytest

from conf.schema import FredSource, MixedSource, SourceBase
from tasks.market import frames
from tasks.market.adjust import with_nothing_elsewhere
from tasks.market.calendar import Calendar
from tasks.market.sources import SOURCES
from tasks.market.sources.protocol import DataSource, Delivery, Payload, Place, Unreadable
from tasks.market.sources.tables import packed, unpacked

NEW_YORK = Calendar("XNYS")
FRIDAY, SATURDAY, SUNDAY, MONDAY, TUESDAY = (date(2016, 6, 10) + timedelta(n) for n in range(5))
ALWAYS = "24/7"


class Listed(DataSource):
    """A part whose nights are written down: night -> (symbol, own date, close) rows."""

    def __init__(self, nights: Mapping[date, Sequence[tuple[str, date, float]]], live: bool = True):
        self.rows, self.vintage = nights, "observed" if live else "assumed"
        self.landed_nights: list[date] = []

    def nights(self, until: date = date.max) -> list[date]:
        return sorted(self.rows)

    def pull(self, nights: Sequence[date]) -> Iterator[Payload]:
        for night in sorted(nights):
            kinds = {"symbol": pl.String, "session": pl.Date, "close": pl.Float64}
            table = pl.DataFrame(list(self.rows[night]), schema=kinds, orient="row")
            yield Payload(night, "rows|all", packed(table), self.vintage)  # type: ignore[arg-type]

    def landed(self, nights: Sequence[date]) -> None:
        self.landed_nights += nights

    def normalise(self, payloads: Sequence[Payload]) -> Delivery:
        assert {payload.request for payload in payloads} == {"rows|all"}
        bars = unpacked(payloads[0].body, what="rows").with_columns(volume=10.0)
        return Delivery(
            payloads[0].night,
            payloads[0].vintage,
            bars=frames.shaped(bars, frames.RAW_BARS),
            actions=frames.empty(frames.RAW_ACTIONS),
            listings=frames.empty(frames.RAW_LISTINGS),
            series=frames.empty(frames.RAW_SERIES),
        )


class Paying(Listed):
    """A part that says of each row it tells whether its share was split or paid, and what."""

    paid: Mapping[date, float] = {}

    def normalise(self, payloads: Sequence[Payload]) -> Delivery:
        told = super().normalise(payloads)
        paid = pl.DataFrame({"ex_session": list(self.paid), "value": list(self.paid.values())})
        paid = paid.with_columns(kind=pl.lit("dividend"))
        mine = told.bars.select("symbol", ex_session="session").join(paid, on="ex_session")
        actions = frames.shaped(mine, frames.RAW_ACTIONS)
        return told._replace(actions=with_nothing_elsewhere(actions, told.bars))


def part(**changes: object) -> SourceBase:
    values = {"title": "A part", "starts": date(2016, 1, 4), "expected_rows": 1, **changes}
    return SourceBase.model_validate(values)


def mixed(parts: dict[str, tuple[SourceBase, DataSource]], **changes: object) -> DataSource:
    values = {"title": "All", "starts": date(2016, 6, 1), "expected_rows": 1, **changes}
    conf = MixedSource(kind="mixed", parts=tuple(parts), **values)
    return SOURCES["mixed"](conf, Place(parts=parts))


def delivered(source: DataSource, night: date) -> Delivery:
    return source.normalise(list(source.pull([night])))


def own(symbol: str, *days: date, close: float = 1.0) -> dict[date, list[tuple[str, date, float]]]:
    """Return nights that bring each its own row alone, a point dearer every day."""
    return {day: [(symbol, day, close + at)] for at, day in enumerate(days)}


def test_history_in_one_go_comes_in_one_night():
    stocks = {TUESDAY: [("SPY", day, 100.0) for day in (FRIDAY, MONDAY, TUESDAY)]}
    coins = {SUNDAY: [("BTC", day, 5.0) for day in (FRIDAY, SATURDAY, SUNDAY)]}
    source = mixed(
        {
            "stocks": (part(), Listed(stocks, live=False)),
            "coins": (part(calendar=ALWAYS, asset_class="crypto"), Listed(coins, live=False)),
        }
    )
    for until in (date(2016, 6, 2), MONDAY, TUESDAY, date.max):
        assert source.nights(until) == [TUESDAY]
    delivery = delivered(source, TUESDAY)
    assert delivery.vintage == "assumed"
    assert sorted(delivery.bars.select("symbol", "session").rows()) == [
        ("BTC", MONDAY),
        ("SPY", FRIDAY),
        ("SPY", MONDAY),
        ("SPY", TUESDAY),
    ]


def test_a_part_that_looks_further_back_than_the_mixture_is_refused():
    parts = {"stocks": (part(look_back=9), Listed({})), "coins": (part(), Listed({}))}
    with pytest.raises(ValueError, match="its parts stocks up to 9: raise its look_back"):
        mixed(parts, look_back=8)
    mixed(parts, look_back=9)
    slow = FredSource.model_construct(look_back=60, calendar="XNYS")  # its values have no reach
    mixed({**parts, "yields": (slow, Listed({}))}, look_back=9)


def test_nights_go_by_the_calendar_of_the_mixture():
    stocks = Listed(own("SPY", FRIDAY, MONDAY, TUESDAY, close=100.0))
    coins = Listed(own("BTC", FRIDAY - timedelta(1), FRIDAY, SATURDAY, SUNDAY, MONDAY))
    parts = {
        "stocks": (part(), stocks),
        "coins": (part(calendar=ALWAYS, asset_class="crypto"), coins),
    }
    source = mixed(parts)
    assert source.nights(TUESDAY) == [FRIDAY, MONDAY, TUESDAY]
    assert source.nights(FRIDAY) == [FRIDAY]
    source.nights(TUESDAY)
    payloads = list(source.pull([MONDAY]))
    assert [payload.request for payload in payloads] == [
        f"night|stocks|{MONDAY}|rows|all",
        f"night|coins|{FRIDAY}|rows|all",
        f"night|coins|{SATURDAY}|rows|all",
        f"night|coins|{SUNDAY}|rows|all",
    ]
    assert {payload.night for payload in payloads} == {MONDAY}
    delivery = source.normalise(payloads)
    assert delivery.vintage == "observed"
    told = delivery.bars.select("symbol", "session", "close", "volume").rows()
    assert told == [("SPY", MONDAY, 101.0, 10.0), ("BTC", MONDAY, 4.0, 30.0)]
    source.landed([MONDAY])
    assert coins.landed_nights == [FRIDAY, SATURDAY, SUNDAY]


def test_a_later_own_night_says_anew_what_an_earlier_one_said():
    nights = {FRIDAY: [("BTC", FRIDAY, 5.0)], SUNDAY: [("BTC", FRIDAY, 6.0), ("BTC", SUNDAY, 7.0)]}
    source = mixed(
        {
            "stocks": (part(), Listed(own("SPY", MONDAY))),
            "coins": (part(calendar=ALWAYS), Listed(nights)),
        }
    )
    assert source.nights(MONDAY) == [MONDAY]
    coin = delivered(source, MONDAY).bars.filter(pl.col("symbol") == "BTC")
    assert coin.select("close", "volume").rows() == [(7.0, 20.0)]


def test_a_night_pulled_late_brings_its_own_session_alone():
    late = Listed({FRIDAY: [], MONDAY: [("BP", FRIDAY, 4.0), ("BP", MONDAY, 5.0)]}, live=False)
    live = Listed({FRIDAY: [], MONDAY: [("SPY", FRIDAY, 99.0), ("SPY", MONDAY, 98.0)]})
    source = mixed({"late": (part(calendar="XLON"), late), "live": (part(), live)})
    source.nights(MONDAY)
    delivery = delivered(source, MONDAY)
    assert delivery.vintage == "assumed"
    assert delivery.bars.select("symbol", "session").rows() == [("BP", MONDAY), ("SPY", MONDAY)]


def test_a_night_takes_back_no_dividend_of_a_day_that_it_does_not_reach():
    thursday, friday = date(2023, 11, 23), date(2023, 11, 24)  # New York is closed, London not
    london, days = Calendar("XLON"), NEW_YORK.sessions(friday, date(2023, 12, 1))
    reach = {day: london.sessions(max(london.offset(day, -5), thursday), day) for day in days}
    nights = {day: [("VOD", one, 70.0) for one in told] for day, told in reach.items()}
    paying = Paying(nights)
    paying.paid = {thursday: 0.3}
    stocks = Listed(own("SPY", *days))
    source = mixed({"stocks": (part(), stocks), "london": (part(calendar="XLON"), paying)})
    of_friday = pl.col("ex_session") == friday, pl.col("kind") == "dividend"
    said = [delivered(source, day).actions.filter(*of_friday)["value"] for day in days]
    assert [told.to_list() for told in said] == [*[[0.3]] * (len(days) - 1), []]


def test_a_night_reaches_back_by_the_sessions_of_the_mixture():
    night, tokyo = date(2023, 1, 6), Calendar("XTKS")  # Tokyo was closed on the 3rd
    reach = tokyo.sessions(tokyo.offset(night, -5), night)
    first = NEW_YORK.offset(night, -5)
    assert reach[0] < first
    yen = Paying({reach[0]: [], night: [("USDJPY", day, 132.0) for day in reach]})
    yen.paid = dict.fromkeys(reach, 0.1)
    pairs = part(calendar="XTKS", asset_class="fx", look_back=5)
    stocks = Listed(own("SPY", reach[0], night))
    source = mixed({"stocks": (part(), stocks), "pairs": (pairs, yen)})
    for day, table in (("session", "bars"), ("ex_session", "actions"), ("session", "series")):
        told = getattr(delivered(source, night), table)[day]
        assert told.min() == first
        assert told.max() == night


def test_each_part_says_its_class_and_its_currency():
    parts = {
        "stocks": (part(asset_class="fund"), Listed(own("SPY", MONDAY))),
        "pairs": (part(asset_class="fx"), Listed({MONDAY: [("EURGBP", MONDAY, 0.8)]})),
        "london": (part(currency="GBP"), Listed(own("BP", MONDAY))),
    }
    delivery = delivered(mixed(parts), MONDAY)
    told = delivery.listings.select("symbol", "asset_class", "currency").sort("symbol").rows()
    assert told == [("BP", "unknown", "GBP"), ("EURGBP", "fx", "GBP"), ("SPY", "fund", "USD")]
    assert dict(delivery.bars.select("symbol", "currency").iter_rows()) == {
        "SPY": "USD",
        "EURGBP": "GBP",
        "BP": "GBP",
    }
    assert delivery.series.rows() == [(MONDAY, "EURGBP", 0.8, MONDAY)]
    assert dict(delivery.bars.schema) == frames.RAW_BARS
    assert dict(delivery.listings.schema) == frames.RAW_LISTINGS


def test_a_rate_that_is_told_anew_is_known_from_that_night():
    nights = {MONDAY: [("EURUSD", MONDAY, 1.1)]}
    nights[TUESDAY] = [("EURUSD", MONDAY, 1.4), ("EURUSD", TUESDAY, 1.2)]
    parts = {
        "stocks": (part(), Listed(own("SPY", MONDAY, TUESDAY))),
        "pairs": (part(asset_class="fx", calendar="XPAR"), Listed(nights)),
    }
    source = mixed(parts)
    source.nights(TUESDAY)
    assert delivered(source, MONDAY).series.rows() == [(MONDAY, "EURUSD", 1.1, MONDAY)]
    assert delivered(source, TUESDAY).series.rows() == [
        (MONDAY, "EURUSD", 1.4, TUESDAY),
        (TUESDAY, "EURUSD", 1.2, TUESDAY),
    ]


def test_history_outside_its_own_years_is_not_of_the_source():
    days = NEW_YORK.sessions(date(2016, 5, 25), date(2016, 6, 20))
    stocks = {days[-1]: [("SPY", day, 100.0) for day in days]}
    parts = {
        "stocks": (part(), Listed(stocks, live=False)),
        "others": (part(), Listed({TUESDAY: [("IWM", TUESDAY, 1.0)]}, live=False)),
    }
    source = mixed(parts, ends=TUESDAY)
    assert source.nights() == [TUESDAY]
    delivery = delivered(source, TUESDAY)
    assert delivery.bars["session"].min() == date(2016, 6, 1)
    assert delivery.bars["session"].max() == TUESDAY


def test_strays_of_years_before_its_own_are_not_of_the_source_either():
    old = [("BP", date(2010, 6, 12), 5.0), ("BP", date(2016, 6, 11), 5.0), ("BP", MONDAY, 6.0)]
    parts = {
        "stocks": (part(), Listed(own("SPY", MONDAY))),
        "london": (part(calendar="XLON"), Listed({MONDAY: old}, live=False)),
    }
    bars = delivered(mixed(parts), MONDAY).bars.filter(pl.col("symbol") == "BP")
    assert bars.select("session", "close").rows() == [(MONDAY, 6.0), (None, 5.0)]


def test_refuses_two_parts_that_bring_the_same_symbol():
    parts = {
        "one": (part(), Listed(own("QQQ", MONDAY))),
        "other": (part(), Listed(own("QQQ", MONDAY))),
    }
    with pytest.raises(Unreadable, match="QQQ of 2016-06-13 came from more than one part"):
        delivered(mixed(parts), MONDAY)


def test_refuses_nights_of_parts_that_are_gone_and_parts_that_are_not_there():
    one, other = (part(), Listed(own("A", MONDAY))), (part(), Listed(own("B", MONDAY)))
    payloads = list(mixed({"one": one, "other": other}).pull([MONDAY]))
    with pytest.raises(Unreadable, match="none any more: other"):
        mixed({"one": one, "third": other}).normalise(payloads)
    with pytest.raises(ValueError, match="lacks its parts other"):
        SOURCES["mixed"](
            MixedSource(
                kind="mixed", title="x", parts=("one", "other"), starts=MONDAY, expected_rows=1
            ),
            Place(parts={"one": one}),
        )


def test_says_which_nights_it_lacks():
    parts = {"one": (part(), Listed(own("A", MONDAY))), "two": (part(), Listed(own("B", MONDAY)))}
    with pytest.raises(ValueError, match="no night 2016-06-14; it has 1 from 2016-06-13"):
        list(mixed(parts).pull([TUESDAY]))


def test_nothing_that_a_part_brings_later_moves_an_earlier_night():
    short = own("BTC", FRIDAY, SATURDAY, SUNDAY)
    longer = {**short, **own("BTC", MONDAY, TUESDAY, close=900.0)}
    found = []
    for nights in (short, longer):
        source = mixed(
            {
                "stocks": (part(), Listed(own("SPY", MONDAY, TUESDAY))),
                "coins": (part(calendar=ALWAYS), Listed(nights)),
            }
        )
        source.nights(MONDAY)
        found.append(delivered(source, MONDAY))
    for left, right in zip(*found, strict=True):
        assert left.equals(right) if isinstance(left, pl.DataFrame) else left == right
