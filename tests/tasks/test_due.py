"""What is due: what the shelf lacks, what other code made, and what is not what the lake knows."""

import json
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

from tasks import due
from tasks.settings import load_contest, open_lake, open_shelf
from tasks.titles import titles_of
from tasks.train import refits, train_contest
from tests.house import House, unlooked

NIGHT, NEXT = date(2020, 12, 17), date(2020, 12, 18)


@pytest.fixture
def house(build, monkeypatch) -> House:
    unlooked(monkeypatch)
    return build("due")


def due_at(as_of: date) -> list[tuple[str, date]]:
    rules, schedule = load_contest("tiny"), refits("tiny", as_of)
    held = titles_of("tiny", rules, schedule, as_of)
    found = due.due_fits("tiny", rules, schedule[-rules.compare_refits :], held)
    return [(one.recipe.name, one.fitted_on) for one in found]


def forge(folder: Path, *, tell: bool) -> None:
    """Double the champion's last leaves, with a card that vouches for them."""
    card = json.loads((folder / "card.json").read_text())
    (file,) = folder.glob("weights-*")
    body = file.read_bytes().replace(b"\nshrinkage=0.05", b"\nshrinkage=0.1")
    assert body != file.read_bytes()
    card["sha256"] = sha256(body).hexdigest()
    if tell:
        said = sha256(body.split(b"\nparameters:", 1)[0]).hexdigest()
        card["weights_hash"] = sha256("\n".join([said, *card["columns"]]).encode()).hexdigest()
    file.unlink()
    (folder / f"weights-{card['sha256'][:16]}.{card['suffix']}").write_bytes(body)
    (folder / "card.json").write_text(json.dumps(card))


@pytest.mark.slow
@pytest.mark.parametrize("tell", [True, False], ids=["told by the card", "untold by the card"])
def test_weights_that_others_put_in_the_champions_place_are_made_again(house, tell):
    with house.open():
        house.forecast(NIGHT)
        before = open_lake().read("champions")
        assert due_at(NEXT) == []
        newest = ("lightgbm", before["from_session"].max())
        folder = open_shelf().root / "tiny" / newest[0] / newest[1].isoformat()
        held = open_shelf().load("tiny", *newest)
        forge(folder, tell=tell)
        assert due_at(NEXT) == [newest]
        train_contest.fn("tiny", NEXT)
        assert open_shelf().load("tiny", *newest) == held
        assert open_lake().read("champions").equals(before)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["tasks/panels.py", "tasks/market", "tasks/models"])
def test_fits_are_made_again_where_code_that_decides_them_changes(house, place, monkeypatch):
    with house.open():
        house.forecast(NIGHT)
        assert due_at(NIGHT) == []
        real = due.code_hash
        monkeypatch.setattr(due, "code_hash", lambda *of: real(*of) + "!" * of.count(place))
        assert due_at(NIGHT)
