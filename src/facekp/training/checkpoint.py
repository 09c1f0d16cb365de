"""The checkpoints of a run: whole at any moment, and enough to go on exactly."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback

from ..errors import TrainingError
from .averaged import AveragedModule
from .sampler import EpochSampler

__all__ = ["BEST", "LAST", "Checkpoints", "best_weights"]

LAST, BEST = "last.ckpt", "best.ckpt"


class Checkpoints(Callback):  # type: ignore[misc, unused-ignore]
    """Writes ``last.ckpt``, from which a run goes on as if left alone, and ``best.ckpt``, the best weights.

    A file is written beside the old one and takes its place when it is whole, so that neither a full disk nor a
    power cut leaves half of one.

    Args:
        folder: of the run.
        every: optimiser steps between two checkpoints; 0: only at the end of each epoch.
        sampler: the training loader's, which is told where to go on.
    """

    def __init__(self, folder: Path, every: int, sampler: EpochSampler) -> None:
        self.folder, self.every, self.sampler = folder, every, sampler
        self.best, self.saved = math.inf, 0
        self._position = {"epoch": 0, "batches": 0}

    # ------------------------------------------------------------ when

    def on_train_batch_end(self, trainer: Any, module: Any, _: Any, __: Any, batch_idx: int) -> None:
        step = trainer.global_step
        due = self.every and step % self.every == 0 and step != self.saved
        if due and batch_idx + 1 < trainer.num_training_batches:  # after the last batch comes the epoch's own
            self._last(trainer, module, trainer.current_epoch, batch_idx + 1)

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        self._last(trainer, module, trainer.current_epoch + 1, 0)

    def on_validation_end(self, trainer: Any, module: AveragedModule) -> None:
        found = float(trainer.callback_metrics.get(module.monitor, math.nan))
        value = -found if module.rises else found
        if value < self.best:
            self.best = value
            self._write(trainer, BEST, weights_only=True)

    # ------------------------------------------------------------ what

    def on_save_checkpoint(self, trainer: Any, module: Any, checkpoint: dict[str, Any]) -> None:
        checkpoint["position"] = dict(self._position)

    def on_load_checkpoint(self, trainer: Any, module: Any, checkpoint: dict[str, Any]) -> None:
        self.sampler.start(**checkpoint["position"])

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = float(state_dict["best"])

    # ------------------------------------------------------------ how

    def _last(self, trainer: Any, module: AveragedModule, epoch: int, batches: int) -> None:
        if not all(torch.isfinite(p).all() for p in module.network.parameters()):
            module.diverged("a weight is not finite")
        self.saved, self._position = trainer.global_step, {"epoch": epoch, "batches": batches}
        self._write(trainer, LAST)

    def _write(self, trainer: Any, name: str, *, weights_only: bool = False) -> None:
        path = self.folder / name
        part = path.with_suffix(".part")
        try:
            trainer.save_checkpoint(part, weights_only=weights_only)
            if trainer.is_global_zero:
                with part.open("rb+") as stream:
                    os.fsync(stream.fileno())
                part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise TrainingError(
                f"{path}: cannot be written ({error.strerror or error}); the checkpoint before is whole: "
                "make room, and resume"
            ) from None


def best_weights(folder: Path, module: AveragedModule) -> bool:
    """Give the module the best weights of its run, where there are some."""
    path = folder / BEST
    if not path.exists():
        return False
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    module.load_state_dict(checkpoint["state_dict"])
    module.load_average(checkpoint)
    return True
