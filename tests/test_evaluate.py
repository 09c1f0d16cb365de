"""The report, on predictions whose error is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from facekp import Face, evaluate, schema
from facekp.errors import ArgumentError
from facekp.sample import Sample

IBUG = schema.get("ibug68")
GAP = float(np.linalg.norm(IBUG.mean_shape[36] - IBUG.mean_shape[45])) * 100


def samples(count: int = 4) -> list[Sample]:
    picture = np.zeros((200, 200, 3), np.uint8)
    return [Sample(IBUG.mean_shape * 100 + 100 + i, IBUG, pixels=picture) for i in range(count)]


class Known:
    """A detector whose points are ``shift`` pixels off; picture ``missed`` has no face at all."""

    name, schema, device = "known", IBUG, "cpu"

    def __init__(self, truth: list[Sample], shift: float = 0.0, missed: int | None = None) -> None:
        self.truth, self.shift, self.missed = truth, shift, missed

    def stream(self, images: Any, *, boxes: Any, batch_size: int) -> Any:
        for i, sample in enumerate(self.truth):
            far = Face(sample.keypoints + 500, np.zeros(68, np.float32), sample.box + 500, 1.0, IBUG)
            near = Face(sample.keypoints + (self.shift, 0), np.full(68, 0.9, np.float32), sample.box, 0.5, IBUG)
            yield [] if i == self.missed else [far, near] if boxes is None else [near]


def run(detector: Any, faces: list[Sample], **options: Any) -> evaluate.Report:
    return evaluate.evaluate(detector, faces, **options)


def test_a_shift_by_hand() -> None:
    faces = samples()
    report = run(Known(faces, 0.04 * GAP), faces)
    assert report.nme == pytest.approx(0.04, rel=1e-4)
    assert report.median == pytest.approx(0.04, rel=1e-4)
    assert report.auc_8 == pytest.approx(0.5, rel=1e-3)
    assert report.failure_rate_8 == 0
    assert report.found == 1
    assert report.faces == 4
    assert report.nme_interval == pytest.approx((0.04, 0.04), abs=1e-4)
    assert report.calibration_error == pytest.approx(0.1, abs=1e-5)  # it says 0.9, and all are right


def test_end_to_end_takes_the_face_that_overlaps_and_counts_a_missed_one() -> None:
    faces = samples()
    report = run(Known(faces, 0.0, missed=2), faces, boxes="found")
    assert report.nme == pytest.approx(0.15 / 4)
    assert report.found == 0.75
    assert report.failure_rate_8 == 0.25


def test_a_face_far_off_counts_no_more_than_a_missed_one() -> None:
    faces = samples()
    report = run(Known(faces, 3 * GAP), faces, boxes="found")
    assert report.nme == pytest.approx(evaluate.MISSED)
    assert report.found == 0


def test_missing_labels_are_left_out() -> None:
    faces = samples()
    points = faces[0].keypoints.copy()
    points[:17] = np.nan
    faces[0] = replace(faces[0], keypoints=points)
    detector = Known(samples(), 0.02 * GAP)
    assert run(detector, faces).nme == pytest.approx(0.02, rel=1e-3)


def test_other_normalisers() -> None:
    faces = samples()
    box = run(Known(faces, 1.0), faces, normalizer="box")
    diagonal = run(Known(faces, 1.0), faces, normalizer="diagonal")
    assert box.nme > diagonal.nme > 0
    with pytest.raises(ArgumentError, match="normaliser"):
        run(Known(faces), faces, normalizer="nose")


def test_wrong_input() -> None:
    faces = samples()
    with pytest.raises(ArgumentError, match="no samples"):
        run(Known([]), [])
    with pytest.raises(ArgumentError, match="boxes: expected 'labelled' or 'found'"):
        run(Known(faces), faces, boxes="both")
    other = schema.get("imm58")
    with pytest.raises(ArgumentError, match="needs schema ibug68"):
        run(Known(faces), [Sample(other.mean_shape, other, pixels=np.zeros((9, 9, 3), np.uint8))])


def test_the_report_reads_well_and_is_plain_data() -> None:
    import json

    faces = samples()
    report = run(Known(faces, 0.04 * GAP), faces, name="drawn")
    assert "NME (inter_ocular)  4.00%" in str(report)
    assert json.loads(json.dumps(report.to_dict()))["data"] == "drawn"
