"""The page's functions, without a page and without Gradio; tests/test_demo_browser.py opens it in a browser."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
import socket
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from facekp import Face, cli, datasets, decoders, demo, geometry, image, schema
from facekp._version import __version__
from facekp.datasets.opening import open_set
from facekp.demo import looking, saving, server, view
from facekp.errors import ArgumentError, ImageError, MissingExtraError
from facekp.sample import Sample

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "astronaut.jpg"
SPACE = ROOT / "examples" / "space"
PAGE = ("page.html", "page.js", "edit.js", "page.css")


@pytest.fixture(scope="module")
def looker(tiny_models: Path) -> demo.Looker:
    return demo.Looker(str(tiny_models / "whole"), looking.WHOLE, device="cpu", engine="torch")


@pytest.fixture
def found(looker: demo.Looker) -> demo.Found:
    return looker.look(EXAMPLE, "astronaut.jpg", looker.models[0], looking.WHOLE)


def face_at(found: demo.Found, points: np.ndarray) -> demo.Found:
    """The same picture with one face of these points, surely found."""
    one = Face(
        points.astype(np.float32), np.full(68, 0.9, np.float32), np.array([0, 0, 9, 9]), 0.8, schema.get("ibug68")
    )
    return replace(found, faces=[one])


def told(shown: dict[str, Any], change: Callable[[list[Any]], None] = lambda points: None, **more: Any) -> str:
    """What the page's script writes after a change of the first face's points."""
    points = [face["points"] for face in json.loads(json.dumps(shown))["faces"]]
    change(points[0])
    return json.dumps({"id": shown["id"], "points": points, **more})


# ---------------------------------------------------------------- reading and finding


def test_choices(looker: demo.Looker) -> None:
    assert "resnet18-ibug" in looker.models
    assert looker.finders[0] == looking.WHOLE
    assert {"finder", "yunet"} <= set(looker.finders)
    with pytest.raises(ArgumentError, match="unknown model '/etc/passwd'"):
        looker.detector("/etc/passwd", "finder")
    with pytest.raises(ArgumentError, match="unknown finder 'mine.onnx'"):
        looker.detector(looker.models[0], "mine.onnx")


def test_a_picture_is_looked_at(looker: demo.Looker, found: demo.Found) -> None:
    assert found.size == (512, 512)
    (face,) = found.faces
    assert face.keypoints.shape == (68, 2)
    assert looking.told(found) == "1 face in astronaut.jpg (512 x 512)."
    assert looker.detector(looker.models[0], looking.WHOLE) is found.detector


def test_what_a_page_keeps_of_a_visitor_holds_no_pixels(looker: demo.Looker, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(EXAMPLE.read_bytes())
    found = looker.look(path, "astronaut.jpg", looker.models[0], looking.WHOLE)
    held = {field.name: getattr(found, field.name) for field in fields(found)}
    assert set(held) == {"name", "path", "size", "faces", "detector", "mappable"}
    assert not any(isinstance(value, np.ndarray) for value in held.values())
    np.testing.assert_array_equal(found.image, image.read(EXAMPLE))
    assert found.image is not found.image
    (sample,) = saving.samples(found, view.edited(found, None, ""))  # what a set keeps
    assert sample.pixels is None
    path.unlink()
    with pytest.raises(ImageError, match=r"^astronaut\.jpg: .*give it once more") as caught:
        saving.save("png", found, view.edited(found, None, ""), tmp_path)
    assert str(tmp_path) not in str(caught.value)


def test_no_face_is_told(found: demo.Found) -> None:
    says = looking.told(replace(found, faces=[]))
    assert says.startswith("No face was found in astronaut.jpg (512 x 512). Try")
    assert looking.WHOLE in says


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"no picture at all", "is not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "cannot|not"),
        (EXAMPLE.read_bytes()[:300], "JPEG"),
        (b"\xff\xd8\xff\xe0" + 5000 * b"\x00", "JPEG"),
    ],
)
def test_broken_files_are_told_by_the_name_they_came_with(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "a1b2c3"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=says) as caught:
        looking.read(path, "my photo.jpg")
    assert str(caught.value).startswith("my photo.jpg: ")
    assert str(tmp_path) not in str(caught.value)


def test_a_missing_upload(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"^a\.png: ") as caught:
        looking.read(tmp_path / "gone", "a.png")
    assert str(tmp_path) not in str(caught.value)


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((40, 50, 3), np.uint8))
    assert looking.read(path, "a.png").shape == (40, 50, 3)
    monkeypatch.setattr(looking, "MAX_PIXELS", 1999)
    with pytest.raises(ImageError, match=r"^a.png: 50 x 40 is .* megapixels, over the page's limit"):
        looking.read(path, "a.png")
    monkeypatch.setattr(looking, "MAX_BYTES", path.stat().st_size - 1)
    with pytest.raises(ImageError, match=r"^a.png: 0.0 MiB is over the page's limit of 0 MiB"):
        looking.read(path, "a.png")


# ---------------------------------------------------------------- heatmaps


def test_no_maps_are_told(looker: demo.Looker, found: demo.Found) -> None:
    assert not found.mappable
    with pytest.raises(ArgumentError, match="gives points directly"):
        looker.heat(found, 0, 3)
    with pytest.raises(ArgumentError, match="no point 68 of face 0"):
        looker.heat(found, 0, 68)
    with pytest.raises(ArgumentError, match="no point 0 of face 1"):
        looker.heat(found, 1, 0)


def test_the_map_lies_where_the_point_is() -> None:
    real = demo.Looker(device="cpu", engine="torch")
    found = real.look(EXAMPLE, "astronaut.jpg", "resnet18-ibug", "finder")
    assert found.mappable
    (face,) = found.faces
    for point in (30, 36, 8):
        heat = real.heat(found, 0, point)
        assert heat.rgba.shape == (48, 48, 4)
        weights = (heat.rgba[..., 3].astype(float) / 255 / 0.85) ** 2  # the opacity is the root of the value
        assert weights.max() == pytest.approx(1, abs=0.01)
        v, u = np.mgrid[:48, :48]
        mean = [(weights * u).sum() / weights.sum(), (weights * v).sum() / weights.sum()]
        place = geometry.apply(heat.matrix, np.array([mean]))[0]
        # The mean of the map is how such a model gives its point; a cell is 4 pixels of the picture.
        assert np.linalg.norm(place - face.keypoints[point]) < 1.0
    shown = view.heat_view(real.heat(found, 0, 30), 0, 30, 7)
    assert (shown["id"], shown["face"], shown["point"], shown["width"], shown["height"]) == (7, 0, 30, 48, 48)
    a, b, c, d, e, f = shown["matrix"]
    np.testing.assert_allclose([[a, c, e], [b, d, f]], real.heat(found, 0, 30).matrix[:2])


def test_the_map_of_a_codec_with_its_own_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    real = demo.Looker(device="cpu", engine="torch")
    found = real.look(EXAMPLE, "astronaut.jpg", "resnet18-ibug", "finder")
    udp = decoders.create("udp", input_size=(192, 192), heatmap_size=(48, 48))
    monkeypatch.setattr(found.detector, "codec", udp)
    monkeypatch.setattr(looking, "_values", lambda *_: np.zeros((48, 48)))
    monkeypatch.setattr(looking, "_crop_matrix", lambda *_: np.eye(3)[:2])
    matrix = real.heat(found, 0, 30).matrix
    # Unbiased data processing: the centres of the corner pixels of map and crop are the same place.
    np.testing.assert_allclose(geometry.apply(matrix, np.array([[0.0, 0], [47, 47]])), [[0, 0], [191, 191]], atol=1e-4)


# ---------------------------------------------------------------- to the script and back


def test_what_the_script_is_given(found: demo.Found) -> None:
    shown = view.view(found)
    assert (shown["name"], shown["width"], shown["height"]) == ("astronaut.jpg", 512, 512)
    assert shown["href"].startswith("data:image/jpeg;base64,")
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    (face,) = shown["faces"]
    assert len(face["points"]) == len(face["scores"]) == len(shown["names"]) == 68
    assert shown["groups"]["nose"] == list(range(27, 36))
    assert shown["colors"]["jaw"] == "#e2e8ff"
    assert view.view(found)["id"] != shown["id"]


def test_large_pictures_are_shown_smaller_and_their_points_are_not(found: demo.Found, tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    cv2.imwrite(str(path), np.zeros((4000, 6000), np.uint8))
    shown = view.view(replace(found, path=path, size=(4000, 6000)))
    assert (shown["width"], shown["height"]) == (6000, 4000)
    assert len(shown["href"]) < 1_000_000


def test_what_was_not_moved_comes_back_to_the_bit(found: demo.Found) -> None:
    shown = view.view(found)
    back = view.edited(found, shown, told(shown))
    assert back.corrected == [[]]
    np.testing.assert_array_equal(back.faces[0].keypoints, found.faces[0].keypoints)
    np.testing.assert_array_equal(back.faces[0].scores, found.faces[0].scores)


@pytest.mark.parametrize("text", ["", "  ", '{"id": -1}'])
def test_nothing_and_another_pictures_corrections_change_nothing(found: demo.Found, text: str) -> None:
    back = view.edited(found, view.view(found), text)
    assert back.corrected == [[]]
    assert back.faces[0] is found.faces[0]


def test_a_moved_and_a_missing_point(found: demo.Found) -> None:
    found = face_at(found, np.arange(136).reshape(68, 2) / 8)
    shown = view.view(found)

    def change(points: list[Any]) -> None:
        points[30] = [101.25, 99.5]
        points[8] = None

    back = view.edited(found, shown, told(shown, change, hidden=["jaw"], numbers=True))
    (face,) = back.faces
    assert back.corrected == [[8, 30]]
    np.testing.assert_array_equal(face.keypoints[30], [101.25, 99.5])
    assert np.isnan(face.keypoints[8]).all()
    assert (face.scores[30], face.scores[8], face.scores[0]) == (1, 0, pytest.approx(0.9))
    assert (back.hidden, back.numbers, back.lines) == ({"jaw"}, True, True)
    assert np.isfinite(found.faces[0].keypoints).all()  # the model's own points stay as they are


@pytest.mark.parametrize(
    "points",
    [
        None,
        [],
        [[]],
        [[[10**400, 2]] * 68],
        [[[1, 2]] * 67],
        [[[1, 2, 3]] * 68],
        [[["a", 2]] * 68],
        [[[1e9, 0]] * 68],
        [[[1, 2]] * 68] * 2,
    ],
)
def test_what_no_script_of_ours_wrote_is_refused(found: demo.Found, points: Any) -> None:
    shown = view.view(found)
    with pytest.raises(ArgumentError, match="corrections: "):
        view.edited(found, shown, json.dumps({"id": shown["id"], "points": points}))


# ---------------------------------------------------------------- files


@pytest.fixture
def corrected(found: demo.Found) -> tuple[demo.Found, view.Edited]:
    found = face_at(found, np.arange(136).reshape(68, 2) * 3 + 0.25)
    shown = view.view(found)

    def change(points: list[Any]) -> None:
        points[30] = [101.25, 99.5]
        points[8] = None

    return found, view.edited(found, shown, told(shown, change))


def test_json(corrected: tuple[demo.Found, view.Edited], tmp_path: Path) -> None:
    path = saving.save("json", *corrected, tmp_path / "new")
    assert path.name == "astronaut-points.json"
    record = json.loads(path.read_text())
    assert (record["path"], record["width"], record["schema"]) == ("astronaut.jpg", 512, "ibug68")
    (data,) = record["faces"]
    assert data["corrected"] == [8, 30]
    assert data["keypoints"][30] == [101.25, 99.5]
    assert data["keypoints"][8] == [None, None]
    face = Face.from_dict(data, record["schema"])
    assert np.isnan(face.keypoints[8]).all()


def test_csv(corrected: tuple[demo.Found, view.Edited], tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(saving.save("csv", *corrected, tmp_path).read_text())))
    assert len(rows) == 68
    assert rows[30] == {
        "picture": "astronaut.jpg", "face": "0", "index": "30", "name": "nose_tip", "x": "101.250", "y": "99.500",
        "score": "1.0000", "corrected": "1",
    }  # fmt: skip
    assert (rows[8]["x"], rows[8]["corrected"], rows[7]["x"], rows[7]["corrected"]) == ("", "1", "42.250", "0")


def test_png_shows_what_the_page_shows(corrected: tuple[demo.Found, view.Edited], tmp_path: Path) -> None:
    found, edited = corrected
    edited = replace(edited, boxes=False, lines=False, hidden=frozenset(found.detector.schema.groups))
    plain = cv2.imread(str(saving.save("png", found, edited, tmp_path)))
    np.testing.assert_array_equal(plain[..., ::-1], found.image)
    nose = replace(edited, hidden=edited.hidden - {"nose"})
    drawn = cv2.imread(str(saving.save("png", found, nose, tmp_path)))[..., ::-1]
    y, x = np.nonzero((drawn != found.image).any(-1))
    assert np.hypot(x - 101.25, y - 99.5).min() < 1.5
    shown = found.detector.schema.groups["nose"]
    away = [np.hypot(x - px, y - py) for px, py in edited.faces[0].keypoints[list(shown)]]
    assert np.min(away, axis=0).max() < 12


def test_odd_names(corrected: tuple[demo.Found, view.Edited], tmp_path: Path) -> None:
    found, edited = corrected
    for name in ("../../x.jpg", "a/b\\c:d.png", "", "é" * 300 + ".jpg"):
        path = saving.save("csv", replace(found, name=name), edited, tmp_path)
        assert path.parent == tmp_path
        assert path.is_file()
    with pytest.raises(ArgumentError, match="unknown file 'exe'"):
        saving.save("exe", found, edited, tmp_path)


def test_every_format_of_convert_is_there() -> None:
    assert set(saving.FORMATS) == set(datasets.TARGETS)


@pytest.mark.parametrize(
    ("kind", "tolerance"), [("folder", 0), ("coco", 0), ("pts", 5e-4), ("asf", 1e-3), ("dlib_xml", 0.51)]
)
def test_a_set_reads_back(
    corrected: tuple[demo.Found, view.Edited], tmp_path: Path, kind: str, tolerance: float
) -> None:
    path = saving.save_set(saving.samples(*corrected), kind, tmp_path / "made")
    assert [p.name for p in (tmp_path / "made").iterdir()] == [path.name]  # no second copy of the pictures
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "out")
    root = tmp_path / "out" / "faces"
    file = saving._FILES.get(kind)
    (sample,) = open_set(root / file if file else root, kind).samples
    np.testing.assert_allclose(sample.keypoints[30], [101.25, 99.5], atol=tolerance)
    assert np.isnan(sample.keypoints[8]).all()
    np.testing.assert_array_equal(sample.image, corrected[0].image)


def test_a_format_with_its_own_points(corrected: tuple[demo.Found, view.Edited], tmp_path: Path) -> None:
    path = saving.save_set(saving.samples(*corrected), "wflw", tmp_path / "made")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "out")
    (sample,) = open_set(tmp_path / "out" / "faces", "wflw", default_split=True).samples
    index = schema.get("wflw98").index("nose_tip")
    np.testing.assert_allclose(sample.keypoints[index], [101.25, 99.5])


def kaggle(faces: list[Sample], folder: Path) -> list[Sample]:
    """The faces as Kaggle's format, read back."""
    with zipfile.ZipFile(saving.save_set(faces, "kaggle", folder / "made")) as archive:
        archive.extractall(folder / "out")
    return list(datasets.KaggleFacialKeypoints(folder / "out" / "faces" / "faces.csv"))


NOSE, LIP = (schema.get("kaggle15").index(name) for name in ("nose_tip", "lower_lip_bottom_mid"))


def test_kaggle_by_hand(tmp_path: Path) -> None:
    # A box of 64 x 64 with 1.25 of room is 80 pixels, scaled to 96 by 1.2; 10 % of its height lower than the middle.
    pixels = np.full((200, 300, 3), 50, np.uint8)
    pixels[100:104, 120:124] = (200, 200, 200)  # the middle of these four by four pixels: (121.5, 101.5)
    points = np.full((68, 2), np.nan, np.float32)
    points[30], points[57], points[0] = (121.5, 101.5), (130, 120), (104, 90)
    box = np.array([100, 80, 164, 144], np.float32)
    (read,) = kaggle([Sample(points, schema.get("ibug68"), source_box=box, pixels=pixels)], tmp_path)
    # The middle of the crop, (47.5, 47.5), is that of the box (132, 112), 6.4 higher.
    np.testing.assert_allclose(read.keypoints[NOSE], [47.5 + 1.2 * (121.5 - 132), 47.5 + 1.2 * (101.5 - 105.6)], 1e-5)
    np.testing.assert_allclose(read.keypoints[LIP], [47.5 + 1.2 * (130 - 132), 47.5 + 1.2 * (120 - 105.6)], 1e-5)
    assert read.mask.sum() == 2
    assert read.image.shape == (96, 96, 3)
    bright = read.image[..., 0].astype(float) - 50
    v, u = np.mgrid[:96, :96]
    mean = [(bright * u).sum() / bright.sum(), (bright * v).sum() / bright.sum()]
    np.testing.assert_allclose(mean, read.keypoints[NOSE], atol=0.1)  # the points lie where the pixels are


def test_kaggle_with_a_point_that_was_dragged_out_of_the_box(tmp_path: Path) -> None:
    points = np.full((68, 2), np.nan, np.float32)
    points[30], points[57] = (120, 100), (130, 190)  # of a box that ends at 144
    box = np.array([100, 80, 164, 144], np.float32)
    face = Sample(points, schema.get("ibug68"), source_box=box, pixels=np.zeros((200, 300, 3), np.uint8))
    (read,) = kaggle([face], tmp_path)
    assert 0 < read.keypoints[LIP, 1] < 95


def test_kaggle_of_a_picture_that_is_one_face_is_the_whole_picture(
    corrected: tuple[demo.Found, view.Edited], tmp_path: Path
) -> None:
    found, edited = corrected
    whole = replace(edited, faces=[replace(f, box=geometry.image_box(found.size)) for f in edited.faces])
    (read,) = kaggle(saving.samples(found, whole), tmp_path)
    to_crop = geometry.resize_matrix(found.size, (96, 96))
    np.testing.assert_allclose(read.keypoints[NOSE], geometry.apply(to_crop, np.array([[101.25, 99.5]]))[0], atol=1e-3)


def test_a_picture_of_kaggles_own_size_stays_as_it_is(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (96, 96, 1), np.uint8)
    points = np.full((68, 2), np.nan, np.float32)
    points[30], points[57] = (47.25, 52.5), (46.75, 80)
    pixels = np.repeat(grey, 3, -1)
    box = geometry.image_box((96, 96))
    (read,) = kaggle([Sample(points, schema.get("ibug68"), source_box=box, pixels=pixels)], tmp_path)
    np.testing.assert_array_equal(read.image, pixels)
    np.testing.assert_array_equal(read.keypoints[[NOSE, LIP]], points[[30, 57]])


def test_kaggle_of_the_page_shows_the_face(tmp_path: Path) -> None:
    real = demo.Looker(device="cpu", engine="torch")
    found = real.look(EXAMPLE, "astronaut.jpg", "resnet18-ibug", "finder")
    (read,) = kaggle(saving.samples(found, view.edited(found, None, "")), tmp_path)
    (again,) = real.detector("resnet18-ibug", looking.WHOLE)(read.image, boxes="full")
    source = schema.get("ibug68")
    places = [(again.keypoints[source.index(n)], p) for n, p in zip(read.schema.names, read.keypoints, strict=True)
              if n in source.names]  # fmt: skip
    assert len(places) >= 13
    off = [np.linalg.norm(a - b) for a, b in places]
    assert np.mean(off) < 2.5
    eyes, mouth = read.keypoints[[2, 4]].mean(0), read.keypoints[LIP]
    assert 20 < eyes[1] < 50 < mouth[1] < 90  # as Kaggle's own, whose means are 37 and 78 or so


def test_an_empty_set_and_an_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no face to save"):
        saving.save_set([], "coco", tmp_path)
    with pytest.raises(ArgumentError, match="unknown format 'xls'"):
        saving.save_set([], "xls", tmp_path)


# ---------------------------------------------------------------- the command, the wheel, the Space


def test_without_the_extra_it_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert cli.main(["demo"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'facekp[demo]'" in line
    with pytest.raises(MissingExtraError):
        demo.build()


def test_a_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        with pytest.raises(ArgumentError, match=rf"--port {port}: .*use.*; choose another"):
            server._free("127.0.0.1", port)
    assert server._free("127.0.0.1", port) == port
    assert 0 < server._free("127.0.0.1", 0) < 65536
    with pytest.raises(ArgumentError, match="no-such-host.invalid"):
        server._free("no-such-host.invalid", 0)
    with pytest.raises(ArgumentError, match=r"--host a\.\.b"):
        server._free("a..b", 0)


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.3.2.1", True), ("0.0.0.0", False),
     ("192.168.1.5", False), ("::", False), ("example.org", False), ("", False)],
)  # fmt: skip
def test_which_hosts_are_this_machine_alone(host: str, is_local: bool) -> None:
    assert server.local(host) is is_local


def test_how_it_is_served(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    asked: dict[str, Any] = {}
    fake = SimpleNamespace(themes=SimpleNamespace(Base=lambda **options: options))
    monkeypatch.setattr(server, "gradio", lambda: fake)
    page: Any = SimpleNamespace(launch=lambda **options: asked.update(options))
    address = server.launch(page, port=0)
    assert address == f"http://127.0.0.1:{asked['server_port']}"
    assert (asked["server_name"], asked["share"], asked["show_error"]) == ("127.0.0.1", False, False)
    assert asked["max_file_size"] == demo.MAX_BYTES
    assert all(isinstance(font, str) for font in asked["theme"]["font"])  # of this machine
    assert caplog.messages == []
    server.launch(page, host="0.0.0.0", port=0)
    assert (asked["server_name"], asked["share"]) == ("0.0.0.0", False)
    (warning,) = caplog.messages
    assert "0.0.0.0" in warning
    assert "no password" in warning

    def refuse(**_: Any) -> None:
        raise OSError("Cannot find empty port in range: 1-1")

    with pytest.raises(ArgumentError, match="cannot be served there"):
        server.launch(SimpleNamespace(launch=refuse), port=0)  # type: ignore[arg-type]


def test_the_command(tiny_models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: dict[str, Any] = {}

    @contextmanager
    def serving(looker: demo.Looker, **options: Any) -> Iterator[str]:
        asked.update(options, looker=looker)
        yield "http://127.0.0.1:9999"

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(server, "gradio", lambda: None)
    monkeypatch.setattr("facekp.demo.serving", serving)
    monkeypatch.setattr("time.sleep", interrupted)
    words = ["demo", "--model", str(tiny_models / "whole"), "--finder", str(tiny_models / "finder"), "--port", "9999"]
    assert cli.main(words) == 130
    assert capsys.readouterr().out == "facekp demo: http://127.0.0.1:9999  (Ctrl-C ends it)\n"
    assert (asked["host"], asked["port"]) == ("127.0.0.1", 9999)
    assert asked["looker"].models[0] == str(tiny_models / "whole")


def test_no_module_loads_gradio_when_it_is_imported() -> None:
    for path in sorted(Path(demo.__file__).parent.glob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", "")]
            assert not any(str(name).startswith("gradio") for name in names), path


def test_the_pages_own_files() -> None:
    texts = {name: (resources.files("facekp.demo") / name).read_text("utf-8") for name in PAGE}
    for name, text in texts.items():
        assert len(text.splitlines()) <= 300, name
        # Nothing is fetched from anywhere; the one address is the name of SVG's language.
        assert "//" not in text.replace("http://www.w3.org/2000/svg", "").replace("// ", ""), name
        assert "@import" not in text
    assert "${" not in texts["page.html"]  # Gradio would take it for a place to fill in
    assert "{{" not in texts["page.html"]


def test_the_space_goes_with_the_package() -> None:
    from packaging.requirements import Requirement
    from packaging.version import Version

    (line,) = [line for line in (SPACE / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    wanted = Requirement(line)
    assert (wanted.name, wanted.extras) == ("facekp", {"demo"})
    assert wanted.specifier.contains(__version__, prereleases=True)
    _, block, text = (SPACE / "README.md").read_text("utf-8").split("---\n", 2)
    meta = dict(row.split(": ", 1) for row in block.splitlines())
    assert (meta["sdk"], meta["app_file"]) == ("gradio", "app.py")
    assert (SPACE / meta["app_file"]).is_file()
    assert text.strip()
    bound = re.search(r'^demo = \["(gradio[^"]*)"\]', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert bound
    assert Requirement(bound[1]).specifier.contains(Version(meta["sdk_version"]))


@pytest.mark.slow
def test_the_spaces_app_builds() -> None:
    pytest.importorskip("gradio", reason="Gradio is not installed: pip install 'facekp[demo]'")
    import runpy

    names = runpy.run_path(str(SPACE / "app.py"))
    config = json.dumps(names["page"].config, default=str)
    assert "fk-canvas" in config
    assert "googleapis" not in config
