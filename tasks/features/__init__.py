"""Feature sets by name: each entry imports its file only when asked."""

from tasks.features.engine import FeatureSet


def _price() -> FeatureSet:
    from tasks.features.price import PRICE

    return PRICE


FEATURE_SETS = {"price": _price}
