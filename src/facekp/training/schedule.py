"""Optimisers, learning rates and averaged weights, the same for every task."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .recipe import Common

__all__ = ["Average", "Patience", "optimizer", "rate"]


def optimizer(recipe: Common, network: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimiser; biases and norms are not decayed."""
    spec = recipe.optimizer
    decayed = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": spec.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    fused = recipe.precision != "16-mixed"  # a fused step unscales inside, too late for clipping
    kinds: dict[str, Callable[[Iterable[Any]], torch.optim.Optimizer]] = {
        "adamw": lambda g: torch.optim.AdamW(g, lr=spec.lr, fused=fused),
        "adam": lambda g: torch.optim.Adam(g, lr=spec.lr, fused=fused),
        "sgd": lambda g: torch.optim.SGD(g, lr=spec.lr, momentum=0.9, nesterov=True),
    }
    return kinds[spec.name]([g for g in groups if g["params"]])


@dataclass(slots=True)
class Patience:
    """Waits for a number to fall.

    Attributes:
        patience: values in a row without progress that are too many.
        min_delta: less than this is no progress.
        best: the lowest value so far.
        waited: values since then.
        times: how often it was too many.
    """

    patience: int
    min_delta: float = 0.0
    best: float = math.inf
    waited: int = 0
    times: int = 0

    def take(self, value: float) -> None:
        """The next value; NaN is no progress.  After too many without, the count starts anew."""
        if self.waited >= self.patience:
            self.waited = 0
        if value < self.best - self.min_delta:
            self.best, self.waited = value, 0
        else:
            self.waited += 1
            self.times += self.waited >= self.patience

    def state(self) -> dict[str, float]:
        """What a checkpoint keeps."""
        return {"best": self.best, "waited": self.waited, "times": self.times}

    def load(self, state: dict[str, Any]) -> None:
        """The inverse of :meth:`state`."""
        self.best, self.waited, self.times = float(state["best"]), int(state["waited"]), int(state["times"])


def rate(recipe: Common, steps_per_epoch: int, plateau: Patience | None = None) -> Callable[[int], float]:
    """Step → factor of the learning rate; that of a plateau also depends on what the validations found."""
    spec = recipe.schedule
    steps = recipe.epochs * steps_per_epoch
    warm = max(1, round(spec.warmup * steps)) if spec.warmup else 0

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        if spec.name == "constant":
            return 1.0
        if spec.name == "plateau":
            return spec.gamma ** (plateau.times if plateau else 0)
        if spec.name == "step":
            return spec.gamma ** (step // steps_per_epoch // spec.step)
        done = min(1.0, (step - warm) / max(1, steps - warm))
        return spec.final + (1 - spec.final) * 0.5 * (1 + math.cos(math.pi * done))

    return factor


class Average:
    """Exponential moving average of a network's weights and running statistics.

    Early on the decay is ``(1 + n) / (10 + n)``, so that the first, bad weights are forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.state = {k: v.detach().clone() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for key, value in network.state_dict().items():
            kept = self.state[key] = self.state[key].to(value.device)  # moves once, with the network
            if kept.dtype.is_floating_point:
                kept.lerp_(value.detach().to(kept), 1 - decay)
            else:
                kept.copy_(value)

    @contextmanager
    def applied(self, network: nn.Module) -> Iterator[None]:
        """Inside, the network has the averaged weights."""
        own: dict[str, Tensor] = {k: v.detach().clone() for k, v in network.state_dict().items()}
        network.load_state_dict(self.state)
        try:
            yield
        finally:
            network.load_state_dict(own)
