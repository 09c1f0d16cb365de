"""A recipe becomes a run folder, and in it a model that Detector loads."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch import loggers
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from torch.utils.data import DataLoader

from .. import plots
from ..errors import ArgumentError, RecipeError, TrainingError
from . import environment, going_on
from ._memory import keep_memory
from .averaged import AveragedModule
from .checkpoint import LAST, Checkpoints, best_weights
from .recipe import Common, KeypointRecipe

__all__ = ["Job", "fit", "is_first", "job", "quiet", "trainer"]

log = logging.getLogger(__name__)

ADVICE = (
    "your dataloader is not resumable",  # the sampler knows where to go on
    "Experiment logs directory",  # earlier parts are kept under another name
    "The number of training batches",
    "does not have many workers",
    "is deprecated, use `isinstance.treespec",
    "when logging on epoch level in distributed setting",  # torchmetrics has added up already
)


@dataclass(slots=True)
class Job:
    """What a task gives the trainer, and how its result is saved."""

    module: AveragedModule
    train: DataLoader[Any]
    validation: DataLoader[Any]
    held_out: list[str]
    finish: Callable[[Path], None]


def fit(recipe: Common, output: str | Path, *, resume: bool = False, max_steps: int = -1) -> Path:
    """Train a recipe.

    Args:
        recipe: from :func:`facekp.training.recipe.load`.
        output: the run's folder; it gets ``recipe.json``, ``environment.json``, ``validation.txt`` (what is
            held out), ``metrics.csv`` (``metrics.0.csv`` ... for the earlier parts of a resumed run),
            ``last.ckpt``, ``best.ckpt``, ``model/``, and with matplotlib ``curves.png``.
        resume: go on from ``last.ckpt`` where there is one; the run ends as if it had never been stopped.
        max_steps: stop after so many optimiser steps; -1 is no limit.

    Returns:
        The folder ``output/model`` with ``config.json`` and ``model.safetensors``.

    Raises:
        RecipeError: the recipe's parts do not fit each other or the data, or the folder holds another run.
        DatasetError: the data is missing or wrong.
        TrainingError: the run diverged, or a checkpoint cannot be written (the last one is whole) or read.
    """
    output = Path(output)
    last = output / LAST
    if last.exists() and not resume:
        raise RecipeError(f"{output} holds a run already; resume it (--resume) or choose another folder")
    if last.exists() and is_first():
        going_on.check(recipe, output)
    lightning.seed_everything(recipe.seed, workers=True, verbose=False)
    work = job(recipe)
    if is_first():
        _prepare(recipe, output, work.held_out)
    monitor = Checkpoints(output, recipe.checkpoint_every, work.train.sampler)  # type: ignore[arg-type]
    loop = trainer(recipe, callbacks=[monitor], logger=_loggers(output), max_steps=max_steps)
    if loop.strategy.root_device.type == "cpu":
        keep_memory()
    if recipe.validate_every > recipe.epochs:
        log.warning(
            "validate_every: %d is more than the %d epochs: nothing is validated, and the last weights ship",
            recipe.validate_every,
            recipe.epochs,
        )
    log.info("%s: on %s, %d process%s", recipe.name, loop.strategy.root_device, *_many(loop.world_size))
    start = last if resume and last.exists() else None
    try:
        with quiet():
            loop.fit(work.module, work.train, work.validation, ckpt_path=start, weights_only=True)
    except TrainingError as error:
        kept = f"; {last} is from before that" if last.exists() else ""
        raise TrainingError(f"{recipe.name}: {error}{kept}") from None
    if loop.is_global_zero:
        if recipe.keep == "best":
            best_weights(output, work.module)
        _keep_last_metrics(output)
        work.finish(output / "model")
        _draw(output)
    return output / "model"


def is_first() -> bool:
    """Whether this is the process that writes, of several that train one model."""
    return bool(rank_zero_only.rank == 0)


@contextmanager
def quiet() -> Iterator[None]:
    """Without Lightning's advice on what is done on purpose here."""
    with warnings.catch_warnings():
        for said in ADVICE:
            warnings.filterwarnings("ignore", message=f".*{said}")
        yield


def trainer(recipe: Common, **options: Any) -> lightning.Trainer:
    """A Lightning trainer as the recipe wants it.

    Args:
        recipe: devices, precision, epochs and more.
        options: those of ``lightning.Trainer`` that no recipe says.
    """
    return lightning.Trainer(
        max_epochs=recipe.epochs,
        precision=recipe.precision,
        gradient_clip_val=recipe.optimizer.clip or None,
        accumulate_grad_batches=recipe.accumulate,
        check_val_every_n_epoch=recipe.validate_every,
        devices=recipe.devices,
        num_nodes=recipe.num_nodes,
        strategy=recipe.strategy,
        use_distributed_sampler=False,  # ours share the samples out, and repeat none
        enable_checkpointing=False,
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **options,
    )


def _many(count: int) -> tuple[int, str]:
    return count, "" if count == 1 else "es"


def _prepare(recipe: Common, output: Path, held_out: list[str]) -> None:
    output.mkdir(parents=True, exist_ok=True)
    _keep_metrics(output)
    written = recipe.model_dump(mode="json", by_alias=True)
    (output / "recipe.json").write_text(json.dumps(written, indent=1) + "\n", "utf-8")
    (output / "environment.json").write_text(json.dumps(environment.describe(), indent=1) + "\n", "utf-8")
    (output / "validation.txt").write_text("".join(f"{n}\n" for n in held_out), "utf-8")


def _keep_metrics(output: Path) -> None:
    """Lightning's logger starts ``metrics.csv`` anew: what an earlier part of the run wrote is kept beside it."""
    old = output / "metrics.csv"
    if old.exists():
        part = sum(1 for _ in output.glob("metrics.*.csv"))
        old.rename(output / f"metrics.{part}.csv")


def _keep_last_metrics(output: Path) -> None:
    """A resumed run that had nothing left to do keeps the ``metrics.csv`` that it had."""
    part = sum(1 for _ in output.glob("metrics.*.csv")) - 1
    if part >= 0 and not (output / "metrics.csv").exists():
        (output / f"metrics.{part}.csv").rename(output / "metrics.csv")


def _loggers(output: Path) -> list[Any]:
    # Each epoch's numbers are on disk before the next begins.
    found: list[Any] = [loggers.CSVLogger(output, name="", version="", flush_logs_every_n_steps=1)]
    if find_spec("tensorboard") or find_spec("tensorboardX"):
        found.append(loggers.TensorBoardLogger(output, name="", version="tensorboard"))
    return found


def _draw(output: Path) -> None:
    if find_spec("matplotlib") is None:
        return
    try:
        plots.curves(output).savefig(output / "curves.png")
    except ArgumentError as error:  # a run without a whole epoch has nothing to draw
        log.warning("%s", error)


def job(recipe: Common) -> Job:
    """The recipe's module and data, checked.

    Raises:
        RecipeError: the recipe's parts do not fit each other or the data; what can be known before any data is
            read is checked first.
        DatasetError: the data is missing or wrong.
    """
    if isinstance(recipe, KeypointRecipe):
        return _keypoints(recipe)
    from . import finder_module
    from .finder_recipe import FinderRecipe

    assert isinstance(recipe, FinderRecipe)
    return Job(*finder_module.job(recipe))


def _keypoints(recipe: KeypointRecipe) -> Job:
    from . import data, module, networks

    module.check(recipe)
    train, validation, held = data.keypoint_loaders(recipe)
    trained = module.KeypointModule(recipe, held[0].schema)
    if min(recipe.batch_size, len(train.sampler)) == 1:  # type: ignore[arg-type]
        networks.check_alone(module.network_options(recipe, trained.codec, len(trained.schema)), recipe.crop.size)
    names = sorted(str(s.meta.get("name", s.path)) for s in held)

    def save(folder: Path) -> None:
        from . import finish

        finish.save(trained.shipped(), trained.codec, recipe, held, folder)

    return Job(trained, train, validation, names, save)
