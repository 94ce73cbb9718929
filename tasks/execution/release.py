"""The one way a target leaves the house: a whole, dated, hashed folder, or nothing at all.

A release holds targets, orders, checks, the writers' files and a manifest with the hash of each.
All of it is a function of what was decided; times, run ids and reasons stand in `run.json` alone.
The folder is written aside, synced to disk and renamed into place: the rename decides who wins.
"""

import errno
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from tasks.execution.standing import (
    MANIFEST,
    RUN,
    Released,
    Tampered,
    before,
    current,
    history,
    home_of,
    latest_revision,
    manifest_of,
    refuse_half_copied,
    stands,
    verify,
    verify_book,
)
from tasks.market.durable import make_folder, sync, write
from tasks.market.frames import DRAFT_ORDERS, DRAFT_TARGETS, shaped

__all__ = [
    "Conflict",
    "Halted",
    "Released",
    "Tampered",
    "current",
    "history",
    "latest_revision",
    "manifest_of",
    "release",
    "repair",
    "verify",
    "verify_book",
]
CURRENT, HALT, LOCK, STAGING = "CURRENT", "HALT", ".lock", ".staging"
OURS = ("targets.parquet", "orders.parquet", "checks.json", MANIFEST, RUN)
FILE_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,80}$")
ROWS_A_GROUP = 1 << 20


class Halted(Exception):
    """A HALT file stands: nothing may be released."""


class Conflict(ValueError):
    """The session is released with other content, and no reason to revise it was given."""


def release(
    root: Path,
    book: str,
    session: date,
    *,
    targets: pl.DataFrame,
    orders: pl.DataFrame,
    checks: list[dict[str, Any]],
    manifest: Mapping[str, Any],
    run: Mapping[str, Any],
    extra: Mapping[str, bytes],
    revision: int = 0,
    force_reason: str | None = None,
) -> Released:
    """Release what was decided for `session`, or say that the very same stands already.

    `revision` is the one the orders were decided for: `latest_revision`, or 0 where there is
    none; and one more when `Conflict` says that other content stands and a person gives a
    `force_reason`. `manifest` is what the decision rests on and joins the file hashes; `run` is
    times, ids and names of this run, outside the content hash; `extra` are the writers' files.
    """
    contents = _contents(targets, orders, checks, extra)
    about = dict(manifest) | {"book": book, "session": session, "revision": revision}
    folder = home_of(root, book) / session.isoformat() / f"r{revision}"
    with _alone(home_of(root, book)):
        refuse_half_copied(root, book)
        _repair(root, book)
        if stands(folder):
            return _already(folder, contents, about)
        _require_reason(folder, revision, force_reason)
        about["previous"] = _link(before(root, book, session, revision))
        contents[MANIFEST] = _manifest_bytes(contents, about)
        content_hash = hashlib.sha256(contents[MANIFEST]).hexdigest()
        told = dict(run) | {"content_hash": content_hash, "force_reason": force_reason}
        contents[RUN] = canonical_json(told)
        staging = _staged(folder, contents)
        _look_for_halt(root, book, staging)
        if not _renamed(staging, folder):
            return _already(folder, contents, about)
        _repair(root, book)
    return Released(folder, book, session, revision, content_hash)


def repair(root: Path, book: str) -> None:
    """Clear what killed runs left behind, and write `CURRENT` anew where it is not right.

    `CURRENT` is one line: `<session>/r<revision> <content hash>` of the highest release.
    """
    if home_of(root, book).is_dir():
        with _alone(home_of(root, book)):
            _repair(root, book)


def parquet_bytes(frame: pl.DataFrame) -> bytes:
    """Return `frame` as Parquet whose bytes depend on its rows alone, not on their chunks."""
    buffer = io.BytesIO()
    frame.rechunk().write_parquet(
        buffer,
        compression="zstd",
        compression_level=3,
        statistics=True,
        row_group_size=ROWS_A_GROUP,
    )
    return buffer.getvalue()


def canonical_json(content: Any) -> bytes:
    """Return `content` as JSON with sorted keys; dates are ISO text, NaN is refused."""
    text = json.dumps(
        content, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False, default=_iso
    )
    return f"{text}\n".encode()


# --- what is written -----------------------------------------------------------------------------


def _contents(
    targets: pl.DataFrame,
    orders: pl.DataFrame,
    checks: list[dict[str, Any]],
    extra: Mapping[str, bytes],
) -> dict[str, bytes]:
    for name in sorted(extra):
        if name in OURS or not FILE_NAME.match(name):
            raise ValueError(f"A writer may not name its file {name!r}; ours: {', '.join(OURS)}.")
    return {
        "targets.parquet": parquet_bytes(shaped(targets, DRAFT_TARGETS).sort("instrument")),
        "orders.parquet": parquet_bytes(
            shaped(orders, DRAFT_ORDERS).sort("instrument", "client_order_id")
        ),
        "checks.json": canonical_json(checks),
        **{name: extra[name] for name in sorted(extra)},
    }


def _manifest_bytes(contents: Mapping[str, bytes], about: dict[str, Any]) -> bytes:
    if "files" in about:
        raise ValueError("The manifest's key 'files' is written here; name yours otherwise.")
    hashes = {
        name: hashlib.sha256(body).hexdigest()
        for name, body in sorted(contents.items())
        if name not in (MANIFEST, RUN)
    }
    return canonical_json(about | {"files": hashes})


def _require_reason(folder: Path, revision: int, force_reason: str | None) -> None:
    if revision == 0:
        return
    if not (force_reason and force_reason.strip()):
        raise Conflict(f"Revision {revision} of {folder.parent} needs force and a reason.")
    if not stands(folder.parent / f"r{revision - 1}"):
        raise Conflict(f"Revision {revision} of {folder.parent} lacks revision {revision - 1}.")


def _already(folder: Path, contents: Mapping[str, bytes], about: dict[str, Any]) -> Released:
    """Return the release that stands if it holds the same; else name what differs."""
    found = verify(folder)
    theirs = manifest_of(folder)
    # What a release came after is a fact of its night; a later backfill does not change it.
    ours = json.loads(_manifest_bytes(contents, about | {"previous": theirs["previous"]}))
    old_files, new_files = theirs.pop("files"), ours.pop("files")
    differs = _differing(old_files, new_files) + _differing(theirs, ours)
    if differs:
        raise Conflict(
            f"{found.book} {found.session} stands as r{found.revision} with other content: "
            f"{', '.join(differs)}. Keep it, or release revision {found.revision + 1} with force "
            "and a reason."
        )
    return found._replace(already=True)


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]


def _link(previous: Released | None) -> dict[str, Any] | None:
    if previous is None:
        return None
    return {
        "session": previous.session,
        "revision": previous.revision,
        "content_hash": previous.content_hash,
    }


def _iso(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"Neither JSON nor a date: {value!r}.")


# --- how it is written ---------------------------------------------------------------------------


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold the book's lock; a holder that is killed lets go of it by dying."""
    make_folder(home)
    handle = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _repair(root: Path, book: str) -> None:
    home = home_of(root, book)
    for leftover in sorted(home.glob(f"{STAGING}*")):
        shutil.rmtree(leftover)
    newest, pointer = current(root, book), home / CURRENT
    if newest is None:
        pointer.unlink(missing_ok=True)
        return
    line = f"{newest.session}/r{newest.revision} {newest.content_hash}\n".encode()
    if pointer.is_file() and pointer.read_bytes() == line:
        return
    aside = home / f"{CURRENT}.new"
    write(aside, line)
    os.replace(aside, pointer)
    sync(home)


def _staged(folder: Path, contents: Mapping[str, bytes]) -> Path:
    """Write and sync all files in a folder of the book's own, out of every reader's way."""
    home = folder.parent.parent
    staging = home / f"{STAGING}-{folder.parent.name}-{folder.name}-{os.getpid()}"
    staging.mkdir()
    for name, body in contents.items():
        write(staging / name, body)
    sync(staging)
    return staging


def _look_for_halt(root: Path, book: str, staging: Path) -> None:
    for sign in (root / HALT, home_of(root, book) / HALT):
        if sign.exists():
            shutil.rmtree(staging)
            said = sign.read_text(errors="replace").strip() if sign.is_file() else ""
            raise Halted(f"{sign} stands{f' ({said})' if said else ''}; remove it to release.")


def _renamed(staging: Path, folder: Path) -> bool:
    """Rename `staging` to `folder`; False where another run was first."""
    make_folder(folder.parent)
    try:
        os.rename(staging, folder)
    except OSError as problem:
        if problem.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        shutil.rmtree(staging)
        return False
    sync(folder.parent)
    return True
