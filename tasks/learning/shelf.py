"""The shelf: weights and their cards, kept beside the lake, so that no night waits for a server.

One folder a fit, `<root>/<contest>/<recipe>/<fitted_on>/`, holds `card.json` and the weights under
their own hash. The card is renamed into place last and names the weights: a reader sees a whole fit
or none, also while a refit replaces it. Replaced weights stay, since old releases name their hash.
"""

import json
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import polars as pl

from conf.schema import Recipe
from tasks.market.durable import make_folder, sync, write

NAME = re.compile(r"^[a-z][a-z0-9_]{0,40}$")
SUFFIXES = ("safetensors", "txt")
CARD = "card.json"
OURS = re.compile(r"^(card\.json|weights-[0-9a-f]{16}\.[a-z]+|\..*)$")
MOST_BYTES = 1 << 30
NEEDED = {"fitted_on", "sha256", "suffix", "weights_hash"}
UNFINISHED = ".unfinished-"
LISTING = {
    "contest": pl.String,
    "recipe": pl.String,
    "fitted_on": pl.Date,
    "weights_hash": pl.String,
    "sha256": pl.String,
}


class Finished(Protocol):
    """A fit that is ready for the shelf."""

    @property
    def recipe(self) -> Recipe:
        """The recipe that was fitted."""

    @property
    def fitted_on(self) -> date:
        """The session on whose night it was fitted."""

    @property
    def weights(self) -> bytes:
        """What was learned."""

    @property
    def card(self) -> dict[str, Any]:
        """What the weights are; names their `sha256`, `weights_hash` and file `suffix`."""

    @property
    def curves(self) -> dict[str, list[float]]:
        """How the losses went."""


class Shelved(NamedTuple):
    """What a save did, and where the fit stands."""

    folder: Path
    status: Literal["new", "same", "replaced"]


class Shelf:
    """A folder of fits.

    Args:
        root: Where the contests' folders stand; made when first needed.
    """

    def __init__(self, root: Path):
        self.root = root

    def save(self, contest: str, fit: Finished, *, inputs: str = "") -> Shelved:
        """Put a fit on the shelf, durably and in one step; the same fit again changes nothing.

        A different fit of the same key takes its place and says `replaced`: a night that is run
        again with other data, settings or code must not find the old weights. The card that is
        kept also holds the fit's `curves` and its `inputs`.

        Args:
            contest: What the fit competes in.
            fit: Recipe, session, weights, card and curves.
            inputs: Hash of what the fit rests on, for `holds`.
        """
        card, weights = {**fit.card, "curves": fit.curves, "inputs": inputs}, fit.weights
        if sha256(weights).hexdigest() != card["sha256"]:
            raise ValueError(f"The card of {fit.recipe.name} does not name its weights' SHA-256.")
        folder = self._folder(contest, fit.recipe.name, fit.fitted_on)
        body = (json.dumps(card, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()
        file = folder / _weights_name(card)
        before = (folder / CARD).read_bytes() if (folder / CARD).exists() else None
        if before == body and self.holds(contest, fit.recipe.name, fit.fitted_on, inputs=inputs):
            return Shelved(folder, "same")
        make_folder(folder)
        _clear(folder)
        _write(file, weights)
        _write(folder / CARD, body)
        return Shelved(folder, "new" if before is None else "replaced")

    def load(self, contest: str, recipe: str, fitted_on: date) -> tuple[dict[str, Any], bytes]:
        """Return the card and the weights of a fit, after checking the weights' SHA-256."""
        folder = self._folder(contest, recipe, fitted_on)
        if not (folder / CARD).exists():
            there = self.listing(contest).filter(pl.col("recipe") == recipe)["fitted_on"]
            raise FileNotFoundError(
                f"No fit of {contest}/{recipe} on {fitted_on}; there is: "
                f"{', '.join(str(day) for day in there) or 'none'}. Run the training."
            )
        card = _card(folder, fitted_on)
        file = folder / _weights_name(card)
        weights = _bytes(file)
        if (found := sha256(weights).hexdigest()) != card["sha256"]:
            raise ValueError(
                f"{file.name} of {contest}/{recipe} on {fitted_on} was altered: its SHA-256 is "
                f"{found}, the card says {card['sha256']}. Run the training again."
            )
        return card, weights

    def holds(self, contest: str, recipe: str, fitted_on: date, *, inputs: str) -> bool:
        """Return whether this fit stands here whole and rests on these very inputs.

        What cannot be read is no fit; a training puts another one in its place.
        """
        folder = self._folder(contest, recipe, fitted_on)
        if not (folder / CARD).exists():
            return False
        try:
            card, _ = self.load(contest, recipe, fitted_on)
        except (ValueError, OSError):
            return False
        return bool(card.get("inputs") == inputs)

    def listing(self, contest: str | None = None) -> pl.DataFrame:
        """Return (contest, recipe, fitted_on, weights_hash, sha256) of all whole fits, sorted."""
        pattern = f"{_checked(contest) if contest else '*'}/*/*/{CARD}"
        rows = []
        for path in self.root.glob(pattern):
            *_, contest_name, recipe, day, _ = path.parts
            try:
                fitted_on = date.fromisoformat(day)
                card = _card(path.parent, fitted_on)
            except (ValueError, OSError):  # no fit, as `load` would say
                continue
            rows.append(
                {
                    "contest": contest_name,
                    "recipe": recipe,
                    "fitted_on": fitted_on,
                    "weights_hash": card["weights_hash"],
                    "sha256": card["sha256"],
                }
            )
        return pl.DataFrame(rows, schema=LISTING).sort("contest", "recipe", "fitted_on")

    def _folder(self, contest: str, recipe: str, fitted_on: date) -> Path:
        return self.root / _checked(contest) / _checked(recipe) / fitted_on.isoformat()


def _card(folder: Path, fitted_on: date) -> dict[str, Any]:
    """Return the card of a fit; refuse a folder that holds anything but a fit of that session."""
    if strangers := sorted(path.name for path in folder.iterdir() if not OURS.match(path.name)):
        raise ValueError(
            f"{folder} holds {', '.join(strangers)}, which no fit writes; nothing of it was read. "
            "Take it away."
        )
    body = _bytes(folder / CARD)
    try:
        card: dict[str, Any] = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{folder / CARD} cannot be read: {error}.") from None
    if not isinstance(card, dict) or not card.keys() >= NEEDED:
        raise ValueError(f"{folder / CARD} is no card of a fit. Run the training again.")
    if card["fitted_on"] != fitted_on.isoformat():
        raise ValueError(
            f"{folder / CARD} is of a fit on {card['fitted_on']}, not on {fitted_on}: it may "
            "know what came later. Run the training again."
        )
    return card


def _bytes(path: Path) -> bytes:
    """Return what a file of the shelf holds; refuse links and what is too large to be a fit."""
    about = path.lstat()
    if not stat.S_ISREG(about.st_mode):
        raise ValueError(f"{path} is no plain file: it was not read. Run the training again.")
    if about.st_size > MOST_BYTES:
        raise ValueError(
            f"{path} has {about.st_size:,} bytes, more than the {MOST_BYTES:,} of the largest fit."
        )
    return path.read_bytes()


def _clear(folder: Path) -> None:
    """Take away what was not finished, and put aside what no fit wrote; nothing of it is read."""
    for leftover in folder.glob(f"{UNFINISHED}*"):
        leftover.unlink(missing_ok=True)
    if strangers := [path for path in folder.iterdir() if not OURS.match(path.name)]:
        aside = Path(tempfile.mkdtemp(prefix=".set_aside-", dir=folder))
        for stranger in strangers:
            os.replace(stranger, aside / stranger.name)


def _checked(name: str) -> str:
    """Return a name that may be part of a path."""
    if not NAME.match(name):
        raise ValueError(f"{name!r} is no name of a contest or recipe: letters, digits, _ only.")
    return name


def _weights_name(card: Mapping[str, Any]) -> str:
    digest, suffix = str(card["sha256"]), str(card["suffix"])
    if not re.fullmatch(r"[0-9a-f]{64}", digest) or suffix not in SUFFIXES:
        raise ValueError(f"The card names no weights: sha256 {digest!r}, suffix {suffix!r}.")
    return f"weights-{digest[:16]}.{suffix}"


def _write(path: Path, body: bytes) -> None:
    """Write a file beside its place, let it reach the disk, and rename it there."""
    handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
    os.close(handle)
    write(Path(name), body)
    os.replace(name, path)
    sync(path.parent)
