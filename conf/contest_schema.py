"""Contests and their recipes: what makes forecasts comparable, and the ways to make them."""

from typing import Literal

from pydantic import Field, model_validator

from conf.selection_schema import NoSelection, Selection
from conf.strict import Name, Strict, Text


class Recipe(Strict):
    """One way to make scores: a net or a baseline, its loss and its settings."""

    name: Name
    model: Name  # a key of NETS or BASELINES
    loss: Literal["ic", "mse", "huber", "pairwise", "listwise", "quantile"] = "mse"
    settings: dict[str, float | int | str | bool] = Field({})
    selection: Selection = NoSelection()
    seed: int = Field(1, ge=1)
    seeds: int = Field(1, ge=1, le=64, description="Fits, of the seeds from `seed` on, averaged.")
    learn_horizon: int | None = Field(
        None,
        ge=1,
        description="Sessions the labels it learns from look ahead; empty: the contest's.",
    )
    members: tuple["Recipe", ...] = Field((), description="Of an ensemble: the recipes it weighs.")

    @model_validator(mode="after")
    def _members_are_an_ensembles(self) -> "Recipe":
        if (self.model == "ensemble") != (len(self.members) >= 2):
            raise ValueError("an ensemble has two members or more, and no other model has any")
        if any(one.members or one.selection.kind != "none" for one in self.members):
            raise ValueError("a member of an ensemble has no members and no selection of its own")
        if any(one.learn_horizon for one in self.members):
            raise ValueError(
                "the members of an ensemble learn from its labels: name learn_horizon there"
            )
        return self


class Contest(Strict):
    """What makes forecasts comparable: the same names, inputs, label, horizon and refits."""

    title: Text
    source: Name
    universe: Name
    features: Name
    transform: Literal["rank", "zscore"] = "rank"
    neutral_to: tuple[Literal["sector", "beta"], ...] = Field(
        (), description="What features are cleared of, among the members of their session."
    )
    beta: Name | None = Field(None, description="The feature that is a name's beta.")
    label: Literal["total", "market_neutral", "sector_neutral", "beta_neutral"] = "total"
    horizon: int = Field(5, ge=1, le=60, description="Sessions the label looks ahead.")
    delisting_return: float = Field(
        0.0, ge=-1, le=0, description="What a name that is gone returns on its last close."
    )
    delisting_sessions: int = Field(10, ge=1, description="Sessions without a bar until it counts.")
    first_fit: int = Field(ge=20, description="Sessions of features before the first fit.")
    refit_every: int = Field(ge=1, description="Sessions between scheduled refits.")
    train_sessions: int | None = Field(None, ge=20, description="Newest sessions used; empty: all.")
    valid_share: float = Field(0.15, gt=0, lt=0.5, description="Newest share, for early stopping.")
    compare_refits: int = Field(2, ge=1, description="Last refits that a year of looks begins at.")
    promotion: Literal["by_hand", "rule"] = Field(
        "by_hand", description="Who gives the title to a challenger that the rule finds better."
    )
    min_names: int = Field(5, ge=2, description="Fewest labelled names for an IC of a session.")
    candidates: tuple[Recipe, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> "Contest":
        names = [recipe.name for recipe in self.candidates]
        if len(set(names)) != len(names):
            raise ValueError(f"recipe names must differ, found {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def _labels_are_known_in_time(self) -> "Contest":
        for recipe in self.candidates:
            if self.horizon_of(recipe) > self.horizon:
                raise ValueError(
                    f"{recipe.name} is to learn from {recipe.learn_horizon} sessions ahead, and "
                    f"the contest's labels look {self.horizon} ahead: expected no more"
                )
        return self

    def horizon_of(self, recipe: Recipe) -> int:
        """Return how many sessions the labels that `recipe` learns from look ahead."""
        return recipe.learn_horizon or self.horizon

    @property
    def horizons(self) -> tuple[int, ...]:
        """How many sessions the labels of the contest and of its recipes look ahead."""
        return tuple(sorted({self.horizon, *map(self.horizon_of, self.candidates)}))

    @model_validator(mode="after")
    def _beta_is_named(self) -> "Contest":
        asked = self.label == "beta_neutral" or "beta" in self.neutral_to
        if asked and self.beta is None:
            raise ValueError("neutral to beta: name the feature that is it (beta: ...)")
        if self.beta is not None and not asked:
            raise ValueError(f"beta {self.beta} is named, but nothing is to be neutral to it")
        return self
