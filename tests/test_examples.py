"""Every example runs on the bundled photograph, and gives what it says; some of them on real faces, too."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from packaging.requirements import Requirement

from facekp import datasets, schema

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PROGRAMS = sorted(EXAMPLES.glob("*.py"))
IBUG = schema.get("ibug68")

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs an example in an empty folder, and returns what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def call(name: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [str(EXAMPLES / name), *map(str, arguments)])
        capfd.readouterr()
        runpy.run_path(sys.argv[0], run_name="__main__")
        return capfd.readouterr().out

    yield call
    for name in ("piecewise", "eyes"):
        sys.modules.pop(name, None)


def picture(name: str) -> np.ndarray:
    found = cv2.imread(str(Path("out") / name), cv2.IMREAD_COLOR)
    assert found is not None
    return found


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.name)
def test_short_and_told_of(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) < 80
    assert text.startswith('"""')
    assert f"python examples/{path.name}" in text.partition('"""\n\n')[0]
    page = ROOT.joinpath("docs", "learn", "examples.md").read_text("utf-8")
    assert f"`{path.name}`" in page


def test_the_page_names_no_others() -> None:
    page = ROOT.joinpath("docs", "learn", "examples.md").read_text("utf-8")
    assert set(re.findall(r"`(\w+\.py)`", page)) <= {p.name for p in PROGRAMS}
    assert (ROOT / "docs" / "assets" / "examples.jpg").stat().st_size < 150_000


def test_detect_and_draw(run: Run) -> None:
    assert "1 face(s)" in run("detect_and_draw.py")
    assert picture("astronaut.jpg").shape == (512, 512, 3)


def test_batch_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes((EXAMPLES / "astronaut.jpg").read_bytes())
    (tmp_path / "in" / "b.jpg").write_bytes(b"no picture")
    out = run("batch_folder.py", tmp_path / "in")
    assert "b.jpg" in out
    assert "2 pictures now, 0 before: 1 new faces" in out
    row = json.loads(Path("out/faces.jsonl").read_text())
    assert len(row["faces"][0]["keypoints"]) == 68
    assert "1 pictures now, 1 before: 0 new faces" in run("batch_folder.py", tmp_path / "in")


def test_align_faces(run: Run) -> None:
    assert "astronaut_1.png" in run("align_faces.py")
    crop = picture("aligned/astronaut_1.png")
    assert crop.shape == (112, 112, 3)
    assert crop[60:80, 46:66].mean() > crop[:, :8].mean()  # the nose is bright, what is beside the head is not


def test_eyes(run: Run) -> None:
    found = re.search(r"ratio ([\d.]+), open, the iris at ([\d.]+)", run("eyes.py"))
    assert found is not None
    assert 0.2 < float(found[1]) < 0.45
    assert 0.3 < float(found[2]) < 0.7
    assert picture("eyes.png").shape == (60, 240, 3)
    eye = np.array([(0, 0), (1, -1), (2, -1), (3, 0), (2, 1), (1, 1)], float)
    assert runpy.run_path(str(EXAMPLES / "eyes.py"))["aspect_ratio"](eye) == pytest.approx(2 / 3)


def test_blinks(run: Run, tmp_path: Path) -> None:
    blinks = runpy.run_path(str(EXAMPLES / "blinks.py"))["blinks"]
    times = [i / 10 for i in range(23)]
    ratios = [0.1] + 4 * [0.4] + 2 * [0.2] + 6 * [0.4] + 7 * [0.1] + 2 * [0.4] + [0.1]
    # Closed as the film begins or ends, and for 0.7 s: no blinks.
    assert list(blinks(times, ratios, 0.7)) == [(0.5, pytest.approx(0.2))]
    film, still = tmp_path / "film.avi", cv2.imread(str(EXAMPLES / "astronaut.jpg"))
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 10, still.shape[1::-1])
    for _ in range(8):
        writer.write(still)
    writer.release()
    assert re.search(
        r"face 1: 0 blinks in 0\.7 s; usual ratio 0\.[23]\d", run("blinks.py", film, "--model", "mobile-ibug")
    )


def test_head_pose(run: Run) -> None:
    rows = re.findall(r"yaw +([-+\d.]+) +pitch +([-+\d.]+) +roll +([-+\d.]+)", run("head_pose.py"))
    solved, ours = np.array(rows, float)
    assert np.abs(solved - ours)[[0, 2]].max() < 6  # perspective moves the pitch most
    assert abs(solved - ours)[1] < 15
    assert picture("head_pose.png").shape == (512, 512, 3)


def test_head_pose_finds_a_turn_again(run: Run) -> None:
    from facekp import Face, pose

    example = runpy.run_path(str(EXAMPLES / "head_pose.py"))
    camera = np.array([[1000.0, 0, 320], [0, 1000, 240], [0, 0, 1]])
    head = np.array(list(pose.HEAD.values())) @ pose.rotation(20, -10, 5).T + (10, 20, 600)
    seen = head @ camera.T
    points = np.full((68, 2), np.nan, np.float32)
    points[[IBUG.names.index(name) for name in pose.HEAD]] = seen[:, :2] / seen[:, 2:]
    face = Face(points, np.ones(68, np.float32), np.array([0, 0, 9, 9], np.float32), 1.0, IBUG)
    turn, place = example["solve"](face, camera)
    np.testing.assert_allclose(example["degrees"](turn), (20, -10, 5), atol=0.01)
    np.testing.assert_allclose(place.ravel(), (10, 20, 600), atol=0.1)


def test_warping_by_triangles_by_hand() -> None:
    example = runpy.run_path(str(EXAMPLES / "piecewise.py"))
    y, x = np.mgrid[:40, :60].astype(np.float32)
    image = np.dstack([x, y, x])
    points = np.concatenate([example["frame"]((40, 60)), [(30, 20)]]).astype(np.float32)
    mesh = example["triangles"](points)
    assert len(mesh) == 8  # eight on the edge and one inside
    same, inside = example["warp"](image, points, points, mesh, (40, 60))
    np.testing.assert_allclose(same, image, atol=0.05)
    assert inside.all()
    moved = points.copy()
    moved[-1] += (6, -4)
    warped, _ = example["warp"](image, points, moved, mesh, (40, 60))
    np.testing.assert_allclose(warped[16, 36, :2], (30, 20), atol=0.05)  # what was at (30, 20)
    np.testing.assert_allclose(warped[0], image[0], atol=0.15)  # an edge point between two pixels


def test_triangles_of_a_face_know_all_its_points() -> None:
    triangles = runpy.run_path(str(EXAMPLES / "piecewise.py"))["triangles"]
    mesh = triangles(IBUG.mean_shape * 200 + 160)
    assert set(mesh.ravel().tolist()) == set(range(68))


def test_piecewise(run: Run) -> None:
    run("piecewise.py")
    assert picture("mean_shape.png").shape == (320, 640, 3)


def test_morph(run: Run) -> None:
    assert "3 steps" in run("morph.py", "--steps", 3)
    row = picture("morph.png")
    assert row.shape == (320, 960, 3)
    half = row[:, 320:640].astype(float)
    first = row[:, :320].astype(float)
    middle = np.s_[100:260, 80:240]  # of the face
    assert np.abs(half - half[:, ::-1])[middle].mean() < 0.4 * np.abs(first - first[:, ::-1])[middle].mean()
    assert np.abs(row[:, 640:].astype(float) - first[:, ::-1])[middle].mean() < 8


def test_average_face(run: Run) -> None:
    assert "average of 2 faces" in run("average_face.py")
    found = picture("average.png").astype(float)[100:260, 80:240]
    assert np.abs(found - found[:, ::-1]).mean() < 8  # of a face and its mirror image


def test_face_mask(run: Run) -> None:
    assert "1 masked face(s)" in run("face_mask.py")
    before, after = cv2.imread(str(EXAMPLES / "astronaut.jpg")).astype(int), picture("mask.png").astype(int)
    changed = np.abs(before - after).max(-1) > 30
    y, x = np.nonzero(changed)
    assert changed.sum() > 1000
    assert (x.min() > 170, x.max() < 275, y.min() > 75, y.max() < 185) == (True,) * 4  # on her face alone
    np.testing.assert_array_equal(after[103, 246], before[103, 246])  # an eye looks through


def test_a_mask_has_no_streaks_beyond_the_brows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    example = runpy.run_path(str(EXAMPLES / "face_mask.py"))
    sys.modules.pop("piecewise")
    face = IBUG.mean_shape * 200 + 160
    face[18:21, 1] += 10  # a brow that sags in the middle
    grey = np.full((320, 320, 3), 128, np.uint8)
    y, x = np.nonzero(np.abs(example["put_on"](grey, face, *example["painted"]()).astype(int) - grey).max(-1) > 20)
    under = (face[17, 0] + 3 < x) & (x < face[21, 0] - 3)
    assert under.sum() > 1000
    assert (y > np.interp(x, *face[17:22].T) - 2)[under].all()


def test_compare_decoders(run: Run) -> None:
    out = run("compare_decoders.py", "--crops", 6)
    wanders = {name.strip(): float(value) for name, value in re.findall(r"^(\w.*?) +([\d.]+) +[\d.]+$", out, re.M)}
    assert len(wanders) == 5
    finest = max(wanders[name] for name in ("soft_argmax", "weighted_argmax, 5x5", "dark"))
    assert finest < wanders["argmax, a quarter"] < wanders["argmax"]


def test_own_data(run: Run) -> None:
    pytest.importorskip("lightning", reason="needs facekp[train]")
    out = run("own_data.py", "--epochs", 2)
    assert "facekp detect PICTURE --model" in out
    assert len(re.findall(r"^\w+ +-?[\d.]+ +-?[\d.]+$", out, re.M)) == 12
    assert len(datasets.Folder("out/own/data")) == 64


def test_make_space(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("build", reason="needs facekp[dev]")
    pytest.importorskip("hatchling", reason="needs facekp[dev]")
    space = tmp_path / "my space"
    for _ in range(2):  # also over an older one
        assert "my space: push it with  hf upload" in run("make_space.py", space)
        (information,) = space.glob("facekp-*.dist-info")
        assert {p.name for p in space.iterdir()} == {
            "README.md", "app.py", "requirements.txt", "facekp", information.name,
        }  # fmt: skip
        (space / "facekp" / "old.py").touch()
        information.rename(space / "facekp-0.0.1.dist-info")
    wanted = {Requirement(line).name: line for line in (space / "requirements.txt").read_text().splitlines()}
    listed = re.search(r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text("utf-8"), re.M | re.S)
    assert listed is not None
    own = re.findall(r'^ +"([^"]+)"', listed[1], re.M)
    assert len(own) >= 7
    assert set(wanted.values()) == {*own, wanted["gradio"]}
    # As the Space starts it: facekp is not installed there.
    words = "import facekp, facekp.demo; print(facekp.__file__); facekp.Detector.from_pretrained('mobile-ibug')"
    done = subprocess.run(
        [sys.executable, "-c", words], cwd=space, capture_output=True, text=True, check=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )  # fmt: skip
    assert Path(done.stdout.strip()) == space / "facekp" / "__init__.py"


def test_make_space_needs_a_clone_and_build(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"empty: this is no clone of facekp's repository[^\n]*$"):
        run("make_space.py", tmp_path / "space", tmp_path / "empty")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"^the package build is missing: pip install build$"):
        run("make_space.py", tmp_path / "space")
    assert not (tmp_path / "space").exists()


@pytest.mark.slow
def test_own_data_is_learned(run: Run) -> None:
    pytest.importorskip("lightning", reason="needs facekp[train]")
    run("own_data.py")
    rows = Path("out/own/run/metrics.csv").read_text().splitlines()
    column = rows[0].split(",").index("val/nme")
    errors = [float(v) for row in rows[1:] if (v := row.split(",")[column])]
    assert min(errors) < 0.5 * errors[0]


# ---------------------------------------------------------------- real faces


def test_a_morph_of_two_people(run: Run, data_root: Path) -> None:
    folder = data_root / "300w" / "lfpw" / "trainset"
    run("morph.py", folder / "image_0001.jpg", folder / "image_0002.jpg", "--steps", 3)
    row = picture("morph.png").astype(float)
    a, half, b = row[:, :320], row[:, 320:640], row[:, 640:]
    assert np.abs(half - a).mean() < np.abs(a - b).mean()
    assert np.abs(half - b).mean() < np.abs(a - b).mean()


def test_a_face_swap(run: Run, data_root: Path) -> None:
    target = data_root / "300w" / "lfpw" / "trainset" / "image_0002.jpg"
    assert "masked face(s)" in run("face_mask.py", target, "--source", EXAMPLES / "astronaut.jpg")
    before, after = cv2.imread(str(target)).astype(int), picture("mask.png").astype(int)
    points = datasets.pts.read_pts(target.with_suffix(".pts"))
    hull = cv2.fillConvexPoly(np.zeros(before.shape[:2], np.uint8), cv2.convexHull(np.round(points).astype(int)), 1) > 0
    off = np.abs(before - after).max(-1)
    assert off[hull].mean() > 5
    far = cv2.dilate(hull.astype(np.uint8), np.ones((25, 25), np.uint8)) == 0
    assert off[far].mean() < 1
