"""Joint transforms: what is at a point stays at that point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import geometry, schema, transforms
from facekp.errors import ArgumentError
from facekp.sample import Sample
from facekp.transforms import Compose, CropToBox, Mirror, RandomAffine

PROPERTY = settings(max_examples=30, deadline=None)
IBUG = schema.get("ibug68")
PHOTOMETRIC = ("Blur", "Colour", "Grey", "Jpeg", "Noise", "Occlude", "Shade", "Tone")
CENTRE = np.array([130.0, 110.0])


def face(size: tuple[int, int] = (240, 260), seed: int = 0) -> Sample:
    """A face of random pixels; its points are the mean shape, 100 px long, turned a little."""
    rng = np.random.default_rng(seed)
    points = geometry.apply(geometry.rotation_matrix(8, (0, 0), 100), IBUG.mean_shape) + CENTRE
    return Sample(points.astype(np.float32), IBUG, pixels=rng.integers(0, 256, (*size, 3), np.uint8))


def dotted(sigma: float = 4.0) -> Sample:
    """A black picture with one bright dot, on the tip of the nose."""
    sample = face()
    x, y = sample.keypoints[30]
    rows, columns = np.mgrid[:240, :260]
    dot = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return replace(sample, pixels=np.repeat((dot + 0.5).astype(np.uint8)[..., None], 3, 2))


def centroid(image: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    weight = image[..., 0].astype(np.float64)
    return np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()


geometric = st.lists(
    st.sampled_from(
        [
            Mirror(p=1.0),
            RandomAffine(angle=40),
            RandomAffine(scale=0.3, shift=0.04),
            RandomAffine(stretch=0.15, p=0.7),
            CropToBox((200, 200), scale=1.8),
            CropToBox((90, 120), scale=1.6),
        ]
    ),
    min_size=1,
    max_size=5,
)


@PROPERTY
@given(geometric, st.integers(0, 10**6))
def test_a_dot_is_found_again_at_its_point(steps: list[transforms.Transform], seed: int) -> None:
    out = Compose([*steps, CropToBox((160, 160), scale=1.6)])(dotted(), seed)
    nose = out.keypoints[30]  # a point of the middle is its own mirror partner
    assert np.abs(centroid(out.image) - nose).max() < 0.3


def test_every_point_moves_with_its_pixels_and_its_name() -> None:
    # The points' own indices are painted; after a mirror each name is found on its partner's paint.
    sample = face()
    canvas = np.zeros((240, 260, 3), np.uint8)
    for i, (x, y) in enumerate(np.round(sample.keypoints).astype(int)):
        canvas[y, x] = i + 1
    sample = replace(sample, pixels=canvas, keypoints=np.round(sample.keypoints))
    out = Mirror(p=1.0)(sample, 0)
    for i, (x, y) in enumerate(out.keypoints.astype(int)):
        assert out.image[y, x, 0] == IBUG.mirror[i] + 1


def test_a_mirror_by_hand_and_twice() -> None:
    sample = face()
    once = Mirror(p=1.0)(sample, 0)
    np.testing.assert_allclose(once.keypoints, IBUG.mirrored(sample.keypoints, 260), atol=1e-4)
    np.testing.assert_array_equal(once.image, sample.image[:, ::-1])
    twice = Compose([Mirror(p=1.0), Mirror(p=1.0)])(sample, 0)
    np.testing.assert_allclose(twice.keypoints, sample.keypoints, atol=1e-4)
    np.testing.assert_array_equal(twice.image, sample.image)


def test_a_schema_without_pairs_refuses_the_mirror() -> None:
    layout = IBUG.subset(["left_eye"])
    sample = replace(face(), schema=layout, keypoints=face().keypoints[:6])
    with pytest.raises(ArgumentError, match="no mirror pairs"):
        Mirror(p=1.0)(sample, 0)
    Mirror(p=0.0)(sample, 0)


def test_a_missing_point_stays_missing_under_its_new_name() -> None:
    sample = face()
    gone = [0, 30, 36]
    sample.keypoints[gone] = np.nan
    out = transforms.preset("strong", CropToBox((64, 64)))
    for seed in range(8):
        missing = ~out(sample, seed).mask
        mirrored = [IBUG.mirror[i] for i in gone]
        assert sorted(np.flatnonzero(missing)) in (gone, sorted(mirrored))


def test_ten_geometric_steps_are_one_warp(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    warp = geometry.warp

    def counted(*args: object, **options: object) -> np.ndarray:
        calls.append(args)
        return warp(*args, **options)

    monkeypatch.setattr(geometry, "warp", counted)
    steps = [CropToBox((128, 128)), *(RandomAffine(angle=5, scale=0.1) for _ in range(8)), Mirror(p=1.0)]
    Compose(steps)(face(), 0)
    assert len(calls) == 1
    calls.clear()
    Compose([*steps, transforms.Tone(), transforms.Grey(), RandomAffine(angle=5)])(face(), 0)
    assert len(calls) == 2  # what follows a change of pixels needs one more
    calls.clear()
    assert transforms.preset("strong", CropToBox((64, 64)))(face(), 0).image.shape == (64, 64, 3)
    assert len(calls) == 1


@pytest.mark.parametrize("name", transforms.PRESETS)
def test_presets_depend_on_the_seed_alone_and_leave_the_sample_as_it_was(name: str) -> None:
    sample, pipeline = face(), transforms.preset(name, CropToBox((64, 48), scale=1.2))
    sample.keypoints[5] = np.nan
    pixels, points = sample.pixels.copy(), sample.keypoints.copy()
    first, second = pipeline(sample, 7), pipeline(sample, 7)
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.keypoints, second.keypoints)
    if name != "none":
        assert any(not np.array_equal(first.image, pipeline(sample, s).image) for s in range(8, 16))
    np.testing.assert_array_equal(sample.pixels, pixels)
    np.testing.assert_array_equal(sample.keypoints, points)
    assert first.image.shape == (64, 48, 3)
    assert first.image.dtype == np.uint8
    assert first.keypoints.dtype == np.float32


def test_unknown_presets_and_steps_are_explained() -> None:
    with pytest.raises(ArgumentError, match=r"preset 'hard'; choose one of: classic, none, strong"):
        transforms.preset("hard", Mirror())
    with pytest.raises(ArgumentError, match=r"transforms\[1\] is a str, expected a Transform"):
        Compose([Mirror(), "Mirror"])
    with pytest.raises(ArgumentError, match="must not be negative"):
        RandomAffine(angle=-3)


# ---------------------------------------------------------------- geometric steps one by one


def test_a_crop_by_hand() -> None:
    sample = face()
    out = CropToBox((100, 100), scale=1.25)(sample, 0)
    box = geometry.extent(out.keypoints)
    assert max(box[2] - box[0], box[3] - box[1]) == pytest.approx(80, abs=1e-3)
    np.testing.assert_allclose((box[:2] + box[2:]) / 2, [49.5, 49.5], atol=1e-3)


def test_a_crop_to_the_full_picture_is_a_resize() -> None:
    sample = face()
    out = CropToBox((120, 130), scale=1.0, box="full")(sample, 0)
    expected = geometry.apply(geometry.resize_matrix((240, 260), (120, 130)), sample.keypoints)
    np.testing.assert_allclose(out.keypoints, expected, atol=1e-4)


def test_a_crop_to_the_source_box_takes_the_box_that_the_set_gives() -> None:
    source = np.array([99.5, 59.5, 199.5, 159.5], np.float32)
    sample = replace(face(), source_box=source)
    out = CropToBox((50, 50), scale=1.0, box="source")(sample, 0)
    expected = geometry.apply(geometry.crop_matrix(source, (50, 50)), sample.keypoints)
    np.testing.assert_allclose(out.keypoints, expected, atol=1e-4)
    np.testing.assert_allclose(out.source_box, geometry.image_box((50, 50)), atol=1e-4)
    without = CropToBox((50, 50), scale=1.0, box="source")(face(), 0)  # none is given: the face's own box
    np.testing.assert_allclose(geometry.extent(without.keypoints).max(), 49.5, atol=1e-3)


def test_a_face_without_any_label_cannot_be_cropped_to_them() -> None:
    sample = replace(face(), keypoints=np.full((68, 2), np.nan, np.float32))
    with pytest.raises(ArgumentError, match="no area"):
        CropToBox((50, 50))(sample, 0)


@PROPERTY
@given(st.integers(0, 10**6))
def test_a_random_affine_keeps_its_limits(seed: int) -> None:
    sample = face()
    turn = geometry.similarity(sample.keypoints, RandomAffine(angle=20)(sample, seed).keypoints)
    assert abs(np.degrees(np.arctan2(turn[1, 0], turn[0, 0]))) <= 20.001
    scaled = geometry.similarity(sample.keypoints, RandomAffine(scale=0.25)(sample, seed).keypoints)
    assert 1 / 1.2501 <= scaled[0, 0] <= 1.2501
    moved = RandomAffine(shift=0.1)(sample, seed).keypoints - sample.keypoints
    assert (np.abs(moved) <= (26.001, 24.001)).all()
    still = RandomAffine(angle=20, scale=0.25, p=0.0)(sample, seed)
    np.testing.assert_array_equal(still.keypoints, sample.keypoints)


# ---------------------------------------------------------------- photometric steps one by one


@pytest.mark.parametrize("name", PHOTOMETRIC)
@pytest.mark.parametrize("shape", [(60, 80, 3), (1, 1, 3)])
def test_a_photometric_step_changes_pixels_only(name: str, shape: tuple[int, int, int]) -> None:
    kind: Callable[..., transforms.Transform] = getattr(transforms, name)
    sample = replace(face(), pixels=np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    before = sample.pixels.copy()
    changed = False
    for seed in range(12):
        out = kind()(sample, seed)
        assert out.image.shape == shape
        assert out.image.dtype == np.uint8
        np.testing.assert_array_equal(out.keypoints, sample.keypoints)
        changed |= not np.array_equal(out.image, before)
    assert changed or (name, shape) == ("Blur", (1, 1, 3))  # one pixel cannot be blurred
    np.testing.assert_array_equal(sample.pixels, before)
    np.testing.assert_array_equal(kind(p=0.0)(sample, 0).image, before)


@pytest.mark.parametrize("name", ["Blur", "Colour", "Shade", "Tone", "Grey"])
@pytest.mark.parametrize("grey", [0, 255])
def test_no_step_wraps_around(name: str, grey: int) -> None:
    sample = replace(face(), pixels=np.full((20, 20, 3), grey, np.uint8))
    for seed in range(12):
        out = getattr(transforms, name)()(sample, seed).image.astype(int)
        assert np.ptp(out) < 256
        if name in ("Blur", "Grey"):
            assert (out == grey).all()
        if grey == 0 and name in ("Colour", "Shade"):
            assert (out == 0).all()


def test_the_weakest_settings_change_next_to_nothing() -> None:
    sample = face()
    for step in (transforms.Tone(0, 0, 0), transforms.Colour(0, 0), transforms.Noise(0), transforms.Shade(0)):
        assert np.abs(step(sample, 0).image.astype(int) - sample.image).max() <= 1
