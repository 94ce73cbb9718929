"""What went wrong with a price that jumped, where its size gives it away."""

from math import log

RULES = {
    "times 100": "price times 100",
    "over 100": "price over 100",
    "digit": "decimal slip",
    "field": "price in another field's place",
    "twice": "split applied twice",
    "print": "bad print",
    "near": "move without volume",
    "jump": "unexplained jump",
}
JUMPS = tuple(rule for name, rule in RULES.items() if name != "near")
_HUNDRED = 0.25  # log: a price 100 times too high may have moved by a quarter besides
_DIGIT = 0.15
_DIGITS = (10.0, 1_000.0, 10_000.0)
_RATIO = 0.03  # log: how near a simple ratio is
_SIMPLE = (3 / 2, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 50.0)


def slip(ratio: float, *, volume: float | None, before: float, split: float | None) -> str | None:
    """Return the rule that names a jump to `ratio` times the close `before`, if its size tells.

    Args:
        ratio: The close over the last trusted one; above zero.
        volume: Of the row; null where the vendor gives none.
        before: The last trusted close.
        split: New shares for one old, where the delivery says that the symbol split.
    """
    size = log(ratio)
    if split and abs(log(split)) > _HUNDRED and abs(size + 2 * log(split)) < _HUNDRED:
        return RULES["twice"]
    if volume and abs(size) > log(10) and abs(log(volume / before)) < _HUNDRED:
        return RULES["field"]
    if abs(abs(size) - log(100)) < _HUNDRED:
        return RULES["times 100" if size > 0 else "over 100"]
    if any(abs(abs(size) - log(digit)) < _DIGIT for digit in _DIGITS):
        return RULES["digit"]
    return None


def like_a_split(ratio: float) -> str:
    """Return words on the simple ratio of shares that would explain a jump; empty if none does."""
    near = min(_SIMPLE, key=lambda simple: abs(abs(log(ratio)) - log(simple)))
    if abs(abs(log(ratio)) - log(near)) > _RATIO:
        return ""
    return f", as after a split of {f'{near:g} for 1' if ratio < 1 else f'1 for {near:g}'}"
