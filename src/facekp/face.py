"""What comes out: one found face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from . import schema as schemas
from ._arguments import layout
from .errors import ArgumentError
from .schema import KeypointSchema

__all__ = ["Face"]

Array = npt.NDArray[Any]


@dataclass(slots=True, eq=False)
class Face:
    """One found face.

    Attributes:
        keypoints: ``(K, 2)`` float32 ``(x, y)``, sub-pixel, in pixels of the given picture;
            ``(0, 0)`` is the centre of its top-left pixel.
        scores: ``(K,)`` float32 in [0, 1]: the probability that a point's error is under
            5 % of the inter-ocular distance.
        box: ``(4,)`` float32 xyxy, its sides along the picture's: the tight extent of the points, where the
            model's points span a face and have a say in whether it is one, as those of the shipped models.  Else it is
            where the points were looked for at last; of a turned face that is the box of the ellipse in the turned
            rectangle that was cut out.  A box that the caller gave stays as it was given.
        score: probability that the box holds a face; 1 for boxes that the caller gave.
        schema: what the K points are.
        uncertainty: ``(K,)`` float32: how far from the truth each point is to be expected, in pixels of the given
            picture; None where the model was not trained to tell.

    Raises:
        ArgumentError: a shape does not fit the schema.
    """

    keypoints: Array = field(repr=False)
    scores: Array = field(repr=False)
    box: Array
    score: float
    schema: KeypointSchema = field(repr=False)
    uncertainty: Array | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        k = len(layout(self.schema))
        shapes = np.shape(self.keypoints), np.shape(self.scores), np.shape(self.box)
        if shapes != ((k, 2), (k,), (4,)):
            raise ArgumentError(
                f"face: schema {self.schema.name} expects keypoints ({k}, 2), scores ({k},), box (4,); "
                f"got {', '.join(map(str, shapes))}"
            )
        if self.uncertainty is not None and np.shape(self.uncertainty) != (k,):
            raise ArgumentError(
                f"face: schema {self.schema.name} expects uncertainty ({k},); got {np.shape(self.uncertainty)}"
            )

    def to_dict(self, *, digits: int = 3) -> dict[str, Any]:
        """Plain numbers and lists, ready for JSON; :meth:`from_dict` is the inverse."""

        def plain(array: Array) -> Any:
            rounded = np.round(np.asarray(array, np.float64), digits).astype(object)
            rounded[~np.isfinite(array)] = None
            return rounded.tolist()

        found = {
            "box": plain(self.box),
            "score": round(float(self.score), max(digits, 4)),
            "keypoints": plain(self.keypoints),
            "scores": plain(self.scores),
        }
        return found if self.uncertainty is None else {**found, "uncertainty": plain(self.uncertainty)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], schema: KeypointSchema | str = "ibug68") -> Face:
        """Build a face from :meth:`to_dict`'s output.

        Raises:
            ArgumentError: a key is missing, or a shape does not fit the schema.
        """
        kind = schemas.get(schema) if isinstance(schema, str) else schema
        try:
            keypoints = np.array(data["keypoints"], np.float32)
            scores, box = np.array(data["scores"], np.float32), np.array(data["box"], np.float32)
            score = float(data["score"])
            told = data.get("uncertainty")
            uncertainty = None if told is None else np.array(told, np.float32)
        except KeyError as error:
            raise ArgumentError(f"face: the key {error} is missing") from None
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"face: {error}") from None
        return cls(keypoints, scores, box, score, kind, uncertainty)
