"""A recipe becomes a run folder, and in it a model that Detector loads."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from ..errors import RecipeError
from .recipe import Common, KeypointRecipe

__all__ = ["fit"]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Job:
    """What a task gives the trainer, and how its result is saved."""

    module: lightning.LightningModule
    train: DataLoader[Any]
    validation: DataLoader[Any]
    held_out: list[str]
    finish: Callable[[Path], None]


def fit(recipe: Common, output: str | Path, *, resume: bool = False, max_steps: int = -1) -> Path:
    """Train a recipe.

    Args:
        recipe: from :func:`facekp.training.recipe.load`.
        output: the run's folder; it gets ``recipe.json``, ``validation.txt`` (the pictures
            held out), ``metrics.csv`` (``metrics.0.csv`` ... for the earlier parts of a resumed run),
            ``last.ckpt`` and ``model/``.
        resume: go on from ``last.ckpt`` where there is one.
        max_steps: stop after so many optimiser steps; -1 is no limit.

    Returns:
        The folder ``output/model`` with ``config.json`` and ``model.safetensors``.

    Raises:
        RecipeError: the recipe's parts do not fit each other, or the folder holds another run.
        DatasetError: the data is missing or wrong.
    """
    output = Path(output)
    last = output / "last.ckpt"
    if last.exists() and not resume:
        raise RecipeError(f"{output} holds a run already; resume it (--resume) or choose another folder")
    lightning.seed_everything(recipe.seed, workers=True, verbose=False)
    job = _job(recipe)
    output.mkdir(parents=True, exist_ok=True)
    _keep_metrics(output)
    (output / "recipe.json").write_text(json.dumps(recipe.model_dump(mode="json"), indent=1) + "\n", "utf-8")
    (output / "validation.txt").write_text("".join(f"{n}\n" for n in job.held_out), "utf-8")
    trainer = _trainer(recipe, output, max_steps)
    trainer.fit(
        job.module, job.train, job.validation, ckpt_path=last if resume and last.exists() else None, weights_only=True
    )
    job.finish(output / "model")
    return output / "model"


def _keep_metrics(output: Path) -> None:
    """Lightning's logger starts ``metrics.csv`` anew: what an earlier part of the run wrote is kept beside it."""
    old = output / "metrics.csv"
    if old.exists():
        part = sum(1 for _ in output.glob("metrics.*.csv"))
        old.rename(output / f"metrics.{part}.csv")


def _trainer(recipe: Common, output: Path, max_steps: int) -> lightning.Trainer:
    # The checkpoint is taken at the end of every epoch, so that a killed run goes on from there.
    checkpoint = ModelCheckpoint(
        dirpath=output, filename="last", every_n_epochs=1, save_on_train_epoch_end=True, enable_version_counter=False
    )
    return lightning.Trainer(
        max_epochs=recipe.epochs,
        max_steps=max_steps,
        precision=recipe.precision,
        gradient_clip_val=recipe.optimizer.clip or None,
        check_val_every_n_epoch=recipe.validate_every,
        callbacks=[checkpoint],
        logger=CSVLogger(output, name="", version=""),
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        devices=1,
    )


def _job(recipe: Common) -> Job:
    if isinstance(recipe, KeypointRecipe):
        return _keypoints(recipe)
    from . import finder_module
    from .finder_recipe import FinderRecipe

    assert isinstance(recipe, FinderRecipe)
    return Job(*finder_module.job(recipe))


def _keypoints(recipe: KeypointRecipe) -> Job:
    from . import data, module

    train, validation, held = data.keypoint_loaders(recipe)
    trained = module.KeypointModule(recipe, held[0].schema)
    names = sorted(str(s.meta.get("name", s.path)) for s in held)

    def save(folder: Path) -> None:
        from . import finish

        finish.save(trained.shipped(), trained.codec, recipe, held, folder)

    return Job(trained, train, validation, names, save)
