"""From a recipe's words to the class that fits it; from our own registries only."""

from conf.schema import Recipe
from tasks.learning.model import Learner
from tasks.models.baselines import BASELINES
from tasks.models.nets import NETS
from tasks.models.once import Made

ENSEMBLE = "ensemble"  # made of members that its recipe names, hence in no registry


def learner_of(recipe: Recipe, made: Made | None = None) -> Learner:
    """Return the learner a recipe names; raise where there is none, or it knows no such loss.

    The members of an ensemble are not fitted again where `made` holds them.
    """
    if recipe.model in BASELINES:
        learner = BASELINES[recipe.model]()()
    elif recipe.model == ENSEMBLE:
        from tasks.models.ensemble import Ensemble

        members = [(member, learner_of(member, made)) for member in recipe.members]
        learner = Ensemble(members, made)
    elif recipe.model in NETS:
        from tasks.learning.training import NetLearner

        learner = NetLearner(NETS[recipe.model]())
    else:
        known = ", ".join(sorted([*BASELINES, *NETS, ENSEMBLE]))
        raise ValueError(
            f"No model named {recipe.model!r} (recipe {recipe.name}); there is: {known}."
        )
    if recipe.loss not in learner.losses:
        raise ValueError(
            f"{recipe.model} cannot fit loss {recipe.loss!r} (recipe {recipe.name}); "
            f"it knows: {', '.join(learner.losses)}."
        )
    return learner
