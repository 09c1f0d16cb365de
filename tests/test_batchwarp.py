"""A batch in one resampling does what single pictures get."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import geometry, schema, transforms
from facekp.errors import ArgumentError
from facekp.sample import Sample
from facekp.transforms import BatchWarp, Compose, CropToBox, Mirror, RandomAffine, Resize, warp_batch

PROPERTY = settings(max_examples=25, deadline=None)
IBUG = schema.get("ibug68")


def smooth(size: tuple[int, int] = (180, 200), seed: int = 0) -> np.ndarray:
    """Broad clouds, uint8 RGB: neighbouring pixels differ by little."""
    coarse = np.random.default_rng(seed).uniform(40, 215, (3, 3, 3)).astype(np.float32)
    return np.clip(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


def face(seed: int = 0, size: tuple[int, int] = (180, 200)) -> Sample:
    turn = geometry.rotation_matrix(4 * seed, (0, 0), 80 + 3 * seed)
    points = geometry.apply(turn, IBUG.mean_shape) + np.float32([100, 85])
    return Sample(points, IBUG, pixels=smooth(size, seed))


def batch(samples: list[Sample]) -> tuple[torch.Tensor, np.ndarray]:
    images = torch.from_numpy(np.stack([s.image.transpose(2, 0, 1) for s in samples]))
    return images, np.stack([s.keypoints for s in samples])


def pixels(images: torch.Tensor) -> np.ndarray:
    return images.numpy().transpose(0, 2, 3, 1).astype(int)


def inner(matrix: np.ndarray, given_size: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Where an output pixel is made of inner pixels of the picture alone: elsewhere it meets the black beyond."""
    zoom = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    margin = 2 + 2 / min(zoom, 1)
    rows, columns = np.mgrid[: size[0], : size[1]]
    at = geometry.apply(geometry.invert(matrix), np.stack([columns, rows], -1).reshape(-1, 2)).reshape(*size, 2)
    return ((at > margin) & (at < np.array(given_size[::-1]) - 1 - margin)).all(-1)


@PROPERTY
@given(
    st.lists(st.tuples(st.floats(0.12, 3), st.floats(-180, 180), st.booleans()), min_size=1, max_size=4),
    st.tuples(st.integers(20, 90), st.integers(20, 90)),
)
def test_the_same_matrices_give_the_same_pixels(maps: list[tuple[float, float, bool]], size: tuple[int, int]) -> None:
    matrices = []
    for zoom, angle, mirrored in maps:
        matrix = geometry.rotation_matrix(angle, (98.3, 91.6), zoom)
        matrix[:, 2] += np.array([size[1] / 2, size[0] / 2]) - (98.3, 91.6)
        matrices.append(geometry.compose(matrix, geometry.mirror_matrix(size[1])) if mirrored else matrix)
    pictures = [smooth(seed=i) for i in range(len(maps))]
    images = torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).copy())
    together = pixels(warp_batch(images, np.array(matrices), size))
    ragged = pixels(warp_batch([image.clone() for image in images], np.array(matrices), size))
    np.testing.assert_array_equal(together, ragged)
    for picture, matrix, ours in zip(pictures, matrices, together, strict=True):
        single = geometry.warp(picture, matrix, size).astype(int)
        where = inner(matrix, picture.shape[:2], size)
        assert np.abs(single - ours)[where].max(initial=0) <= 1


@pytest.mark.parametrize("name", ["none", "classic"])
@pytest.mark.parametrize("seed", range(6))
def test_one_picture_gets_the_draw_of_a_single_one(name: str, seed: int) -> None:
    # a batch of one consumes the same random numbers in the same order
    sample = face(seed)
    sample.keypoints[7] = np.nan
    size = (64, 56)
    single = transforms.preset(name, CropToBox(size))(sample, seed)
    images, points = BatchWarp.preset(name, size, IBUG)(*batch([sample]), rng=seed)
    np.testing.assert_allclose(points[0], single.keypoints, atol=1e-3)
    # Tone and Colour may double a difference of one grey level; black corners have an edge
    difference = np.abs(pixels(images)[0] - single.image.astype(int))
    assert np.median(difference) <= 1
    assert np.mean(difference <= 2) > 0.97


STEPS = [
    (transforms.Tone(), 0),
    (transforms.Brightness(0.3), 0),
    (transforms.Contrast(0.3), 0),
    (transforms.Gamma(0.5), 0),
    (transforms.Colour(), 1),
    (transforms.Saturation(0.8), 1),
    (transforms.Hue(0.2), 1),
    (transforms.Grey(), 1),
    (transforms.Shade(), 1),
    (transforms.Blur(0.03), 1),
    (transforms.Hand(), 1),
]


@pytest.mark.parametrize(("step", "most"), STEPS, ids=[type(step).__name__ for step, _ in STEPS])
@pytest.mark.parametrize("seed", range(5))
def test_photometric_steps_agree_with_single_pictures(step: transforms.Transform, most: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sample = replace(face(), pixels=rng.integers(0, 256, (41, 50, 3), np.uint8))
    images, points = BatchWarp([step], IBUG)(*batch([sample]), rng=seed)
    expected = step(sample, seed).image.astype(int)
    assert np.abs(pixels(images)[0] - expected).max() <= most
    np.testing.assert_array_equal(points[0], sample.keypoints)


def test_noise_and_patches_agree_in_kind() -> None:
    grey = replace(face(), pixels=np.full((60, 80, 3), 128, np.uint8))
    for step in (transforms.Noise(14), transforms.Occlude(0.4)):
        singles = [step(grey, seed).image.astype(float) - 128 for seed in range(60)]
        images, _ = BatchWarp([step], IBUG)(*batch([grey] * 60), rng=3)
        many = pixels(images) - 128.0
        changed, expected = (many != 0).mean(), np.mean([(s != 0).mean() for s in singles])
        assert changed == pytest.approx(expected, rel=0.3)
        assert many.std() == pytest.approx(np.std(singles), rel=0.3)


@pytest.mark.parametrize("quality", [15, 40, 70, 95])
def test_jpeg_is_libjpegs_within_a_few_levels(quality: int) -> None:
    sample = replace(face(), pixels=smooth((64, 96)))
    noisy = sample.pixels.astype(int) + np.random.default_rng(0).integers(-20, 21, (64, 96, 1))
    sample = replace(sample, pixels=np.clip(noisy, 0, 255).astype(np.uint8))
    step = transforms.Jpeg((quality, quality))
    single = step(sample, 0).image.astype(int)
    ours = pixels(BatchWarp([step], IBUG)(*batch([sample]), rng=0)[0])[0]
    difference = np.abs(single - ours)
    assert difference.mean() < 1.0
    # beside the rounding of libjpeg's whole-number cosines, about half a level, it is the same loss
    assert difference.mean() < 0.5 + 0.2 * np.abs(single - sample.pixels.astype(int)).mean()


def test_every_picture_has_its_own_draw_and_the_seed_decides() -> None:
    images, points = batch([face()] * 8)
    before = images.clone()
    warp = BatchWarp.preset("strong", (48, 48), IBUG)
    first, second, third = warp(images, points, rng=5), warp(images, points, rng=5), warp(images, points, rng=6)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], third[0])
    assert len({tuple(p.flatten().tolist()) for p in first[1]}) == 8
    assert first[0].shape == (8, 3, 48, 48)
    assert first[0].dtype == torch.uint8
    assert first[1].dtype == torch.float32
    assert torch.equal(images, before)


def test_probabilities_are_per_picture() -> None:
    images, points = batch([face()] * 400)
    warp = BatchWarp([Resize((8, 8)), Mirror(0.25), transforms.Grey(p=0.5)], IBUG)
    out, moved = warp(images[:, :, ::10, ::10], points / 10, rng=0)
    mirrored = moved[:, 0, 0] != moved[:, 0, 0].median()
    grey = (out[:, 0] == out[:, 1]).all(-1).all(-1)
    assert mirrored.float().mean() == pytest.approx(0.25, abs=0.08)
    assert grey.float().mean() == pytest.approx(0.5, abs=0.1)


def test_points_follow_pixels_in_strong_batches() -> None:
    rows, columns = np.mgrid[:180, :200]
    samples = []
    for i in range(12):
        sample = face(i % 4)
        x, y = sample.keypoints[30]
        dot = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 32)
        samples.append(replace(sample, pixels=np.repeat((dot + 0.5).astype(np.uint8)[..., None], 3, 2)))
    steps = [CropToBox((96, 96), 1.6), Mirror(), RandomAffine(20, 0.2, 0.05, 0.1), transforms.Shear(8)]
    images, points = BatchWarp(steps, IBUG)(*batch(samples), rng=1)
    for image, point in zip(images.double(), points, strict=True):
        weight = image[0] / image[0].sum()
        x, y = (weight.sum(0) * torch.arange(96)).sum(), (weight.sum(1) * torch.arange(96)).sum()
        assert abs(x - point[30, 0]) < 0.3
        assert abs(y - point[30, 1]) < 0.3


def test_pictures_of_different_sizes() -> None:
    samples = [face(i, size) for i, size in enumerate([(180, 200), (400, 210), (170, 170)])]
    pictures = [torch.from_numpy(s.image.transpose(2, 0, 1).copy()) for s in samples]
    points = torch.from_numpy(np.stack([s.keypoints for s in samples]))
    for box in ("extent", "full"):
        images, moved = BatchWarp.preset("none", (40, 44), IBUG, box=box)(pictures, points)
        for sample, image, point in zip(samples, pixels(images), moved, strict=True):
            single = CropToBox((40, 44), box=box)(sample)
            np.testing.assert_allclose(point, single.keypoints, atol=1e-3)
            assert np.mean(np.abs(single.image.astype(int) - image) <= 1) > 0.9  # beside the black edge
    with pytest.raises(ArgumentError, match="differ in size; begin with CropToBox or Resize"):
        BatchWarp([Mirror()], IBUG)(pictures, points)


def test_given_boxes_are_the_source() -> None:
    sample = replace(face(), source_box=np.array([60, 50, 150, 140], np.float32))
    expected = CropToBox((32, 32), 1.3, "source")(sample)
    warp = BatchWarp.preset("none", (32, 32), IBUG, scale=1.3, box="source")
    _, points = warp(*batch([sample]), boxes=sample.source_box[None])
    np.testing.assert_allclose(points[0], expected.keypoints, atol=1e-3)


def test_an_empty_batch_stays_empty() -> None:
    images, points = BatchWarp.preset("strong", (32, 24), IBUG)(
        torch.zeros((0, 3, 50, 50), dtype=torch.uint8), np.zeros((0, 68, 2))
    )
    assert images.shape[0] == points.shape[0] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"images": torch.zeros((2, 3, 20, 20))},
            r"images: expected \(N, 3, H, W\) uint8, got \(2, 3, 20, 20\) torch.float32",
        ),
        ({"images": torch.zeros((2, 20, 20, 3), dtype=torch.uint8)}, "images: expected"),
        ({"images": [np.zeros((3, 4, 4), np.uint8)] * 2}, r"images\[0\]: expected a tensor"),
        ({"keypoints": np.zeros((2, 5, 2))}, r"keypoints: expected shape \(2, 68, 2\), got \(2, 5, 2\)"),
        ({"boxes": np.zeros((3, 4))}, r"boxes: expected shape \(2, 4\)"),
        ({"keypoints": np.full((2, 68, 2), np.nan)}, "has no area to crop"),
    ],
)
def test_wrong_batches_are_explained(change: dict[str, object], message: str) -> None:
    images, points = batch([face(), face(1)])
    given_ = {"images": images, "keypoints": points, "boxes": None, **change}
    with pytest.raises(ArgumentError, match=message):
        BatchWarp.preset("none", (16, 16), IBUG)(**given_)


def test_what_has_no_batched_form_is_refused() -> None:
    with pytest.raises(ArgumentError, match="CLAHE has no batched form"):
        BatchWarp([transforms.CLAHE()], IBUG)
    with pytest.raises(ArgumentError, match=r"transforms\[0\] is a str, which has no batched form"):
        BatchWarp(["Mirror"], IBUG)
    with pytest.raises(ArgumentError, match=r"Mirror\(p=0.5\) follows a photometric transform"):
        BatchWarp([transforms.Tone(), Mirror()], IBUG)
    one_eye = BatchWarp([Mirror(1.0)], IBUG.subset(["left_eye"]))
    with pytest.raises(ArgumentError, match="no mirror pairs"):
        one_eye(torch.zeros((1, 3, 9, 9), dtype=torch.uint8), np.zeros((1, 6, 2)))
    nested = BatchWarp(Compose([Compose([Resize((8, 8))]), transforms.Grey()]), IBUG)
    assert repr(nested) == "BatchWarp([\n    Resize(size=(8, 8)),\n    Grey(p=1.0),\n], ibug68)"
