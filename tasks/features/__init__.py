"""Feature sets by name: each entry imports its file only when asked."""

from tasks.features.engine import FeatureSet


def _price() -> FeatureSet:
    from tasks.features.price import PRICE

    return PRICE


def _alpha158() -> FeatureSet:
    from tasks.features.alpha158 import ALPHA158

    return ALPHA158


def _alpha126() -> FeatureSet:
    from tasks.features.alpha158 import ALPHA126

    return ALPHA126


def _alpha360() -> FeatureSet:
    from tasks.features.alpha360 import ALPHA360

    return ALPHA360


def _families() -> FeatureSet:
    from tasks.features.families import FAMILIES

    return FAMILIES


def _price_alpha158() -> FeatureSet:
    from tasks.features.families import PRICE_ALPHA158

    return PRICE_ALPHA158


def _everything() -> FeatureSet:
    from tasks.features.families import EVERYTHING

    return EVERYTHING


def _context() -> FeatureSet:
    from tasks.features.surroundings import SURROUNDINGS

    return SURROUNDINGS


def _fundamentals() -> FeatureSet:
    from tasks.features.fundamentals import FUNDAMENTALS

    return FUNDAMENTALS


FEATURE_SETS = {
    "price": _price,
    "alpha158": _alpha158,
    "alpha126": _alpha126,
    "alpha360": _alpha360,
    "families": _families,
    "price_alpha158": _price_alpha158,
    "everything": _everything,
    "context": _context,
    "fundamentals": _fundamentals,
}
