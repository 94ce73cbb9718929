"""A flow without any market, to try the servers with."""

import os
from pathlib import Path

from prefect import flow, task


@task(tags=["training"])
def write(number: int) -> str:
    """Write `number` to a file in the data folder, and say where."""
    path = Path(os.environ["AFTERCLOSE_DATA"]) / "toy.txt"
    path.write_text(f"{number}\n")
    return str(path)


@flow
def toy(number: int = 3) -> str:
    """Write one number."""
    return write(number)
