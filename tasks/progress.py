"""Progress bars for people at a terminal; silence everywhere else."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar("Item")


def steps(items: Sequence[Item], label: str) -> Iterable[Item]:
    """Return `items`, with a progress bar where someone looks at a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal or len(items) < 2:
        return items
    return track(items, description=label, console=console, transient=True)


def batches(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    """Yield `items` in lists of at most `size`, in order."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
