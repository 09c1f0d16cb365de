"""Joint transforms: what is at a point stays at that point."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from facekp import geometry, schema, transforms
from facekp.errors import ArgumentError
from facekp.sample import Sample
from facekp.transforms import Compose, CropToBox, Mirror, RandomAffine, Resize, Rotate, Scale, Shear, Shift

PROPERTY = settings(max_examples=30, deadline=None)
IBUG = schema.get("ibug68")
PHOTOMETRIC = (
    *("Blur", "Brightness", "CLAHE", "Colour", "Contrast", "Gamma", "Grey", "Hand", "Hue", "Jpeg", "Noise", "Occlude"),
    *("Saturation", "Shade", "Tone"),
)
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
            Rotate(180),
            Scale((0.8, 1.3)),
            Shift(0.05, (-0.04, 0.02)),
            Shear(12, 8),
            Resize((200, 170)),
        ]
    ),
    min_size=1,
    max_size=8,
)


@PROPERTY
@given(geometric, st.integers(0, 10**6))
def test_a_dot_is_found_again_at_its_point(steps: list[transforms.Transform], seed: int) -> None:
    out = Compose([*steps, CropToBox((160, 160), scale=1.6)])(dotted(), seed)
    nose = out.keypoints[30]  # a point of the middle is its own mirror partner
    assert np.abs(centroid(out.image) - nose).max() < 0.3


@PROPERTY
@given(geometric, st.integers(0, 10**6), st.sets(st.integers(0, 67), max_size=20))
def test_missing_points_stay_missing_and_two_mirrors_are_none(
    steps: list[transforms.Transform], seed: int, gone: set[int]
) -> None:
    sample = replace(face(), pixels=np.zeros((240, 260, 3), np.uint8))
    sample.keypoints[list(gone)] = np.nan
    once = Compose(steps)(sample, seed)
    twice = Compose([*steps, Mirror(1.0), Mirror(1.0)])(sample, seed)
    assert (~once.mask).sum() == len(gone)
    np.testing.assert_allclose(twice.keypoints, once.keypoints, atol=1e-3)


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


def test_what_is_said_of_each_point_follows_it_through_a_mirror() -> None:
    """Only the right brow is hidden and the chin seen half: in the mirror the left brow is hidden."""
    right, left = (IBUG.groups[f"{side}_brow"] for side in ("right", "left"))
    hidden = tuple(k in right for k in range(68))
    visibility = tuple(1 if k in (*right, 8) else 2 for k in range(68))
    meta = {"occluded": hidden, "visibility": visibility, "name": "a", "other": (1, 2)}
    sample = replace(face(), meta=meta)
    once = Compose([Mirror(p=1.0), Rotate((20, 20))])(sample, 0)
    assert once.meta["occluded"] == tuple(k in left for k in range(68))
    assert once.meta["visibility"] == tuple(1 if k in (*left, 8) else 2 for k in range(68))
    assert (once.meta["name"], once.meta["other"]) == ("a", (1, 2))
    assert meta["occluded"] is hidden  # the given sample stays
    assert Compose([Mirror(p=1.0), Mirror(p=1.0)])(sample, 0).meta == meta
    assert Rotate((20, 20))(sample, 0).meta == meta


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


# x, y before and after, in a picture of 240 x 260 whose centre is (129.5, 119.5)
@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        (Rotate((90, 90)), (139.5, 119.5), (129.5, 129.5)),  # clockwise: what was right is now below
        (Scale((2, 2)), (139.5, 109.5), (149.5, 99.5)),
        (Scale((0.5, 0.5)), (139.5, 109.5), (134.5, 114.5)),
        (Shift((0.1, 0.1), (-0.25, -0.25)), (100, 200), (126, 140)),
        (Shear((45, 45)), (129.5, 129.5), (139.5, 129.5)),
        (Shear(0, (45, 45)), (139.5, 119.5), (139.5, 129.5)),
        (Resize((60, 130)), (-0.5, -0.5), (-0.5, -0.5)),
        (Resize((60, 130)), (1.5, 1.5), (0.5, 0.0)),
        (Mirror(1.0), (0, 7), (259, 7)),
    ],
    ids=repr,
)
def test_a_geometric_step_by_hand(
    step: transforms.Transform, before: tuple[float, float], after: tuple[float, float]
) -> None:
    sample = face()
    sample.keypoints[30] = before
    np.testing.assert_allclose(step(sample, 0).keypoints[30], after, atol=1e-4)


@PROPERTY
@given(st.integers(0, 10**6))
def test_drawn_strengths_stay_in_their_range(seed: int) -> None:
    sample = face()
    points = sample.keypoints
    turn = geometry.similarity(points, Rotate((-5, 30))(sample, seed).keypoints)
    assert -5.001 <= np.degrees(np.arctan2(turn[1, 0], turn[0, 0])) <= 30.001
    assert 0.666 <= geometry.similarity(points, Scale(0.5)(sample, seed).keypoints)[0, 0] <= 1.501
    moved = Shift(0.1, (0.0, 0.05))(sample, seed).keypoints - points
    assert (np.abs(moved[:, 0]) <= 26.001).all()
    assert ((moved[:, 1] >= -1e-3) & (moved[:, 1] <= 12.001)).all()


def test_a_fourfold_resize_does_not_alias() -> None:
    # A checkerboard of single pixels is grey when it is shrunk, never black or white
    rows, columns = np.mgrid[:240, :260]
    board = np.repeat(((rows + columns) % 2 * 255).astype(np.uint8)[..., None], 3, 2)
    out = Resize((60, 65))(replace(face(), pixels=board), 0).image.astype(int)
    assert np.abs(out - 127).max() <= 1


WRONG = [
    (lambda: Rotate("x"), "Rotate: angle must be a number, got 'x'"),
    (lambda: Rotate((20, 10)), r"Rotate: angle must be low <= high, got \(20, 10\)"),
    (lambda: Rotate((1, 2, 3)), r"Rotate: angle must be a number or a pair \(low, high\)"),
    (lambda: Rotate(10, p=1.5), "Rotate: p must be a probability from 0 to 1, got 1.5"),
    (lambda: Scale(float("nan")), "Scale: scale must be finite"),
    (lambda: Scale((0, 1)), "Scale: scale must be above 0"),
    (lambda: Shift(-0.1), "Shift: x must not be negative"),
    (lambda: Shear(85), "Shear: x must be low <= high between -80 and 80, got 85"),
    (lambda: Shear(50, 50), "Shear: x and y may reach 50 and 50 degrees"),
    (lambda: Resize(64), r"Resize: size must be \(H, W\), got 64"),
    (lambda: Resize((0, 64)), "Resize: size must be .* at least 1"),
    (lambda: CropToBox((64.5, 64)), "CropToBox: size must be .* whole pixels"),
    (lambda: CropToBox((64, 64), scale=0), "CropToBox: scale must be above 0"),
    (lambda: CropToBox((64, 64), box="tight"), "CropToBox: box 'tight'; choose one of: extent, full, source"),
    (lambda: Mirror(p=-1), "Mirror: p must be a probability"),
    (lambda: transforms.Tone(brightness=-1), "Tone: brightness must not be negative"),
    (lambda: transforms.Colour(tint=None), "Colour: tint must be a number"),
    (lambda: transforms.Blur(sigma=-1), "Blur: sigma"),
    (lambda: transforms.Noise(sigma=-1), "Noise: sigma"),
    (lambda: transforms.Jpeg((0, 70)), "Jpeg: quality must be low <= high between 1 and 100"),
    (lambda: transforms.Jpeg(70), r"Jpeg: quality must be a pair \(low, high\), got 70"),
    (lambda: transforms.Shade(depth=2), "Shade: depth must be at least 0 and at most 1, got 2"),
    (lambda: transforms.Occlude(size=0.05), "Occlude: size must be at least 0.08 and at most 1"),
    (lambda: transforms.Hand(size=0), "Hand: size must be above 0 and at most 1"),
    (lambda: transforms.Brightness((-0.5, 1)), "Brightness: brightness must be low <= high between 0 and inf"),
    (lambda: transforms.Gamma((0, 1)), "Gamma: gamma must be above 0"),
    (lambda: transforms.Hue(0.6), "Hue: hue must be low <= high between -0.5 and 0.5"),
    (lambda: transforms.CLAHE(0.5), "CLAHE: clip_limit must be at least 1, got 0.5"),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[message[:30] for _, message in WRONG])
def test_wrong_arguments_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_every_step_says_what_it_is() -> None:
    assert repr(Rotate(15)) == "Rotate(angle=(-15.0, 15.0), p=1.0)"
    assert repr(CropToBox((64, 48))) == "CropToBox(size=(64, 48), scale=1.2, box='extent')"
    shown = repr(transforms.preset("strong", CropToBox((64, 64))))
    assert shown.startswith("Compose([\n    CropToBox(size=(64, 64)")
    assert "RandomAffine(angle=20.0, scale=0.18, shift=0.07, stretch=0.1, p=1.0)" in shown


class _Crops(Dataset):
    """Each picture's draw depends on its index alone, as in training."""

    def __init__(self) -> None:
        self.sample = face()
        self.pipeline = Compose(
            [
                *transforms.preset("strong", CropToBox((32, 32))).transforms,
                *(transforms.Hand(p=0.5), transforms.CLAHE(p=0.5), v2.ColorJitter(0.3, 0.3, 0.3, 0.1)),
            ]
        )

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        out = self.pipeline(self.sample, np.random.default_rng((5, index)))
        return out.image, out.keypoints


def test_worker_processes_change_nothing() -> None:
    ours, theirs = (list(DataLoader(_Crops(), batch_size=4, num_workers=n)) for n in (0, 2))
    for (a, b), (c, d) in zip(ours, theirs, strict=True):
        assert torch.equal(a, c)
        assert torch.equal(b, d)


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
    # one pixel cannot be blurred, and its lightness is 50 % already, or covered by a hand of a third of it
    assert changed or (shape == (1, 1, 3) and name in ("Blur", "CLAHE", "Hand"))
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


def plain(*colour: int) -> Sample:
    return replace(face(), pixels=np.full((8, 8, 3), colour, np.uint8))


def test_single_strengths_by_hand() -> None:
    def out(step: transforms.Transform, *colour: int) -> list[int]:
        return step(plain(*colour), 0).image[0, 0].tolist()

    assert out(transforms.Brightness((1.5, 1.5)), 100, 40, 200) == [150, 60, 255]
    assert out(transforms.Contrast((3, 3)), 137, 117, 0) == [156, 96, 0]  # from the middle, 127.5
    assert out(transforms.Gamma((2, 2)), 51, 255, 0) == [10, 255, 0]  # 0.2 squared is 0.04, of 255
    assert out(transforms.Saturation((0, 0)), 200, 100, 50) == [124, 124, 124]  # 0.299 R + 0.587 G + 0.114 B
    assert out(transforms.Saturation((1, 1)), 200, 100, 50) == [200, 100, 50]
    turned = out(transforms.Hue((0.5, 0.5)), 150, 110, 110)
    assert turned[0] < turned[1]  # reddish becomes the opposite, at the same luma
    assert np.dot(turned, [0.299, 0.587, 0.114]) == pytest.approx(122, abs=1)
    assert out(transforms.Hue((0, 0)), 150, 110, 70) == [150, 110, 70]


def test_clahe_raises_the_contrast_of_a_flat_picture() -> None:
    ramp = np.tile(np.linspace(110, 140, 64).astype(np.uint8), (64, 1))
    sample = replace(face(), pixels=np.repeat(ramp[..., None], 3, 2))
    out = transforms.CLAHE((4, 4), tiles=2)(sample, 0).image
    assert np.ptp(out.astype(int)) > 1.5 * np.ptp(ramp.astype(int))


def test_noise_is_normal() -> None:
    sample = replace(face(), pixels=np.full((200, 200, 3), 128, np.uint8))
    sigmas = []
    for seed in range(20):
        noise = transforms.Noise(14)(sample, seed).image.astype(float) - 128
        sigma = float(noise.std())
        sigmas.append(sigma)
        assert abs(noise.mean()) < 0.2
        if sigma > 3:
            assert np.mean(np.abs(noise) > 2 * sigma) == pytest.approx(0.0455, abs=0.02)
            assert np.abs(noise).max() > 3.5 * sigma
    assert 0 < min(sigmas) < 4
    assert 10 < max(sigmas) < 14.2


def test_shade_is_the_logistic_light_of_its_draw() -> None:
    sample = replace(face(), pixels=np.full((60, 80, 3), 200, np.uint8))
    step = transforms.Shade(0.9)
    a, b, c, low = step.draw(np.random.default_rng(4), 1)[0]
    y, x = np.meshgrid(np.linspace(-1, 1, 60), np.linspace(-1, 1, 80), indexing="ij")
    expected = 200 * (low + (1 - low) / (1 + np.exp(a * x + b * y + c)))
    assert np.abs(step.change(sample.image, np.random.default_rng(4))[..., 1] - expected).max() <= 0.51


def test_a_hand_reaches_in_from_an_edge_in_one_colour() -> None:
    black = replace(face(), pixels=np.zeros((100, 120, 3), np.uint8))
    shares = []
    for seed in range(20):
        out = transforms.Hand(0.3)(black, seed).image.astype(int)
        covered = out.any(-1)
        assert covered[0].any() or covered[-1].any() or covered[:, 0].any() or covered[:, -1].any()
        shares.append(covered.mean())
    assert 0.03 < np.mean(shares) < 0.4


def test_importing_the_transforms_does_not_import_torch() -> None:
    code = "import sys, facekp.transforms as t; t.preset; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'Flip'"):
        transforms.Flip  # noqa: B018
