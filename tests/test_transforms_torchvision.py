"""torchvision's transforms as a step of facekp's, and facekp's samples in torchvision's pipelines."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import tv_tensors
from torchvision.transforms import v2

from facekp import geometry, schema, transforms
from facekp.errors import ArgumentError, FacekpError
from facekp.sample import Sample
from facekp.transforms import Compose, CropToBox, TorchVision, from_tv_tensors, to_tv_tensors

PROPERTY = settings(max_examples=20, deadline=None)
IBUG = schema.get("ibug68")
SIZE = (240, 260)
BILINEAR = v2.InterpolationMode.BILINEAR


def dotted() -> Sample:
    """A black picture with one bright dot, on the tip of the nose."""
    points = geometry.apply(geometry.rotation_matrix(8, (0, 0), 100), IBUG.mean_shape) + np.float32([130.0, 110.0])
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    dot = 255 * np.exp(-((columns - points[30, 0]) ** 2 + (rows - points[30, 1]) ** 2) / (2 * 4.0**2))
    return Sample(points, IBUG, pixels=np.repeat((dot + 0.5).astype(np.uint8)[..., None], 3, 2))


def centroid(image: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    weight = image[..., 0].astype(np.float64)
    return np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()


# ---------------------------------------------------------------- as a step


def test_a_photometric_transform_can_be_dropped_in() -> None:
    pipeline = Compose(
        [CropToBox((64, 64)), v2.ColorJitter(0.5), v2.RandomApply([v2.GaussianBlur(5)]), transforms.Tone()]
    )
    assert isinstance(pipeline.transforms[1], TorchVision)
    assert "ColorJitter(brightness=(0.5, 1.5)" in repr(pipeline)
    sample = dotted()
    state = torch.get_rng_state()
    first, second, other = pipeline(sample, 1), pipeline(sample, 1), pipeline(sample, 2)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(first.image, second.image)
    assert not np.array_equal(first.image, other.image)
    np.testing.assert_array_equal(first.keypoints, CropToBox((64, 64))(sample).keypoints)


def test_a_step_does_what_torchvision_does() -> None:
    sample = replace(dotted(), pixels=np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
    out = TorchVision(v2.RandomInvert(1.0))(sample, 0)
    np.testing.assert_array_equal(out.image, 255 - sample.image)
    np.testing.assert_array_equal(TorchVision(v2.RandomInvert(1.0), p=0.0)(sample, 0).image, sample.image)
    by_function = TorchVision(v2.functional.invert)
    np.testing.assert_array_equal(by_function(sample, 0).image, 255 - sample.image)


@pytest.mark.parametrize(
    "moving",
    [
        v2.Resize((8, 8)),
        v2.RandomHorizontalFlip(),
        v2.Compose([v2.ColorJitter(), v2.RandomRotation(5)]),
        v2.RandomApply([v2.RandomCrop(8)]),
        v2.RandomChoice([v2.RandomApply(torch.nn.ModuleList([v2.RandomPerspective()]))]),
        v2.TrivialAugmentWide(),
    ],
    ids=lambda t: type(t).__name__,
)
def test_a_transform_that_moves_pixels_is_refused(moving: object) -> None:
    with pytest.raises(ArgumentError, match="moves pixels but would leave the points behind"):
        Compose([CropToBox((64, 64)), moving])


def test_a_change_of_shape_or_type_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"made \(1, 240, 260\) torch.uint8 of \(3, 240, 260\)"):
        TorchVision(v2.Grayscale(1))(dotted(), 0)
    with pytest.raises(ArgumentError, match="torch.float32"):
        TorchVision(v2.ToDtype(torch.float32, scale=True))(dotted(), 0)
    with pytest.raises(ArgumentError, match="made a|made int"):
        TorchVision(lambda image: 3)(dotted(), 0)
    with pytest.raises(ArgumentError, match="transform must be a transform, got 'blur'"):
        TorchVision("blur")
    with pytest.raises(ArgumentError, match="transform must be a transform"):
        TorchVision(v2.ColorJitter)


# ---------------------------------------------------------------- whole samples


def test_there_and_back_changes_nothing() -> None:
    sample = dotted()
    sample.keypoints[5] = np.nan
    image, points = to_tv_tensors(sample)
    assert isinstance(image, tv_tensors.Image)
    assert isinstance(points, tv_tensors.KeyPoints)
    assert points.canvas_size == SIZE
    back = from_tv_tensors(image, points)
    np.testing.assert_array_equal(back.image, sample.image)
    np.testing.assert_allclose(back.keypoints, sample.keypoints, atol=1e-5)
    assert back.schema == IBUG
    assert from_tv_tensors(v2.functional.to_dtype(image, scale=True), points).image.dtype == np.uint8


def test_what_is_relied_on_in_torchvisions_frames() -> None:
    # Plain KeyPoints: the mirror is about W - 1, the resize a plain ratio.  If this fails, look at tv_samples.py again.
    at = tv_tensors.KeyPoints(torch.tensor([[0.0, 0.0]]), canvas_size=(40, 80))
    assert v2.functional.horizontal_flip(at).tolist() == [[79, 0]]
    assert v2.functional.vertical_flip(at).tolist() == [[0, 39]]
    one = tv_tensors.wrap(torch.ones(1, 2), like=at)
    assert v2.functional.resize(one, [10, 20]).tolist() == [[0.25, 0.25]]
    # hence a plain sample's centre frame is off by 0.375 px at a quarter of the size
    right = geometry.apply(geometry.resize_matrix((40, 80), (10, 20)), np.ones((1, 2)))
    np.testing.assert_allclose(right, [[-0.125, -0.125]])


geometric = st.lists(
    st.sampled_from(
        [
            v2.Resize((60, 65), antialias=True),
            v2.Resize((300, 280)),
            v2.RandomHorizontalFlip(1.0),
            v2.RandomVerticalFlip(1.0),
            v2.RandomRotation(40, interpolation=BILINEAR),
            v2.RandomRotation(40, interpolation=BILINEAR, expand=True),
            v2.RandomAffine(20, (0.03, 0.03), (0.9, 1.2), 8, interpolation=BILINEAR),
            v2.RandomPerspective(0.1, 1.0),
            v2.Pad(9),
        ]
    ),
    min_size=1,
    max_size=3,
)


@PROPERTY
@given(geometric, st.integers(0, 1000))
def test_a_dot_is_found_again_after_torchvisions_transforms(steps: list[v2.Transform], seed: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        out = from_tv_tensors(*v2.Compose(steps)(*to_tv_tensors(dotted())))
    assert np.abs(centroid(out.image) - out.keypoints[30]).max() < 0.3


def test_a_quarter_size_and_a_mirror_are_facekps_own() -> None:
    sample = dotted()
    sample.keypoints[40] = np.nan
    theirs = from_tv_tensors(*v2.Compose([v2.Resize((60, 65)), v2.RandomHorizontalFlip(1.0)])(*to_tv_tensors(sample)))
    ours = Compose([transforms.Resize((60, 65)), transforms.Mirror(1.0)])(sample, 0)
    np.testing.assert_allclose(theirs.keypoints, ours.keypoints, atol=1e-3)  # names swapped, NaN under its new name
    assert np.abs(theirs.image.astype(int) - ours.image).max() <= 20  # another filter, the same place


def test_an_old_torchvision_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tv_tensors, "KeyPoints")
    monkeypatch.delitem(sys.modules, "facekp.transforms.tv_samples")
    with pytest.raises(FacekpError, match=r"need torchvision 0\.23 or later"):
        importlib.import_module("facekp.transforms.tv_samples")


def test_wrong_ways_back_are_explained() -> None:
    image, points = to_tv_tensors(dotted())
    with pytest.raises(ArgumentError, match="keypoints: expected what to_tv_tensors gave, got KeyPoints"):
        from_tv_tensors(image, tv_tensors.KeyPoints(torch.zeros(68, 2), canvas_size=SIZE))
    with pytest.raises(ArgumentError, match=r"image: expected a tensor \(3, H, W\), got \(1, 240, 260\)"):
        from_tv_tensors(image[:1], points)
    with pytest.raises(ArgumentError, match="ElasticTransform: torchvision rounds points"):
        v2.ElasticTransform()(image, points)
    layout = IBUG.subset(["left_eye"])
    one_eye = to_tv_tensors(replace(dotted(), schema=layout, keypoints=dotted().keypoints[:6]))
    with pytest.raises(ArgumentError, match="no mirror pairs"):
        v2.RandomHorizontalFlip(1.0)(*one_eye)
