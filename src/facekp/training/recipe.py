"""Typed recipes: everything that makes a training run, in one YAML file."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from .._arguments import shown
from ..errors import ArgumentError, RecipeError
from .groups import Crop, Data, EarlyStopping, Optimizer, Pixels, Schedule, SplitBy, Strict, Subjects

__all__ = ["Common", "KeypointRecipe", "check", "load", "names", "titles"]

# What pydantic says of these names Python's types, or its own.
_EXPECTED = {
    "dict_type": "keys and values",
    "list_type": "a list",
    "model_type": "keys and values",
    "tuple_type": "two whole numbers, [H, W]",
}
SUFFIXES = (".yaml", ".yml")
# A date of month 13, a tagged word of another type, a thousand brackets: PyYAML lets these through.
_NOT_YAML = (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


class Common(Strict):
    """What the recipes of all tasks share."""

    name: str
    title: str = Field("", description="one line: what it is")
    epochs: int = Field(10, ge=1)
    batch_size: int = Field(32, ge=1, description="of each device")
    accumulate: int = Field(1, ge=1, description="batches whose gradients make one step")
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the averaged weights; 0 is none")
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    devices: int | Literal["auto"] = Field(1, description="GPUs, or processes on a CPU, of each machine")
    num_nodes: int = Field(1, ge=1, description="machines")
    strategy: Literal["auto", "ddp"] = Field("auto", description="how several devices share the work")
    workers: int = Field(1, ge=0)
    seed: int = Field(0, ge=0, le=2**32 - 1)
    validate_every: int = Field(1, ge=1, description="epochs between two validations")
    early_stopping: EarlyStopping | None = None
    keep: Literal["best", "last"] = Field("best", description="which weights become the model")
    checkpoint_every: int = Field(
        0, ge=0, description="steps between two checkpoints within an epoch; each epoch's end is one anyway"
    )
    licence: str = "depends on the training data"

    @model_validator(mode="after")
    def _devices(self) -> Common:
        if self.devices != "auto" and self.devices < 1:
            raise ValueError(f"devices: expected a positive number or auto, got {self.devices}")
        return self


class KeypointRecipe(Common):
    """A network from pictures to points."""

    task: Literal["keypoints"] = "keypoints"
    data: Data
    crop: Crop = Crop()
    grey: bool = Field(False, description="one channel: the picture's luma")
    pixels: Pixels = Pixels()
    network: dict[str, Any] = Field(
        description="name: of facekp.models, or module:Class of one's own in the working directory; and its options"
    )
    init: str | None = Field(None, description="start from a trained model: a name, a folder or a Hub repository")
    codec: dict[str, Any] = Field(description="name: of facekp.decoders; and its options")
    augment: str | list[dict[str, Any]] = Field(
        "strong", description="a preset's name, or a list of {name: Mirror, ...} of facekp.transforms"
    )

    @model_validator(mode="after")
    def _named(self) -> KeypointRecipe:
        for key in ("network", "codec"):
            if "name" not in getattr(self, key):
                raise ValueError(f"{key}: a name is missing")
        channels = self.network.get("in_channels")
        if channels is not None and channels != (1 if self.grey else 3):
            raise ValueError(f"network.in_channels: {channels} does not go with grey: {str(self.grey).lower()}")
        return self

    @field_validator("augment", mode="before")
    @classmethod
    def _form(cls, value: Any) -> Any:
        listed = isinstance(value, list) and all(isinstance(step, dict) for step in value)
        if not listed and not isinstance(value, str):
            raise ValueError(f"expected a preset's name, or a list of {{name: Mirror, ...}}, got {shown(value)}")
        return value

    @field_validator("augment")
    @classmethod
    def _transforms(cls, value: str | list[dict[str, Any]]) -> str | list[dict[str, Any]]:
        from .augmentation import pipeline

        try:
            pipeline(value)
        except ArgumentError as error:
            raise ValueError(str(error)) from None
        return value


def names() -> list[str]:
    """The recipes inside the package."""
    folder = resources.files("facekp") / "recipes"
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml"))


def titles() -> dict[str, str]:
    """The recipes inside the package and what each is: its or its base's ``title``, or its first line of comment."""
    return {name: str(_values(name).get("title") or _comment(_text(name))) for name in names()}


def _comment(text: str) -> str:
    first = text.partition("\n")[0]
    return first.lstrip("# ") if first.startswith("#") else ""


def load(recipe: str | Path, overrides: Sequence[str] = ()) -> Any:
    """Read and check a recipe.

    A recipe may name another one as its ``base``, by its name or by its file as seen from its own: it takes that one's
    keys, group by group, and changes what it says itself.  A list takes the place of the base's; so does a network, a
    codec or a validation of another kind, with none of the old one's options.

    Args:
        recipe: a name of :func:`names`, or a YAML file.
        overrides: ``"optimizer.lr=3e-4"``: dotted keys, values as YAML.

    Raises:
        RecipeError: naming the key at fault and what was expected.
    """
    values = _values(recipe)
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
        key = ".".join(str(part) for part in first["loc"] if not str(part).startswith("<")) or "recipe"
        said = first["msg"].removeprefix("Value error, ")
        if first["type"] in _EXPECTED:
            said = f"expected {_EXPECTED[first['type']]}, got {shown(first['input'])}"
        if first["type"] == "model_type":
            said += f"; its keys are: {', '.join(_keys(kinds[task], first['loc']))}"
        if first["type"] == "extra_forbidden":
            said = f"unknown key; known are: {', '.join(_keys(kinds[task], first['loc'][:-1]))}"
        raise RecipeError(f"{where}: {key}: {said}") from None


def _keys(model: type[Strict], path: Sequence[Any]) -> list[str]:
    """The keys of the group at ``path`` in a recipe."""
    groups: dict[Any, type[Strict]] = {"<by>": SplitBy, "<subjects>": Subjects}
    for part in path:
        model = groups.get(part) or _group(model, str(part)) or model
    return sorted(field.alias or name for name, field in model.model_fields.items())


def _group(model: type[Strict], key: str) -> type[Strict] | None:
    """The group of keys under ``key``, which may also be None."""
    if key not in model.model_fields:
        return None
    annotation = model.model_fields[key].annotation
    kinds = [annotation, *get_args(annotation)]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Strict)), None)


def _text(recipe: str | Path) -> str:
    if str(recipe) in names():
        return (resources.files("facekp") / "recipes" / f"{recipe}.yaml").read_text("utf-8")
    path = Path(recipe)
    if path.suffix not in SUFFIXES:
        raise RecipeError(f"unknown recipe {str(recipe)!r}; choose a .yaml file or one of: {', '.join(names())}")
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read ({error})") from None


def _values(recipe: str | Path, above: tuple[str, ...] = ()) -> dict[str, Any]:
    """A recipe's keys, with those of its base.

    Args:
        recipe: a name or a file.
        above: those whose base it is, the first one first.
    """
    values = _parse(_text(recipe), str(recipe))
    if "base" not in values:
        return values
    base = values.pop("base")
    if not isinstance(base, str):
        raise RecipeError(f"{recipe}: base: expected another recipe's name or file, got {base!r}")
    here, there = _place(recipe), _place(base, Path(recipe).parent)
    line = (*above, here)
    try:
        if there in line:
            circle = " → ".join(Path(step).name for step in (*line[line.index(there) :], there))
            raise RecipeError(f"a recipe cannot be its own base: {circle}")
        inherited = _values(there, line)
    except RecipeError as error:
        raise RecipeError(f"{recipe}: base: {error}") from None
    return _merged(inherited, values)


def _place(recipe: str | Path, folder: Path = Path()) -> str:
    """A recipe's name, or where its file is."""
    path = Path(recipe)
    if str(recipe) in names() or path.suffix not in SUFFIXES:
        return str(recipe)
    return str((folder / path).resolve())


def _merged(base: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in values.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merged(old, value) if both and not _other_kind(key, old, value) else value  # type: ignore[arg-type]
    return merged


def _other_kind(key: str, old: dict[str, Any], value: dict[str, Any]) -> bool:
    """Whether a group is of another kind than the one before, so that their options do not go together."""
    if key in ("network", "codec"):
        return value.get("name", old.get("name")) != old.get("name")
    return key == "validation" and ("subjects" in old) != ("subjects" in value)


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(text)
    except _NOT_YAML as error:
        raise RecipeError(f"{where}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise RecipeError(f"{where}: expected keys and values, found {type(values).__name__}")
    return values


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
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
