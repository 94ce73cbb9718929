"""Attention among the names of a session, each with its whole look-back as one token.

Liu et al., "iTransformer: Inverted Transformers Are Effective for Time Series Forecasting" (ICLR
2024): a series is one token, and attention runs across series, not across time. Here a series is a
name, of several features. Names have no order, so tokens carry no place: moving a name moves its
score and nothing else. Names that are not members of the session are shut out.
"""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from tasks.learning.model import Setting, Value
from tasks.learning.net import Net
from tasks.models.nets.layers import Dropout, Taps, head, present, session_first, shut_out


class _Block(nn.Module):
    """Attention across names, then two layers on each name; both add to what is there."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask = nn.Linear(width, 3 * width)
        self.answer = nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.activation = nn.GELU()
        self.dropout = Dropout(dropout)

    def forward(self, state_KNC: Tensor, absent_KN: Tensor) -> Tensor:
        """Return the state after both."""
        three = self.ask(self.before(state_KNC)).chunk(3, dim=-1)
        query, key, value = (one.unflatten(-1, (self.heads, -1)).transpose(1, 2) for one in three)
        names = query.shape[2]
        heard = functional.scaled_dot_product_attention(  # (K, heads, N, C / heads)
            query, key, value, absent_KN[:, None, None].expand(-1, self.heads, names, -1)
        )
        state_KNC = state_KNC + self.dropout(self.answer(heard.transpose(1, 2).flatten(2)))
        thought_KNC = self.narrow(self.activation(self.widen(self.between(state_KNC))))
        return state_KNC + self.dropout(thought_KNC)


class Transformer(Net):
    """Score names by what they see in each other.

    Args:
        features: Inputs of one session.
        look_back: Sessions in a token.
        width: Width of a token and of each head together.
        heads: Parts of the width that attend on their own; it must divide it.
        blocks: Rounds of attention.
        dropout: Share of channels left out at random while training.
    """

    known: ClassVar[Mapping[str, Setting]] = {
        "look_back": Setting(20, 1, 250, "sessions in a token", (10, 40), True),
        "width": Setting(32, 4, 256, "width of a token"),
        "heads": Setting(2, 1, 16, "parts of the width that attend on their own"),
        "blocks": Setting(2, 1, 6, "rounds of attention", (1, 3)),
        "dropout": Setting(0.1, 0.0, 0.9, "share of channels left out while training", (0.0, 0.5)),
    }
    stacks: ClassVar[bool] = False
    segment: ClassVar[int] = 16

    def __init__(
        self, features: int, *, look_back: int, width: int, heads: int, blocks: int, dropout: float
    ):
        if width % heads:
            raise ValueError(
                f"transformer.width must be a multiple of heads, found {width} and {heads}."
            )
        super().__init__()
        self.token = Taps(features, width, kernel=look_back)
        self.blocks = nn.ModuleList(_Block(width, heads, dropout) for _ in range(blocks))
        self.last = nn.LayerNorm(width)
        self.head = head(width)

    @classmethod
    def look_back(cls, settings: Mapping[str, Value]) -> int:
        """Return the sessions in a token; 20 with the defaults."""
        return int(settings["look_back"])

    @classmethod
    def build(cls, features: int, settings: Mapping[str, Value]) -> "Transformer":
        """Return the net with random weights."""
        return cls(
            features,
            look_back=int(settings["look_back"]),
            width=int(settings["width"]),
            heads=int(settings["heads"]),
            blocks=int(settings["blocks"]),
            dropout=float(settings["dropout"]),
        )

    def forward(self, features_NTF: Tensor, member_NK: Tensor) -> Tensor:
        """Return the scores (N, K) of all sessions at once."""
        state_KNC = present(self.token(session_first(features_NTF)), member_NK)
        absent_KN = shut_out(member_NK, state_KNC)
        for block in self.blocks:
            state_KNC = block(state_KNC, absent_KN)
        score_NK: Tensor = self.head(self.last(state_KNC)).squeeze(-1).T
        return score_NK
