"""Typed recipes: everything that makes a training run, in one YAML file."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..errors import RecipeError

__all__ = ["Common", "Crop", "KeypointRecipe", "load", "names"]


class Strict(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


class Optimizer(Strict):
    """How weights move."""

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    clip: float = Field(0.0, ge=0, description="largest norm of the gradient; 0 is no limit")


class Schedule(Strict):
    """How the learning rate moves, step by step."""

    name: Literal["constant", "cosine", "step"] = "cosine"
    warmup: float = Field(0.03, ge=0, lt=1, description="share of all steps with a rising rate")
    final: float = Field(0.01, ge=0, le=1, description="cosine: the last rate, as a share of the first")
    step: int = Field(5, ge=1, description="step: epochs between two drops")
    gamma: float = Field(0.1, gt=0, description="step: factor of each drop")


class Common(Strict):
    """What the recipes of all tasks share."""

    name: str
    epochs: int = Field(10, ge=1)
    batch_size: int = Field(32, ge=1)
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the averaged weights; 0 is none")
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    workers: int = Field(1, ge=0)
    seed: int = 0
    validate_every: int = Field(1, ge=1, description="epochs between two validations")
    licence: str = "depends on the training data"


class Crop(Strict):
    """What the network sees of a picture; travels in config.json and Detector obeys it."""

    size: tuple[int, int] = (128, 128)
    scale: float = Field(1.2, gt=0)
    box: Literal["extent", "source", "full"] = "extent"


class Data(Strict):
    """Which faces."""

    sets: list[dict[str, Any]] = Field(description="each: name of the format and the reader's options")
    root: str = Field(".", description="relative roots of the sets are taken from here")
    validation: str = Field(description="a file of picture names, or a name in facekp/recipes/validation")
    cache_scale: float = Field(2.6, gt=1, description="how much of the surroundings is kept in memory")
    cache_side: int = Field(384, ge=16, description="longest side in memory, in pixels")


class KeypointRecipe(Common):
    """A network from pictures to points."""

    task: Literal["keypoints"] = "keypoints"
    data: Data
    crop: Crop = Crop()
    network: dict[str, Any]
    codec: dict[str, Any]
    augment: str = "strong"

    @model_validator(mode="after")
    def _named(self) -> KeypointRecipe:
        for key in ("network", "codec"):
            if "name" not in getattr(self, key):
                raise ValueError(f"{key}: a name is missing")
        return self


def names() -> list[str]:
    """The recipes inside the package."""
    folder = resources.files("facekp") / "recipes"
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml"))


def load(recipe: str | Path, overrides: Sequence[str] = ()) -> Any:
    """Read and check a recipe.

    Args:
        recipe: a name of :func:`names`, or a YAML file.
        overrides: ``"optimizer.lr=3e-4"``: dotted keys, values as YAML.

    Raises:
        RecipeError: naming the key at fault and what was expected.
    """
    values = _parse(_text(recipe), str(recipe))
    for override in overrides:
        _override(values, override)
    return check(values, str(recipe))


def check(values: dict[str, Any], where: str) -> Any:
    """A typed recipe from plain data."""
    from .finder_recipe import FinderRecipe

    kinds: dict[str, type[Common]] = {"keypoints": KeypointRecipe, "finder": FinderRecipe}
    task = values.get("task", "keypoints")
    if task not in kinds:
        raise RecipeError(f"{where}: task: unknown {task!r}; choose one of: {', '.join(kinds)}")
    try:
        return kinds[task].model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "recipe"
        said = first["msg"]
        if first["type"] == "extra_forbidden":
            said = f"unknown key; known are: {', '.join(_keys(kinds[task], first['loc'][:-1]))}"
        raise RecipeError(f"{where}: {key}: {said}") from None


def _keys(model: Any, path: Sequence[Any]) -> list[str]:
    """The keys of the group at ``path`` in a recipe."""
    for part in path:
        model = model.model_fields[part].annotation
    return sorted(model.model_fields)


def _text(recipe: str | Path) -> str:
    if str(recipe) in names():
        return (resources.files("facekp") / "recipes" / f"{recipe}.yaml").read_text("utf-8")
    path = Path(recipe)
    if path.suffix not in (".yaml", ".yml"):
        raise RecipeError(f"unknown recipe {str(recipe)!r}; choose a .yaml file or one of: {', '.join(names())}")
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read ({error})") from None


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{where}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise RecipeError(f"{where}: expected keys and values, found {type(values).__name__}")
    return values


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise RecipeError(f"--set {override}: expected key=value, e.g. optimizer.lr=3e-4")
    *parents, last = key.strip().split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise RecipeError(f"--set {override}: {parent} is a single value, not a group of keys")
    value = _parse(f"value: {text}", f"--set {override}")["value"]
    quoted = text.strip()[:1] in ("'", '"')
    values[last] = value if quoted else _number(value)


def _number(value: Any) -> Any:
    # YAML 1.1 reads 3e-4 (no dot) as text.
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value
