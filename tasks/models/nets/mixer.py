"""Perceptrons that mix first the features of a session, then its look-back, then the market.

Fan & Shen, "StockMixer: A Simple Yet Strong MLP-Based Architecture for Stock Price Forecasting"
(AAAI 2024): indicator mixing, time mixing in which no session sees a later one, and stock mixing
through a few market states. Two things are ours. Theirs mixes a fixed list of stocks by one weight
each; here each market token is a softmax mean of the names that are members, chosen by what they
are like, and each name listens to the tokens by what it is like, so that names have no order and
their number may change. And there is one time scale, not several.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from tasks.learning.model import Setting, Value
from tasks.learning.net import Net
from tasks.models.nets.layers import Dropout, head, present, session_first, shut_out


class _Mixing(nn.Module):
    """Two layers over the last axis that add to what is there."""

    def __init__(self, size: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.inner, self.outer = nn.Linear(size, size), nn.Linear(size, size)
        self.activation = nn.GELU()
        self.dropout = Dropout(dropout)

    def forward(self, state: Tensor) -> Tensor:
        """Return the mixed state."""
        news: Tensor = self.outer(self.activation(self.inner(self.norm(state))))
        return state + self.dropout(news)


class _TimeMixing(nn.Module):
    """Two layers over the sessions of a look-back, none of which sees a later one."""

    def __init__(self, look_back: int):
        super().__init__()
        self.inner, self.outer = nn.Linear(look_back, look_back), nn.Linear(look_back, look_back)
        self.activation = nn.GELU()

    def forward(self, state_LR: Tensor) -> Tensor:
        """Return the mixed state of R rows, a row being a channel of a name's look-back."""
        inner_LR = self.inner.weight.tril() @ state_LR + self.inner.bias[:, None]
        return (
            state_LR
            + self.outer.weight.tril() @ self.activation(inner_LR)
            + self.outer.bias[:, None]
        )


class _StockMixing(nn.Module):
    """Names gather in a few market tokens, which mix, and are heard by all names."""

    def __init__(self, size: int, tokens: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.gather, self.hear = nn.Linear(size, tokens), nn.Linear(size, tokens)
        self.among = _Mixing(tokens, dropout)

    def forward(self, state_KNC: Tensor, member_NK: Tensor) -> Tensor:
        """Return what each name hears of the market."""
        state_KNC = self.norm(present(state_KNC, member_NK))
        logit_KNM = self.gather(state_KNC)
        share_KNM = (logit_KNM + shut_out(member_NK, logit_KNM).unsqueeze(-1)).softmax(dim=1)
        token_KCM = self.among(state_KNC.transpose(1, 2) @ share_KNM)
        return self.hear(state_KNC).softmax(dim=-1) @ token_KCM.transpose(1, 2)


class Mixer(Net):
    """Score names by their own mixed look-back and by what they hear of the market.

    Args:
        features: Inputs of one session.
        look_back: Sessions one score sees.
        channels: Indicators the features are brought down to.
        tokens: Market states.
        dropout: Share of channels left out at random while training.
    """

    known: ClassVar[Mapping[str, Setting]] = {
        "look_back": Setting(20, 2, 250, "sessions one score sees", (10, 40), True),
        "channels": Setting(
            16, 4, 256, "indicators the features are brought down to", (8, 64), True
        ),
        "tokens": Setting(8, 1, 64, "market states", (2, 32), True),
        "dropout": Setting(0.1, 0.0, 0.9, "share of channels left out while training", (0.0, 0.5)),
    }
    segment: ClassVar[int] = 16

    def __init__(
        self, features: int, *, look_back: int, channels: int, tokens: int, dropout: float
    ):
        super().__init__()
        self.steps = look_back
        self.inlet = nn.Linear(features, channels)
        self.indicators = _Mixing(channels, dropout)
        self.times = _TimeMixing(look_back)
        self.collapse = nn.Linear(channels, 1)
        self.stocks = _StockMixing(look_back, tokens, dropout)
        self.own, self.heard = head(look_back), head(look_back)

    @classmethod
    def look_back(cls, settings: Mapping[str, Value]) -> int:
        """Return the sessions that are mixed; 20 with the defaults."""
        return int(settings["look_back"])

    @classmethod
    def build(cls, features: int, settings: Mapping[str, Value]) -> "Mixer":
        """Return the net with random weights."""
        return cls(
            features,
            look_back=int(settings["look_back"]),
            channels=int(settings["channels"]),
            tokens=int(settings["tokens"]),
            dropout=float(settings["dropout"]),
        )

    def forward(self, features_NTF: Tensor, member_NK: Tensor) -> Tensor:
        """Return the scores (N, K) of all sessions at once."""
        mixed = self.indicators(self.inlet(session_first(features_NTF))).unbind(0)
        count = member_NK.shape[1]
        seen_LKNC = torch.stack(
            [torch.stack(mixed[step : step + count]) for step in range(self.steps)]
        )
        seen_LKNC = self.times(seen_LKNC.flatten(1)).view_as(seen_LKNC)
        state_KNL = self.collapse(seen_LKNC).squeeze(-1).permute(1, 2, 0)
        market_KNL = self.stocks(state_KNL, member_NK)
        score_NK: Tensor = (self.own(state_KNL) + self.heard(market_KNL)).squeeze(-1).T
        return score_NK
