"""Labels that a larger model has smoothed: what a small network learns from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .. import geometry, transforms
from ..detector import Detector
from ..errors import RecipeError
from ..sample import Sample
from .groups import Teacher

__all__ = ["taught"]

log = logging.getLogger(__name__)

AT_ONCE = 64  # mirrored pictures in memory


def taught(samples: Sequence[Sample], teacher: Teacher) -> list[Sample]:
    """Samples whose labels lie between their own and a teacher's.

    ``(1 - share) label + share prediction``, the prediction being the mean of that on the picture and that on its
    mirror image: annotators' scatter, which a small network would spend itself on, gets smaller (knowledge
    distillation by the regressed target, cf. Saputra et al., "Distilling Knowledge From a Deep Pose Regressor
    Network", ICCV 2019).  A missing label is the teacher's; a sample without any stays as it is.

    Raises:
        HubError: there is no such teacher.
        RecipeError: its points are not the samples'.
    """
    detector = Detector.from_pretrained(teacher.model, finder=None)
    schema = samples[0].schema
    if detector.schema.names != schema.names:
        raise RecipeError(f"data.teacher: {teacher.model} has the points {detector.schema.name}, not {schema.name}")
    known = [s for s in samples if np.isfinite(s.keypoints).any()]
    total = _predicted(detector, known)
    if schema.mirror is not None:
        mirror, rng = transforms.Mirror(p=1), np.random.default_rng(0)
        mirrored: list[np.ndarray] = []
        for start in range(0, len(known), AT_ONCE):
            mirrored += _predicted(detector, [mirror(s, rng) for s in known[start : start + AT_ONCE]])
        for i, sample in enumerate(known):
            back = geometry.apply(geometry.mirror_matrix(sample.image.shape[1]), mirrored[i])[list(schema.mirror)]
            total[i] = (total[i] + back) / 2
    labels = {id(s): points for s, points in zip(known, total, strict=True)}
    log.info("%s has looked at %d faces", teacher.model, len(known))
    return [_between(s, labels.get(id(s)), teacher.share) for s in samples]


def _predicted(detector: Detector, samples: Sequence[Sample]) -> list[np.ndarray]:
    boxes = [geometry.extent(s.keypoints)[None] for s in samples]
    found = detector.stream((s.image for s in samples), boxes=boxes, refine=False)
    return [faces[0].keypoints for faces in found if isinstance(faces, list)]


def _between(sample: Sample, taught: np.ndarray | None, share: float) -> Sample:
    if taught is None:
        return sample
    mixed = (1 - share) * sample.keypoints + share * taught
    return replace(sample, keypoints=np.where(np.isfinite(mixed), mixed, taught).astype(np.float32))
