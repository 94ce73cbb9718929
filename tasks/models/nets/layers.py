"""What several nets are built from; states are session first: T or K sessions, N names, C channels.

Only matrix products and sums, so that nets of several seeds can be stacked and run as one.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Taps(nn.Module):
    """A causal convolution over sessions, as one matrix product for each session it looks at.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        kernel: Sessions it looks at.
        dilation: Sessions from one of them to the next.
    """

    def __init__(self, inputs: int, outputs: int, *, kernel: int, dilation: int = 1):
        super().__init__()
        self.kernel, self.dilation = kernel, dilation
        self.mix = nn.Linear(kernel * inputs, outputs)  # the oldest session's weights first

    def forward(self, state_TNC: Tensor) -> Tensor:
        """Return the state of every session with all its taps: (kernel - 1) · dilation fewer."""
        *older, newest = self.mix.weight.chunk(self.kernel, dim=1)
        reach = (self.kernel - 1) * self.dilation
        count = state_TNC.shape[0] - reach
        news_KNC = functional.linear(state_TNC[reach:], newest, self.mix.bias)
        for tap, weight in enumerate(older):
            begin = tap * self.dilation
            news_KNC = news_KNC + functional.linear(state_TNC[begin : begin + count], weight)
        return news_KNC


class Memory(nn.Module):
    """The cell of a long short-term memory, run over the look-backs of all scored sessions at once.

    Args:
        inputs: Channels that come in.
        hidden: Width of the state.
    """

    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        self.hidden = hidden
        self.inlet = nn.Linear(inputs, 4 * hidden)
        self.recall = nn.Linear(hidden, 4 * hidden, bias=False)
        nn.init.ones_(self.inlet.bias[2 * hidden : 3 * hidden])  # keep what is known, at first

    def gates(self, state_TNC: Tensor) -> tuple[Tensor, ...]:
        """Return what each session's input says to the gates: one product serves all look-backs."""
        return self.inlet(state_TNC).unbind(0)

    def forward(self, gates_KNG: Tensor, cell_KNC: Tensor) -> tuple[Tensor, Tensor]:
        """Return the new hidden state and the new cell."""
        news, take, keep, show = gates_KNG.chunk(4, dim=-1)
        cell_KNC = keep.sigmoid() * cell_KNC + take.sigmoid() * news.tanh()
        return show.sigmoid() * cell_KNC.tanh(), cell_KNC


class Dropout(nn.Dropout):
    """Leave whole channels of a name out, in all sessions of a stretch alike.

    A random number for each session would cost as much as the layer it follows.
    """

    def forward(self, state_KNC: Tensor) -> Tensor:
        """Return the state with some channels at zero and the others the larger for it."""
        if not self.training:
            return state_KNC
        return state_KNC * super().forward(torch.ones_like(state_KNC[:1]))


def session_first(features_NTF: Tensor) -> Tensor:
    """Return the features (T, N, F): the sessions of a stretch are then slices without a copy."""
    return features_NTF.transpose(0, 1).contiguous()


def present(state_KNC: Tensor, member_NK: Tensor) -> Tensor:
    """Return the state with zeros for names that are not there, whatever their features hold."""
    return torch.where(member_NK.T.unsqueeze(-1), state_KNC, 0.0)


def market(state_KNC: Tensor, member_NK: Tensor) -> Tensor:
    """Return the mean state of the names that are there (K, 1, C); zeros where there is none."""
    count_K = member_NK.sum(dim=0).clamp_min(1)
    return present(state_KNC, member_NK).sum(dim=1, keepdim=True) / count_K[:, None, None]


def shut_out(member_NK: Tensor, like: Tensor) -> Tensor:
    """Return what to add to logits (K, N) so that a softmax passes by names that are not there.

    The least finite number, not minus infinity: a session without anybody gives no NaN.
    """
    least = torch.finfo(like.dtype).min
    return torch.zeros_like(member_NK.T, dtype=like.dtype).masked_fill(~member_NK.T, least)


def head(channels: int) -> nn.Linear:
    """Return the last layer, with scores near zero at first."""
    last = nn.Linear(channels, 1)
    nn.init.normal_(last.weight, std=0.01)
    return last
