"""What a fit may see: the panel and the labels as they stood on its night, and nothing after."""

from datetime import date
from hashlib import sha256
from typing import Any

import numpy as np

from conf.schema import Contest
from tasks.learning.model import Array, Examples
from tasks.learning.panel import Panel, until


def as_known(
    panel: Panel, label_TN: Array, fitted_on: date, contest: Contest
) -> tuple[Panel, Array]:
    """Return the panel and labels without what was unknown at the close of `fitted_on`.

    Of these the newest `train_sessions`, and the names of these alone: wherever the panel begins,
    the same is returned.
    """
    if label_TN.shape != panel.member_TN.shape:
        raise ValueError(f"Expected labels {panel.member_TN.shape}, found {label_TN.shape}.")
    if fitted_on not in panel.sessions:
        raise ValueError(
            f"{fitted_on} is no session of the panel, which spans {panel.sessions[:1]} to "
            f"{panel.sessions[-1:]}."
        )
    end = panel.sessions.index(fitted_on) + 1
    first = max(end - contest.train_sessions, 0) if contest.train_sessions else 0
    recent = panel._replace(
        sessions=panel.sessions[first:],
        features_NTF=panel.features_NTF[:, first:],
        member_TN=panel.member_TN[first:],
    )
    seen = until(recent, fitted_on)
    place_of = {name: place for place, name in enumerate(panel.instruments)}
    names_N = [place_of[name] for name in seen.instruments]
    known_TN = label_TN[first:end, names_N]
    known_TN[max(0, len(known_TN) - contest.horizon - 1) :] = np.nan
    told_F = np.flatnonzero((seen.features_NTF != 0).any(axis=(0, 1)))
    if not told_F.size:
        raise ValueError(f"No feature has said anything by {fitted_on}: nothing to learn from.")
    return (
        seen._replace(
            columns=tuple(seen.columns[place] for place in told_F),
            features_NTF=np.ascontiguousarray(seen.features_NTF[:, :, told_F]),
        ),
        known_TN,
    )


def stretches(seen: Panel, examples: Examples) -> dict[str, Any]:
    """Return, for the card, how many rows and which sessions were learned from and stopped by."""
    out: dict[str, Any] = {}
    for name, places in (("train", examples.train), ("valid", examples.valid)):
        out[f"{name}_rows"] = int(np.isfinite(examples.label_TN[places]).sum())
        out[f"{name}_first"] = seen.sessions[int(places[0])].isoformat()
        out[f"{name}_last"] = seen.sessions[int(places[-1])].isoformat()
    return out


def data_hash(seen: Panel, label_TN: Array) -> str:
    """Return the SHA-256 of everything the fit could see."""
    digest = sha256(repr((seen.sessions, seen.instruments, seen.columns)).encode())
    digest.update(np.ascontiguousarray(seen.features_NTF).tobytes())
    digest.update(np.ascontiguousarray(seen.member_TN).tobytes())
    digest.update(np.ascontiguousarray(np.where(np.isnan(label_TN), np.nan, label_TN)).tobytes())
    return digest.hexdigest()
