"""What every model promises, net or baseline: settings with bounds, a fit to bytes, safe loading.

A learner turns examples into bytes that hold numbers and nothing else, and bytes back into a
function that scores one session's names. Bytes are never run, and never choose the class.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Sessions = NDArray[np.int64]
Value = float | int | str | bool
Scorer = Callable[[NDArray[np.float32]], Array]  # features (N, look_back, F) -> scores (N,)
# The same -> what each feature adds to each score (N, F), and what is left without them (N,).
Explainer = Callable[[NDArray[np.float32]], tuple[Array, Array]]


class Setting(NamedTuple):
    """One number of a recipe that may be changed: its default, its bounds, what it means."""

    default: float | int
    least: float
    most: float
    meaning: str
    tune: tuple[float, float] | None = None  # the range a search tries; None: not searched
    log: bool = False  # whether the search tries it evenly in logarithms


class Examples(NamedTuple):
    """What a recipe may learn from; nothing in it was unknown on the night of the fit."""

    features_NTF: NDArray[np.float32]
    member_TN: NDArray[np.bool_]
    label_TN: Array  # standardised within each session; NaN where there is nothing to learn
    train: NDArray[np.int64]  # sessions to learn from, each with a full look-back
    valid: NDArray[np.int64]  # newer sessions to stop by
    columns: tuple[str, ...] = ()  # names of the features, for those who go by them

    def whole(self) -> "Examples":
        """Return these with the validation among the sessions to learn from."""
        return self._replace(train=np.union1d(self.train, self.valid))


class Learned(NamedTuple):
    """One fit: its weights, what it chose on the way, and how its losses went."""

    weights: bytes
    facts: dict[str, Any]
    curves: dict[str, list[float]]
    stopped: bytes | None = None  # weights from before the refit, of which the validation can judge


class How(NamedTuple):
    """How a fit is made, whichever its seed."""

    settings: Mapping[str, Value]  # all of them
    loss: str  # what is made small
    threads: int  # of the CPU; part of what the bits depend on
    accelerator: str = "auto"  # where nets train, as Lightning names it


REFIT = Setting(
    0, 0, 1, "1: once stopped, learn for as long again from the validation too, from the start"
)
REFIT_LOSS = "refit_loss"  # the fact that tells the loss of refitted weights on the validation


class Learner(ABC):
    """A way to fit scores."""

    known: ClassVar[Mapping[str, Setting]]
    losses: ClassVar[Sequence[str]]
    suffix: ClassVar[str]  # of the weights' file
    refits: ClassVar[bool] = False  # always on the validation too, which then says nothing of it

    @abstractmethod
    def look_back(self, settings: Mapping[str, Value]) -> int:
        """Return how many sessions one score sees, the newest included."""

    @abstractmethod
    def fit_seeds(
        self, examples: Examples, how: How, *, seeds: Sequence[int], scratch: Path | None = None
    ) -> list[Learned]:
        """Learn once for each seed; the same examples and seed give the same weights.

        Args:
            examples: What may be learned from.
            how: Settings, loss and machine.
            seeds: Of all that is random, one a fit.
            scratch: A folder from which a broken-off training goes on; empty: it starts again.
        """

    @abstractmethod
    def scorer(
        self, weights: bytes, *, features: int, settings: Mapping[str, Value], threads: int
    ) -> Scorer:
        """Return the scoring function these weights describe; refuse bytes that do not fit."""

    def explainer(self, weights: bytes, *, features: int, threads: int) -> Explainer | None:
        """Return what tells each feature's part in a score; None where none is exact and cheap."""
        return None

    def weights_hash(self, weights: bytes) -> str:
        """Return the SHA-256 of what the weights say."""
        return sha256(weights).hexdigest()


class OneByOne(Learner):
    """A learner whose seeds are fitted one after the other."""

    @abstractmethod
    def fit(self, examples: Examples, how: How, *, seed: int) -> Learned:
        """Learn from the examples; the same ones give the same weights."""

    def fit_seeds(
        self, examples: Examples, how: How, *, seeds: Sequence[int], scratch: Path | None = None
    ) -> list[Learned]:
        """Learn once for each seed; a fit is over before a checkpoint would help."""
        return [self.fit(examples, how, seed=seed) for seed in seeds]


def settled(
    given: Mapping[str, Value], known: Mapping[str, Setting], *, model: str
) -> dict[str, Value]:
    """Return all settings of a model: those given, checked, and the defaults of the others.

    >>> known = {"trees": Setting(100, 1, 500, "most trees")}
    >>> settled({}, known, model="forest")
    {'trees': 100}
    """
    if unknown := sorted(set(given) - set(known)):
        choices = ", ".join(
            f"{name} ({one.least} to {one.most})" for name, one in sorted(known.items())
        )
        raise ValueError(
            f"{model} has no setting {', '.join(unknown)}; there is: {choices or 'none'}."
        )
    return {
        name: _checked(given.get(name, one.default), one, name=f"{model}.{name}")
        for name, one in sorted(known.items())
    }


def rows_of(examples: Examples, sessions: NDArray[np.int64]) -> tuple[Array, Array, Sessions]:
    """Return labelled rows (features, label, session), session by session, names in order."""
    at, name_N = np.nonzero(np.isfinite(examples.label_TN[sessions]))
    session_T = sessions[at]
    features = examples.features_NTF[name_N, session_T].astype(np.float64)
    return features, examples.label_TN[session_T, name_N], session_T


def _checked(value: Value, setting: Setting, *, name: str) -> Value:
    whole = isinstance(setting.default, int)
    if isinstance(value, bool | str) or (whole and not float(value).is_integer()):
        raise ValueError(f"{name} must be {'a whole' if whole else 'a'} number, found {value!r}.")
    if not setting.least <= value <= setting.most:
        raise ValueError(
            f"{name} must lie between {setting.least} and {setting.most}, found {value!r}: "
            f"{setting.meaning}."
        )
    return int(value) if whole else float(value)
