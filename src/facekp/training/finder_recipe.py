"""The recipe of a face finder."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from .groups import Strict
from .recipe import Common

__all__ = ["FinderRecipe", "FrameData"]


class FrameData(Strict):
    """Which frames."""

    root: str = Field(default=".", description="the folder that holds 300w/ and ytf/")
    validation: str = Field(
        default="300w", description="a file of 300-W picture names, or a name in facekp/recipes/validation"
    )
    validation_people: str = Field(
        default="ytf", description="a file of YTF persons, or a name in facekp/recipes/validation"
    )
    ytf: float = Field(
        default=0.25, ge=0, lt=1, description="share of the drawn frames that come from YTF; 0 leaves it out"
    )
    long_side: int = Field(default=640, ge=64, description="longest side in memory, in pixels")


class FinderRecipe(Common):
    """A network from pictures to boxes and angles."""

    task: Literal["finder"] = "finder"
    data: FrameData = FrameData()
    network: dict[str, Any]
    mixer: dict[str, Any] = Field(default_factory=dict, description="fields of facekp.transforms.frames.MixerConfig")
    finder: dict[str, Any] = Field(default_factory=dict, description="fields of facekp.finder.FinderConfig")
    samples: int = Field(default=8192, ge=1, description="training pictures per epoch")
    keep: Literal["best", "last"] = Field("last", description="which weights become the model")
    box_weight: float = Field(default=2.0, ge=0, description="weight of the box loss")
    angle_weight: float = Field(default=1.0, ge=0, description="weight of the angle loss")
    false_alarms: float = Field(
        default=0.01, gt=0, le=1, description="per frame whose faces are painted over: chooses the default min_score"
    )
    threads: int = Field(default=0, ge=0, description="CPU threads of the training process; 0 leaves torch's default")
