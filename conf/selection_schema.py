"""How a recipe chooses among the features of its contest, each time anew, from what it learns from.

Columns that are the same for all names of a session, such as a volatility index, order nothing by
themselves. No selection judges them: they are kept for the models that use them as a condition.
"""

from typing import Annotated, Literal

from pydantic import Field

from conf.strict import Strict


class NoSelection(Strict):
    """All features."""

    kind: Literal["none"] = "none"


class UnivariateSelection(Strict):
    """The features whose rank IC is more than luck, after control for how many there are."""

    kind: Literal["univariate"]
    level: float = Field(0.05, gt=0, lt=1, description="Share of the chosen that may be luck.")
    least: int = Field(5, ge=1, description="Fewest kept, the surest first, found or not.")


class ClusterSelection(Strict):
    """One feature of each cluster of features that say the same: the one with the strongest IC.

    One known in less than half of the sessions gives way to one known longer.
    """

    kind: Literal["clusters"]
    correlation: float = Field(
        0.7, gt=0, lt=1, description="Mean absolute rank correlation that makes a cluster."
    )


class StabilitySelection(Strict):
    """The features that are among the strongest in most halves of the sessions."""

    kind: Literal["stability"]
    draws: int = Field(100, ge=10, le=10_000, description="Halves drawn.")
    block: int = Field(21, ge=1, description="Neighbouring sessions drawn together.")
    strongest: int = Field(
        20, ge=1, description="Features chosen in each half, of those judged at most half."
    )
    share: float = Field(0.7, gt=0.5, le=1, description="Of the halves, to be kept.")
    least: int = Field(5, ge=1, description="Fewest kept, the most often chosen first.")


Selection = Annotated[
    NoSelection | UnivariateSelection | ClusterSelection | StabilitySelection,
    Field(discriminator="kind"),
]
