"""What sources over the web bring in a live night passes the gate, what they tell again too."""

from pathlib import Path

import pytest

from expectations.desk import Desk
from tasks.market import frames
from tasks.market.calendar import Calendar
from tests.market.sources.test_faults import NAMES, case_of, delivered
from tests.market.sources.vendor import Vendor


@pytest.mark.parametrize("name", NAMES)
def test_a_live_night_passes_the_gate(name: str, tmp_path: Path):
    with Vendor() as vendor:
        case = case_of(name)(vendor.url, tmp_path)
        vendor.routes = case.routes
        delivery = delivered(case)
    conf = case.source._web_conf
    desk = Desk(
        name,
        conf,
        Calendar(conf.calendar),
        bars=frames.empty(frames.BARS),
        listings=frames.empty(frames.LISTINGS),
    )
    judged = desk.judge(delivery)
    assert judged.verdicts["verdict"].item() == "pass", judged.verdicts["reasons"].item()
    assert judged.quarantine.is_empty()
    assert getattr(judged, case.frame).height == case.expected.height
