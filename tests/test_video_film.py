"""Films read and written, and ``facekp video``: rotation, uneven and broken files, sound, Ctrl-C."""

from __future__ import annotations

import json
import runpy
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import facekp
from facekp import Face, cli, video
from facekp.errors import ArgumentError, ImageError
from facekp.video import reader as readers

SIZE = (64, 96)  # of the films, (H, W)


def frame(i: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Red at the top left, and brighter from frame to frame at the bottom right."""
    image = np.zeros((*size, 3), np.uint8)
    image[: size[0] // 2, : size[1] // 2] = (200, 0, 0)
    image[size[0] // 2 :, size[1] // 2 :] = min(40 + 10 * i, 250)
    return image


def film(path: Path, count: int = 12, fps: float = 25.0) -> Path:
    with video.Writer(path, fps, SIZE) as writer:
        for i in range(count):
            writer.write(frame(i), i / fps)
    return path


def turned(path: Path, degrees: int) -> Path:
    """Set the rotation in the header of an MP4 (the matrix of its ``tkhd`` box, version 0)."""
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd") + 44
    c, s = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    data[at : at + 36] = struct.pack(">9i", c << 16, s << 16, 0, -s << 16, c << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


# ---------------------------------------------------------------- reading


def test_frames_have_index_time_and_rgb_pixels(tmp_path: Path) -> None:
    found = list(video.frames(film(tmp_path / "a.mp4")))
    assert [one.index for one in found] == list(range(12))
    np.testing.assert_allclose([one.time for one in found], np.arange(12) / 25, atol=1e-3)
    for i, one in enumerate(found):
        assert one.image.shape == (*SIZE, 3)
        np.testing.assert_allclose(one.image[10, 10], (200, 0, 0), atol=25)
        np.testing.assert_allclose(one.image[50, 80], 40 + 10 * i, atol=6)


@pytest.mark.parametrize(("degrees", "red"), [(90, (10, 54)), (180, (54, 86)), (270, (86, 10))])
def test_rotation_is_obeyed(tmp_path: Path, degrees: int, red: tuple[int, int]) -> None:
    path = turned(film(tmp_path / "a.mp4"), degrees)
    with video.Reader(path) as reader:
        assert reader.size == ((96, 64) if degrees != 180 else SIZE)
        one = next(iter(reader))
    assert one.image.shape[:2] == reader.size
    np.testing.assert_allclose(one.image[red], (200, 0, 0), atol=25)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("gone.mp4", None, "no such file"),
        ("empty.mp4", b"", "empty"),
        ("junk.mp4", b"no film" * 100, "cannot be read as a film"),
        (".", None, "directory"),
        ("a\udcff.mp4", None, "UTF-8"),
    ],
)
def test_what_is_no_film(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, content: bytes | None, says: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=says):
        list(video.frames(tmp_path / name))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("source", [None, 1.5, True, b"a.mp4"])
def test_a_source_of_another_kind(source: Any) -> None:
    with pytest.raises(ImageError, match="source"):
        video.Reader(source)


def test_a_picture_is_no_film(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), frame(0))
    with pytest.raises(ImageError, match="facekp detect"):
        video.Reader(path)


def test_a_film_without_its_index(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ImageError, match="cut short"):
        video.Reader(path)


def test_a_film_that_was_cut_short_gives_what_it_has(tmp_path: Path) -> None:
    path = film(tmp_path / "a.avi", 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    seen: list[int] = []
    with pytest.raises(ImageError, match="of 40 frames: it is damaged or was cut short"):
        seen.extend(one.index for one in video.frames(path))
    assert len(seen) >= 10


class FakeCapture:
    """What OpenCV gives of a film or a camera: times in ms, and None for a frame that cannot be decoded."""

    def __init__(self, times: list[float | None], properties: dict[int, float] | None = None) -> None:
        self.times, self.at = times, -1
        self.properties = {cv2.CAP_PROP_FPS: 20.0, cv2.CAP_PROP_FRAME_HEIGHT: 64.0, cv2.CAP_PROP_FRAME_WIDTH: 96.0}
        self.properties.update(properties or {})

    def isOpened(self) -> bool:
        return True

    def set(self, key: int, value: float) -> bool:
        return True

    def get(self, key: int) -> float:
        if key == cv2.CAP_PROP_POS_MSEC:
            return self.times[self.at] or 0.0
        return self.properties.get(key, 0.0)

    def grab(self) -> bool:
        self.at += 1
        return self.at < len(self.times)

    def retrieve(self) -> tuple[bool, np.ndarray | None]:
        return (False, None) if self.times[self.at] is None else (True, frame(self.at))

    def release(self) -> None:
        pass


def times_of(monkeypatch: pytest.MonkeyPatch, path: Path, times: list[float | None], **more: float) -> list[float]:
    path.write_bytes(b"a film, they say")
    properties = {getattr(cv2, key): value for key, value in more.items()}
    monkeypatch.setattr(cv2, "VideoCapture", lambda *a: FakeCapture(times, properties))
    return [round(one.time, 4) for one in video.frames(path)]


def test_a_varying_frame_rate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # From the first frame's time on; a clock that stands still or goes back is moved on by a frame (50 ms).
    got = times_of(monkeypatch, tmp_path / "a.mp4", [100, 133, 133, 200, 190, 500])
    assert got == [0, 0.033, 0.083, 0.1, 0.15, 0.4]


def test_a_file_that_gives_no_times(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert times_of(monkeypatch, tmp_path / "a.mp4", [0.0] * 4) == [0, 0.05, 0.1, 0.15]
    unbelievable = times_of(monkeypatch, tmp_path / "a.mp4", [0.0] * 3, CAP_PROP_FPS=90000.0)
    assert unbelievable == [0, 0.0333, 0.0667]


def test_damaged_frames_are_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert times_of(monkeypatch, tmp_path / "a.mp4", [0, None, 100, None, None, 250]) == [0, 0.1, 0.25]
    with pytest.raises(ImageError, match="no frame that could be decoded"):
        times_of(monkeypatch, tmp_path / "a.mp4", [None] * 150)
    with pytest.raises(ImageError, match="no frame"):
        times_of(monkeypatch, tmp_path / "a.mp4", [])


def test_a_file_without_a_film(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no film")
    with pytest.raises(ImageError, match=r"text\.jpg"):  # before a film is written
        video.Reader(tmp_path / "text.jpg")


def test_too_large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="over the limit"):
        times_of(monkeypatch, tmp_path / "a.mp4", [0.0], CAP_PROP_FRAME_WIDTH=1e7)


def test_a_camera_has_the_clock_s_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", lambda *a: FakeCapture([None, 0.0, 0.0], {cv2.CAP_PROP_FPS: 0.0}))
    clock = iter([50.0, 50.5, 50.75])
    with video.Reader(0, clock=lambda: next(clock)) as camera:
        assert (camera.name, camera.path, camera.fps, camera.count) == ("camera 0", None, 30.0, 0)
        assert [one.time for one in camera] == [0, 0.25]


def test_no_camera(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ImageError, match="camera 97: cannot be opened"):
        video.Reader(97)
    with pytest.raises(ArgumentError, match="camera"):
        video.Reader(-1)
    assert capfd.readouterr().err == ""


# ---------------------------------------------------------------- writing


@pytest.mark.parametrize("suffix", sorted(video.FORMATS))
def test_every_format_comes_back(tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]) -> None:
    found = list(video.frames(film(tmp_path / f"a{suffix}", 5)))
    assert len(found) == 5
    np.testing.assert_allclose(found[3].image[50, 80], 70, atol=8)
    assert [p.name for p in tmp_path.iterdir()] == [f"a{suffix}"]
    assert capfd.readouterr() == ("", "")


def test_frames_are_repeated_and_left_out_so_that_time_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with video.Writer(path, 10.0, SIZE) as writer:
        for i, time in ((0, 7.0), (3, 7.1), (6, 7.4), (9, 7.42), (12, 7.5)):
            writer.write(frame(i), time)
        assert writer.count == 6
    shown = [round((float(one.image[50, 80].mean()) - 40) / 10) for one in video.frames(path)]
    assert shown == [0, 3, 3, 3, 6, 12]


def test_a_clock_that_leaps_fills_no_disk(tmp_path: Path) -> None:
    with video.Writer(tmp_path / "a.mp4", 10.0, SIZE) as writer:
        for time in (0, 1e6, 1e6 + 0.1):
            writer.write(frame(0), time)
        assert writer.count == 3


def test_frames_of_another_size_are_fitted_in(tmp_path: Path) -> None:
    with video.Writer(tmp_path / "a.mp4", 10.0, SIZE) as writer:
        writer.write(frame(0, (128, 200)), 0)
    assert next(video.frames(tmp_path / "a.mp4")).image.shape == (*SIZE, 3)


def test_what_ends_a_run_leaves_a_film_that_plays(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.mp4"

    def interrupted() -> None:
        with video.Writer(path, 25.0, SIZE) as writer:
            for i in range(9):
                writer.write(frame(i), i / 25)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(list(video.frames(path))) == 9


def test_films_written_side_by_side_are_their_own(tmp_path: Path) -> None:
    sizes = {"a.mp4": (64, 64), "b.mp4": (32, 32)}
    writers = [video.Writer(tmp_path / name, 25, size) for name, size in sizes.items()]
    for i in range(10):
        for writer in writers:
            writer.write(np.full((*writer.size, 3), 9 * i, np.uint8), i / 25)
    for writer in writers:
        writer.close()
    assert {name: next(video.frames(tmp_path / name)).image.shape[:2] for name in sizes} == sizes
    with pytest.raises(ArgumentError, match="is closed"):
        writers[0].write(np.zeros((64, 64, 3), np.uint8), 1.0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def test_no_frames_no_film(tmp_path: Path) -> None:
    video.Writer(tmp_path / "a.mp4", 25.0, SIZE).close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "fps", "size", "says"),
    [
        ("a.txt", 25, SIZE, "must end in"),
        ("a.mp4", 0, SIZE, "frames a second"),
        ("a.mp4", 25, (1, 1), "pixels"),
        ("folder.mp4", 25, SIZE, "directory"),
        ("file/a.mp4", 25, SIZE, "cannot be written"),
    ],
)
def test_films_that_cannot_be_written(tmp_path: Path, name: str, fps: float, size: tuple[int, int], says: str) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ArgumentError, match=says):
        video.Writer(tmp_path / name, fps, size)


def test_a_full_disk_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    resource = pytest.importorskip("resource", reason="files cannot be limited in size on this system")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    rng = np.random.default_rng(0)
    (tmp_path / "a.mp4").write_bytes(b"old")
    with video.Writer(tmp_path / "a.mp4", 25.0, (240, 320)) as writer:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))
            for i in range(30):
                writer.write(rng.integers(0, 255, (240, 320, 3), np.uint8), i / 25)
            with pytest.raises(ArgumentError, match="is the disk full"):
                writer.close()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / "a.mp4").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1
    assert capfd.readouterr() == ("", "")


# ---------------------------------------------------------------- sound


@pytest.fixture
def ffmpeg() -> Callable[..., None]:
    if shutil.which("ffmpeg") is None:
        pytest.skip("the program ffmpeg is not installed")
    return lambda *options: subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, options)], check=True) and None


def streams(path: Path) -> list[str]:
    said = subprocess.run(["ffmpeg", "-i", str(path)], capture_output=True, text=True, check=False).stderr
    return [line.split(": ")[1] for line in said.splitlines() if "Stream #" in line]


def test_sound_is_copied(ffmpeg: Callable[..., None], tmp_path: Path) -> None:
    loud = tmp_path / "-i loud; it's.mp4"
    silent = film(tmp_path / "silent.mp4", 25)
    ffmpeg("-i", silent, "-f", "lavfi", "-i", "sine=d=1", "-map", 0, "-map", 1, "-c:v", "copy", f"file:{loud}")
    drawn = film(tmp_path / "-drawn.mp4", 25)
    assert video.copy_sound(loud, drawn) is None
    assert streams(drawn) == ["Video", "Audio"]
    assert len(list(video.frames(drawn))) == 25
    assert video.copy_sound(silent, drawn) is None  # one without sound changes nothing
    assert sorted(p.name for p in tmp_path.iterdir()) == ["-drawn.mp4", "-i loud; it's.mp4", "silent.mp4"]


def test_sound_that_cannot_be_copied(ffmpeg: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "junk.mp4").write_bytes(b"junk")
    drawn = film(tmp_path / "a.mp4")
    before = drawn.read_bytes()
    assert "ffmpeg could not copy" in str(video.copy_sound(tmp_path / "junk.mp4", drawn))
    assert drawn.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_without_ffmpeg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "no program ffmpeg" in str(video.copy_sound(tmp_path / "a.mp4", tmp_path / "b.mp4"))


# ---------------------------------------------------------------- the command


@pytest.fixture
def run(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_models: Path
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setattr(shutil, "which", lambda name: None)

    def call(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        models = ["--model", tiny_models / "crops", "--finder", tiny_models / "finder", "--device", "cpu"]
        code = cli.main(["video", *map(str, [*arguments, *models, "--max-faces", 2, "--min-score", 0])])
        return code, *capfd.readouterr()

    return call


def test_a_film_in_a_film_and_lines_out(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    source, out, lines = film(tmp_path / "a.mp4"), tmp_path / "new" / "b.mp4", tmp_path / "b.jsonl"
    code, said, complained = run(source, out, "--json", lines, "--no-smooth", "--every", 0.2, "--carry", 0)
    assert (code, said) == (0, "")
    assert complained == f"facekp: {out}: has no sound, as there is no program ffmpeg to copy it\n"
    assert len(list(video.frames(out))) == 12
    rows = [json.loads(line) for line in lines.read_text("ascii").splitlines()]
    assert [row["frame"] for row in rows] == list(range(12))
    assert list(rows[0])[:8] == ["path", "frame", "time", "width", "height", "model", "schema", "faces"]
    assert (rows[3]["path"], rows[3]["time"], rows[3]["width"], rows[3]["height"]) == (str(source), 0.12, 96, 64)
    assert any(row["faces"] for row in rows)
    for row in rows:
        for data in row["faces"]:
            assert list(data)[:3] == ["id", "found", "carried"]
            assert Face.from_dict(data, row["schema"]).keypoints.shape == (68, 2)


def test_lines_for_people_and_on_standard_output(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    source, out = film(tmp_path / "a.mp4", 5), tmp_path / "b.mp4"
    code, said, _ = run(source, out, "--no-sound")
    assert code == 0
    assert said.startswith(f"{source}: 5 frames, ")
    assert said.endswith(f" -> {out}\n")
    code, said, complained = run(source, "--json", "-", "--seconds", 0.1)
    assert (code, complained) == (0, "")
    assert [json.loads(line)["frame"] for line in said.splitlines()] == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "IN is missing"),
        (["a.mp4"], "no window"),
        (["a.mp4", "a.mp4"], "read or written already"),
        (["a.mp4", "link.mp4"], "read or written already"),
        (["a.mp4", "--json", "a.mp4"], "read or written already"),
        (["a.mp4", "b.mp4", "--json", "b.mp4"], "read or written already"),
        (["a.mp4", "b.txt"], "must end in"),
        (["gone.mp4", "b.mp4"], "no such file"),
        (["a.mp4", "b.mp4", "--camera", "0"], "instead of IN"),
        (["--camera", "97", "b.mp4"], "camera 97"),
        (["--camera", "-1", "b.mp4"], "--camera"),
        (["--camera", "0"], "no window"),
        (["a.mp4", "b.mp4", "--every", "-1"], "--every"),
        (["a.mp4", "b.mp4", "--carry", "-1"], "--carry"),
        (["a.mp4", "b.mp4", "--seconds", "0"], "--seconds"),
        (["a.mp4", "b.mp4", "--seconds", "inf"], "--seconds"),
        (["--camera", "99999999999", "b.mp4"], "expected a number from 0"),
    ],
)
def test_bad_command_lines_are_one_line(
    run: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    source = film(tmp_path / "a.mp4", 3)
    (tmp_path / "link.mp4").hardlink_to(source)
    before = source.read_bytes()
    code, said, complained = run(*arguments)
    assert (code, said) == (2, "")
    assert says in complained
    assert len(complained.splitlines()) == 1
    assert source.read_bytes() == before


def test_lines_stay_where_no_film_can_be_written(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    source, lines = film(tmp_path / "a.mp4", 3), tmp_path / "keep.jsonl"
    lines.write_text("kept\n")
    code, _, complained = run(source, source / "x" / "out.mp4", "--json", lines)
    assert (code, len(complained.splitlines())) == (2, 1)
    assert lines.read_text() == "kept\n"


def test_a_film_that_was_cut_short_is_done_as_far_as_it_goes(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    source, out = film(tmp_path / "a.avi", 30), tmp_path / "b.avi"
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    code, _, complained = run(source, out, "--no-sound")
    assert code == 1
    assert "cut short" in complained
    assert len(list(video.frames(out))) >= 4


def test_a_camera_until_ctrl_c(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def frames(self: video.Reader) -> Iterator[video.FilmFrame]:
        for i in range(6):
            yield video.FilmFrame(i, i / 20, frame(i))
        raise KeyboardInterrupt

    capture = cv2.VideoCapture
    monkeypatch.setattr(
        cv2, "VideoCapture", lambda *a: FakeCapture([0.0] * 9) if isinstance(a[0], int) else capture(*a)
    )
    monkeypatch.setattr(readers.Reader, "__iter__", frames)
    out, lines = tmp_path / "b.mp4", tmp_path / "b.jsonl"
    code, said, complained = run("--camera", 0, out, "--json", lines)
    assert (code, said, complained) == (130, "", "")
    monkeypatch.undo()
    assert len(list(video.frames(out))) == 6
    rows = [json.loads(line) for line in lines.read_text("ascii").splitlines()]
    assert [row["path"] for row in rows] == ["camera 0"] * 6


def test_the_webcam_example_reads_films_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Path(__file__).parents[1] / "examples" / "webcam.py"
    source, out = film(tmp_path / "a.mp4", 4), tmp_path / "b.mp4"

    def imshow(name: str, image: np.ndarray) -> None:  # no window, whatever OpenCV is installed
        raise cv2.error

    monkeypatch.setattr(cv2, "imshow", imshow)
    monkeypatch.setattr("sys.argv", [str(script), str(source), str(out)])
    runpy.run_path(str(script), run_name="__main__")
    assert "q or Ctrl-C ends it" in capsys.readouterr().out
    assert len(list(video.frames(out))) == 4


def test_annotate_refuses_to_write_over_its_source(tmp_path: Path, tiny_models: Path) -> None:
    found = facekp.Detector.from_pretrained(tiny_models / "crops", finder=tiny_models / "finder", device="cpu")
    path = film(tmp_path / "a.mp4", 3)
    before = path.read_bytes()
    with pytest.raises(ArgumentError, match="film that is read"):
        video.annotate(path, path, video.Tracker(found))
    assert path.read_bytes() == before
    assert video.annotate(path, None, video.Tracker(found, max_faces=1)) == 3
