"""What the Lightning modules of all tasks share: optimiser, schedule, clipping, averaged weights, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, distributed, nn

from ..errors import TrainingError
from . import schedule
from .recipe import Common
from .sampler import share

__all__ = ["AveragedModule"]


class AveragedModule(lightning.LightningModule):
    """Trains ``network`` by a recipe, and validates (and later ships) its averaged weights.

    The training loader's sampler is an :class:`facekp.training.sampler.EpochSampler`.

    Attributes:
        monitor: the number of a validation that says which weights are best.
        rises: whether more of it is better.
    """

    monitor, rises = "val/nme", False

    def __init__(self, recipe: Common, network: nn.Module) -> None:
        super().__init__()
        self.recipe = recipe
        self.network = network.to(memory_format=torch.channels_last)
        self.average = schedule.Average(self.network, recipe.ema) if recipe.ema else None
        self._averaged = ExitStack()
        self._batch = 0
        spec, early = recipe.schedule, recipe.early_stopping
        self.plateau = schedule.Patience(spec.patience, spec.min_delta)
        self.stopping = schedule.Patience(early.patience, early.min_delta) if early else None

    def shipped(self) -> nn.Module:
        """The network with the weights that ship: the averaged ones where there are some."""
        if self.average is not None:
            self.network.load_state_dict(self.average.state)
        return self.network.eval()

    # ------------------------------------------------------------ steps

    def on_train_batch_start(self, _: Any, batch_idx: int) -> None:
        self._batch = batch_idx
        # A step's noise (dropout) depends on the seed and the step alone: nothing is to be kept for a resumed run.
        words = (self.recipe.seed, self.current_epoch, batch_idx, share()[0])
        torch.manual_seed(int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0]) >> 1)

    def on_before_backward(self, loss: Tensor) -> None:
        if not torch.isfinite(loss):
            self.diverged(f"the loss is {float(loss.detach())}")

    def diverged(self, what: str) -> None:
        """Stop the run.

        Raises:
            TrainingError: always; it says where the run stood, and what to try.
        """
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        raise TrainingError(
            f"{what} in epoch {self.current_epoch} (from 0), step {self.global_step}, at a learning rate of "
            f"{rate:.3g}: the run has diverged; try a lower optimizer.lr, optimizer.clip=1, a longer schedule.warmup, "
            "or precision=32-true"
        )

    def on_before_optimizer_step(self, _: Any) -> None:
        # Lightning divides by ``accumulate`` in an epoch's last step, too, which may be of fewer batches.
        batches = int(self.trainer.num_training_batches)
        rest = batches % self.recipe.accumulate
        if rest and self._batch + 1 == batches:
            for weight in self.network.parameters():
                if weight.grad is not None:
                    weight.grad.mul_(self.recipe.accumulate / rest)

    def configure_gradient_clipping(self, *_: Any, **__: Any) -> None:
        # Lightning's own refuses fused optimisers, though only a gradient scaler stands against it.
        if self.recipe.optimizer.clip:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.optimizer.clip)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        if self.average is not None:
            self.average.update(self.network)

    def configure_optimizers(self) -> Any:
        optimizer = schedule.optimizer(self.recipe, self.network)
        _ = self.trainer.estimated_stepping_batches  # sets up the loader, so that the next line knows
        # By the recipe's epochs, not max_steps: a run cut short and resumed follows the same curve.
        steps = math.ceil(int(self.trainer.num_training_batches) / self.recipe.accumulate)
        factor = schedule.rate(self.recipe, steps, self.plateau)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    # ------------------------------------------------------------ validation

    def on_validation_epoch_start(self) -> None:
        if self.average is not None:
            self._averaged.enter_context(self.average.applied(self.network))
        if share()[1] > 1:  # each process has seen other pictures, so its running statistics are others
            for value in self.network.buffers():
                distributed.broadcast(value, 0)

    def on_validation_epoch_end(self) -> None:
        self._averaged.close()

    def conclude(self, numbers: Mapping[str, float]) -> None:
        """Log what a validation found, and let the schedule and early stopping see it."""
        found = {f"val/{key}": value for key, value in numbers.items()}
        self.log_dict(found, prog_bar=True)
        value = -found[self.monitor] if self.rises else found[self.monitor]
        self.plateau.take(value)
        self._follow_plateau()
        if self.stopping is not None:
            self.stopping.take(value)
            self._stop_if_over()

    def _follow_plateau(self) -> None:
        """The next step has the new rate: its own was set after the last one, before this validation."""
        if self.recipe.schedule.name != "plateau":
            return
        for config in self.trainer.lr_scheduler_configs:
            scheduler: Any = config.scheduler
            for group, base, factor in zip(
                scheduler.optimizer.param_groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True
            ):
                group["lr"] = base * factor(scheduler.last_epoch)

    def _stop_if_over(self) -> None:
        if self.stopping is not None and self.stopping.times:
            self.trainer.should_stop = True

    # ------------------------------------------------------------ checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["plateau"] = self.plateau.state()
        if self.stopping is not None:
            checkpoint["stopping"] = self.stopping.state()
        if self.average is not None:
            checkpoint["average"] = {"state": self.average.state, "updates": self.average.updates}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.load_average(checkpoint)
        self.plateau.load(checkpoint.get("plateau", self.plateau.state()))
        if self.stopping is not None:
            self.stopping.load(checkpoint.get("stopping", self.stopping.state()))
            self._stop_if_over()

    def load_average(self, checkpoint: dict[str, Any]) -> None:
        """The averaged weights of a checkpoint."""
        if self.average is not None and "average" in checkpoint:
            self.average.state = checkpoint["average"]["state"]
            self.average.updates = checkpoint["average"]["updates"]
