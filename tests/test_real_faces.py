"""The shipped models on real pictures: the first thing that a stranger does."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from facekp import Detector, Face, datasets, geometry, hub, list_models, metrics
from facekp import image as images
from facekp.errors import ImageError

PICTURE = Path(__file__).parents[1] / "examples" / "astronaut.jpg"
GOLDEN = Path(__file__).parent / "golden"
MODELS = ("resnet18-ibug", "mobile-ibug", "mobile-light-ibug")


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.from_pretrained("resnet18-ibug", device="cpu")


@pytest.fixture(scope="module")
def upright() -> np.ndarray:
    return images.read(PICTURE)


@pytest.fixture(scope="module")
def truth(detector: Detector, upright: np.ndarray) -> Face:
    faces = detector(upright)
    assert len(faces) == 1
    return faces[0]


def error(face: Face, keypoints: np.ndarray) -> float:
    return float(metrics.nme(face.keypoints[None], keypoints[None], face.schema)[0])


@pytest.mark.parametrize("name", MODELS)
def test_the_golden_output_beside_the_weights(name: str, upright: np.ndarray) -> None:
    """Another machine, torch or OpenCV may move a point by a hundredth of a pixel, not by more."""
    golden = Face.from_dict(json.loads((GOLDEN / f"{name}-astronaut.json").read_text("utf-8")))
    (face,) = Detector.from_pretrained(name, device="cpu")(upright)
    np.testing.assert_allclose(face.keypoints, golden.keypoints, atol=0.25)
    np.testing.assert_allclose(face.scores, golden.scores, atol=0.05)


@pytest.mark.parametrize("name", MODELS[1:])
def test_the_small_models_are_small_and_agree_with_the_large_one(name: str, truth: Face, upright: np.ndarray) -> None:
    small = Detector.from_pretrained(name, device="cpu")
    assert sum(p.numel() for p in small.network.parameters()) <= 1_500_000
    assert name in list_models()
    assert (Path(hub.__file__).parent / "weights" / name / "model.safetensors").stat().st_size <= 3_000_000
    (face,) = small(upright)
    assert error(face, truth.keypoints) < 0.03


def test_points_sit_on_the_face(truth: Face) -> None:
    """Places read off the enlarged picture by eye, to a tenth of the distance of the eyes."""
    named = {
        name: truth.keypoints[truth.schema.index(name)] for name in ("nose_tip", "right_eye_outer", "left_eye_outer")
    }
    gap = np.linalg.norm(named["left_eye_outer"] - named["right_eye_outer"])
    assert 55 < gap < 75
    for name, place in {"nose_tip": (225, 127), "right_eye_outer": (195, 100), "left_eye_outer": (256, 106)}.items():
        assert np.linalg.norm(named[name] - place) < 0.1 * gap, (name, named[name])
    assert (truth.scores > 0.5).mean() > 0.8
    assert truth.score > 0.5


def test_grey_alpha_float_and_bgr_give_the_same_face(detector: Detector, upright: np.ndarray, truth: Face) -> None:
    grey = cv2.cvtColor(upright, cv2.COLOR_RGB2GRAY)
    alpha = np.dstack([upright, np.full(upright.shape[:2], 255, np.uint8)])
    for picture, limit in ((grey, 0.03), (alpha, 1e-4), (upright.astype(np.float32) / 255, 1e-4)):
        faces = detector(picture)
        assert len(faces) == 1
        assert error(faces[0], truth.keypoints) < limit
    assert error(detector(upright[..., ::-1], color="bgr")[0], truth.keypoints) < 1e-4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_turned_upright(
    detector: Detector, upright: np.ndarray, truth: Face, orientation: int, tmp_path: Path
) -> None:
    from PIL import Image

    # How a camera that was held so stores the upright scene: the inverse of what the tag asks for.
    store = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }
    picture = Image.fromarray(np.ascontiguousarray(store[orientation](upright)))
    exif = picture.getexif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "turned.png", exif=exif)
    face = detector(tmp_path / "turned.png")[0]
    np.testing.assert_allclose(face.keypoints, truth.keypoints, atol=0.01)


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (33, 17)])
@pytest.mark.parametrize("value", [0, 255])
def test_tiny_and_empty_pictures_have_no_face(detector: Detector, shape: tuple[int, int], value: int) -> None:
    assert detector(np.full((*shape, 3), value, np.uint8)) == []


def test_black_white_and_noise_have_no_face(detector: Detector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    pictures = [np.zeros((480, 640, 3), np.uint8), np.full((480, 640, 3), 255, np.uint8), noise]
    assert detector(pictures) == [[], [], []]


def test_a_face_cut_by_the_border(detector: Detector, upright: np.ndarray, truth: Face) -> None:
    """Cut through the cheek: it is still found, and what is to be seen is where it was."""
    left = int(truth.box[0] + 0.2 * (truth.box[2] - truth.box[0]))
    faces = detector(np.ascontiguousarray(upright[:, left:]))
    assert len(faces) >= 1
    moved = faces[0].keypoints + (left, 0)
    inner = [truth.schema.index(n) for n in ("nose_tip", "left_eye_outer", "left_eye_inner")]
    gap = np.linalg.norm(truth.keypoints[36] - truth.keypoints[45])
    assert np.linalg.norm(moved[inner] - truth.keypoints[inner], axis=1).max() < 0.15 * gap


def test_a_12_megapixel_picture(detector: Detector, upright: np.ndarray, truth: Face) -> None:
    factor = 3464 / 512
    large = cv2.resize(upright, (3464, 3464), interpolation=cv2.INTER_CUBIC)
    faces = detector(large)
    assert len(faces) == 1
    assert error(faces[0], (truth.keypoints + 0.5) * factor - 0.5) < 0.03


def test_a_list_that_mixes_good_and_broken(detector: Detector, truth: Face, tmp_path: Path) -> None:
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(PICTURE.read_bytes()[:20_000])
    results = detector([PICTURE, cut, tmp_path / "missing.jpg", PICTURE.read_bytes()], on_error="return")
    assert [type(r) for r in results] == [list, ImageError, ImageError, list]
    for i in (0, 3):
        np.testing.assert_allclose(results[i][0].keypoints, truth.keypoints, atol=1e-3)


def test_given_boxes_and_full(detector: Detector, upright: np.ndarray, truth: Face) -> None:
    face = detector(upright, boxes=[geometry.extent(truth.keypoints)])[0]
    assert error(face, truth.keypoints) < 0.02
    x0, y0, x1, y1 = truth.box
    pad = 0.15 * (x1 - x0)
    cut = upright[int(y0 - pad) : int(y1 + pad), int(x0 - pad) : int(x1 + pad)]
    face = detector(cut, boxes="full")[0]
    assert error(face, truth.keypoints - (int(x0 - pad), int(y0 - pad))) < 0.03


def test_it_moves_with_the_picture(detector: Detector, upright: np.ndarray, truth: Face) -> None:
    """Shifting the picture shifts the points: nothing is tied to the pixel grid of one picture."""
    moved = cv2.copyMakeBorder(upright, 37, 0, 91, 0, cv2.BORDER_REPLICATE)
    assert error(detector(moved)[0], truth.keypoints + (91, 37)) < 0.02


@pytest.mark.parametrize("name", MODELS)
def test_accuracy_on_faces_of_the_validation_list(name: str, data_root: Path) -> None:
    """A tripwire for broken preprocessing, on a few faces that were not trained on."""
    from importlib import resources

    from facekp import evaluate

    text = (resources.files("facekp") / "recipes" / "validation" / "300w.txt").read_text("utf-8")
    held = set(text.split())
    samples = datasets.create("300w", root=data_root / "300w", split="train").where(lambda s: s.meta["name"] in held)
    config, detector = hub.load(name, kind="keypoints").config, Detector.from_pretrained(name, device="cpu")
    labelled = evaluate.evaluate(detector, samples[::5])
    assert labelled.nme < 1.25 * config["metrics"][0]["nme"]
    found = evaluate.evaluate(detector, samples[::5], boxes="finder")
    assert found.found >= 0.95
