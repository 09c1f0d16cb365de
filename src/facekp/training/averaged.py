"""What the Lightning modules of all tasks share: optimiser, schedule, clipping, averaged weights."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import lightning
import torch
from torch import nn

from . import schedule
from .recipe import Common

__all__ = ["AveragedModule"]


class AveragedModule(lightning.LightningModule):
    """Trains ``network`` by a recipe, and validates (and later ships) its averaged weights.

    The training loader's sampler is an :class:`facekp.training.sampler.EpochSampler`.
    """

    def __init__(self, recipe: Common, network: nn.Module) -> None:
        super().__init__()
        self.recipe = recipe
        self.network = network.to(memory_format=torch.channels_last)
        self.average = schedule.Average(self.network, recipe.ema) if recipe.ema else None
        self._averaged = ExitStack()

    def shipped(self) -> nn.Module:
        """The network with the weights that ship: the averaged ones where there are some."""
        if self.average is not None:
            self.network.load_state_dict(self.average.state)
        return self.network.eval()

    def configure_gradient_clipping(self, *_: Any, **__: Any) -> None:
        # Lightning's own refuses fused optimisers, though only a gradient scaler stands against it.
        if self.recipe.optimizer.clip:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.optimizer.clip)

    def on_train_batch_end(self, *_: Any) -> None:
        if self.average is not None:
            self.average.update(self.network)

    def on_validation_epoch_start(self) -> None:
        if self.average is not None:
            self._averaged.enter_context(self.average.applied(self.network))

    def on_validation_epoch_end(self) -> None:
        self._averaged.close()

    def configure_optimizers(self) -> Any:
        optimizer = schedule.optimizer(self.recipe, self.network)
        _ = self.trainer.estimated_stepping_batches  # sets up the loader, so that the next line knows
        # By the recipe's epochs, not max_steps: a run cut short and resumed follows the same curve.
        factor = schedule.rate(self.recipe, int(self.trainer.num_training_batches))
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.average is not None:
            checkpoint["average"] = {"state": self.average.state, "updates": self.average.updates}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.average is not None and "average" in checkpoint:
            self.average.state = checkpoint["average"]["state"]
            self.average.updates = checkpoint["average"]["updates"]
