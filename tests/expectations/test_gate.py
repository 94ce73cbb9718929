"""The gate lets good nights pass, warns of odd ones, and stops what cannot be trusted."""

import json
from datetime import date

import polars as pl
import pytest
from great_expectations.exceptions import SuiteParameterError

from conf.schema import CrossCheck, SampleSource, SourceBase
from expectations import gate, suites
from expectations.gate import Eve, Judgement, judge
from tasks.market import frames
from tasks.market.calendar import Calendar
from tasks.market.sources.protocol import Delivery

CALENDAR = Calendar("XNYS")
EVE, NIGHT = date(2015, 7, 1), date(2015, 7, 2)
HOLIDAY, AFTER = date(2015, 7, 3), date(2015, 7, 6)
NAMES = [f"S{n:03}" for n in range(200)]
SOURCE = SampleSource(
    kind="sample", title="A source", starts=date(2015, 1, 2), expected_rows=len(NAMES)
)
NO_CLOSES = frames.empty(
    {"symbol": pl.String, "session": pl.Date, "close": pl.Float64, "volume": pl.Float64}
)


def bars(session: date, symbols: list[str] = NAMES, close: float = 10.0) -> pl.DataFrame:
    volume = 1000.0 + session.toordinal()
    frame = pl.DataFrame({"symbol": symbols}).with_columns(
        session=pl.lit(session), close=pl.lit(close), volume=pl.lit(volume)
    )
    return frames.shaped(frame, frames.RAW_BARS)


def known(frame: pl.DataFrame) -> Eve:
    return Eve(frame.select("symbol", "session", "close", "volume"), frame.height)


def judged(
    *parts: pl.DataFrame,
    night: date = NIGHT,
    eve: Eve | None = None,
    vintage: str = "observed",
    actions: pl.DataFrame | None = None,
    source: SourceBase = SOURCE,
) -> Judgement:
    frame = pl.concat(parts) if parts else frames.empty(frames.RAW_BARS)
    none = frames.empty(frames.RAW_ACTIONS)
    rest = frames.empty(frames.RAW_LISTINGS), frames.empty(frames.RAW_SERIES)
    delivery = Delivery(night, vintage, frame, none, *rest)
    eve = known(bars(EVE)) if eve is None else eve
    return judge(delivery, none if actions is None else actions, eve, source, CALENDAR)


def said(judgement: Judgement) -> tuple[str, list[str]]:
    return judgement.verdict, judgement.reasons


def test_passes_a_usual_night_and_keeps_every_row():
    done = judged(bars(EVE), bars(NIGHT))
    assert said(done) == ("pass", [])
    assert done.clean.height == 2 * len(NAMES)
    assert done.clean.equals(done.clean.sort("session", "symbol"))


def test_warns_of_a_night_that_the_second_source_is_silent_on():
    source = SOURCE.model_copy(update={"cross_check": CrossCheck(source="other")})
    eve = known(bars(EVE))
    told = eve._replace(second=bars(EVE).select("session", "symbol", "close"))
    silent = ["not cross-checked: the second source told nothing of the session"]
    assert said(judged(bars(NIGHT), eve=told, source=source)) == ("warn", silent)
    told = eve._replace(second=bars(NIGHT).select("session", "symbol", "close"))
    assert said(judged(bars(NIGHT), eve=told, source=source)) == ("pass", [])


def test_blocks_an_empty_delivery():
    done = judged()
    assert said(done) == ("block", ["empty delivery"])


def test_blocks_a_delivery_without_a_clean_row():
    done = judged(bars(NIGHT, close=-1.0), eve=Eve(NO_CLOSES, 0))
    assert done.verdict == "block"
    assert done.clean.is_empty()


def test_blocks_a_delivery_that_repeats_the_eve():
    done = judged(bars(EVE), bars(NIGHT, NAMES[:3]))
    assert said(done) == ("block", ["stale delivery"])
    assert done.clean.is_empty()


def test_blocks_the_eve_sent_again_under_tonights_date():
    again = bars(EVE).with_columns(session=pl.lit(NIGHT))
    assert said(judged(again)) == ("block", ["stale delivery"])


@pytest.mark.parametrize(
    ("eve", "fewest"),
    [(known(bars(EVE)), 134), (Eve(NO_CLOSES, None), 100)],
    ids=["known", "first"],
)
def test_blocks_half_a_delivery(eve, fewest):
    done = judged(bars(NIGHT, NAMES[: fewest - 1]), eve=eve)
    assert said(done) == ("block", ["half delivery"])
    assert judged(bars(NIGHT, NAMES[:fewest]), eve=eve).verdict == "warn"


def test_half_of_a_few_names_is_enough():
    few = known(bars(EVE, NAMES[:10]))
    assert judged(bars(NIGHT, NAMES[:5]), eve=few).verdict == "warn"
    assert said(judged(bars(NIGHT, NAMES[:4]), eve=few)) == ("block", ["half delivery"])


def test_warns_of_a_thin_delivery():
    assert said(judged(bars(NIGHT, NAMES[:150]))) == ("warn", ["thin delivery"])


def test_skips_a_holiday_and_judges_its_rows():
    eve = known(bars(NIGHT))
    done = judged(bars(NIGHT), bars(HOLIDAY, NAMES[:22]), night=HOLIDAY, eve=eve)
    assert said(done) == ("skip", ["holiday"])
    assert done.clean["session"].unique().to_list() == [NIGHT]
    assert done.quarantine["rule"].unique().to_list() == ["not a session"]


def test_skips_a_holiday_that_brings_nothing():
    assert said(judged(night=HOLIDAY)) == ("skip", ["holiday"])
    assert said(judged(bars(HOLIDAY), night=HOLIDAY)) == ("skip", ["holiday"])


def test_blocks_a_holiday_whose_rows_cannot_be_trusted():
    done = judged(bars(NIGHT, close=1000.0), night=HOLIDAY)
    assert said(done) == ("block", ["too many: prices jump without an action"])


def test_passes_the_night_after_a_holiday():
    eve = known(bars(NIGHT))
    done = judged(bars(HOLIDAY, NAMES[:3]), bars(AFTER), night=AFTER, eve=eve)
    assert said(done) == ("pass", [])
    assert done.clean["session"].unique().to_list() == [AFTER]


def test_warns_of_many_exact_duplicates_and_notes_a_few():
    assert said(judged(bars(NIGHT), bars(NIGHT)))[0] == "warn"
    many = [f"T{n:04}" for n in range(2000)]
    few = judged(bars(NIGHT, many), bars(NIGHT, many[:1]))
    assert few.verdict == "pass"
    assert [f["rule"] for f in few.findings if f["layer"] == "rows"] == ["exact duplicates"]


def test_warns_of_some_differing_duplicates_and_blocks_many():
    def night(count: int) -> tuple[str, list[str]]:
        return said(judged(bars(NIGHT), bars(NIGHT, NAMES[:count], close=10.1)))

    assert night(1) == ("pass", [])
    assert night(4) == ("warn", ["rows quarantined", "differing duplicates quarantined"])
    assert night(30)[0] == "block"


def test_blocks_a_vendor_that_slipped_a_decimal_also_on_the_night_after():
    slipped = bars(EVE, close=1000.0), bars(NIGHT, close=1010.0)
    eve = known(bars(date(2015, 6, 30)))
    assert judged(bars(NIGHT, close=1000.0)).verdict == "block"
    assert judged(*slipped, eve=eve).verdict == "block"


def test_leaves_unusable_actions_out_and_warns():
    rows = [(NIGHT, "S001", "split", -2.0), (NIGHT, "S002", "dividend", 0.1)]
    given = pl.DataFrame(rows, schema=frames.RAW_ACTIONS, orient="row")
    done = judged(bars(NIGHT), actions=given)
    assert said(done) == ("warn", ["unusable actions left out"])
    assert done.actions["symbol"].to_list() == ["S002"]


def test_blocks_a_night_on_which_everything_splits():
    rows = [(NIGHT, name, "split", 2.0) for name in NAMES]
    given = pl.DataFrame(rows, schema=frames.RAW_ACTIONS, orient="row")
    assert said(judged(bars(NIGHT), actions=given))[0] == "block"


def test_passes_sparse_history_known_in_one_go():
    sessions = CALENDAR.sessions(SOURCE.starts, NIGHT)
    parts = [bars(day, NAMES[: 20 + 2 * n]) for n, day in enumerate(sessions)]
    done = judged(*parts, vintage="assumed", eve=Eve(NO_CLOSES, None))
    assert said(done) == ("pass", [])


def test_blocks_history_with_half_its_names_or_half_its_sessions():
    sessions = CALENDAR.sessions(SOURCE.starts, NIGHT)
    first = Eve(NO_CLOSES, None)
    few = [bars(day, NAMES[:50]) for day in sessions]
    assert said(judged(*few, vintage="assumed", eve=first)) == ("block", ["half delivery"])
    gaps = [bars(day) for day in [sessions[0], *sessions[80:]]]
    assert judged(*gaps, vintage="assumed", eve=first).verdict == "block"


def test_an_exception_inside_an_expectation_is_a_block(monkeypatch):
    broken = {
        "type": "expect_column_max_to_be_between",
        "severity": "info",
        "kwargs": {"column": "no such column", "max_value": 1},
        "meta": {"rule": "broken", "reason": "a broken rule", "fault": "broken"},
    }
    monkeypatch.setattr(suites, "CLEAN_BARS", [*suites.CLEAN_BARS, broken])
    gate._suite.cache_clear()
    done = judged(bars(NIGHT))
    gate._suite.cache_clear()
    assert said(done) == ("block", ["cannot be judged: a broken rule"])


def test_a_fact_that_is_no_number_is_a_block(monkeypatch):
    facts = gate.night_facts
    monkeypatch.setattr(gate, "night_facts", lambda *a: {**facts(*a), "own_rows": float("nan")})
    assert judged(bars(NIGHT)).verdict == "block"


def test_a_missing_parameter_stops_the_night(monkeypatch):
    monkeypatch.setattr(gate, "night_bounds", lambda *a, **k: {})
    with pytest.raises(SuiteParameterError):
        judged(bars(NIGHT))


def test_keeps_a_record_of_every_expectation_that_json_can_hold():
    done = judged(bars(NIGHT))
    asked = [*suites.OWN_SESSION, *suites.EVERY_NIGHT, *suites.CLEAN_BARS]
    assert [f["rule"] for f in done.findings] == [e["meta"]["rule"] for e in asked]
    assert json.loads(json.dumps(done.findings, allow_nan=False)) == done.findings


def test_gives_the_same_record_whatever_the_order_of_rows():
    odd = [bars(EVE), bars(NIGHT), bars(NIGHT, NAMES[:2]), bars(NIGHT, ["S001"], close=80.0)]
    one, other = judged(*odd), judged(*reversed([part.reverse() for part in odd]))
    assert one.findings == other.findings
    assert one.clean.equals(other.clean)
    assert one.quarantine.equals(other.quarantine)


@pytest.mark.parametrize(
    ("left_behind", "reason"),
    [
        (bars(NIGHT, NAMES[:1]), "a clean key comes twice"),
        (bars(NIGHT, ["ZZZ"]).with_columns(close=None), "a clean row has no close"),
        (bars(NIGHT, ["ZZZ"], close=float("nan")), "a clean row has no close"),
        (bars(NIGHT, ["ZZZ"], close=-1.0), "a close is not positive"),
        (bars(NIGHT, ["ZZZ"], close=float("inf")), "a close is not finite"),
    ],
    ids=["copy", "null", "nan", "negative", "infinite"],
)
def test_the_suite_of_the_clean_rows_finds_what_row_rules_left_behind(
    monkeypatch, left_behind, reason
):
    sort_out = gate.sort_out

    def careless(*args, **options):
        done = sort_out(*args, **options)
        left = frames.shaped(left_behind, frames.RAW_BARS)
        return done._replace(clean=pl.concat([done.clean, left]))

    monkeypatch.setattr(gate, "sort_out", careless)
    assert reason in judged(bars(NIGHT)).reasons
