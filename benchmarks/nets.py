"""What a pass forward and backward of each net costs, on one thread of this machine's processor.

Run it with `python benchmarks/nets.py`. Random features, all names members, defaults throughout. A
net is timed alone and with the nets of several seeds stacked, as training runs them; a session is a
scored one, its share of the look-back included. Memory is what the pass forward keeps for the way
back. Processor time, the best of `--rounds`.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent.parent))
from tasks.learning.model import settled
from tasks.learning.net import Net
from tasks.learning.seeds import Seeds
from tasks.models.nets import NETS

MIB = 1024**2


def net_of(name: str, features: int) -> tuple[Net, int]:
    """Return a net with fresh weights, and its look-back."""
    kind = NETS[name]()
    settings = settled({}, kind.known, model=name)
    return kind.build(features, settings), kind.look_back(settings)


def best(work: Callable[[], object], rounds: int) -> float:
    """Return the least processor time in seconds."""
    work()  # memory is asked for once
    took = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        took.append(time.process_time() - begun)
    return min(took)


def kept(score: Callable[[], Tensor], weights: set[int]) -> int:
    """Return the bytes kept for the way back, each storage once, weights left out."""
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        held = score()
    del held
    return sum(sizes.values())


def measured(name: str, asked: argparse.Namespace) -> list[str]:
    """Return a net's row."""
    net, look_back = net_of(name, asked.features)
    features_NTF = torch.rand(asked.names, look_back - 1 + asked.sessions, asked.features) * 2 - 1
    member_NK = torch.ones(asked.names, asked.sessions, dtype=torch.bool)
    stacked = Seeds([net_of(name, asked.features)[0] for _ in range(asked.seeds)])

    def step(scored: torch.nn.Module) -> None:
        scored.zero_grad()
        scored(features_NTF, member_NK).square().mean().backward()

    known = {one.untyped_storage().data_ptr() for one in (features_NTF, *net.parameters())}
    held = kept(lambda: net(features_NTF, member_NK), known)
    alone = best(lambda: step(net), asked.rounds)
    together = best(lambda: step(stacked), asked.rounds)
    return [
        name,
        str(look_back),
        f"{sum(weight.numel() for weight in net.parameters()):,}",
        f"{alone / asked.sessions * 1e3:.1f}",
        f"{together / asked.sessions * 1e3:.1f}",
        f"{held / asked.sessions / MIB:.1f}",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", nargs="+", choices=sorted(NETS), default=sorted(NETS))
    parser.add_argument("--names", type=int, default=1000)
    parser.add_argument("--sessions", type=int, default=16, help="scored in one pass")
    parser.add_argument("--features", type=int, default=36)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    warnings.filterwarnings("ignore", message="There is a performance drop")
    table = Table(title=f"A session of {asked.names:,} names, {asked.features} features")
    for column in ("net", "look-back", "parameters", "ms", f"ms, {asked.seeds} seeds", "MiB kept"):
        table.add_column(column, justify="left" if column == "net" else "right")
    for name in asked.nets:
        table.add_row(*measured(name, asked))
    Console().print(table)


if __name__ == "__main__":
    main()
