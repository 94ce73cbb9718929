"""The releases that stand: found from their folders, and held against their own hashes.

A release is the folder `<root>/books/<book>/<session>/r<revision>/` with a `manifest.json` in it.
`CURRENT` names the highest; it is for people and other programs, and is never read here.
"""

import hashlib
import json
import re
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

MANIFEST, RUN = "manifest.json", "run.json"
SESSION = re.compile(r"^\d{4}-\d{2}-\d{2}$")
REVISION = re.compile(r"^r(\d{1,6})$")


class Released(NamedTuple):
    """One release that stands."""

    path: Path
    book: str
    session: date
    revision: int
    content_hash: str  # SHA-256 of manifest.json, which holds the hash of every other file
    already: bool = False


class Tampered(ValueError):
    """A release no longer is what its manifest says."""


def home_of(root: Path, book: str) -> Path:
    """Return the folder of all releases of `book`."""
    return root / "books" / book


def stands(folder: Path) -> bool:
    """Return whether a release stands in `folder`; one that stands is whole."""
    return (folder / MANIFEST).is_file()


def standing(folder: Path) -> Released:
    """Return the release in `folder`, not verified."""
    session, revision = _place(folder)
    return Released(
        path=folder,
        book=folder.parent.parent.name,
        session=session,
        revision=revision,
        content_hash=hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest(),
    )


def folders(root: Path, book: str) -> list[Path]:
    """Return the folder of each release, earliest session and lowest revision first."""
    home = home_of(root, book)
    sessions = [one for one in home.iterdir() if SESSION.match(one.name)] if home.is_dir() else []
    found = [
        folder
        for session in sessions
        if session.is_dir()
        for folder in session.iterdir()
        if REVISION.match(folder.name) and stands(folder)
    ]
    return sorted(found, key=_place)


def refuse_half_copied(root: Path, book: str) -> None:
    """Raise `Tampered` where a revision's folder holds files but no manifest.

    A release is renamed into place whole, so only a copy or a deletion that stopped leaves this.
    """
    home = home_of(root, book)
    for session in sorted(home.iterdir()) if home.is_dir() else []:
        inside = session.iterdir() if SESSION.match(session.name) and session.is_dir() else ()
        for folder in sorted(one for one in inside if REVISION.match(one.name) and one.is_dir()):
            if not stands(folder) and any(folder.iterdir()):
                raise Tampered(
                    f"{folder} holds files but no {MANIFEST}: a copy or a deletion that stopped "
                    "on the way. Restore the whole folder, or delete it, and run again."
                )


def history(root: Path, book: str) -> list[Released]:
    """Return every release of `book`, earliest session and lowest revision first."""
    return [standing(folder) for folder in folders(root, book)]


def current(root: Path, book: str) -> Released | None:
    """Return the release of the newest session, its highest revision; None before the first."""
    found = folders(root, book)
    return standing(found[-1]) if found else None


def before(root: Path, book: str, session: date, revision: int) -> Released | None:
    """Return the last release earlier than this session and revision."""
    earlier = [one for one in folders(root, book) if _place(one) < (session, revision)]
    return standing(earlier[-1]) if earlier else None


def latest_revision(root: Path, book: str, session: date) -> int | None:
    """Return the highest revision released for `session`, None when there is none."""
    found = [revision for day, revision in map(_place, folders(root, book)) if day == session]
    return max(found, default=None)


def manifest_of(folder: Path) -> dict[str, Any]:
    """Return the manifest of the release in `folder`."""
    content: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    return content


def verify(folder: Path) -> Released:
    """Return the release in `folder` if every byte is as its manifest says, else raise `Tampered`.

    The manifest itself is held against `run.json`, and the link to the previous release against
    that release where it still stands; `verify_book` asks for the whole chain.
    """
    if wrong := _wrong_files(folder):
        raise Tampered(f"{folder}: {', '.join(wrong)}. Restore it, or delete it and run again.")
    previous = manifest_of(folder)["previous"]
    if previous:
        earlier = folder.parent.parent / previous["session"] / f"r{previous['revision']}"
        if stands(earlier) and standing(earlier).content_hash != previous["content_hash"]:
            raise Tampered(f"{earlier} is not what {folder} was released after.")
    return standing(folder)


def verify_book(root: Path, book: str) -> list[Released]:
    """Return all releases of `book`, each verified and linked to one that stands."""
    refuse_half_copied(root, book)
    releases = [verify(folder) for folder in folders(root, book)]
    hashes = {one.content_hash for one in releases}
    for one in releases:
        previous = manifest_of(one.path)["previous"]
        if previous and previous["content_hash"] not in hashes:
            gone = f"{previous['session']}/r{previous['revision']}"
            raise Tampered(f"{one.path} was released after {gone}, which is gone or changed.")
    return releases


def _place(folder: Path) -> tuple[date, int]:
    revision = REVISION.match(folder.name)
    if not revision or not SESSION.match(folder.parent.name):
        raise ValueError(f"{folder} is no release; expected .../<book>/<session>/r<revision>.")
    return date.fromisoformat(folder.parent.name), int(revision[1])


def _wrong_files(folder: Path) -> list[str]:
    found = {file.name: file for file in sorted(folder.iterdir())} if folder.is_dir() else {}
    if absent := [f"{name} is missing" for name in (MANIFEST, RUN) if name not in found]:
        return absent
    body = found[MANIFEST].read_bytes()
    if hashlib.sha256(body).hexdigest().encode() not in found[RUN].read_bytes():
        return [f"{MANIFEST} was changed"]
    promised: dict[str, str] = json.loads(body)["files"]
    wrong = [f"{name} is missing" for name in sorted(promised) if name not in found]
    wrong += [f"{n} was added" for n in found if n not in promised and n not in (MANIFEST, RUN)]
    return wrong + [
        f"{name} was changed"
        for name, digest in sorted(promised.items())
        if name in found and hashlib.sha256(found[name].read_bytes()).hexdigest() != digest
    ]
