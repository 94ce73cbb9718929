"""Several nets of one kind that learn side by side, each with weights of its own.

Their weights lie in one tensor a layer, with the seed as first axis, so that one batched pass
(`torch.func`) serves all of them. No seed ever sees another: each has its own loss and its own
norm of the gradient, and is stopped by its own validation.
"""

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from tasks.learning.net import Net


class Seeds(nn.Module):
    """Nets of one kind as one module.

    Args:
        nets: The nets, each with fresh weights; at least one, without buffers.
        together: Whether to score with all of them in one batched pass; else one after the other.
    """

    net: Net  # the structure alone

    def __init__(self, nets: Sequence[Net], *, together: bool = True):
        super().__init__()
        weights, buffers = stack_module_state(list(nets))
        if buffers:
            raise ValueError(f"A net must hold no buffers, found {', '.join(sorted(buffers))}.")
        self.count, self.names = len(nets), tuple(weights)
        self.weights = nn.ParameterList(nn.Parameter(one.detach()) for one in weights.values())
        self.together = together and len(nets) > 1
        # No submodule: its own weights must be nobody's parameters.
        self.__dict__["net"] = deepcopy(nets[0]).to("meta")

    def forward(
        self,
        features_NTF: Tensor,
        member_NK: Tensor,
        weights: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """Return the scores (seeds, N, K), by these `weights` instead of our own where given."""
        self.net.train(self.training)  # Lightning sets the flag of known modules, not by `train`
        stacked = dict(zip(self.names, weights or list(self.weights), strict=True))

        def scores(one: dict[str, Tensor]) -> Tensor:
            score_NK: Tensor = functional_call(self.net, one, (features_NTF, member_NK))
            return score_NK

        if self.together:
            batched: Tensor = vmap(scores, randomness="different")(stacked)
            return batched
        alone = ({name: one[seed] for name, one in stacked.items()} for seed in range(self.count))
        return torch.stack([scores(one) for one in alone])

    def clip(self, most: float) -> None:
        """Shrink each seed's gradient to a norm of at most `most`."""
        gradients = [one.grad for one in self.weights if one.grad is not None]
        square_S = sum(one.flatten(1).square().sum(dim=1) for one in gradients)
        scale_S = (most / (torch.as_tensor(square_S).sqrt() + 1e-6)).clamp_max(1.0)
        for one in gradients:
            one.mul_(scale_S.view(-1, *[1] * (one.dim() - 1)))

    def state_of(self, seed: int, weights: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return one net's weights out of stacked ones, by name, on the CPU."""
        return {
            name: one[seed].detach().cpu().clone().contiguous()
            for name, one in zip(self.names, weights, strict=True)
        }
