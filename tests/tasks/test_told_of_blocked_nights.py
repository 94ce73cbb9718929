"""What a blocked night tells besides bars: kept, in any order, and never where it was not known."""

import logging
from collections.abc import Callable
from datetime import date

import polars as pl
import pytest

from tasks.execution.release import current
from tasks.market import frames
from tasks.market.lake import content_hash, seen_hash
from tasks.market.sources.protocol import Delivery, Payload
from tasks.settings import calendar, open_lake
from tests.house import House

pytestmark = pytest.mark.slow
HISTORY = date(2020, 12, 11)
FIRST, SECOND, THIRD = date(2020, 12, 14), date(2020, 12, 15), date(2020, 12, 16)
FOURTH, FIFTH = date(2020, 12, 17), date(2020, 12, 18)
NIGHTS = [HISTORY, FIRST, SECOND, THIRD, FOURTH]
TOLD = ("listings", "series", "fundamentals", "members")
TABLES = ("bars", "actions", *TOLD, "quarantine", "verdicts")
Telling = Callable[[Delivery], Delivery]


class Vendor:
    """A vendor whose nights can be withheld, sent anew, and made to tell more than they do."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        from tasks import ingest, judge

        self.offered: set[date] = set(NIGHTS)
        self.editions: dict[date, str] = {}  # a night that is sent anew has another request
        self.telling: Telling = lambda delivery: delivery
        self._opened = judge.open_source
        for module in (ingest, judge):
            patch.setattr(module, "open_source", self._open)

    def _open(self, name: str):
        feed = self._opened(name)
        offered, pulled, read = feed.nights, feed.pull, feed.normalise

        def pull(nights):
            for payload in pulled(nights):
                edition = self.editions.get(payload.night, "")
                yield payload._replace(request=payload.request + edition)

        def normalise(payloads: list[Payload]) -> Delivery:
            bare = [one._replace(request=one.request.split("#")[0]) for one in payloads]
            return self.telling(read(bare))

        feed.nights = lambda until=date.max: [n for n in offered(until) if n in self.offered]
        feed.pull, feed.normalise = pull, normalise
        return feed


@pytest.fixture
def vendor(monkeypatch):
    return Vendor(monkeypatch)


def with_news(delivery: Delivery) -> Delivery:
    """Return a night with a listing, a value, a filing and a membership that no other tells."""
    night, symbol = delivery.night, sorted(delivery.bars["symbol"].drop_nulls().unique())[0]
    rows = {
        "listings": {"symbol": f"N{night:%m%d}", "name": "New", "from_session": night},
        "series": {"session": night, "name": "yield", "value": 2 + night.day / 100},
        "fundamentals": {
            "period_end": date(2020, 9, 30),
            "symbol": symbol,
            "item": "assets",
            "value": float(night.day),
            "form": "10-Q/A",
        },
        "members": {"session": night, "index": "sp500", "symbol": symbol, "member": night.day % 2},
    }
    columns = {
        "listings": frames.RAW_LISTINGS,
        "series": frames.RAW_SERIES,
        "fundamentals": frames.RAW_FUNDAMENTALS,
        "members": frames.RAW_MEMBERS,
    }
    more = {
        name: pl.concat(
            [getattr(delivery, name), frames.shaped(pl.DataFrame([row]), columns[name])]
        )
        for name, row in rows.items()
    }
    dated = {name: more[name].with_columns(known_on=pl.lit(night)) for name in TOLD[1:3]}
    return delivery._replace(**more | dated)


def without_bars(*nights: date) -> Telling:
    """Return what makes these nights empty of bars; all nights have news but the history."""

    def telling(delivery: Delivery) -> Delivery:
        if delivery.vintage == "assumed":
            return delivery
        told = with_news(delivery)
        return told._replace(bars=told.bars.clear()) if delivery.night in nights else told

    return telling


def land_and_judge(until: date) -> str:
    from tasks import ingest, judge

    ingest.land_deliveries.fn("tiny", until)
    return judge.judge_deliveries.fn("tiny", until)


def hashes() -> dict[str, str]:
    return {table: content_hash(open_lake().read(table)) for table in TABLES}


def seen(as_of: date) -> dict[str, str]:
    lake = open_lake()
    return {
        f"{table} {prints}": seen_hash(lake.known(table, as_of=as_of, source="tiny", prints=prints))
        for table in ("bars", "actions", *TOLD)
        for prints in ("last", "all")
    }


def told_by(night: date) -> dict[str, pl.DataFrame]:
    """Return what the delivery of `night` alone tells."""
    lake = open_lake()
    every = {table: lake.read(table, where={"delivery": [night]}) for table in TOLD}
    new = pl.col("symbol") == f"N{night:%m%d}"
    return every | {"listings": every["listings"].filter(new)}


def test_a_blocked_night_leaves_what_it_told_and_no_bar(build, vendor):
    vendor.telling = without_bars(SECOND)
    with build("blocked").open():
        assert land_and_judge(SECOND) == "block: empty delivery"
        assert land_and_judge(THIRD) == "pass"
        assert open_lake().read("bars", where={"delivery": [SECOND]}).is_empty()
        for table, rows in told_by(SECOND).items():
            assert rows["known_on"].to_list() == [SECOND], table


ORDERS = [
    ([SECOND, HISTORY, FIRST, THIRD, FOURTH], {0, 2}),
    ([FOURTH, THIRD, SECOND, FIRST, HISTORY], {3}),
    ([HISTORY, THIRD, FIRST, FOURTH, SECOND], {1, 3}),
    ([FIRST, SECOND, FOURTH, HISTORY, THIRD], {1, 2}),
]


def test_any_order_of_landing_leaves_the_same(build, vendor):
    vendor.telling = without_bars(SECOND, THIRD)
    with build("right").open():
        land_and_judge(FOURTH)
        right = hashes()
        assert all(rows.height == 1 for rows in told_by(SECOND).values())
    for number, (order, judge_at) in enumerate(ORDERS):
        with build(f"order_{number}").open():
            from tasks import ingest, judge

            vendor.offered = set()
            for place, night in enumerate(order):
                vendor.offered.add(night)
                ingest.land_deliveries.fn("tiny", FOURTH)
                if place in judge_at:
                    judge.judge_deliveries.fn("tiny", FOURTH)
            judge.judge_deliveries.fn("tiny", FOURTH)
            assert hashes() == right, order


def test_what_a_late_night_tells_is_not_known_where_a_release_has_read(build, vendor):
    """The night is late, and what it tells says that it was known before."""
    house: House = build("late")
    vendor.offered = {HISTORY, FIRST, THIRD}
    vendor.telling = without_bars()
    with house.open():
        land_and_judge(FIRST)
        house.night(THIRD)
        content = current(house.data, "tiny").content_hash
        before = seen(THIRD)
        vendor.offered |= {SECOND, FOURTH}
        land_and_judge(FOURTH)
        assert seen(THIRD) == before
        for table, rows in told_by(SECOND).items():
            assert rows["known_on"].to_list() == [FOURTH], table
        assert house.night(THIRD) == content


def test_a_blocked_night_that_is_sent_anew_adds_and_takes_nothing_back(build, vendor):
    """A release has read what the blocked night told; the second sending has a bar and more."""
    house: House = build("anew")
    vendor.telling = without_bars(SECOND)
    with house.open():
        land_and_judge(SECOND)
        house.night(THIRD)
        before, told = seen(THIRD), told_by(SECOND)

        def again(delivery: Delivery) -> Delivery:
            anew = without_bars()(delivery)
            if delivery.night != SECOND:
                return anew
            more = anew.members.with_columns(index=pl.lit("sp400"))
            return anew._replace(members=pl.concat([anew.members, more]))

        vendor.telling, vendor.editions = again, {SECOND: "#2"}
        assert land_and_judge(FOURTH) == "pass"
        assert seen(THIRD) == before
        now = told_by(SECOND)
        for table in ("series", "fundamentals", "listings"):
            assert now[table].equals(told[table], null_equal=True), table
        members = now["members"].sort("known_on").select("index", "known_on").rows()
        assert members == [("sp500", SECOND), ("sp400", FOURTH)]
        bars = open_lake().read("bars", where={"delivery": [SECOND]})
        assert bars["known_on"].unique().to_list() == [FOURTH]


def test_a_run_that_goes_on_from_the_lake_says_what_one_run_says(build, vendor):
    """A series slips by a hundred on the night that a second run begins with."""
    sessions = calendar("XNYS").sessions(FIRST, date(2020, 12, 24))
    slip, last = sessions[-2], sessions[-1]

    def telling(delivery: Delivery) -> Delivery:
        told = without_bars()(delivery)
        factor = 100.0 if delivery.night == slip else 1.0
        return told._replace(series=told.series.with_columns(pl.col("value") * factor))

    vendor.telling, vendor.offered = telling, {HISTORY, *sessions}
    found = []
    for number, stops in enumerate([[last], [sessions[-3], last], sessions]):
        with build(f"run_{number}").open():
            for stop in stops:
                land_and_judge(stop)
            found.append(hashes())
            aside = open_lake().read("quarantine", where={"rule": ["value in another unit"]})
            assert aside["delivery"].to_list() == [slip]
    assert found[1:] == found[:1] * 2


def test_a_real_stale_night_leaves_its_names_filings_and_a_member_that_leaves(
    tmp_path, shared_data, monkeypatch
):
    """On 2015-11-17 the bars are those of the eve, but FCPT leaves the S&P 500 and two names come.

    None of it is told again.
    """
    from tasks import ingest, judge

    monkeypatch.setenv("AFTERCLOSE_DELIVERIES", str(shared_data / "us"))
    monkeypatch.setattr(ingest, "get_run_logger", lambda: logging.getLogger("night"))
    night, after = date(2015, 11, 17), date(2015, 11, 18)
    ingest.land_deliveries.fn("us_deliveries", after, since=date(2015, 11, 12))
    assert judge.judge_deliveries.fn("us_deliveries", night) == "block: stale delivery"
    lake = open_lake()
    assert lake.read("bars", where={"delivery": [night]}).is_empty()
    members = lake.known("members", as_of=night, source="us_deliveries")
    assert members.filter(session=night).select("symbol", "member").rows() == [("FCPT", 0)]
    named = lake.read("listings", where={"delivery": [night]})
    assert {"ANDAU", "AXSM"} <= set(named["symbol"])
    filed = lake.read("fundamentals", where={"delivery": [night]})
    assert filed["instrument"].n_unique() > 100
    assert judge.judge_deliveries.fn("us_deliveries", after) == "pass"
