"""What training costs: feeding nets, a dense step, the framework around it, and the device.

Run it with `python benchmarks/training.py [--json FILE]`. The panel is simulated: one name in five
is listed late, one cell in fifty is missing. All is measured in one process on one thread, in turns
with what it is compared to, as medians of processor seconds: other work on the machine disturbs
these least. Where a GPU is, its speed is measured against its own copies and matrix products.
"""

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from training_device import apart, speed
from training_peers import Apart, bare_epoch, windowed_alike, windowed_steps, windows_fed

from tasks.learning.forecaster import Forecaster
from tasks.learning.model import Examples, Value, settled
from tasks.learning.panel import standardised_labels
from tasks.learning.repeatable import repeatable
from tasks.learning.seeds import Seeds
from tasks.learning.segments import Feed
from tasks.learning.trainer import trainer_of
from tasks.learning.training import NetLearner
from tasks.models.nets import NETS

CPU = torch.device("cpu")
LEAST_FEED, LEAST_DENSE, MOST_OVERHEAD, LEAST_SHARE = 100.0, 10.0, 0.1, 0.4
SCORES_APART = 1e-4  # most that scores of two devices may differ, in deviations of the scores
MIB = 1024**2


class Line(NamedTuple):
    """A line of the table."""

    what: str
    ours: str
    theirs: str
    found: str
    aim: str
    held: str

    @classmethod
    def judged(cls, what: str, ours: str, theirs: str, found: str, aim: str, held: bool) -> "Line":
        """Return a line that says whether its aim is met."""
        return cls(what, ours, theirs, found, aim, "yes" if held else "NO")


def simulated(names: int, sessions: int, features: int, first: int) -> Examples:
    """Return a panel to learn from, its labels one sixth foretold by the first feature."""
    rng = np.random.default_rng(1)
    features_NTF = rng.uniform(-1, 1, (names, sessions, features)).astype(np.float32)
    listed_N = np.where(rng.random(names) < 0.2, rng.integers(0, sessions // 2, names), 0)
    member_TN = (np.arange(sessions)[:, None] >= listed_N) & (rng.random((sessions, names)) < 0.98)
    label_TN = 0.3 * features_NTF[:, :, 0].T + rng.normal(size=(sessions, names))
    label_TN = standardised_labels(label_TN, member_TN, min_names=2)
    cut = sessions - max(1, sessions // 10)
    places = np.arange(sessions)
    return Examples(features_NTF, member_TN, label_TN, places[first:cut], places[cut:])


def in_turns(works: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    """Return the median processor seconds for one unit of each work; a work gives its units."""
    took: list[list[float]] = [[] for _ in works]
    for number in range(rounds + 1):
        for work, mine in zip(works, took, strict=True):
            begun = time.process_time()
            units = work()
            if number:  # the first round warms up
                mine.append((time.process_time() - begun) / units)
    return [statistics.median(mine) for mine in took]


def forecaster_of(
    examples: Examples, settings: dict[str, Value], device: torch.device, seeds: int = 1
) -> Forecaster:
    """Return a net of our default kind with all that it learns from."""
    net = NETS["tcn"]()
    nets = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        nets.append(net.build(examples.features_NTF.shape[2], settings))
    feed = Feed(
        examples,
        look_back=net.look_back(settings),
        longest=int(settings["segment"]),
        seed=1,
        device=device,
    )
    return Forecaster(
        Seeds(nets).to(device),
        feed,
        loss="mse",
        learning_rate=float(settings["learning_rate"]),
        weight_decay=float(settings["weight_decay"]),
        average=0.0,
        clip=float(settings["clip"]),
    )


def feeding(examples: Examples, forecaster: Forecaster, rounds: int, batch: int) -> Line:
    """Compare rows fed by segments with rows fed by windows."""

    def ours() -> float:
        passes = (forecaster.feed.train(epoch) for epoch in range(5))
        return sum(int(one.known_NK.sum()) for segments in passes for one in segments)

    theirs = windows_fed(examples, look_back=forecaster.feed.look_back, batch=batch)
    segment, window = in_turns([ours, theirs], rounds)
    return Line.judged(
        "label rows fed, a CPU second",
        f"{1 / segment:,.0f}",
        f"{1 / window:,.0f}",
        f"{window / segment:,.0f} x",
        f"{LEAST_FEED:.0f} x",
        window / segment >= LEAST_FEED,
    )


def dense(forecaster: Forecaster, rounds: int) -> tuple[Line, Apart]:
    """Compare a step on a segment with steps on the windows of its sessions."""
    segment = max(forecaster.feed.train(0), key=lambda one: one.known_NK.shape[1])
    optimizer = forecaster.configure_optimizers()

    def ours() -> float:
        optimizer.zero_grad()
        forecaster.training_step(segment, 0).backward()
        forecaster.seeds.clip(forecaster.clip)
        optimizer.step()
        return int(segment.known_NK.sum())

    alike = windowed_alike(forecaster, segment)
    step, windowed = in_turns([ours, windowed_steps(forecaster, segment)], rounds)
    line = Line.judged(
        "a dense step, µs a label",
        f"{step * 1e6:.2f}",
        f"{windowed * 1e6:.2f}",
        f"{windowed / step:.1f} x",
        f"{LEAST_DENSE:.0f} x",
        windowed / step >= LEAST_DENSE,
    )
    return line, alike


def overhead(examples: Examples, settings: dict[str, Value], rounds: int) -> Line:
    """Compare a pass under Lightning's trainer with the same steps in a loop; equal weights."""
    ended: dict[str, list[torch.Tensor]] = {}

    def framed() -> float:
        forecaster = forecaster_of(examples, settings, CPU)
        trainer = trainer_of(settings | {"epochs": 1}, accelerator="cpu", callbacks=[])
        trainer.limit_val_batches = 0
        trainer.fit(forecaster)
        ended["framed"] = [one.detach() for one in forecaster.seeds.weights]
        return trainer.global_step

    def bare() -> float:
        forecaster = forecaster_of(examples, settings, CPU)
        steps = bare_epoch(forecaster)
        ended["bare"] = [one.detach() for one in forecaster.seeds.weights]
        return steps

    with repeatable(1, 1):
        step, loop = in_turns([framed, bare], rounds)
    if not all(torch.equal(*pair) for pair in zip(ended["framed"], ended["bare"], strict=True)):
        raise ValueError("The loop ended with other weights than the trainer: no fair comparison.")
    return Line.judged(
        "a step under Lightning, ms",
        f"{step * 1e3:.1f}",
        f"{loop * 1e3:.1f}",
        f"{step / loop - 1:+.1%}",
        f"{MOST_OVERHEAD:+.0%}",
        step / loop - 1 <= MOST_OVERHEAD,
    )


def on_device(
    examples: Examples, settings: dict[str, Value], device: torch.device, asked: argparse.Namespace
) -> list[Line]:
    """Compare the rate of a step with what the device can do at most."""
    forecaster = forecaster_of(examples, settings, device, asked.seeds)
    found = speed(forecaster, rounds=asked.rounds, size=asked.matrix)
    share = found.reached / found.roof
    return [
        Line(f"labels a second, {found.device}", f"{found.labels:,.0f}", "", "", "", ""),
        Line.judged(
            f"GB or GFLOP a second: {found.bound} bounds",
            f"{found.reached / 1e9:,.1f}",
            f"{found.roof / 1e9:,.1f}",
            f"{share:.0%}",
            f"{LEAST_SHARE:.0%}",
            share >= LEAST_SHARE,
        ),
    ]


def lines(asked: argparse.Namespace) -> list[Line]:
    """Measure everything."""
    learner = NetLearner(NETS["tcn"]())
    given = {"segment": asked.segment} if asked.segment else {}
    settings = settled(given, learner.known, model="tcn")
    look_back = learner.look_back(settings)
    examples = simulated(asked.names, asked.sessions, asked.features, look_back - 1)
    forecaster = forecaster_of(examples, settings, CPU)
    found = [feeding(examples, forecaster, asked.rounds, asked.batch)]
    line, alike = dense(forecaster, asked.rounds)
    found += [
        line,
        Line.judged(
            "scores and gradients apart",
            f"{alike.scores:.0e}",
            f"{alike.gradients:.0e}",
            "",
            f"{SCORES_APART:.0e}",
            max(alike) <= SCORES_APART,
        ),
        overhead(examples, settings, asked.rounds),
        *on_device(examples, settings, CPU, asked),
    ]
    if torch.cuda.is_available():
        gpu = torch.device("cuda")
        found += on_device(examples, settings, gpu, asked)
        gap = apart(forecaster, gpu)
        aim = f"{SCORES_APART:.0e}"
        found.append(
            Line.judged(
                "CPU and GPU scores apart", "", "", f"{gap:.0e}", aim,
                gap <= SCORES_APART,
            )
        )  # fmt: skip
    else:
        found.append(Line("GPU", "none", "", "", f"{LEAST_SHARE:.0%}", "unmeasured"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    panel = examples.features_NTF.nbytes / MIB
    found.append(Line("peak memory; panel, MiB", f"{peak:,.0f}", f"{panel:,.0f}", *[""] * 3))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=1000)
    parser.add_argument("--sessions", type=int, default=1300)
    parser.add_argument("--features", type=int, default=36)
    parser.add_argument("--seeds", type=int, default=5, help="stacked on a device")
    parser.add_argument("--segment", type=int, default=0, help="sessions; 0: the default of a tcn")
    parser.add_argument("--batch", type=int, default=1024, help="windows of one batch")
    parser.add_argument("--matrix", type=int, default=2048, help="rows of the matrix product")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found = lines(asked)
    title = f"{asked.names:,} names, {asked.sessions:,} sessions, {asked.features} features"
    table = Table(title=title)
    for column in ("what", "ours", "against", "found", "aim", "held"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for line in found:
        table.add_row(*line)
    Console().print(table)
    if asked.json:
        asked.json.write_text(json.dumps([line._asdict() for line in found], indent=2))


if __name__ == "__main__":
    main()
