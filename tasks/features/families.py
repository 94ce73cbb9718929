"""The families that Alpha158 lacks, from bars and the market; and sets made of several.

One file a family: its docstring says what is what and who found it.
"""

from tasks.features.alpha158 import ALPHA126, ALPHA158
from tasks.features.engine import FeatureSet
from tasks.features.liquidity import LIQUIDITY
from tasks.features.market import MARKET
from tasks.features.momentum import MOMENTUM
from tasks.features.overnight import OVERNIGHT
from tasks.features.price import PRICE
from tasks.features.ranges import RANGES
from tasks.features.seasonality import SEASONALITY
from tasks.features.tails import TAILS

FAMILIES = FeatureSet(
    "families", MOMENTUM + MARKET + RANGES + LIQUIDITY + OVERNIGHT + SEASONALITY + TAILS
)
PRICE_ALPHA158 = FeatureSet("price_alpha158", PRICE.features + ALPHA158.features)
EVERYTHING = FeatureSet("everything", PRICE.features + ALPHA126.features + FAMILIES.features)
