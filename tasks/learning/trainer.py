"""Lightning's trainer as it serves us: quiet, repeatable, on one device or by several processes."""

import io
import logging
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.tuner import Tuner

from tasks.learning.forecaster import Forecaster
from tasks.learning.model import Value
from tasks.learning.processes import Company

LOGGER = logging.getLogger(__name__)


def trainer_of(
    settings: Mapping[str, Value],
    *,
    accelerator: str,
    callbacks: list[Callback],
    scratch: Path | None = None,
    company: Company | None = None,
) -> Trainer:
    """Return a trainer.

    Args:
        settings: All settings of a net.
        accelerator: Where to train, as Lightning names it.
        callbacks: What watches; checkpoints are added.
        scratch: Where the checkpoint of the last whole epoch lies; empty: there is none.
        company: The processes that train together, as one of them sees them; empty: one alone.
    """
    if scratch:
        scratch.mkdir(parents=True, exist_ok=True)
        callbacks = [
            *callbacks,
            ModelCheckpoint(
                scratch,
                filename="last",
                enable_version_counter=False,
                save_on_train_epoch_end=True,
            ),
        ]
    on_gpu = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    apart: dict[str, Any] = (
        {"devices": company.share.among, "strategy": company.strategy()}
        if company
        else {"devices": 1}
    )
    return Trainer(
        accelerator=accelerator,
        precision="bf16-mixed" if settings["mixed"] and on_gpu else "32-true",
        max_epochs=int(settings["epochs"]),
        callbacks=callbacks,
        default_root_dir=scratch,
        reload_dataloaders_every_n_epochs=1,
        gradient_clip_val=float(settings["clip"]),
        deterministic=True,
        logger=False,
        enable_checkpointing=scratch is not None,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        **apart,
    )


def begun(scratch: Path) -> Path | None:
    """Return the checkpoint that a training goes on from; one that was cut short is none.

    Torch writes an archive whose directory comes last, so one that was cut short lacks it. What
    else is wrong with it is said by the loading.
    """
    last = scratch / "last.ckpt"
    if not last.exists():
        return None
    if not zipfile.is_zipfile(last):
        LOGGER.warning("%s was cut short: the training starts again", last)
        last.unlink()
        return None
    return last


def found_rate(
    settings: Mapping[str, Value],
    forecaster_on: Callable[[torch.device], Forecaster],
    *,
    accelerator: str,
) -> float:
    """Return the step size at which the loss falls fastest, as Lightning's sweep finds it.

    Smith, "Cyclical Learning Rates for Training Neural Networks" (2017).
    """
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(io.StringIO()):  # a bar, always
        trainer = trainer_of(
            settings, accelerator=accelerator, callbacks=[Callback()], scratch=Path(folder)
        )
        forecaster = forecaster_on(trainer.strategy.root_device)
        found = Tuner(trainer).lr_find(forecaster, min_lr=1e-5, max_lr=1e-1, update_attr=False)
    rate = found.suggestion() if found else None
    if rate is None:
        raise ValueError("No step size made the loss fall: name a learning_rate.")
    return float(rate)
