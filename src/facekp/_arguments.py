"""Checks of arguments that the functions on arrays share: each names the argument, what was expected and what came.

They stand on the way of every face, so what is right passes in well under a microsecond.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from inspect import signature
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ArgumentError
from .schema import KeypointSchema

__all__ = [
    "RANGES",
    "are_ranges",
    "bounded",
    "layout",
    "number",
    "numbers",
    "options_of",
    "points_of",
    "shown",
    "size",
    "unit",
    "whole",
]

Array = npt.NDArray[Any]

_MOST_RANGES = 10_000
_MOST = 1e30  # of a map: float32 ends soon after it
RANGES = "pairs of numbers, the least and the largest, with zero between them"

_FLOAT64, _FLOAT32 = np.dtype(np.float64), np.dtype(np.float32)


def shown(value: Any) -> str:
    """What came, in a few words: an array by its type and shape."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        return f"{getattr(value, 'dtype', type(value).__name__)} {tuple(shape)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{type(value).__name__} {text[:50]}..."


def numbers(value: Any, argument: str, dtype: Any = _FLOAT64) -> Array:
    """An array, a list or a tensor of any device as an array of floats.

    Raises:
        ArgumentError: it is not made of real numbers, or ragged.
    """
    if type(value) is np.ndarray and (value.dtype is _FLOAT64 or value.dtype is _FLOAT32):
        return value.astype(dtype, copy=False)
    given = type(value).__name__
    try:
        if hasattr(value, "detach"):  # a tensor, of any device
            value = value.detach().cpu()
        array = np.asarray(value)
        if array.dtype.kind not in "buifO":  # numpy would read numbers out of text, and cut complex ones
            raise TypeError
        with np.errstate(over="ignore"):  # what float32 does not hold is infinite, and found by who minds
            return array.astype(dtype, copy=False)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # a tensor without values, on "meta", has the last
        more = " with something else in it, or rows of different lengths" if given in ("list", "tuple") else ""
        raise ArgumentError(f"{argument}: expected numbers, got {given}{more}") from None


def number(value: Any, argument: str, *, low: float = -math.inf, above: float = -math.inf) -> float:
    """A finite number, at least ``low``, or more than ``above``, which is 0 where it is anything."""
    try:
        good = not isinstance(value, str) and math.isfinite(value) and value >= low and value > above
    except (TypeError, ValueError, RuntimeError, OverflowError):
        good = False
    if not good:
        kind = "positive, finite" if above == 0 else "finite"
        limit = (
            f" of at least {low:g}" if low > -math.inf else f" above {above:g}" if above not in (0, -math.inf) else ""
        )
        raise ArgumentError(f"{argument}: expected a {kind} number{limit}, got {shown(value)}")
    return float(value)


def options_of(kind: Callable[..., Any], error: Exception) -> str:
    """What an error of calling ``kind`` says; of an option that it does not have: which one, and those that it has."""
    said = str(error)
    if "unexpected keyword argument" not in said:
        return said
    try:
        parameters = signature(kind).parameters.values()
    except (TypeError, ValueError):
        return said
    has = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return f"unknown option {said.rpartition(' argument ')[2]}; it has: {', '.join(has) or 'none'}"


def whole(value: Any, argument: str, low: int) -> int:
    """A whole number of at least ``low``."""
    try:
        given = operator.index(value)
    except TypeError:
        given = low - 1
    if given < low:
        raise ArgumentError(f"{argument}: expected a whole number of at least {low}, got {shown(value)}")
    return given


def size(value: Any, argument: str = "size") -> tuple[int, int]:
    """``(H, W)`` in whole pixels, at least 1."""
    try:
        height, width = value
        height, width = operator.index(height), operator.index(width)
    except (TypeError, ValueError):
        height = width = 0
    if height < 1 or width < 1:
        raise ArgumentError(f"{argument}: expected (height, width) in whole pixels, at least 1, got {shown(value)}")
    return height, width


def layout(schema: Any) -> KeypointSchema:
    """A schema, and not its name."""
    if not isinstance(schema, KeypointSchema):
        hint = f": facekp.schema.get({schema!r}) gives it" if isinstance(schema, str) else ""
        raise ArgumentError(f"schema: expected a facekp.schema.KeypointSchema, got {shown(schema)}{hint}")
    return schema


def points_of(value: Any, schema: Any, *lead: str, argument: str = "points", dtype: Any = _FLOAT64) -> Array:
    """Points ``(*lead, K, 2)`` of a schema; ``"..."`` stands for any number of dimensions."""
    points, count = numbers(value, argument, dtype), len(layout(schema))
    if points.shape[-2:] != (count, 2) or (lead != ("...",) and points.ndim != len(lead) + 2):
        expected = ", ".join([*lead, str(count), "2"])
        raise ArgumentError(f"{argument}: schema {schema.name} expects ({expected}), got {points.shape}")
    return points


def unit(array: Array, argument: str) -> Array:
    """Numbers from 0 to 1, or NaN."""
    return bounded(array, argument, 0, 1)


def bounded(array: Array, argument: str, low: float, high: float = math.inf) -> Array:
    """Numbers from ``low`` to ``high``, or NaN."""
    wrong = (array < low) | (array > high)  # NaN compares False
    if wrong.any():
        limit = f"from {low:g} to {high:g}" if high < math.inf else f"of at least {low:g}"
        raise ArgumentError(f"{argument}: expected numbers {limit}, got {array[wrong].flat[0]:g}")
    return array


def are_ranges(given: Any) -> bool:
    """Whether it is what :func:`facekp.engine.ranges` gives: :data:`RANGES`."""
    return isinstance(given, (list, tuple)) and len(given) <= _MOST_RANGES and all(map(_is_range, given))


def _is_range(pair: Any) -> bool:
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        return False
    if not all(isinstance(v, Real) and not isinstance(v, bool) for v in pair):
        return False
    return bool(-_MOST <= pair[0] <= 0 <= pair[1] <= _MOST)  # NaN is nowhere
