"""What a search tries: ranges and choices of a recipe's keys."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ..errors import ArgumentError
from . import recipe as recipes

if TYPE_CHECKING:
    import optuna

__all__ = ["Axis", "check", "grid", "overrides", "parse"]


@dataclass(frozen=True, slots=True)
class Axis:
    """One key of a recipe, and what it may be.

    Attributes:
        key: dotted, e.g. ``optimizer.lr``.
        choices: the values, for a list of them; else empty.
        low: the least value, for a range; both ends belong to it.
        high: the largest one.
        log: whether a range is tried evenly in its logarithm.
    """

    key: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    def suggest(self, trial: optuna.Trial) -> Any:
        """This trial's value."""
        if self.choices:
            return self.value(trial.suggest_categorical(self.key, [_code(c) for c in self.choices]))
        if isinstance(self.low, int):
            return trial.suggest_int(self.key, self.low, int(self.high), log=self.log)
        return trial.suggest_float(self.key, self.low, self.high, log=self.log)

    def value(self, stored: Any) -> Any:
        """The value that a study's storage has as ``stored``."""
        return next((c for c in self.choices if _code(c) == stored), stored)

    def __str__(self) -> str:
        if self.choices:
            return f"{self.key}={','.join(json.dumps(c) for c in self.choices)}"
        return f"{self.key}={'log:' if self.log else ''}{self.low}..{self.high}"


def _code(choice: Any) -> Any:
    """A choice as Optuna's storages take it: lists and groups of keys as their JSON."""
    return choice if choice is None or isinstance(choice, (bool, int, float, str)) else json.dumps(choice)


def parse(text: str) -> Axis:
    """One axis from its text.

    Args:
        text: ``optimizer.lr=log:1e-4..1e-2`` (a range, evenly in its logarithm), ``optimizer.weight_decay=0..0.1``,
            ``network.head_width=32..256`` (whole numbers, because both ends are), or ``codec.sigma=1,1.5,2`` (a
            list of YAML values, ``[96, 96],[128, 128]`` included).

    Raises:
        ArgumentError: it is none of these.
    """
    key, equals, spec = (part.strip() for part in text.partition("="))
    if not equals or not key or not spec:
        raise ArgumentError(f"--over {text}: expected KEY=LOW..HIGH, KEY=log:LOW..HIGH or KEY=A,B,C")
    log = spec.startswith("log:")
    low, dots, high = spec.removeprefix("log:").partition("..")
    if dots or log:
        return _range(text, key, low, high, log)
    try:
        choices = yaml.safe_load(f"[{spec}]")
        json.dumps(choices)  # a date is YAML, but no value of a recipe's
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ArgumentError(f"--over {text}: {spec} is no list of YAML values") from None
    # YAML 1.1 reads 3e-4 (no dot) as text.
    choices = tuple(_number(c) if isinstance(c, str) and _number(c) is not None else c for c in choices)
    if len({json.dumps(c) for c in choices}) < len(choices):
        raise ArgumentError(f"--over {text}: a value stands there twice")
    return Axis(key, choices)


def _range(text: str, key: str, low: str, high: str, log: bool) -> Axis:
    ends = [_number(low), _number(high)]
    first, last = ends
    if first is None or last is None or not first < last:
        raise ArgumentError(f"--over {text}: expected LOW..HIGH, two numbers, the lower one first")
    if log and first <= 0:
        raise ArgumentError(f"--over {text}: the ends of a logarithmic range must be positive")
    if not all(isinstance(end, int) for end in ends):
        first, last = float(first), float(last)
    return Axis(key, (), first, last, log)


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if math.isfinite(value) else None
    return None


def overrides(values: Mapping[str, Any]) -> list[str]:
    """Values by key as :func:`facekp.training.recipe.load` takes them."""
    return [f"{key}={json.dumps(value)}" for key, value in values.items()]  # JSON is YAML


def check(recipe: str | Path, fixed: Sequence[str], axes: Sequence[Axis]) -> Any:
    """The recipe, after a look at every choice and at both ends of every range.

    Returns:
        The recipe with the first value of each axis.

    Raises:
        ArgumentError: there is no axis, or one key has two.
        RecipeError: a key or one of its values is not one of the recipe.
    """
    keys = [axis.key for axis in axes]
    if not keys or len(set(keys)) < len(keys):
        raise ArgumentError(f"search: expected at least one --over and each key once, got {', '.join(keys) or 'none'}")
    first = {axis.key: axis.choices[0] if axis.choices else axis.low for axis in axes}
    for axis in axes:
        for value in axis.choices or (axis.low, axis.high):
            recipes.load(recipe, [*fixed, *overrides({axis.key: value})])
    return recipes.load(recipe, [*fixed, *overrides(first)])


def grid(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """Every combination of the axes' choices, as a study stores them; the last axis changes fastest.

    Raises:
        ArgumentError: an axis is a range.
    """
    for axis in axes:
        if not axis.choices:
            raise ArgumentError(f"--over {axis}: a grid needs a list of values, e.g. {axis.key}={axis.low},{axis.high}")
    return [
        dict(zip([a.key for a in axes], combination, strict=True))
        for combination in itertools.product(*([_code(c) for c in a.choices] for a in axes))
    ]
