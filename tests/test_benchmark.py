"""The finder's benchmark: conditions by hand, what is counted, peers, and the command."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facekp import benchmark, cli, geometry, schema
from facekp.benchmark import conditions
from facekp.benchmark.finder import _end_to_end, _spread, located
from facekp.benchmark.peers import Peer
from facekp.benchmark.textures import textures
from facekp.errors import ArgumentError, MissingExtraError
from facekp.face import Face
from facekp.finder import Detections
from facekp.sample import Frame, Sample

IBUG = schema.get("ibug68")


def picture(size: tuple[int, int] = (90, 120)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)


def points(side: float = 40.0, centre: tuple[float, float] = (50.0, 45.0)) -> np.ndarray:
    return (IBUG.mean_shape * side + centre).astype(np.float32)


# ---------------------------------------------------------------- conditions


@pytest.mark.parametrize("name", list(benchmark.CONDITIONS))
def test_every_condition_keeps_the_form(name: str) -> None:
    image, where = benchmark.CONDITIONS[name].change(picture(), points())
    assert image.ndim == 3
    assert image.dtype == np.uint8
    assert where.shape == (68, 2)
    box, whole = geometry.extent(where), geometry.image_box(image.shape[:2])
    assert (box[:2] >= whole[:2] - 0.6).all()
    assert (box[2:] <= whole[2:] + 0.6).all()


def test_a_quarter_turn_by_hand() -> None:
    image, where = conditions.turned(picture(), points(), 90)
    assert image.shape == (120, 90, 3)
    np.testing.assert_array_equal(image, np.rot90(picture(), -1))
    np.testing.assert_allclose(where, np.stack([89 - points()[:, 1], points()[:, 0]], 1), atol=1e-3)


def test_scaled_faces_have_the_width() -> None:
    _, where = conditions.scaled(picture((500, 600)), points(200, (300, 250)), 24)
    box = geometry.extent(where)
    assert box[2] - box[0] == pytest.approx(24, abs=0.5)


def test_a_face_far_away() -> None:
    image, where = conditions.far_away(picture((500, 600)), points(200, (300, 250)), 0.05)
    assert image.shape == (640, 640, 3)
    x0, y0, x1, y1 = (float(v) for v in geometry.extent(where))
    assert x1 - x0 == pytest.approx(32, abs=0.5)
    assert [(x0 + x1) / 2, (y0 + y1) / 2] == pytest.approx([319.5, 319.5], abs=0.6)


def test_the_lower_half_is_covered() -> None:
    image, _ = conditions.covered(picture(), points())
    x0, y0, x1, y1 = (float(v) for v in geometry.extent(points()))
    middle = round((y0 + y1) / 2)
    assert (image[middle + 2 : int(y1), int(x0) : int(x1)] == conditions.GREY).all()
    np.testing.assert_array_equal(image[: middle - 1], picture()[: middle - 1])


def test_what_is_left_without_faces() -> None:
    frame = Frame(np.array([[10, 10, 40, 40]], np.float32), pixels=picture((100, 400)))
    part = conditions.cut_away(frame)
    assert part is not None
    assert part.shape == (100, 400 - 48, 3)
    everywhere = Frame(np.array([[0, 0, 400, 100]], np.float32), pixels=picture((100, 400)))
    assert conditions.cut_away(everywhere) is None


# ---------------------------------------------------------------- what is counted


def test_lost_faces_and_their_price() -> None:
    assert _end_to_end(np.array([0.03, np.nan, 0.09, 0.05]), np.array([0.02, 0.03, 0.04, 0.04])) == {
        "lost": 2,
        "nme": 0.04,
        "nme_labelled": 0.03,
        "relative": pytest.approx(0.3333),
    }
    assert _end_to_end(np.array([np.nan]), np.array([0.02]))["lost"] == 1


def test_located() -> None:
    box = np.array([0.0, 0.0, 100.0, 100.0])
    assert located([[20, 20, 90, 90]], box)
    assert not located([[0, 0, 300, 100]], box)  # three times as wide
    assert not located([[120, 0, 220, 100]], box)
    assert not located([], box)


class Knows:
    """Stands for a detector that knows where the face is, half a pixel off, in upright pictures of the usual size."""

    name, schema, device, crop_box, off = "knows", IBUG, "cpu", "extent", 0.5

    def finder(self, images: Any) -> list[Detections]:
        return [Detections() for _ in images]

    def __call__(self, images: Any, **options: Any) -> Any:
        if not isinstance(images, list):
            return self([images])[0]
        return [self.faces(image) for image in images]

    def stream(self, images: Any, **options: Any) -> Any:
        return iter([self.faces(image) for image in images])

    def faces(self, image: np.ndarray) -> list[Face]:
        if image.shape[:2] != (90, 120):
            return []
        return [Face(points() + self.off, np.ones(68, np.float32), geometry.extent(points()), 1.0, IBUG)]


PEER = """
import json, sys
print(json.dumps({"name": "peer", "version": "1"}), flush=True)
for line in sys.stdin:
    print(json.dumps({"boxes": [[30, 25, 70, 65]], "ms": 12.5}), flush=True)
"""


@pytest.fixture
def peer(tmp_path: Path) -> str:
    path = tmp_path / "peer.py"
    path.write_text(PEER, "utf-8")
    return f'"{sys.executable}" "{path}"'


def test_a_whole_run(monkeypatch: pytest.MonkeyPatch, peer: str) -> None:
    monkeypatch.setattr("facekp.benchmark.cost._memory", lambda: None)
    samples = [Sample(points(), IBUG, pixels=picture()) for _ in range(3)]
    frames = [Frame(geometry.extent(points())[None], pixels=picture())]
    few = {name: benchmark.CONDITIONS[name] for name in ("as it is", "turned 90", "grey")}
    result = benchmark.finder(
        Knows(),  # type: ignore[arg-type]
        samples,
        frames=frames,
        conditions=few,
        pictures=False,
        peers=[peer],
        name="made up",
    )
    rows = result["conditions"]
    assert [rows[name]["found"] for name in few] == [3, 0, 3]
    assert [rows[name]["of_first"] for name in few] == [1, 0, 1]
    assert rows["as it is"]["located_by_peers"] == {"facekp": 3, "peer": 3}
    apart = points()[45, 0] - points()[36, 0]
    expected = round(0.5 * 2**0.5 / float(apart), 5)
    assert result["end_to_end"] == {"lost": 0, "nme": expected, "nme_labelled": expected, "relative": 0.0}
    assert result["false_alarms"]["painted over"] == {"pictures": 1, "alarms": 1, "pictures_with": 1}
    assert result["cost"]["peer_ms"] == 12.5
    json.dumps(result, allow_nan=False)
    text = benchmark.finder_table(result)
    assert "turned 90" in text
    assert "peer" in text


def test_slow_peers_see_some_of_the_pictures(monkeypatch: pytest.MonkeyPatch, peer: str) -> None:
    monkeypatch.setattr("facekp.benchmark.cost._memory", lambda: None)
    samples = [Sample(points(), IBUG, pixels=picture()) for _ in range(5)]
    few = {"as it is": benchmark.CONDITIONS["as it is"]}
    result = benchmark.finder(
        Knows(),  # type: ignore[arg-type]
        samples,
        conditions=few,
        pictures=False,
        peers=[peer],
        peer_faces=2,
    )
    assert result["peer_faces"] == 2
    assert result["conditions"]["as it is"]["located"] == 5
    assert result["conditions"]["as it is"]["located_by_peers"] == {"facekp": 2, "peer": 2}
    assert "located by facekp, peer: in 2 of the pictures" in benchmark.finder_table(result)
    assert _spread(5, 2) == {0, 2}
    assert _spread(5, None) == _spread(5, 9) == set(range(5))


def test_wrong_arguments() -> None:
    with pytest.raises(ArgumentError, match="at least one labelled face"):
        benchmark.finder(Knows(), [], pictures=False)  # type: ignore[arg-type]
    elsewhere = [Sample(points(centre=(90.0, 20.0)), IBUG, pixels=picture())]
    with pytest.raises(ArgumentError, match="is this the right data"):
        benchmark.finder(Knows(), elsewhere, pictures=False)  # type: ignore[arg-type]


def test_peers_that_fail(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="cannot be started"):
        Peer("/no/such/program")
    silent = tmp_path / "silent.py"
    silent.write_text("print('hello')", "utf-8")
    with pytest.raises(ArgumentError, match="expected a JSON object, it said 'hello'"):
        Peer(f'"{sys.executable}" "{silent}"')


def test_pictures_without_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage", reason="needs facekp[bench]")
    found = textures()
    assert {"brick.png", "grass.png", "chelsea.png", "rocket.jpg"} <= set(found)
    assert all(image.ndim == 3 and image.dtype == np.uint8 for image in found.values())
    monkeypatch.setattr("facekp.benchmark.textures.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"facekp\[bench\]"):
        textures()


def test_the_command_names_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["benchmark", "finder", "--data", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
