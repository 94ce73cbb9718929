"""Whatever somebody puts on the shelf: nothing of it runs, it is named, and the champion serves on.

Each case may rewrite card and weights alike, as somebody with access to the folder could.
"""

import io
import json
import os
import pickle
import re
import struct
import zipfile
from collections.abc import Callable
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import numpy as safetensors

from conf.schema import Recipe
from tasks.learning.shelf import MOST_BYTES, Shelf
from tasks.models.fitting import fit_recipe, load_fit, score_sessions
from tests.models.test_registries import DAYS, FITTED, contest, market

CHAMPION = Recipe(name="trees", model="lightgbm", settings={"trees": 5})
CHALLENGER = Recipe(name="plain", model="linear", settings={"epochs": 2})


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {self.mark}",))


class Forger:
    """What somebody with access to a fit's folder can do."""

    def __init__(self, folder: Path, mark: Path):
        self.folder, self.mark = folder, mark
        self.card = json.loads((folder / "card.json").read_text())
        self.file = next(folder.glob("weights-*"))

    def weights(self, body: bytes, **card: Any) -> None:
        """Put other weights there, and a card that vouches for them."""
        self.file.unlink()
        digest = sha256(body).hexdigest()
        said = sha256(body.split(b"\nparameters:", 1)[0]).hexdigest()
        known_by = sha256("\n".join([said, *self.card["columns"]]).encode()).hexdigest()
        self.card |= {"sha256": digest, "weights_hash": known_by} | card
        self.file = self.folder / f"weights-{digest[:16]}.{self.card['suffix']}"
        self.file.write_bytes(body)
        self.write()

    def write(self, **card: Any) -> None:
        (self.folder / "card.json").write_text(json.dumps(self.card | card))

    def code(self) -> str:
        return f"import os; os.system('touch {self.mark}')"


def a_pickle(forge: Forger) -> None:
    forge.weights(pickle.dumps(Bomb(forge.mark)))


def a_pickle_of_torch(forge: Forger) -> None:
    import torch

    body = io.BytesIO()
    torch.save({"head.weight": Bomb(forge.mark)}, body)
    forge.weights(body.getvalue())


def a_loader_module(forge: Forger) -> None:
    (forge.folder / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: evil\n")
    (forge.folder / "evil.py").write_text(forge.code())


def a_code_folder(forge: Forger) -> None:
    (forge.folder / "code").mkdir()
    (forge.folder / "code" / "__init__.py").write_text(forge.code())


def a_zip_that_slips(forge: Forger) -> None:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr(f"../../../../../../..{forge.mark}", "slipped")
    forge.weights(body.getvalue())


def a_link(forge: Forger) -> None:
    elsewhere = forge.mark.parent / "elsewhere"
    forge.file.rename(elsewhere)
    forge.file.symlink_to(elsewhere)


def a_bomb_of_shapes(forge: Forger) -> None:
    header = {"head.weight": {"dtype": "F32", "shape": [1 << 40, 1 << 20], "data_offsets": [0, 8]}}
    text = json.dumps(header).encode()
    forge.weights(struct.pack("<Q", len(text)) + text + b"\0" * 8)


def a_bomb_of_bytes(forge: Forger) -> None:
    with forge.file.open("wb") as sparse:
        sparse.truncate(MOST_BYTES + 1)


def a_bomb_of_brackets(forge: Forger) -> None:
    (forge.folder / "card.json").write_text("[" * 200_000)


def a_wrong_hash(forge: Forger) -> None:
    forge.file.write_bytes(forge.file.read_bytes()[:-1] + b"\x01")


def a_wrong_class(forge: Forger) -> None:
    forge.write(recipe=CHALLENGER.model_dump(mode="json") | {"model": "tcn"})


def weights_of_another_net(forge: Forger) -> None:
    forge.weights(safetensors.save({"inlet.weight": np.zeros((32, 4), np.float32)}))


def weights_that_are_no_numbers(forge: Forger) -> None:
    tensors = safetensors.load(forge.file.read_bytes())
    forge.weights(safetensors.save({name: one * np.nan for name, one in tensors.items()}))


def weights_under_the_hash_of_others(forge: Forger) -> None:
    tensors = safetensors.load(forge.file.read_bytes())
    other = safetensors.save({name: -one for name, one in tensors.items()})
    forge.weights(other, weights_hash=forge.card["weights_hash"])


def columns_in_another_order(forge: Forger) -> None:
    forge.write(columns=forge.card["columns"][::-1])


def trained_after_its_night(forge: Forger) -> None:
    forge.write(fitted_on=DAYS[-1].isoformat())


def a_path_for_a_suffix(forge: Forger) -> None:
    forge.write(suffix="/../../../../etc/passwd")


CASES: dict[Callable[[Forger], None], str] = {
    a_pickle: "not safetensors",
    a_pickle_of_torch: "not safetensors",
    a_loader_module: "holds MLmodel, evil.py, which no fit writes",
    a_code_folder: "holds code, which no fit writes",
    a_zip_that_slips: "not safetensors",
    a_link: "no plain file",
    a_bomb_of_shapes: "not safetensors",
    a_bomb_of_bytes: "more than the",
    a_bomb_of_brackets: "cannot be read",
    a_wrong_hash: "was altered",
    a_wrong_class: "The card is for recipe",
    weights_of_another_net: "do not fit the net",
    weights_that_are_no_numbers: "NaN or infinity",
    weights_under_the_hash_of_others: "are known by",
    columns_in_another_order: "are known by",
    trained_after_its_night: "may know what came later",
    a_path_for_a_suffix: "names no weights",
}


def served(shelf: Shelf, recipe: Recipe) -> list[float]:
    card, weights = shelf.load("daily", recipe.name, FITTED)
    panel, _ = market(0.5)
    model = load_fit(recipe, card, weights)
    return score_sessions(model, panel, [DAYS[-1]])["score"].to_list()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    made, (panel, label) = Shelf(tmp_path / "shelf"), market(0.5)
    for recipe in (CHAMPION, CHALLENGER):
        fit = fit_recipe(recipe, panel, label, fitted_on=FITTED, contest=contest(), threads=1)
        made.save("daily", fit)
    return made


@pytest.mark.parametrize(("case", "reason"), CASES.items(), ids=[one.__name__ for one in CASES])
def test_it_does_not_run_it_is_named_and_the_champion_serves_on(case, reason, shelf, tmp_path):
    before = served(shelf, CHAMPION)
    folder = shelf.root / "daily" / CHALLENGER.name / FITTED.isoformat()
    case(Forger(folder, tmp_path / "mark"))
    with pytest.raises(ValueError, match=reason):
        served(shelf, CHALLENGER)
    assert not (tmp_path / "mark").exists(), "something of it ran"
    assert served(shelf, CHAMPION) == before


def test_trees_that_would_never_end_or_end_the_process_are_refused_unread(shelf, tmp_path):
    folder = shelf.root / "daily" / CHAMPION.name / FITTED.isoformat()
    forge = Forger(folder, tmp_path / "mark")
    whole = forge.file.read_bytes()
    for odd, reason in ((b"left_child=0", "the child of"), (b"split_feature=99999", "splits on")):
        key = odd.split(b"=")[0]
        forge.weights(re.sub(rb"(?m)^" + key + rb"=-?\d+", odd, whole))
        with pytest.raises(ValueError, match=reason):
            served(shelf, CHAMPION)


def no_card(forge: Forger) -> None:
    (forge.folder / "card.json").write_text("[]")


AGAIN = [*CASES, no_card]


@pytest.mark.parametrize("case", AGAIN, ids=[one.__name__ for one in AGAIN])
def test_a_training_again_puts_what_was_forged_aside(case, shelf, tmp_path):
    panel, label = market(0.5)
    folder = shelf.root / "daily" / CHALLENGER.name / FITTED.isoformat()
    before = served(shelf, CHALLENGER)
    case(Forger(folder, tmp_path / "mark"))
    shelf.listing()
    fit = fit_recipe(CHALLENGER, panel, label, fitted_on=FITTED, contest=contest(), threads=1)
    shelf.save("daily", fit)
    assert served(shelf, CHALLENGER) == before


def test_a_name_cannot_leave_the_shelf(shelf):
    with pytest.raises(ValueError, match="is no name"):
        shelf.load("daily", "../../trees", date(2020, 1, 1))
