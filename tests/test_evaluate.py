"""The report, on predictions whose error is known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from facekp import Face, evaluate, geometry, pose, schema
from facekp.errors import ArgumentError
from facekp.sample import Sample

IBUG = schema.get("ibug68")
GAP = float(np.linalg.norm(IBUG.mean_shape[36] - IBUG.mean_shape[45])) * 100


def samples(count: int = 4) -> list[Sample]:
    picture = np.zeros((200, 200, 3), np.uint8)
    return [Sample(IBUG.mean_shape * 100 + 100 + i, IBUG, pixels=picture) for i in range(count)]


class Known:
    """A detector whose points are ``shift`` pixels off; picture ``missed`` has no face at all."""

    name, schema, device, crop_box = "known", IBUG, "cpu", "extent"

    def __init__(self, truth: list[Sample], shift: float = 0.0, missed: int | None = None) -> None:
        self.truth, self.shift, self.missed = truth, shift, missed

    def stream(self, images: Any, *, boxes: Any, batch_size: int, refine: bool) -> Any:
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
    report = run(Known(faces, 0.0, missed=2), faces, boxes="finder")
    assert report.nme == pytest.approx(0.15 / 4)
    assert report.found == 0.75
    assert report.failure_rate_8 == 0.25


def test_a_face_far_off_counts_no_more_than_a_missed_one() -> None:
    faces = samples()
    report = run(Known(faces, 3 * GAP), faces, boxes="finder")
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
    box = run(Known(faces, 1.0), faces, norm="box")
    diagonal = run(Known(faces, 1.0), faces, norm="diagonal")
    assert box.nme > diagonal.nme > 0
    # What a score promises is a share of the eyes' distance, whatever errors are divided by.
    assert box.calibration_error == diagonal.calibration_error == run(Known(faces, 1.0), faces).calibration_error
    with pytest.raises(ArgumentError, match="normaliser"):
        run(Known(faces), faces, norm="nose")


def test_wrong_input() -> None:
    faces = samples()
    with pytest.raises(ArgumentError, match="no samples"):
        run(Known([]), [])
    with pytest.raises(ArgumentError, match="boxes: expected one of labelled, finder, moved"):
        run(Known(faces), faces, boxes="both")
    other = schema.get("imm58")
    with pytest.raises(ArgumentError, match="needs schema ibug68"):
        run(Known(faces), [Sample(other.mean_shape, other, pixels=np.zeros((9, 9, 3), np.uint8))])


def test_intervals_by_hand() -> None:
    """Two kinds of faces, half each: means of 40 draws vary by sqrt(1/4 / 40) of the distance between them."""
    faces = samples(40)
    moved = [replace(s, keypoints=s.keypoints + (0.1 * GAP, 0)) if i % 2 else s for i, s in enumerate(faces)]
    report = run(Known(moved), faces)
    assert report.nme == pytest.approx(0.05, rel=1e-4)
    half = 1.96 * 0.1 * (0.25 / 40) ** 0.5
    assert report.nme_interval == pytest.approx((0.05 - half, 0.05 + half), abs=0.003)
    assert report.failure_rate_8 == 0.5
    assert report.failure_rate_8_interval == pytest.approx((0.5 - 10 * half, 0.5 + 10 * half), abs=0.03)
    assert report.auc_8 == pytest.approx(0.5, rel=1e-4)
    assert report.auc_8_interval == pytest.approx(report.failure_rate_8_interval, abs=0.03)
    assert report.found_interval == (1, 1)


def test_groups_by_hand() -> None:
    faces = samples(3)
    moved = []
    for sample in faces:
        points = sample.keypoints.copy()
        points[list(IBUG.groups["mouth"])] += (0, 0.06 * GAP)
        moved.append(replace(sample, keypoints=points))
    report = run(Known(moved), faces)
    assert list(report.groups) == list(IBUG.groups)
    assert {k: round(m.nme, 5) for k, m in report.groups.items()} == {k: 0.06 * (k == "mouth") for k in IBUG.groups}
    assert report.nme == pytest.approx(0.06 * 20 / 68, rel=1e-4)


def test_sets_are_folders_of_names_or_what_the_set_says() -> None:
    faces = [replace(s, meta={"name": f"{'ab'[i > 0]}/{i}.jpg"}) for i, s in enumerate(samples(4))]
    faces[3] = replace(faces[3], meta={"name": "b/3.jpg", "set": "own"})
    moved = [replace(s, keypoints=s.keypoints + (0.04 * GAP * (i == 0), 0)) for i, s in enumerate(faces)]
    report = run(Known(moved), faces)
    assert {k: (m.faces, round(m.nme, 4)) for k, m in report.sets.items()} == {
        "a": (1, 0.04),
        "b": (2, 0),
        "own": (1, 0),
    }
    assert run(Known(faces[1:3]), faces[1:3]).sets == {}  # one set is no parts


def turned(yaw: float) -> Sample:
    """The generic head, with the mean shape's other points, turned by that."""
    points = np.full((68, 2), np.nan, np.float32)
    for name, place in pose.HEAD.items():
        points[IBUG.index(name)] = (pose.rotation(yaw, 0, 0) @ place)[:2] + 100
    return Sample(points, IBUG, pixels=np.zeros((200, 200, 3), np.uint8))


def test_yaw_bins_are_those_of_pose() -> None:
    faces = [turned(yaw) for yaw in (-31, 2, -3, 14, 16, 50)]
    few = faces[0].keypoints.copy()
    few[[IBUG.index(n) for n in list(pose.HEAD)[4:]]] = np.nan
    faces.append(replace(faces[0], keypoints=few))
    report = run(Known(faces, 1.0), faces)
    names = ["0 to 15", "15 to 30", "30 to 45", "45 to 90", "unknown"]
    assert [(k, m.faces) for k, m in report.yaw.items()] == list(zip(names, (3, 1, 1, 1, 1), strict=True))
    gap = np.linalg.norm(faces[5].keypoints[36] - faces[5].keypoints[45])
    assert report.yaw["45 to 90"].nme == pytest.approx(1 / gap, rel=1e-4)


def test_worst_faces_come_first_and_missed_ones_are_said_to_be() -> None:
    faces = samples(5)
    moved = [replace(s, keypoints=s.keypoints + (0.01 * i * GAP, 0)) for i, s in enumerate(faces)]
    report = run(Known(moved, missed=1), faces, boxes="finder", worst=3)
    assert [(w.index, w.found) for w in report.worst] == [(1, False), (4, True), (3, True)]
    assert [w.nme for w in report.worst] == pytest.approx([0.15, 0.04, 0.03], rel=1e-3)
    assert [w.name for w in report.worst] == ["sample 1", "sample 4", "sample 3"]
    # A missed face counts in every part.
    assert report.groups["jaw"].nme == pytest.approx((0.15 + 0.04 + 0.03 + 0.02) / 5, rel=1e-3)


def test_a_missing_point_is_no_gain() -> None:
    faces = samples(2)
    points = faces[0].keypoints.copy()
    points[30] = np.nan
    report = run(Known([replace(faces[0], keypoints=points), faces[1]]), faces)
    assert report.nme == np.inf
    assert report.failure_rate_8 == 0.5
    assert report.to_dict()["nme"] is None
    assert run(Known([replace(faces[0], keypoints=points), faces[1]]), faces, boxes="finder").nme == pytest.approx(
        0.075
    )


def test_faces_without_the_normaliser_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    faces = samples(3)
    blind = faces[1].keypoints.copy()
    blind[36] = np.nan
    faces[1] = replace(faces[1], keypoints=blind)
    report = run(Known(samples(3), 0.02 * GAP, missed=1), faces, boxes="finder")
    assert (report.faces, report.found) == (2, 1)
    assert report.nme == pytest.approx(0.02, rel=1e-3)
    assert "1 of 3 faces lack the labels for inter_ocular" in caplog.text
    with pytest.raises(ArgumentError, match="no face has the labels"):
        run(Known(faces), [faces[1]])


def test_points_that_do_not_span_the_face_are_measured_by_its_box() -> None:
    nose = schema.get("nose_tip")
    box = np.array([0, 0, 30, 40], np.float32)
    face = Sample(np.array([[10, 10]], np.float32), nose, pixels=np.zeros((50, 50, 3), np.uint8), source_box=box)
    known = Known([face])
    known.schema = nose
    known.stream = lambda *_, **__: iter([[Face(face.keypoints + [3, 4], np.ones(1), box, 1.0, nose)]])  # type: ignore[method-assign]
    report = run(known, [face])
    assert (report.normalizer, report.nme) == ("diagonal", pytest.approx(0.1))
    assert report.yaw == {}


def test_the_report_reads_well_and_is_plain_data() -> None:
    faces = samples()
    report = run(Known(faces, 0.04 * GAP), faces, name="drawn")
    text = str(report)
    assert text.startswith("known on drawn, 4 faces; NME over inter_ocular (95 % interval)\n")
    assert "4.00%  (4.00% to 4.00%)" in text
    assert len({line.index("|") for line in text.splitlines() if "|" in line}) == 1
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert list(data)[:6] == ["model", "data", "boxes", "normalizer", "faces", "nme"]
    assert list(data)[-1] == "environment"
    assert (data["data"], data["nme"], data["groups"]["jaw"]["faces"]) == ("drawn", 0.04, 4)
    assert data["worst"][0] == {"index": 0, "name": "sample 0", "nme": 0.04, "found": True}
    assert not {"errors", "points", "scores", "right"} & set(data)


def test_two_reports_stand_side_by_side() -> None:
    faces = samples()
    both = [run(Known(faces, 0.04 * GAP, missed=1), faces, boxes=kind) for kind in ("labelled", "finder")]  # type: ignore[arg-type]
    text = evaluate.table(both)
    head, first = text.splitlines()[1:3]
    assert head.index("finder boxes") - head.index("labelled boxes") == first.rindex("6.75%") - first.index("6.75%")
    assert both[0].nme == pytest.approx((3 * 0.04 + 0.15) / 4, rel=1e-4)  # no answer, whatever the box
    for wrong in ([], [both[0], run(Known(faces[:2]), faces[:2])]):
        with pytest.raises(ArgumentError, match="table"):
            evaluate.table(wrong)


def test_the_worst_faces_are_drawn_where_they_are() -> None:
    faces = samples(3)
    detector = Known(faces, 0.14 * GAP, missed=1)
    report = run(detector, faces, boxes="finder")
    sheet = evaluate.worst_sheet(report, faces, columns=2, side=200)
    assert sheet.shape == (2 * 204 + 4, 2 * 204 + 4, 3)
    missed, moved = sheet[4:204, 4:204].astype(int), sheet[4:204, 208:408].astype(int)
    red, green = (lambda p: p[..., 0] > p[..., 1] + 80, lambda p: p[..., 1] > p[..., 0] + 80)
    assert green(missed).any()
    assert not red(missed).any()
    assert red(moved).any()
    # The chin of the second tile, in green: found again where the crop of truth and prediction puts it.
    points = faces[0].keypoints
    both = np.concatenate([points, points + (0.14 * GAP, 0)])
    matrix = geometry.crop_matrix(geometry.extent(both), (200, 200), 1.6)
    x, y = np.rint(geometry.apply(matrix, points[8:9])[0]).astype(int)
    assert green(moved[y, x])
    with pytest.raises(ArgumentError, match="3 faces, there are 2"):
        evaluate.worst_sheet(report, faces[:2])
