"""Every public function on arrays, given what is wrong: its own error, which names the argument and what came.

The rows of docs/robustness.md, "Functions".  Python's own TypeError stands for an argument that is missing or misspelt.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from facekp import decoders, draw, export, geometry, heatmap, losses, metrics, plots, pose, preprocessing, transforms
from facekp import schema as schemas
from facekp.errors import FacekpError
from facekp.face import Face
from facekp.sample import Frame, Sample
from facekp.schema import KeypointSchema

NAN, INF = float("nan"), float("inf")
IBUG = schemas.get("ibug68")
SHAPE = IBUG.mean_shape * 40 + 32
IMAGE = np.zeros((64, 64, 3), np.uint8)
EYE = np.eye(2, 3)
FIVE = np.zeros((5, 2), np.float32)
BOX = np.array([2.0, 2.0, 20.0, 20.0])
BATCH = SHAPE[None]
MAPS = torch.zeros(1, 2, 4, 4)
POINTS = torch.zeros(1, 2, 2)
CELLS = torch.zeros(1, 2, 2, dtype=torch.int64)
SIZE = ("size", "expected (height, width) in whole pixels")


class Row:
    """A call that must fail, and words of its message."""

    def __init__(self, function: Any, *args: Any, says: tuple[str, ...] | str, **options: Any) -> None:
        self.function, self.args, self.options = function, args, options
        self.says = (says,) if isinstance(says, str) else says

    def __str__(self) -> str:
        return getattr(self.function, "__qualname__", type(self.function).__name__)


GEOMETRY = [
    *(
        Row(geometry.warp, IMAGE, EYE, size, says=SIZE)
        for size in ((0, 4), (-1, 4), (4.5, 4), 4, "ab", None, (1, 2, 3))
    ),
    Row(geometry.warp, IMAGE, EYE, (40_000, 4), says=("size", "at most 32766", "40000")),
    Row(geometry.warp, IMAGE[:0], EYE, (4, 4), says=("image", "with pixels", "(0, 64, 3)")),
    Row(geometry.warp, IMAGE[0, 0], EYE, (4, 4), says=("image", "(H, W)", "(3,)")),
    Row(geometry.warp, np.zeros((4, 4, 5), np.uint8), EYE, (4, 4), says=("image", "(4, 4, 5)")),
    *(
        Row(geometry.warp, IMAGE.astype(t), EYE, (4, 4), says=("image", "uint8", t))
        for t in ("int64", "bool", "complex64")
    ),
    Row(geometry.warp, "photo.jpg", EYE, (4, 4), says=("image", "array", "photo.jpg")),
    Row(geometry.warp, None, EYE, (4, 4), says=("image", "None")),
    Row(geometry.warp, IMAGE, np.eye(3), (4, 4), says=("matrix", "2x3", "(3, 3)")),
    Row(geometry.warp, IMAGE, EYE * NAN, (4, 4), says=("matrix", "finite")),
    Row(geometry.warp, IMAGE, EYE * 0, (4, 4), says=("matrix", "no inverse")),
    *(Row(geometry.warp, IMAGE, EYE, (4, 4), border=b, says="border") for b in (NAN, 300, -1, "black")),
    *(Row(geometry.face_crop, IMAGE, SHAPE, IBUG, s, says=("size", "at least 1", str(s))) for s in (-4, 0, 1.5)),
    Row(geometry.face_crop, IMAGE, FIVE, IBUG, says=("ibug68 expects (68, 2)", "(5, 2)")),
    Row(geometry.face_crop, IMAGE, BATCH, IBUG, says=("ibug68 expects (68, 2)", "(1, 68, 2)")),
    Row(geometry.face_crop, IMAGE, SHAPE * NAN, IBUG, says="two distinct points"),
    Row(geometry.face_crop, IMAGE, SHAPE, "ibug68", says=("schema", "facekp.schema.get('ibug68')")),
    Row(geometry.face_crop, IMAGE, SHAPE, IBUG, template=FIVE[:4], says=("template", "(5, 2)", "(4, 2)")),
    *(Row(geometry.apply, m, SHAPE, says=("apply", "(..., 2, 3)", "(68, 2)")) for m in (np.eye(3), np.eye(2), [1, 2])),
    *(Row(geometry.apply, EYE, p, says=("apply", "(..., K, 2)")) for p in ([1, 2], np.zeros((4, 3)), [], 3)),
    Row(geometry.apply, np.zeros((3, 2, 3)), np.zeros((4, 5, 2)), says=("apply", "(3, 2, 3)", "(4, 5, 2)")),
    Row(geometry.apply, EYE, "nose", says=("points", "numbers", "str")),
    Row(geometry.apply, EYE, SHAPE * 1j, says=("points", "numbers")),
    *(Row(geometry.crop_matrix, BOX, size, says=SIZE) for size in ((0, 4), (4, -4), (4.5, 4), None)),
    *(Row(geometry.crop_matrix, BOX, (4, 4), s, says=("scale", "positive", str(s))) for s in (0, -1, NAN, INF)),
    Row(geometry.crop_matrix, BOX, (4, 4), "large", says=("scale", "'large'")),
    *(Row(geometry.crop_matrix, BOX, (4, 4), angle=a, says=("angle", "finite")) for a in (NAN, INF)),
    *(
        Row(geometry.crop_matrix, box, (4, 4), says=("box", "no area"))
        for box in ([0, 0, 0, 0], [0, 0, NAN, 4], [0, 0, INF, 4], [9, 0, 0, 9], [0, 9, 9, 0])
    ),
    *(
        Row(geometry.crop_matrix, box, (4, 4), says=("box", "four numbers"))
        for box in ([0, 0, 4], 3, None, BOX[None], [])
    ),
    Row(geometry.invert, np.eye(3), says=("matrix", "(..., 2, 3)", "(3, 3)")),
    Row(geometry.invert, np.ones((3, 2)), says=("matrix", "(3, 2)")),
    Row(geometry.invert, EYE * NAN, says=("matrix", "finite")),
    Row(geometry.invert, np.stack([EYE, np.full((2, 3), INF)]), says=("matrix", "finite")),
    Row(geometry.invert, np.stack([EYE, EYE * 0]), says=("matrix", "no inverse")),
    Row(geometry.invert, [], says=("matrix", "(0,)")),
    *(Row(geometry.zoom, m, says=("matrix", "2x3")) for m in (np.eye(3), 1.0, [])),
    *(Row(geometry.compose, EYE, m, says=("matrices[1]", "2x3")) for m in (np.eye(3), np.ones((1, 3)), [])),
    *(Row(geometry.extent, p, says=("points", "(..., K, 2)")) for p in (np.zeros((4, 3)), [1.0, 2.0], [])),
    Row(geometry.extent, [[1, 2], [3]], says=("points", "different lengths")),
    *(Row(geometry.image_box, s, says=SIZE) for s in ((0, 4), (4, -1), 4, (4, NAN))),
    *(Row(geometry.resize_matrix, s, (4, 4), says=SIZE) for s in ((0, 4), (4, NAN), 4)),
    *(Row(geometry.resize_matrix, (4, 4), s, says=("to", "whole pixels")) for s in ((0, 4), (4, -2), 4)),
    *(Row(geometry.mirror_matrix, w, says=("width", "at least 1")) for w in (0, -4, NAN, "4")),
    *(Row(geometry.rotation_matrix, a, (0, 0), says=("angle", "finite")) for a in (NAN, "90", None)),
    *(Row(geometry.rotation_matrix, 9, (0, 0), s, says=("scale", "positive")) for s in (0, -1, NAN)),
    *(Row(geometry.rotation_matrix, 9, c, says="centre") for c in ((0, NAN), 3, (1, 2, 3))),
    *(Row(geometry.iou, b, BOX[None], says=("a: expected boxes (N, 4)",)) for b in (np.zeros((2, 5)), BOX, 3)),
    Row(geometry.iou, BOX[None], [[1, 2, 3]], says=("b: expected boxes (N, 4)", "(1, 3)")),
    Row(geometry.nms, np.zeros((3, 5)), [1, 2, 3], says=("boxes", "(N, 4)", "(3, 5)")),
    Row(geometry.nms, BOX[None], [0.5, 0.6], says=("scores", "(1,)", "(2,)")),
    Row(geometry.nms, [BOX, BOX * NAN], [0.5, 0.6], says=("boxes", "finite")),
    Row(geometry.nms, [BOX, BOX], [0.5, NAN], says=("scores", "finite")),
    Row(geometry.nms, BOX[None], [0.5], NAN, says=("threshold", "nan")),
    *(Row(geometry.as_boxes, b, says="boxes") for b in ([[0, 0, 0, 4]], [[0, 0, NAN, 4]], [[5, 5, 3, 9]], 3, None)),
    Row(geometry.similarity, FIVE, np.zeros((4, 2)), says=("similarity", "(5, 2)", "(4, 2)")),
    Row(geometry.similarity, FIVE, FIVE, says=("similarity", "two distinct")),
    Row(geometry.similarity, BATCH, BATCH, says=("similarity", "(1, 68, 2)")),
    *(Row(geometry.similarity, p, p, says="similarity") for p in (SHAPE * NAN, [], np.zeros((0, 2)), np.zeros((5, 3)))),
    Row(geometry.similarity, "a", "b", says=("source", "numbers")),
    Row(geometry.align, np.zeros((2, 5, 2)), np.zeros((3, 5, 2)), says=("align", "(2, 5, 2)", "(3, 5, 2)")),
    Row(geometry.align, np.zeros((2, 5, 2)), np.zeros((2, 1, 2)), says=("align", "(2, 5, 2)", "(2, 1, 2)")),
    Row(geometry.align, np.zeros(2), np.zeros(2), says=("align", "(2,)")),
    Row(geometry.align, BATCH, BATCH * NAN, says=("align", "of face 0")),
    Row(geometry.five_points, FIVE, IBUG, says=("ibug68 expects (..., 68, 2)", "(5, 2)")),
    Row(geometry.five_points, SHAPE[:1], schemas.get("nose_tip"), says="no pupils"),
    Row(geometry.five_points, SHAPE, None, says=("schema", "None")),
]

FLOATS = "floating-point"
HEATMAP = [
    *(
        Row(f, POINTS.long(), (4, 4), *o, says=(f"{f.__name__}: points", FLOATS, "int64"))
        for f, o in ((heatmap.gaussian, (1.0,)), (heatmap.disc, (1.0,)), (heatmap.offsets, ()))
    ),
    *(
        Row(f, torch.zeros(2, 3), (4, 4), *o, says=(f"{f.__name__}: points", "(2, 3)"))
        for f, o in ((heatmap.gaussian, (1.0,)), (heatmap.disc, (1.0,)), (heatmap.offsets, ()))
    ),
    *(
        Row(f, np.zeros((2, 2)), (4, 4), *o, says=(f"{f.__name__}: points", "tensor"))
        for f, o in ((heatmap.gaussian, (1.0,)), (heatmap.disc, (1.0,)), (heatmap.offsets, ()))
    ),
    *(
        Row(f, POINTS, s, *o, says=(f.__name__, *SIZE))
        for s in ((0, 4), (-1, 4), (4.5, 4), 4)
        for f, o in ((heatmap.gaussian, (1.0,)), (heatmap.disc, (1.0,)), (heatmap.offsets, ()))
    ),
    *(
        Row(f, POINTS, (4, 4), *o, stride=s, says=(f.__name__, "stride"))
        for s in (0, -1, NAN, INF, "2")
        for f, o in ((heatmap.gaussian, (1.0,)), (heatmap.disc, (1.0,)), (heatmap.offsets, ()))
    ),
    *(Row(heatmap.gaussian, POINTS, (4, 4), s, says=("gaussian: sigma", str(s))) for s in (0, -1, NAN, INF, None)),
    Row(heatmap.gaussian, POINTS, (4, 4), 1.0, normalize="max", says=("normalize", "peak, sum")),
    *(Row(heatmap.disc, POINTS, (4, 4), r, says=("disc: radius", str(r))) for r in (-1, 0, 0.5, NAN, INF, "1")),
    *(
        Row(f, POINTS, s, says=(f.__name__, "stride"))
        for f in (heatmap.to_input, heatmap.to_heatmap)
        for s in (0, NAN, -4)
    ),
    *(Row(f, [1, 2], 4, says=(f.__name__, "tensor")) for f in (heatmap.to_input, heatmap.to_heatmap)),
    *(
        Row(f, m, says=(f"{f.__name__}: maps", words))
        for f in (
            heatmap.spatial_softmax,
            heatmap.soft_argmax,
            heatmap.expectation,
            heatmap.centre_of_mass,
            heatmap.peak,
        )
        for m, words in (
            (MAPS[..., :0], "(1, 2, 4, 0)"),
            (MAPS[0, 0, 0], "(4,)"),
            (MAPS.numpy(), "tensor"),
            (None, "None"),
            (MAPS.to(torch.complex64), "complex64"),
        )
    ),
    *(
        Row(f, MAPS.long(), says=(f"{f.__name__}: maps", FLOATS))
        for f in (heatmap.spatial_softmax, heatmap.soft_argmax, heatmap.expectation, heatmap.centre_of_mass)
    ),
    *(
        Row(f, MAPS, t, says=(f"{f.__name__}: temperature", str(t)))
        for f in (heatmap.spatial_softmax, heatmap.soft_argmax)
        for t in (-1, 0, NAN, INF, "hot")
    ),
    Row(heatmap.spread, MAPS[..., :0], POINTS, says=("spread: maps", "at least one cell")),
    *(Row(heatmap.spread, MAPS, m, says=("spread: mean", "(1, 2, 2)")) for m in (POINTS[0], torch.zeros(1, 2, 3), 1.0)),
    Row(heatmap.patches, MAPS[0, 0, 0], CELLS, 1, says=("patches: maps", "(4,)")),
    Row(heatmap.patches, MAPS, CELLS[..., :1], 1, says=("patches: cells", "(1, 2, 1)")),
    Row(heatmap.patches, MAPS, CELLS.float(), 1, says=("patches: cells", "int64", "float32")),
    *(Row(heatmap.patches, MAPS, CELLS, r, says=("patches: radius", "at least 0")) for r in (-1, 1.5)),
]

PREPROCESSING = [
    *(
        Row(preprocessing.equalised, crop, 2.0, says=("crop", "(H, W, 3) of uint8"))
        for crop in (IMAGE.astype(np.float32), IMAGE[..., 0], IMAGE[:0], "photo.jpg", None, IMAGE[..., :2])
    ),
    *(Row(preprocessing.equalised, IMAGE, c, says=("clip_limit", "positive")) for c in (0, -1, NAN, INF, "2")),
    *(
        Row(preprocessing.network_input, images, 0.0, 1.0, says=("images", "(N, 3, H, W)"))
        for images in (torch.zeros(1, 1, 4, 4), torch.zeros(3, 4, 4), IMAGE, None)
    ),
    *(Row(preprocessing.network_input, torch.zeros(1, 3, 4, 4), m, 1.0, says="mean") for m in (NAN, INF, "0", None)),
    *(
        Row(preprocessing.network_input, torch.zeros(1, 3, 4, 4), 0.0, s, says=("std", "positive"))
        for s in (0, -1, NAN, INF)
    ),
    *(
        Row(preprocessing.planes, images, 0.0, 1.0, says=("images", "(H, W, 3) of uint8, of one size"))
        for images in (
            [],
            None,
            IMAGE,
            [IMAGE[..., 0]],
            [IMAGE, IMAGE[:-1]],
            IMAGE[None].astype(np.float32),
            [IMAGE[:0]],
        )
    ),
    *(Row(preprocessing.planes, [IMAGE], m, 1.0, says="mean") for m in (NAN, INF, "0", None)),
    *(Row(preprocessing.planes, [IMAGE], 0.0, s, says=("std", "positive")) for s in (0, -1, NAN, INF)),
]

POSE = [
    *(Row(pose.angles, p, IBUG, says=("ibug68 expects (N, 68, 2)",)) for p in (SHAPE, FIVE[None], [], 3)),
    Row(pose.angles, BATCH, "ibug68", says=("schema", "facekp.schema.get('ibug68')")),
    *(Row(pose.levelled, p, IBUG, says=("ibug68 expects (68, 2)",)) for p in (FIVE, BATCH, [])),
    Row(pose.levelled, "nose", IBUG, says=("points", "str")),
    Row(pose.rotation, NAN, 0, 0, says=("yaw", "nan")),
    Row(pose.rotation, 0, INF, 0, says=("pitch", "inf")),
    Row(pose.rotation, 0, 0, "9", says=("roll", "'9'")),
    *(Row(pose.yaw_bin, y, says=("yaw", "from -90 to 90")) for y in ([91.0], [-170.0], [INF])),
    Row(pose.yaw_bin, ["left"], says=("yaw", "numbers")),
]

ERRORS = [0.01, 0.02]
METRICS = [
    *(Row(f, [-1, 0.1], says=("errors", "at least 0", "-1")) for f in (metrics.auc, metrics.ced, metrics.failure_rate)),
    Row(metrics.pck, [[-1, 0.1]], says=("errors", "-1")),
    *(
        Row(f, ERRORS, at=at, says=("at:", "positive", str(at)))
        for f in (metrics.auc, metrics.failure_rate, metrics.pck)
        for at in (NAN, -0.1, 0, INF, "8%")
    ),
    *(
        Row(f, "errors", says=("errors", "numbers"))
        for f in (metrics.auc, metrics.ced, metrics.failure_rate, metrics.pck, metrics.per_face, metrics.per_keypoint)
    ),
    *(Row(f, np.zeros(5), says=("errors", "(N, K)", "(5,)")) for f in (metrics.per_face, metrics.per_keypoint)),
    *(
        Row(f, p, t, IBUG, says=words)
        for f in (metrics.nme, metrics.point_errors)
        for p, t, words in (
            (FIVE[None], FIVE[None], "(N, 68, 2)"),
            (SHAPE, SHAPE, "(N, 68, 2)"),
            (BATCH, np.zeros((2, 68, 2)), "(1, 68, 2)"),
            (BATCH, "truth", "target: expected numbers"),
            (BATCH * 1j, BATCH, "prediction: expected numbers"),
        )
    ),
    *(Row(f, BATCH, BATCH, "ibug68", says=("schema", "get('ibug68')")) for f in (metrics.nme, metrics.point_errors)),
    *(
        Row(metrics.nme, BATCH, BATCH, IBUG, "box", boxes=b, says="boxes")
        for b in ([[9, 9, 0, 0]], [[0, 0, INF, 9]], [BOX, BOX], [[0, 0, 9]], "box")
    ),
    *(Row(metrics.normalizer, BATCH, IBUG, norm, says="norm") for norm in ("iod", 3, None, "chin-chin")),
    Row(metrics.normalizer, FIVE[None], IBUG, says=("target: schema ibug68", "(1, 5, 2)")),
    Row(metrics.normalizer, BATCH, IBUG, "diagonal", boxes=[[9, 9, 0, 0]], says=("boxes", "x1 >= x0")),
    Row(metrics.default_normalizer, "ibug68", says=("schema", "KeypointSchema")),
    *(Row(f, FIVE, FIVE[:4], says=("(5, 2)", "(4, 2)")) for f in (metrics.mae, metrics.rmse)),
    *(Row(f, FIVE, "truth", says=("target", "numbers")) for f in (metrics.mae, metrics.rmse)),
    *(
        Row(f, *given, says=words)
        for f in (metrics.reliability, metrics.expected_calibration_error)
        for given, words in (
            (([2.0], [True]), ("scores", "from 0 to 1", "2")),
            (([-0.1], [True]), ("scores", "from 0 to 1")),
            (([0.5], [0.7]), ("right", "bool")),
            (([0.5], [True, False]), ("(1,)", "(2,)")),
            (([[0.5]], [[True]]), "(1, 1)"),
            (([0.5], [True], 0), ("bins", "at least 1")),
            (([0.5], [True], 2.5), ("bins", "2.5")),
        )
    ),
    Row(metrics.rank_correlation, np.zeros(3), np.zeros(3), says=("rank_correlation", "(3,)")),
    Row(metrics.rank_correlation, FIVE, FIVE[:3], says=("(5, 2)", "(3, 2)")),
    *(Row(metrics.interval, ERRORS, level=v, says="level") for v in (0, 1, 95, NAN, "95%")),
    *(Row(metrics.interval, ERRORS, draws=v, says="draws") for v in (0, -1, 2.5)),
    Row(metrics.interval, ERRORS, seed=-1, says="seed"),
    Row(metrics.interval, "errors", says=("values", "numbers")),
    *(Row(metrics.jitter, p, says=("jitter", "(T, K, 2)")) for p in (FIVE, np.zeros((4, 5, 3)), [])),
    Row(metrics.jitter, "film", says=("points", "numbers")),
    Row(metrics.jitter, BATCH, norm="box", says="needs a schema"),
    Row(metrics.spread, FIVE, FIVE, says=("spread", "(5, 2)")),
    Row(metrics.spread, BATCH, BATCH, boxes=[BOX * 0], says=("boxes", "without a size")),
    Row(metrics.spread, BATCH, BATCH, faces=[1], says=("faces", "bool")),
    Row(metrics.in_boxes, SHAPE, BOX, says=("in_boxes", "(68, 2)")),
    Row(metrics.in_boxes, BATCH, [[0, 0, INF, 9]], says=("boxes", "finite")),
    *(
        Row(c, at=at, says=("at:", "positive"))
        for c in (metrics.FailureRate, metrics.AUC, metrics.PCK, metrics.CalibrationError)
        for at in (0, -1, NAN, "8%")
    ),
    *(
        Row(c, norm="iod", says="normaliser")
        for c in (metrics.NME, metrics.CED, metrics.PerKeypointError, metrics.FailureRate, metrics.Jitter)
    ),
    *(Row(c, schema="ibug67", says=("schema", "ibug67")) for c in (metrics.NME, metrics.CED, metrics.PerKeypointError)),
    *(Row(c, schema=3, says=("schema", "3")) for c in (metrics.NME, metrics.CED, metrics.PerKeypointError)),
    Row(metrics.Jitter, schema=3, says=("schema", "3")),
    Row(metrics.CalibrationError, bins=0, says="bins"),
    *(
        Row(c().update, FIVE[None], FIVE[None], says=("(N, 68, 2)",))
        for c in (metrics.NME, metrics.CED, metrics.PerKeypointError, metrics.AUC, metrics.PCK)
    ),
    Row(metrics.CalibrationError().update, BATCH, BATCH, np.full((1, 68), 2.0), says=("scores", "from 0 to 1")),
    Row(metrics.MAE().update, FIVE, FIVE[:4], says=("(5, 2)", "(4, 2)")),
    Row(metrics.RMSE().update, FIVE, "truth", says="numbers"),
    Row(metrics.Jitter().update, FIVE, says=("jitter", "(5, 2)")),
]

FACE = (SHAPE, np.ones(68), BOX, 1.0, IBUG)
THINGS = [
    Row(Face, FIVE, np.ones(5), BOX, 1.0, IBUG, says=("ibug68 expects keypoints (68, 2)", "(5, 2)")),
    Row(Face, SHAPE, np.ones(5), BOX, 1.0, IBUG, says=("scores (68,)", "(5,)")),
    Row(Face, SHAPE, np.ones(68), BOX[:3], 1.0, IBUG, says=("box (4,)", "(3,)")),
    Row(Face, *FACE, np.ones(5), says=("uncertainty (68,)", "(5,)")),
    Row(Face, *FACE[:4], "ibug68", says=("schema", "facekp.schema.get('ibug68')")),
    Row(Face.from_dict, {}, says=("face", "'keypoints' is missing")),
    Row(Sample, FIVE, IBUG, says=("keypoints: schema ibug68 expects (68, 2)", "(5, 2)")),
    Row(Sample, BATCH, IBUG, says=("(68, 2)", "(1, 68, 2)")),
    Row(Sample, SHAPE, None, says=("schema", "None")),
    Row(Sample, SHAPE, IBUG, source_box=BOX[:3], says=("source_box", "(4,)", "(3,)")),
    Row(Frame, BOX, says=("boxes", "(N, 4)", "(4,)")),
    Row(Frame, BOX[None], BOX, says=("ignore", "(N, 4)", "(4,)")),
    Row(Frame, BOX[None], angles=np.zeros(2), says=("angles", "(1,)", "(2,)")),
    Row(Frame, BOX[None], points=SHAPE, says=("points", "(1, K, 2)", "(68, 2)")),
    Row(draw.sheet, [IMAGE], size=(10**6, 10**6), says=("size", "178,956,970 pixels")),
    Row(draw.sheet, [IMAGE], gap=10**6, says=("gap 1000000", "pixels")),
    *(Row(draw.sheet, [IMAGE], size=s, says=SIZE) for s in ((0, 4), (-1, 4), 4, (4.5, 4), (NAN, 4))),
    *(Row(draw.sheet, [IMAGE], columns=c, says=("columns", "at least 1")) for c in (0, -1, 1.5, "4")),
    *(Row(draw.sheet, [IMAGE], gap=g, says=("gap", "at least 0")) for g in (-1, 0.5)),
    *(Row(draw.sheet, p, says="pictures") for p in ([], None, 3, "photo.jpg")),
    Row(draw.sheet, [IMAGE], labels=["a", "b"], says="labels"),
    Row(draw.points, IMAGE, FIVE, IBUG, says=("keypoints", "68 points", "(5, 2)")),
    Row(draw.points, IMAGE, SHAPE, "ibug68", says=("schema", "get('ibug68')")),
    *(Row(draw.points, IMAGE, p, says="keypoints") for p in ([], 3, np.zeros((4, 3)), SHAPE * 1j, "nose")),
    *(Row(draw.points, IMAGE, SHAPE, size=s, says="size") for s in (0, -1, NAN, "2")),
    *(Row(draw.points, IMAGE, SHAPE, low=s, says="low") for s in (NAN, "2", None)),
    Row(draw.points, IMAGE[:0], SHAPE, says="pixels"),
    *(Row(draw.boxes, IMAGE, b, says="boxes") for b in ([[5, 5, 3, 9]], BOX, [[0, 0, INF, 4]], [[0, 0, 4]])),
    Row(draw.boxes, IMAGE.astype(np.int64), BOX[None], says="int64"),
    Row(draw.boxes, IMAGE, BOX[None], labels=3, says="labels"),
    Row(draw.boxes, IMAGE, BOX[None], color="red", says="colors"),
    *(Row(draw.faces, IMAGE, f, says="faces") for f in (None, 3, [None], [BOX])),
    Row(schemas.get, "ibug67", says=("ibug67", "ibug68")),
    *(Row(schemas.get, name, says="unknown schema") for name in (None, 3, [], ["ibug68"])),
    *(
        Row(KeypointSchema, *given, says="schema 's'")
        for given in (
            ("s", (), None, (), {}, {}, np.zeros((0, 2)), True),
            ("s", ("a",), None, ((0, 1),), {}, {}, np.zeros((1, 2)), True),
            ("s", ("a",), None, (), {}, {}, np.zeros((2, 2)), True),
            ("s", ("a",), None, (), {}, {}, np.full((1, 2), NAN), True),
            ("s", ("a",), (1,), (), {}, {}, np.zeros((1, 2)), True),
            ("s", 3, None, (), {}, {}, np.zeros((1, 2)), True),
            ("s", ("a",), None, 3, {}, {}, np.zeros((1, 2)), True),
            ("s", ("a",), None, (), None, {}, np.zeros((1, 2)), True),
        )
    ),
    Row(IBUG.mirrored, FIVE, 9, says=("points: schema ibug68", "(5, 2)")),
    *(Row(IBUG.mirrored, SHAPE, w, says=("width", "at least 1")) for w in (-9, 0, NAN, "9")),
    *(Row(IBUG.subset, names, says="ibug68") for names in ([], ["snout"], [3], "tip")),
    *(Row(IBUG.subset, names, says="names") for names in (3, None)),
    Row(IBUG.index, "tip", says="nose_tip"),
    Row(KeypointSchema.from_dict, {}, says="missing"),
]


def loss_rows() -> list[Row]:
    """All losses have the same arguments; their options are numbers."""
    rows = []
    for name, function in losses.LOSSES.items():
        module = next(c for c in vars(losses).values() if getattr(c, "function", None) is function)
        pred = {
            key: torch.zeros([2, 3, 4, 4][: len(shape)] if len(shape) == 4 else [2, 3, 2][: len(shape)])
            for key, shape in module.empty.items()
        }
        for changed, words in (
            ({"pred": pred["pred"].long()}, ("pred", "floating-point", "int64")),
            ({"pred": pred["pred"].numpy()}, ("pred", "tensor")),
            ({"pred": None}, ("pred", "None")),
            ({"pred": pred["pred"][0, 0]}, ("pred", "target")),
            ({"target": pred["target"][:1]}, ("target", "(1, 3")),
            ({"target": pred["target"].numpy()}, ("target", "tensor")),
            ({"mask": torch.ones(2, 3)}, ("mask", "bool")),
            ({"mask": [[True] * 3] * 2}, ("mask", "tensor")),
            ({"mask": torch.ones(2, 4, dtype=torch.bool)}, ("mask", "(2, 4)")),
            ({"weight": torch.ones(5)}, ("weight", "(5,)")),
            ({"weight": [1.0, 2.0, 3.0]}, ("weight", "tensor")),
            ({"reduction": "avg"}, ("reduction", "mean, none, sum")),
        ):
            given = {**pred, **changed}
            says = tuple(w for w in words if w not in ("pred", "target")) or ("must",)
            rows.append(Row(function, **given, says=(name, *says)))
        kinds = inspect.signature(module).parameters.values()
        options = [p.name for p in kinds if isinstance(p.default, float)]
        for option in options:
            rows += [Row(module, says=(name, option), **{option: value}) for value in (NAN, INF, "1", None)]
        rows.append(Row(module, reduction="avg", says=("reduction", "avg")))
    rows += [Row(losses.create, "l3", says=("l3", "l1")), Row(losses.create, "l1", beta=2, says="beta")]
    rows += [Row(losses.Loss, "avg", says=("reduction", "avg")), Row(losses.create, None, says="None")]
    for function, key in ((losses.laplace_nll, "log_b"), (losses.gaussian_nll, "log_sigma")):
        for value in (torch.zeros(2, 2), np.zeros((1, 2)), 1.0):
            rows.append(Row(function, POINTS, POINTS, says=key, **{key: value}))
    return rows


def codec_rows() -> list[Row]:
    rows = []
    for codec in decoders.CODECS.values():
        grid = issubclass(codec, decoders.GridCodec)
        right = {"input_size": (64, 64), **({"heatmap_size": (16, 16)} if grid else {})}
        if codec is decoders.PIP:
            right["mean_shape"] = SHAPE
        for key in ("input_size", "heatmap_size") if grid else ("input_size",):
            for value in ((0, 64), (-1, 64), 64, (64.5, 64), (NAN, 64), "ab", None, (1, 2, 3)):
                rows.append(Row(codec, says=key, **{**right, key: value}))
        for parameter in inspect.signature(codec).parameters.values():
            if isinstance(parameter.default, float):
                for value in (NAN, "1", None, INF):
                    if value is not None or "None" not in str(parameter.annotation):
                        rows.append(Row(codec, says=parameter.name, **{**right, parameter.name: value}))
        made = codec(**right)
        for points in (torch.zeros(1, 68, 3), np.zeros((1, 68, 2)), torch.zeros(1, 68, 2, dtype=torch.int64)):
            rows.append(Row(made.encode, points, says="points"))
        rows.append(Row(made.encode, torch.zeros(1, 68, 2), torch.ones(1, 68), says="mask"))
        rows.append(Row(codec, **right, calibration={"slope": NAN, "bias": [0.0]}, says="calibration"))
    rows += [
        Row(decoders.create, "dsnt", says=("dsnt", "argmax")),
        Row(decoders.create, "argmax", says="argmax"),
        Row(decoders.create, "argmax", input_size=(64, 64), heatmap_size=(16, 16), tau=1, says="tau"),
        Row(decoders.from_config, {}, says="no name"),
        Row(decoders.from_config, 3, says="config"),
        Row(decoders.HeatmapCodec.size, (0, 1), "heatmap_size", says="heatmap_size"),
        Row(decoders.GridCodec.size, None, "input_size", says="input_size"),
        Row(decoders.Codec.size, "ab", "input_size", says="input_size"),
    ]
    return rows


CROP = transforms.CropToBox((16, 16))
SAMPLE = Sample(SHAPE, IBUG, pixels=IMAGE)


def transform_rows() -> list[Row]:
    rows = []
    for name in transforms.__all__:
        kind = getattr(transforms, name)
        if not (inspect.isclass(kind) and issubclass(kind, transforms.Transform)) or kind is transforms.Transform:
            continue
        for parameter in inspect.signature(kind).parameters.values():
            if parameter.name in ("transform", "transforms", "box", "size") and name not in ("Hand", "Occlude"):
                continue
            others = {"angle": 5} if name == "Rotate" else {"scale": 0.1} if name == "Scale" else {}
            others = {"size": (8, 8)} if name == "CropToBox" else others
            others = {"transform": torch.nn.Identity()} if name == "TorchVision" else others
            for value in (NAN, "much", None, -1e9, [1, 2, 3]):
                rows.append(Row(kind, says=(name, parameter.name), **{**others, parameter.name: value}))
    for kind in (transforms.CropToBox, transforms.Resize):
        rows += [Row(kind, s, says="size") for s in ((0, 4), (-1, 4), 4, (4.5, 4), (NAN, 4), "ab", None)]
    mirror = transforms.Mirror(1.0)
    rows += [
        Row(transforms.CropToBox, (8, 8), box="tight", says="tight"),
        Row(transforms.Compose, 3, says="transforms"),
        Row(transforms.Compose, [3], says="transforms[0] is a int"),
        Row(transforms.preset, "hard", CROP, says=("hard", "classic")),
        Row(transforms.preset, "classic", 3, says="transforms[0] is a int"),
        Row(transforms.TorchVision, 3, says="TorchVision"),
        Row(transforms.BatchWarp, [3], IBUG, says="transforms[0] is a int"),
        Row(transforms.BatchWarp, [mirror], "ibug68", says="schema"),
        Row(transforms.BatchWarp, 3, IBUG, says="transforms"),
        Row(transforms.BatchWarp([CROP], IBUG), torch.zeros(1, 3, 8, 8), BATCH, says="uint8"),
        Row(
            transforms.BatchWarp([CROP], IBUG), torch.zeros(1, 3, 8, 8, dtype=torch.uint8), FIVE[None], says="keypoints"
        ),
        Row(transforms.BatchWarp([CROP], IBUG), None, BATCH, says="images"),
        Row(mirror, 3, says="Sample"),
        Row(CROP, Sample(SHAPE * NAN, IBUG, pixels=IMAGE), says="no area"),
        Row(transforms.to_tv_tensors, 3, says="sample"),
        Row(transforms.from_tv_tensors, torch.zeros(3, 4, 4), FIVE, says="keypoints"),
        Row(transforms.from_tv_tensors, IMAGE, transforms.to_tv_tensors(SAMPLE)[1], says="image"),
    ]
    picture = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    rows += [Row(transforms.warp_batch, picture, EYE[None], s, says="size") for s in ((0, 4), 4, (4.5, 4))]
    rows += [
        Row(transforms.warp_batch, picture, m, (4, 4), says="matri") for m in (np.eye(3)[None], EYE[None] * NAN, EYE, 3)
    ]
    rows += [
        Row(transforms.warp_batch, p, EYE[None], (4, 4), says="images") for p in (picture[0], picture[:, :, :0], 3)
    ]
    return rows


def plot_rows(folder: Path) -> list[Row]:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3))
    return [
        Row(plots.samples, [], says="samples"),
        Row(plots.samples, 3, says="samples"),
        Row(plots.samples, [3], says="samples"),
        *(Row(plots.samples, [SAMPLE], says=key, **{key: v}) for key in ("count", "columns") for v in (0, -1, 1.5)),
        *(Row(plots.samples, [SAMPLE], scale=v, says="scale") for v in (0, -1, NAN)),
        *(Row(plots.samples, [SAMPLE], side=v, says="side") for v in (0, -1, NAN, "a")),
        Row(plots.augmented, [], CROP, says="samples"),
        Row(plots.augmented, SAMPLE, 3, says="transform"),
        *(Row(plots.augmented, SAMPLE, CROP, copies=v, says="copies") for v in (0, -1, 1.5)),
        Row(plots.augmented, SAMPLE, CROP, seed=-1, says="seed"),
        *(Row(plots.augmented, SAMPLE, CROP, side=v, says="side") for v in (0, NAN)),
        *(Row(plots.pairs, [SAMPLE], p, says="predictions") for p in (SHAPE, FIVE[None], "a", np.zeros((2, 68, 2)))),
        Row(plots.pairs, [], BATCH[:0], says="pairs"),
        Row(plots.pairs, [SAMPLE], BATCH, errors=[1, 2], says="errors"),
        *(Row(plots.pairs, [SAMPLE], BATCH, each=v, says="each") for v in (0, -1, 1.5)),
        *(Row(plots.pairs, [SAMPLE], BATCH, says=k, **{k: v}) for k in ("scale", "side") for v in (0, NAN)),
        Row(plots.progress, IMAGE, {}, IBUG, says="progress"),
        Row(plots.progress, IMAGE, {1: FIVE}, IBUG, says="(5, 2)"),
        Row(plots.progress, IMAGE, [SHAPE], IBUG, says="predictions"),
        Row(plots.progress, IMAGE, {1: SHAPE}, "ibug68", says="schema"),
        Row(plots.progress, IMAGE, {1: SHAPE}, IBUG, truth=FIVE, says="truth"),
        *(Row(plots.progress, IMAGE, {1: SHAPE}, IBUG, columns=v, says="columns") for v in (0, -1, 1.5)),
        *(Row(plots.progress, IMAGE, {1: SHAPE}, IBUG, side=v, says="side") for v in (0, NAN)),
        *(Row(plots.heatmaps, IMAGE, m, IBUG, says="maps") for m in (MAPS[0], np.zeros((68, 0, 4)), "a", 3)),
        Row(plots.heatmaps, IMAGE, np.zeros((68, 4, 4)), "ibug68", says="schema"),
        Row(plots.heatmaps, IMAGE, np.zeros((68, 4, 4)), IBUG, show="tip", says="tip"),
        *(Row(plots.heatmaps, IMAGE, np.zeros((68, 4, 4)), IBUG, show=v, says="show") for v in (99, [], 1.5)),
        *(
            Row(plots.heatmaps, IMAGE, np.zeros((68, 4, 4)), IBUG, show=[1], columns=v, says="columns")
            for v in (0, 1.5)
        ),
        *(Row(plots.heatmaps, IMAGE, np.zeros((68, 4, 4)), IBUG, side=v, says="side") for v in (0, NAN)),
        Row(plots.filters, 3, says="network"),
        Row(plots.filters, network, "head", says="head"),
        *(Row(plots.filters, network, says=key, **{key: v}) for key in ("most", "inputs") for v in (0, -1, 1.5)),
        *(Row(plots.filters, network, tile=v, says="tile") for v in (0, NAN)),
        Row(plots.feature_maps, network, "head", torch.zeros(1, 3, 8, 8), says="head"),
        Row(plots.feature_maps, network, "0", IMAGE, says="image"),
        Row(plots.feature_maps, network, "0", torch.zeros(2, 3, 8, 8), says="image"),
        *(
            Row(plots.feature_maps, network, "0", torch.zeros(1, 3, 8, 8), says=k, **{k: v})
            for k in ("most", "columns")
            for v in (0, -1, 1.5)
        ),
        *(Row(plots.feature_maps, network, "0", torch.zeros(1, 3, 8, 8), tile=v, says="tile") for v in (0, NAN)),
        Row(plots.ced, {}, says="no curve"),
        Row(plots.ced, {"a": []}, says="no errors"),
        Row(plots.ced, [0.1], says="curves"),
        Row(plots.ced, {"a": [-1.0]}, says="errors"),
        *(Row(plots.ced, {"a": ERRORS}, at=v, says="at:") for v in (0, -1, NAN, INF)),
        *(Row(plots.ced, {"a": ERRORS}, size=v, says="size") for v in ((0, 4), (NAN, 4), 4)),
        Row(plots.reliability, [], [], says="no scores"),
        Row(plots.reliability, [2.0], [True], says="scores"),
        *(Row(plots.reliability, [0.5], [True], size=v, says="size") for v in ((0, 4), (NAN, 4), 4)),
        Row(plots.history, [], says="history"),
        Row(plots.history, [None, NAN], says="history"),
        Row(plots.history, ["a"], says="values"),
        Row(plots.history, [1.0], size=(0, 4), says="size"),
        Row(plots.slices, [], [], says="slices"),
        Row(plots.slices, [{"a": 1}], [1.0, 2.0], says="slices"),
        Row(plots.slices, [3], [1.0], says="parameters"),
        Row(plots.slices, [{"a": 1}], [1.0], size=(0, 4), says="size"),
        Row(plots.curves, [], says="curves"),
        Row(plots.curves, 3, says="runs"),
        Row(plots.curves, [{"epoch": 1.0, "loss": 2.0}], ["nme"], says="nme"),
        Row(plots.curves, [{"epoch": 1.0, "loss": 2.0}], size=(0, 4), says="size"),
        Row(plots.read_metrics, folder / "none", says="none"),
        Row(plots.read_metrics, 3, says="path"),
        Row(export.export, 3, folder / "a.onnx", says="model"),
        Row(export.export, "a b", folder / "a.onnx", says="a b"),
        *(Row(export.export, "resnet18-ibug", folder / "a.onnx", batch=v, says="batch") for v in (0, -1, 1.5, "8")),
        *(
            Row(export.export, "finder", folder / "a.onnx", size=v, says="size")
            for v in ((0, 32), (33, 32), 32, (NAN, 32))
        ),
    ]


ROWS: list[Row] = [
    *GEOMETRY,
    *HEATMAP,
    *PREPROCESSING,
    *POSE,
    *METRICS,
    *THINGS,
    *loss_rows(),
    *codec_rows(),
    *transform_rows(),
    *plot_rows(Path("no_such_folder")),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_wrong_arguments(row: Row) -> None:
    if getattr(row.function, "__module__", "").startswith("facekp.plots"):
        pytest.importorskip("matplotlib")
    if row.function is export.export:
        pytest.importorskip("onnxscript")
    with pytest.raises(FacekpError) as caught:
        row.function(*row.args, **row.options)
    for words in row.says:
        assert words in str(caught.value)


#: The public names that take nothing that could be wrong, and why.
EXCUSED = {
    "facekp.decoders.names": "takes nothing",
    "facekp.losses.names": "takes nothing",
    "facekp.schema.names": "takes nothing",
    "facekp.plots.check": "takes nothing",
    "facekp.losses.Reduction": "a type",
    "facekp.transforms.Transform": "abstract; its steps are called in the rows of Mirror",
    "facekp.transforms.View": "made by the transforms, of a Sample that is right",
    "facekp.metrics.Curve": "a result",
    "facekp.metrics.Interval": "a result",
    "facekp.metrics.RankCorrelation": "a result",
    "facekp.metrics.Reliability": "a result",
    "facekp.metrics.Spread": "a result",
    "facekp.export.Exported": "a result",
    "facekp.export.ExportError": "an error",
    "facekp.metrics.MAE": "takes nothing; its update is in the rows",
    "facekp.metrics.RMSE": "takes nothing; its update is in the rows",
    "facekp.decoders.Codec": "abstract; its size is in the rows",
    "facekp.decoders.GridCodec": "abstract; its size is in the rows",
    "facekp.decoders.HeatmapCodec": "abstract; its size is in the rows, and Argmax is one",
}
ROOMS = "geometry heatmap preprocessing pose metrics draw schema face sample losses decoders transforms export plots"


def test_the_rows_cover_every_public_function() -> None:
    tried = {id(row.function) for row in ROWS}
    tried |= {id(type(owner)) for row in ROWS if (owner := getattr(row.function, "__self__", None)) is not None}
    tried |= {id(type(row.function)) for row in ROWS}
    public = {}
    for name in Path(__file__).with_name("public_names.txt").read_text("utf-8").split():
        module, _, last = name.rpartition(".")
        if module.removeprefix("facekp.") in ROOMS.split():
            public[name] = getattr(import_module(module), last)
    without = {name for name, thing in public.items() if callable(thing) and id(thing) not in tried}
    assert without - set(EXCUSED) == set(), "give these rows, or a reason in EXCUSED"
    assert set(EXCUSED) <= set(public), "these are no longer public"


# What is odd, and right all the same.


def test_nothing_to_do_gives_nothing() -> None:
    assert np.isnan(geometry.extent(np.zeros((3, 0, 2)))).all()
    assert geometry.iou([], [BOX]).shape == (0, 1)
    assert geometry.nms([], []).shape == (0,)
    assert geometry.as_boxes([]).shape == geometry.as_boxes([[], []]).shape == (0, 4)
    assert geometry.apply(EYE, np.zeros((0, 2))).shape == (0, 2)
    assert pose.angles(np.zeros((0, 68, 2)), IBUG).shape == (0, 3)
    assert pose.levelled(np.full((68, 2), NAN), IBUG) is None
    assert np.isnan([metrics.auc([]), metrics.failure_rate([]), metrics.pck([NAN]), metrics.mae([], [])]).all()
    assert preprocessing.network_input(torch.zeros(0, 3, 4, 4), 0.0, 1.0).shape == (0, 3, 4, 4)
    assert heatmap.gaussian(torch.zeros(0, 2), (4, 4), 1.0)[0].shape == (0, 4, 4)
    assert draw.faces(IMAGE, []).shape == IMAGE.shape


def test_missing_points_stay_missing() -> None:
    assert np.isnan(geometry.apply(EYE, [[NAN, 1]])).any()
    assert np.isnan(geometry.iou([BOX * NAN], [BOX])).all()
    maps, mask = heatmap.gaussian(torch.full((1, 2), NAN), (4, 4), 1.0)
    assert not maps.any()
    assert not mask.any()
    assert pose.yaw_bin([NAN]).tolist() == [-1]
    assert metrics.nme(BATCH * INF, BATCH, IBUG).tolist() == [INF]
    assert np.isnan(metrics.nme(BATCH, BATCH * NAN, IBUG)).all()


def test_one_channel_stays_a_dimension() -> None:
    assert geometry.warp(IMAGE[..., :1], EYE, (4, 5)).shape == (4, 5, 1)
    assert geometry.warp(IMAGE[..., 0], EYE, (4, 5)).shape == (4, 5)


@settings(max_examples=30, deadline=None)
@given(
    pixels=arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.just(3))),
    mean=st.floats(-300, 300),
    std=st.floats(1e-3, 1e3),
)
def test_planes_are_the_network_input_to_the_bit(pixels: Any, mean: float, std: float) -> None:
    expected = preprocessing.network_input(torch.from_numpy(pixels).permute(0, 3, 1, 2), mean, std)
    given = preprocessing.planes(pixels, mean, std)
    assert given.is_contiguous()
    assert torch.equal(given, expected)


def test_network_input_leaves_the_pictures_as_they_are() -> None:
    images = torch.ones(1, 3, 2, 2)
    seen = preprocessing.network_input(images, 1.0, 2.0)
    assert (images == 1).all()
    assert (seen == 0).all()
