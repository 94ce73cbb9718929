"""The shelf gives back what was put on it, whole, or says why it cannot."""

import json
import os
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from conf.schema import Recipe
from tasks.learning import shelf as shelves
from tasks.learning.shelf import Shelf

DAY = date(2020, 1, 6)


class Made(NamedTuple):
    recipe: Recipe
    fitted_on: date
    weights: bytes
    card: dict[str, Any]
    curves: dict[str, list[float]]


def made(weights: bytes = b"numbers", day: date = DAY, name: str = "ridge") -> Made:
    digest = sha256(weights).hexdigest()
    card = {"sha256": digest, "weights_hash": digest, "suffix": "txt", "fitted_on": str(day)}
    return Made(Recipe(name=name, model="ridge"), day, weights, card, {"loss": [1.0, 0.5]})


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_gives_back_what_was_saved(tmp_path):
    shelf = Shelf(tmp_path / "shelf")
    saved = shelf.save("daily", made(), inputs="abc")
    card, weights = shelf.load("daily", "ridge", DAY)
    assert saved.status == "new"
    assert weights == b"numbers"
    assert card["inputs"] == "abc"
    assert card["curves"] == {"loss": [1.0, 0.5]}


def test_the_same_fit_again_changes_nothing(tmp_path):
    shelf = Shelf(tmp_path)
    shelf.save("daily", made())
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    assert shelf.save("daily", made()).status == "same"
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}


def test_another_fit_takes_the_place_and_says_so(tmp_path):
    shelf = Shelf(tmp_path)
    shelf.save("daily", made())
    assert shelf.save("daily", made(b"other")).status == "replaced"
    assert shelf.load("daily", "ridge", DAY)[1] == b"other"


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_crash_at_any_step_leaves_the_old_fit_whole(tmp_path, monkeypatch, step, count):
    shelf = Shelf(tmp_path)
    shelf.save("daily", made())
    real, calls = getattr(os, step), []

    def dies(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == count:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(shelves.os, step, dies)
    try:
        shelf.save("daily", made(b"other"))
    except KeyboardInterrupt:
        assert shelf.load("daily", "ridge", DAY)[1] in (b"numbers", b"other")
    monkeypatch.setattr(shelves.os, step, real)
    shelf.save("daily", made(b"other"))
    assert shelf.load("daily", "ridge", DAY)[1] == b"other"
    assert not any(".unfinished" in name for name in files(tmp_path))


def test_refuses_altered_weights_and_cards_that_lie(tmp_path):
    shelf = Shelf(tmp_path)
    folder = shelf.save("daily", made()).folder
    next(folder.glob("weights-*")).write_bytes(b"evil")
    with pytest.raises(ValueError, match="was altered"):
        shelf.load("daily", "ridge", DAY)
    assert not shelf.holds("daily", "ridge", DAY, inputs="")
    card = json.loads((folder / "card.json").read_text()) | {"sha256": "../../etc"}
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="names no weights"):
        shelf.load("daily", "ridge", DAY)
    with pytest.raises(ValueError, match="does not name"):
        shelf.save("daily", made()._replace(weights=b"others"))


def test_holds_only_what_rests_on_the_same_inputs(tmp_path):
    shelf = Shelf(tmp_path)
    assert not shelf.holds("daily", "ridge", DAY, inputs="abc")
    shelf.save("daily", made(), inputs="abc")
    assert shelf.holds("daily", "ridge", DAY, inputs="abc")
    assert not shelf.holds("daily", "ridge", DAY, inputs="abd")


def test_lists_fits_and_says_which_there_are(tmp_path):
    shelf = Shelf(tmp_path)
    assert shelf.listing().is_empty()
    for day in (date(2020, 2, 3), DAY):
        shelf.save("daily", made(day=day))
    shelf.save("weekly", made(name="tcn"))
    assert shelf.listing()["contest"].to_list() == ["daily", "daily", "weekly"]
    with pytest.raises(FileNotFoundError, match="there is: 2020-01-06, 2020-02-03"):
        shelf.load("daily", "ridge", date(2020, 1, 7))


@pytest.mark.parametrize("name", ["../daily", "a/b", "", "Daily", "."])
def test_names_cannot_leave_the_shelf(tmp_path, name):
    with pytest.raises(ValueError, match="is no name"):
        Shelf(tmp_path).save(name, made())
