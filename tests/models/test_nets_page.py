"""The page on models lists every one there is, with the size it has."""

import re
from pathlib import Path

import pytest

from tasks.learning.losses import LOSSES
from tasks.learning.model import settled
from tasks.models.baselines import BASELINES
from tasks.models.nets import NETS

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
FEATURES = 36


def rows(first: str) -> dict[str, list[str]]:
    """Return the cells of the tables whose heading begins with `first`, by name."""
    found: dict[str, list[str]] = {}
    for table in re.findall(rf"^\| {first} \|.*\n(?:\|.*\n)+", PAGE, flags=re.MULTILINE):
        for line in table.splitlines()[2:]:
            name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
            found.setdefault(name.strip("`"), []).extend(cells)
    return found


def test_the_page_lists_every_net_baseline_and_loss_and_no_other():
    assert set(rows("net")) == set(NETS)
    assert set(rows("baseline")) == set(BASELINES)
    assert set(rows("loss")) == set(LOSSES)


@pytest.mark.parametrize("name", sorted(NETS))
def test_the_page_gives_the_look_back_and_the_size_of_a_net(name):
    net = NETS[name]()
    settings = settled({}, net.known, model=name)
    size = sum(weight.numel() for weight in net.build(FEATURES, settings).parameters())
    assert rows("net")[name][3:5] == [str(net.look_back(settings)), f"{size:,}"]
