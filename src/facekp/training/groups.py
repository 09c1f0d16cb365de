"""The groups of keys that recipes are made of."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

__all__ = [
    "Crop",
    "Data",
    "EarlyStopping",
    "Optimizer",
    "Pixels",
    "Schedule",
    "SplitBy",
    "Strict",
    "Subjects",
    "Teacher",
]


class Strict(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Optimizer(Strict):
    """How weights move."""

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    clip: float = Field(0.0, ge=0, description="largest norm of the gradient; 0 is no limit")


class Schedule(Strict):
    """How the learning rate moves, step by step."""

    name: Literal["constant", "cosine", "plateau", "step"] = "cosine"
    warmup: float = Field(0.03, ge=0, lt=1, description="share of all steps with a rising rate")
    final: float = Field(
        0.01, ge=0, le=1, description="cosine: where the rate ends, one step after the last, as a share of the first"
    )
    step: int = Field(5, ge=1, description="step: epochs between two drops")
    gamma: float = Field(0.1, gt=0, description="step and plateau: factor of each drop")
    patience: int = Field(3, ge=1, description="plateau: validations without progress before a drop")
    min_delta: float = Field(0.0, ge=0, description="plateau: less than this is no progress")


class EarlyStopping(Strict):
    """When a run that makes no more progress stops."""

    patience: int = Field(10, ge=1, description="validations without progress before the run stops")
    min_delta: float = Field(0.0, ge=0, description="less than this is no progress")


class Crop(Strict):
    """What the network sees of a picture; travels in config.json and Detector obeys it."""

    size: tuple[int, int] = Field((128, 128), description="(H, W) in pixels")
    scale: float = Field(1.2, gt=0, description="how much larger than the box; the whole picture is never enlarged")
    box: Literal["extent", "source", "full"] = Field(
        "extent", description="around the points, as the data set gives it, or the whole picture"
    )

    @model_validator(mode="after")
    def _whole(self) -> Crop:
        if self.box == "full":
            if "scale" in self.model_fields_set and self.scale != 1:
                raise ValueError(f"scale: {self.scale:g} does not go with box: full; leave it out, or set it to 1")
            self.scale = 1.0
        if min(self.size) < 1:
            raise ValueError(f"size: expected two positive numbers (H, W), got {self.size}")
        return self


class Pixels(Strict):
    """How pixels 0 to 255 become the network's input, ``(pixel - mean) / std``; travels in config.json."""

    mean: float = 127.5
    std: float = Field(64.0, gt=0)
    clahe: float = Field(
        0.0,
        ge=0,
        description="clip limit of an adaptive histogram equalisation of every crop, after augmentation; 0 is none",
    )


class SplitBy(Strict):
    """Validation faces drawn by :func:`facekp.datasets.split_by`."""

    by: Literal["subject", "fraction"] = "fraction"
    fraction: float = Field(0.2, gt=0, lt=1, description="share of the subjects, or of the faces")
    seed: int = 0


class Subjects(Strict):
    """Validation faces are those of some people."""

    subjects: list[str] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _text(cls, values: Any) -> Any:
        # YAML reads 07 as a number.
        if isinstance(values, dict) and isinstance(values.get("subjects"), list):
            return values | {"subjects": [str(v) for v in values["subjects"]]}
        return values


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "<list>"
    people = "subjects" in value if isinstance(value, dict) else isinstance(value, Subjects)
    return "<subjects>" if people else "<by>"


#: Names in angle brackets are left out of error messages.
Validation = Annotated[
    Annotated[str, Tag("<list>")] | Annotated[SplitBy, Tag("<by>")] | Annotated[Subjects, Tag("<subjects>")],
    Discriminator(_kind),
]


class Teacher(Strict):
    """Whose predictions are mixed with the labels."""

    model: str = Field(description="a name, a folder or a Hub repository")
    share: float = Field(0.5, gt=0, le=1, description="of the prediction in a label")


class Data(Strict):
    """Which faces."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, populate_by_name=True)

    sets: list[dict[str, Any]] = Field(min_length=1, description="each: name of the format and the reader's options")
    root: str = Field(".", description="relative roots of the sets are taken from here")
    layout: str | None = Field(
        None,
        alias="schema",
        description="the schema to train on, whose points are taken by name; by default the sets' own",
    )
    points: list[str] | None = Field(None, description="train on these points or groups of the schema only")
    doubled: bool = Field(
        False, description="an epoch has each training face twice: as it is, and mirrored with left and right swapped"
    )
    validation: Validation = Field(
        description="a file of picture names or a name in facekp/recipes/validation; or {by: subject, fraction: 0.2, "
        "seed: 0}; or {subjects: [...]}"
    )
    leave_out: list[str] = Field(
        default_factory=list, description="names of pictures that are used for nothing: copies of test pictures, ..."
    )
    teacher: Teacher | None = Field(None, description="train on labels mixed with this model's predictions")
    cache_scale: float = Field(2.6, gt=1, description="how much of the surroundings is kept in memory")
    cache_side: int = Field(384, ge=16, description="longest side in memory, in pixels")

    @property
    def held_out(self) -> str:
        """What validation is, in words."""
        if isinstance(self.validation, str):
            return f"validation list {self.validation}"
        if isinstance(self.validation, Subjects):
            return f"subjects {', '.join(self.validation.subjects)}"
        share = "subjects" if self.validation.by == "subject" else "faces"
        return f"{self.validation.fraction:.0%} of the {share}, seed {self.validation.seed}"
