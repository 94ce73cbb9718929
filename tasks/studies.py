"""Studies of what is ours, for the leak audit: by the functions that the night calls, on a tape."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conf.schema import Contest, Recipe, Universe
from tasks.features import FEATURE_SETS
from tasks.features.bars import OwnBars, grid_for
from tasks.features.engine import FeatureSet, features_over, grid_features
from tasks.features.labels import labels
from tasks.market.context import Context
from tasks.market.history import Array, History, View
from tasks.market.leaks import Claims, Study
from tasks.market.tampered import Tape
from tasks.market.universe import members
from tasks.panels import Labels, cleared_labels
from tasks.settings import threads

if TYPE_CHECKING:
    from tasks.learning.panel import Panel

Places = NDArray[np.int64]
Price = Literal["open", "close"]


def study_of_set(chosen: FeatureSet, *, since: int) -> Study:
    """Return the study of a feature set, night by night, from place `since` of the sessions on."""

    def claims(tape: Tape) -> Claims:
        return Claims({"features": _features(tape, chosen, tape.sessions[since:])})

    return Study(chosen.name, claims)


def study_on_own_bars(chosen: FeatureSet, *, since: int) -> Study:
    """Return the study of a feature set on a table of bars, where nothing is ever corrected."""

    def claims(tape: Tape) -> Claims:
        in_time = pl.col("known_on") <= pl.col("session")
        rows = tape.bars.filter(in_time).drop("known_on", "delivery")
        splits = tape.actions.filter(pl.col("kind") == "split").filter(
            pl.col("known_on") <= pl.col("ex_session")
        )
        told = splits.select("instrument", session="ex_session", split="value")
        grid = grid_for(chosen, OwnBars(rows, told, "instrument", []), tape.sessions)
        return Claims({"features": pl.concat(grid_features(grid, chosen, tape.sessions[since:]))})

    return Study(f"{chosen.name} on own bars", claims)


def study_of_contest(
    name: str, rules: Contest, universe: Universe, trades_at: Price, *, since: int
) -> Study:
    """Return the study of a contest: its features, members, panel and all scores.

    Sessions of a tape count from place `since` on; before it features only warm up.
    """
    chosen = FEATURE_SETS[rules.features]()

    def claims(tape: Tape) -> Claims:
        from tasks.learning.panel import aligned, make_panel
        from tasks.learning.splits import refit_sessions

        sessions = tape.sessions[since:]
        fits = refit_sessions(sessions, first_fit=rules.first_fit, refit_every=rules.refit_every)
        features = _features(tape, chosen, sessions)
        history = History(tape.bars, tape.actions, tape.sessions, prints="last")
        held, known = [], {}
        for session in sessions:
            view = history.roll(session)
            held.append(_members(universe, view, tape))
            if session in fits:
                for horizon in rules.horizons:
                    label_TN = _labels(view, rules, trades_at, horizon)
                    known[session, horizon] = (label_TN, view.sessions, view.instruments)
        roster = pl.concat(held)
        panel = make_panel(
            features,
            roster,
            columns=chosen.columns,
            whole_session=chosen.whole_session,
            transform=rules.transform,
            neutral_to=rules.neutral_to,
            beta=rules.beta,
        )
        learned = {key: aligned(*parts, panel) for key, parts in known.items()}
        learned = cleared_labels(rules, learned, panel, roster, features)
        told = {"features": features, "members": roster, "panel": _rows(panel)}
        for recipe in rules.candidates:
            told[f"scores of {recipe.name}"] = _scores(recipe, panel, learned, rules)
        return Claims(told)

    return Study(name, claims)


def study_of_labels(name: str, rules: Contest, trades_at: Price, *, since: int) -> Study:
    """Return the study of a contest's labels, each an outcome of the decision of its session."""

    def claims(tape: Tape) -> Claims:
        history = History(tape.bars, tape.actions, tape.sessions, prints="last")
        view = history.roll(tape.sessions[-1])
        label_TN = _labels(view, rules, trades_at, rules.horizon)
        label_TN[:since] = np.nan
        at, names = np.nonzero(np.isfinite(label_TN))
        rows = _keyed(at, names, view.sessions, view.instruments)
        return Claims({}, {"labels": rows.with_columns(label=label_TN[at, names])})

    return Study(f"{name}, labels", claims)


def _labels(view: View, rules: Contest, trades_at: Price, horizon: int) -> Array:
    return labels(
        view,
        horizon=horizon,
        trades_at=trades_at,
        delisting_return=rules.delisting_return,
        delisting_sessions=rules.delisting_sessions,
    )


def _members(universe: Universe, view: View, tape: Tape) -> pl.DataFrame:
    """Return (session, instrument, sector) of who may be held at the close of a view."""
    known = pl.col("known_on") <= view.as_of
    listings = tape.listings.filter(known).sort("known_on", "delivery", "from_session")
    names = members(universe, view, listings, index_members=tape.members.filter(known))
    sectors = listings.unique("instrument", keep="last").select("instrument", "sector")
    held = pl.DataFrame(
        {"session": [view.as_of] * len(names), "instrument": names},
        schema={"session": pl.Date, "instrument": pl.String},
    )
    return held.join(sectors, on="instrument", how="left", maintain_order="left")


def _scores(recipe: Recipe, panel: "Panel", learned: Labels, rules: Contest) -> pl.DataFrame:
    """Return the walk-forward scores of a recipe, with the weights that made them."""
    from tasks.models.fitting import SCORES, fit_recipe, load_fit, score_sessions

    marks = {"fitted_on": pl.Date, "weights_hash": pl.String}
    frames = [pl.DataFrame(schema={**SCORES, **marks})]
    # An altered market may have nobody on the session of a fit: then there is no such fit.
    own = {
        fit: label_TN
        for (fit, horizon), label_TN in learned.items()
        if horizon == rules.horizon_of(recipe) and fit in panel.sessions
    }
    starts = [panel.sessions.index(fit) for fit in own]
    ends = [*starts, len(panel.sessions)][1:]
    for (fitted_on, label_TN), begin, end in zip(own.items(), starts, ends, strict=True):
        made = fit_recipe(
            recipe,
            panel,
            label_TN,
            fitted_on=fitted_on,
            contest=rules,
            threads=threads(),
            accelerator="cpu",
        )
        model = load_fit(recipe, made.card, made.weights, threads=threads())
        scored = score_sessions(model, panel, panel.sessions[begin:end])
        frames.append(
            scored.with_columns(
                fitted_on=pl.lit(fitted_on), weights_hash=pl.lit(model.weights_hash)
            )
        )
    return pl.concat(frames)


def _rows(panel: "Panel") -> pl.DataFrame:
    """Return the panel's transformed features, one row a member of a session."""
    at, name = np.nonzero(panel.member_TN)
    values = panel.features_NTF[name, at]
    columns = {column: values[:, place] for place, column in enumerate(panel.columns)}
    return _keyed(at, name, panel.sessions, panel.instruments).with_columns(**columns)


def _keyed(
    at: Places, name: Places, sessions: Sequence[date], instruments: Sequence[str]
) -> pl.DataFrame:
    days, names = pl.Series(sessions, dtype=pl.Date), pl.Series(instruments, dtype=pl.String)
    return pl.DataFrame({"session": days.gather(at), "instrument": names.gather(name)})


def _features(tape: Tape, chosen: FeatureSet, sessions: Sequence[date]) -> pl.DataFrame:
    """Return the features of `sessions`, each as known in its own night."""
    history = History(tape.bars, tape.actions, tape.sessions, prints="first")
    context = Context(tape.series, tape.fundamentals)
    return features_over(history, chosen, sessions, context=context)
