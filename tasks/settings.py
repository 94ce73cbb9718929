"""Settings: the one place that reads YAML, environment and clock, and opens what they name."""

import hashlib
import json
import os
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import yaml
from pydantic import SecretStr, TypeAdapter, ValidationError

import conf
from conf.schema import Book, Contest, Source, Strict, Universe
from tasks.market.calendar import Calendar
from tasks.market.lake import Lake
from tasks.market.sources.protocol import DataSource, Place

if TYPE_CHECKING:
    from tasks.learning.tracking import Shelf

PACKAGED = Path(conf.__file__).parent
ROOT = PACKAGED.parent
PACKAGES = ("flows", "tasks", "expectations", "conf")
Kind = TypeVar("Kind", bound=Strict)


def data_folder() -> Path:
    """Return the folder that holds all state: `AFTERCLOSE_DATA`, or `data` here."""
    return Path(os.environ.get("AFTERCLOSE_DATA") or "data").resolve()


def conf_folder() -> Path:
    """Return the folder of YAML files: `AFTERCLOSE_CONF`, or the packaged one."""
    return Path(os.environ.get("AFTERCLOSE_CONF") or PACKAGED).resolve()


def threads() -> int:
    """Return how many threads numerical work may use; part of what decides the bytes."""
    return int(os.environ.get("AFTERCLOSE_THREADS") or 1)


def names_in(folder: str) -> list[str]:
    """Return the names of the YAML files in `conf/<folder>`."""
    return sorted(path.stem for path in (conf_folder() / folder).glob("*.yaml"))


@cache
def _load(path: Path, kind: Any) -> Any:
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "nothing"
        raise FileNotFoundError(f"No {path.stem!r} in {path.parent}; there is: {known}.")
    try:
        return TypeAdapter(kind).validate_python(yaml.safe_load(path.read_text()))
    except yaml.YAMLError as error:  # its own text would show lines: one may hold a secret
        mark = getattr(error, "problem_mark", None)
        where = f" from line {mark.line + 1} on" if mark else ""
        why = getattr(error, "problem", None) or getattr(error, "reason", "it cannot be read")
        raise ValueError(f"{path} is no YAML{where}: {why}.") from None
    except ValidationError as error:  # its own text would show values: one may be a secret
        wrong = error.errors(include_input=False, include_context=False, include_url=False)
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in wrong)
        raise ValueError(f"{path} cannot be used: {told}") from None


def load_book(name: str) -> Book:
    """Return the mandate in `conf/books/<name>.yaml`, its parts known to the registries."""
    from tasks.execution.writers import WRITERS
    from tasks.portfolio.optimisers import OPTIMISERS

    book: Book = _load(conf_folder() / "books" / f"{name}.yaml", Book)
    _known("optimiser", book.objective.optimiser, OPTIMISERS)
    for writer in book.writers:
        _known("writer", writer, WRITERS)
    contest = load_contest(book.contest)
    load_universe(book.universe)
    if contest.source != book.source:
        raise ValueError(
            f"Book {name!r} takes prices from {book.source!r} but its contest {book.contest!r} "
            f"from {contest.source!r}: name the same source in both."
        )
    return book


def load_contest(name: str) -> Contest:
    """Return the contest in `conf/models/<name>.yaml`, its parts known to the registries."""
    from tasks.features import FEATURE_SETS
    from tasks.models.baselines import BASELINES
    from tasks.models.nets import NETS

    contest: Contest = _load(conf_folder() / "models" / f"{name}.yaml", Contest)
    _known("feature set", contest.features, FEATURE_SETS)
    for recipe in contest.candidates:
        for one in recipe.members or (recipe,):
            _known("model", one.model, {**NETS, **BASELINES})
    load_source(contest.source)
    load_universe(contest.universe)
    return contest


def load_source(name: str) -> Source:
    """Return the source in `conf/sources/<name>.yaml`.

    What checks it is another one with bars, its context others with series.
    """
    folder = conf_folder() / "sources"
    source: Source = _load(folder / f"{name}.yaml", Source)
    if source.cross_check:
        other = source.cross_check.source
        if other == name or _load(folder / f"{other}.yaml", Source).content != "bars":
            raise ValueError(f"{other!r} cannot check {name!r}: name another source of bars.")
    for other in source.context:
        if _load(folder / f"{other}.yaml", Source).content != "series":
            raise ValueError(f"{other!r} is no context of {name!r}: name a source of series.")
    return source


def load_universe(name: str) -> Universe:
    """Return the universe in `conf/universes/<name>.yaml`."""
    return _load(conf_folder() / "universes" / f"{name}.yaml", Universe)


def _known(what: str, name: str, registry: dict[str, Any]) -> None:
    if name not in registry:
        raise ValueError(f"No {what} named {name!r}; there is: {', '.join(sorted(registry))}.")


@cache
def calendar(name: str) -> Calendar:
    """Return the exchange calendar called `name`."""
    return Calendar(name)


def open_lake() -> Lake:
    """Return the lake under the data folder, or where `AFTERCLOSE_LAKE` says (`s3://…`)."""
    return Lake(os.environ.get("AFTERCLOSE_LAKE") or str(data_folder() / "lake"))


def open_source(name: str, now: datetime | None = None) -> DataSource:
    """Return the source called `name`; its folder and its keys come from the environment.

    What it may still see live goes by the clock; for the parts of a mixture, by the close of its
    own calendar.
    """
    from tasks.market.sources import SOURCES

    settings = load_source(name)
    _known("source kind", settings.kind, SOURCES)
    folder: Path | None = None
    if settings.kind == "files":
        value = os.environ.get(settings.folder_variable)
        if not value:
            raise FileNotFoundError(
                f"Source {name!r} reads a folder named by {settings.folder_variable}, which is "
                f"not set: export {settings.folder_variable}=<folder of deliveries>."
            )
        folder = Path(value).resolve()
    names = settings.parts if settings.kind == "mixed" else ()
    days, now = calendar(settings.calendar), now or datetime.now(UTC)
    live_from = live_since(days, now)
    closed = now if live_from == date.max else days.close_of(live_from)
    parts = {part: (load_source(part), open_source(part, closed)) for part in names}
    place = Place(folder, data_folder() / "spool" / name, _secrets(settings), parts, live_from)
    return SOURCES[settings.kind](settings, place)


def live_since(days: Calendar, now: datetime) -> date:
    """Return the session whose night it is at `now`: it has closed, and the next is not open.

    `date.max` where the next is open. Where a session opens as the one before closes, its night
    lasts until it closes itself.
    """
    session = days.last_closed(now)
    opens = days.open_of(days.next(session))
    return date.max if days.close_of(session) < opens <= now else session


def _secrets(settings: Source) -> dict[str, SecretStr]:
    """Return what the environment holds for the variables that a source names as its keys."""
    named = ("key_variable", "secret_variable", "contact_variable")
    variables = [getattr(settings, field, None) for field in named]
    return {
        variable: SecretStr(os.environ[variable])
        for variable in variables
        if variable and os.environ.get(variable)
    }


def open_shelf() -> "Shelf":
    """Return the shelf of weights, kept beside the lake."""
    from tasks.learning.tracking import Shelf

    return Shelf(data_folder() / "models")


def tracking_uri() -> str:
    """Return where MLflow keeps its runs: the server that is up, or a database here."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{data_folder()}/mlflow/mlflow.db"


class Moment(NamedTuple):
    """What a run is about: its session, or why there is none."""

    session: date
    skip: str  # empty, or the reason this run has nothing to release
    night: date  # the vendor night up to which deliveries are looked at


def resolve_session(source: str, as_of: date | None, started: datetime | None) -> Moment:
    """Return the one session a run is about.

    An empty `as_of` is the earlier of the last session closed at the scheduled start and the
    source's end. A holiday is a reason to skip; what the vendor sends that night is judged. A day
    that is not over is refused: what it brings now would count as known at its close.
    """
    settings = load_source(source)
    days, now = calendar(settings.calendar), started or datetime.now(UTC)
    session, today = days.last_closed(now), now.astimezone(days.zone).date()
    ended = settings.ends is not None and settings.ends < today
    if as_of is not None:
        if not ended and as_of > (session if days.is_session(as_of) else today):
            raise ValueError(
                f"{as_of} is not over on {settings.calendar}: the last session that has closed is "
                f"{session}. Name that or an earlier one, or none for the newest."
            )
        if not days.is_session(as_of):
            return Moment(days.on_or_before(as_of), "holiday", as_of)
        return Moment(as_of, "", as_of)
    if settings.ends and ended:
        session = min(session, days.on_or_before(settings.ends))
        return Moment(session, "", session)
    if days.is_holiday(today):
        return Moment(session, "holiday", today)
    return Moment(session, "", session)


def digest(*parts: bytes) -> str:
    """Return the SHA-256 of `parts`, each preceded by its length."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()


def settings_hash(*settings: Strict) -> str:
    """Return the hash of settings and of the thread count, which decides the last bits."""
    texts = [json.dumps(each.model_dump(mode="json"), sort_keys=True) for each in settings]
    return digest(str(threads()).encode(), *(text.encode() for text in texts))


def book_hash(name: str) -> str:
    """Return the hash of everything in `conf/` that book `name` depends on."""
    book = load_book(name)
    contest = load_contest(book.contest)
    universes = load_universe(book.universe), load_universe(contest.universe)
    return settings_hash(book, contest, *universes, load_source(book.source))


@cache
def code_hash(*places: str) -> str:
    """Return the hash of the packaged sources, or of those in `places` alone."""
    files = sorted(p for place in places or PACKAGES for p in _code(ROOT / place))
    return digest(*(str(p.relative_to(ROOT)).encode() + b"\0" + p.read_bytes() for p in files))


def _code(place: Path) -> list[Path]:
    return [place] if place.is_file() else list(place.rglob("*.py"))


@cache
def constraints_hash() -> str:
    """Return the hash of the pinned dependencies; of nothing where they were not shipped."""
    path = ROOT / "constraints.txt"
    return digest(path.read_bytes() if path.is_file() else b"")
