"""Very many pictures: shards, runs that are killed and resumed, full disks, threads and worker processes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import facekp
from facekp import annotate, cli
from facekp.annotate import JsonLines, ParquetParts, Shard
from facekp.errors import ArgumentError, MissingExtraError

COMMAND = [sys.executable, "-c", "import sys; from facekp.cli import main; sys.exit(main())"]
ASTRONAUT = Path(__file__).parents[1] / "examples" / "astronaut.jpg"


def entry(path: object, model: str = "m") -> dict[str, Any]:
    face = {"box": [0.0, 1.0, 2.0, 3.0], "score": 0.5, "keypoints": [[1.0, 2.0], [None, None]], "scores": [0.5, None]}
    return {"path": str(path), "width": 4, "height": 3, "model": model, "schema": "s", "faces": [face]}


def paths_in(file: Path) -> list[str]:
    return [json.loads(text)["path"] for text in file.read_text("ascii").splitlines()]


# ---------------------------------------------------------------- shards


@pytest.mark.parametrize(
    "text", ["", "3", "0/3", "4/3", "-1/3", "1/0", "a/b", "1/3/5", " 1/3", "1.0/3", "٣/٤", "1/1e9"]
)
def test_shards_that_there_are_not(text: str) -> None:
    with pytest.raises(ArgumentError, match="3/16"):
        Shard.parse(text)


@pytest.mark.parametrize("count", [1, 3, 16, 40])
def test_shards_are_the_whole_once_in_whatever_order_it_is_given(count: int) -> None:
    items = [Path(f"{i % 5}/{i}.jpg") for i in range(37)]
    shuffled = random.Random(0).sample(items, len(items))
    shares = [Shard(i + 1, count).pick(shuffled) for i in range(count)]
    assert sorted(path for share in shares for path in share) == sorted(items)
    assert shares == [Shard(i + 1, count).pick(items) for i in range(count)]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_shard_by_hand() -> None:
    assert Shard.parse("2/3") == Shard(2, 3)
    assert Shard(2, 3).pick(["d", "a", "c", "b", "e"]) == ["b", "e"]
    assert Shard(1, 1).pick([Path("b"), Path(os.fsdecode(b"\xff"))]) == [Path("b"), Path(os.fsdecode(b"\xff"))]


# ---------------------------------------------------------------- JSON Lines


def test_lines_are_appended_and_a_half_one_is_dropped(tmp_path: Path) -> None:
    file = tmp_path / "new" / "a.jsonl"
    with JsonLines(file) as lines:
        lines.write(entry("1.jpg"))
        lines.write(entry("2.jpg"))
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:50])
    with JsonLines(file, resume=True, model="m") as lines:
        assert lines.count == 2
        assert "1.jpg" in lines
        assert Path("./2.jpg") in lines
        assert str(Path.cwd() / "2.jpg") in lines
        assert "3.jpg" not in lines
        assert file.read_bytes() == whole
        lines.write(entry("3.jpg"))
    assert paths_in(file) == ["1.jpg", "2.jpg", "3.jpg"]
    with JsonLines(file) as lines:
        assert "1.jpg" not in lines
    assert file.read_bytes() == b""


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"hello\n", "line 1 is no record"),
        (b'{"path": "a", "model": "m"}\n[]\n', "line 2 is no record"),
        (b'{"path": 5, "model": "m"}\n', "line 1 is no record"),
        (b'{"path": "a"}\n', "line 1 is no record"),
        (b"\xff\xfe\n", "line 1 is no record"),
        (b"[" * 100_000 + b"\n", "line 1 is no record"),
        (b'{"path": "a", "model": "other"}\n', "the model other, not m"),
    ],
)
def test_what_cannot_be_resumed_is_left_as_it_is(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(content)
    with pytest.raises(ArgumentError, match=says):
        JsonLines(file, resume=True, model="m")
    assert file.read_bytes() == content


@pytest.fixture(params=["json", "parquet"])
def resumed(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Any]:
    """Records in ``tmp_path/out``, gone on with."""
    if request.param == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'facekp[parquet]'")
    (tmp_path / "out").mkdir()

    def call(**options: Any) -> Any:
        if request.param == "json":
            return JsonLines(tmp_path / "out" / "a.jsonl", resume=True, **options)
        return ParquetParts(tmp_path / "out", resume=True, **options)

    return call


def test_relative_paths_are_known_from_another_folder(
    resumed: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("a", "b", "linked"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "a")
    with resumed() as records:
        records.write(entry("p/1.jpg"))
        records.write(entry(tmp_path / "2.jpg"))
    monkeypatch.chdir(tmp_path / "b")
    with resumed() as records:
        assert "p/1.jpg" not in records  # another picture of the name
        assert "../a/p/1.jpg" in records
        assert tmp_path / "a" / "p" / "1.jpg" in records
        assert "../2.jpg" in records
        records.write(entry("p/1.jpg"))
    monkeypatch.chdir(tmp_path)
    records = resumed()
    assert records.count == 3
    assert "a/p/1.jpg" in records
    assert "b/p/1.jpg" in records
    assert "p/1.jpg" not in records


def test_records_that_do_not_say_whence_their_paths_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("".join(f"{annotate.line(entry(name))}\n" for name in ("p/1.jpg", "p/2.jpg")))
    before = file.read_bytes()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match=r"none of its pictures, such as p/1\.jpg, .* where it was begun"):
        JsonLines(file, resume=True)
    assert file.read_bytes() == before
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "2.jpg").touch()
    with JsonLines(file, resume=True, model="m", weights="12") as lines:
        assert "p/1.jpg" in lines


def test_another_model_of_the_same_name_is_not_resumed(resumed: Callable[..., Any]) -> None:
    with resumed(model="m", weights="1" * 64) as records:
        records.write(entry("1.jpg"))
    with pytest.raises(ArgumentError, match=r"another model of this name: .* 111111111111\.\.\., not 222222222222"):
        resumed(model="m", weights="2" * 64)
    for weights in ("1" * 64, None):
        assert resumed(model="m", weights=weights).count == 1


def test_parquet_files_of_an_older_facekp_are_resumed(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'facekp[parquet]'")
    parquet = pytest.importorskip("pyarrow.parquet")
    old = entry(tmp_path / "1.jpg")
    parquet.write_table(pyarrow.Table.from_pylist([old]), tmp_path / "part-1of1-00000.parquet")
    with ParquetParts(tmp_path, resume=True, model="m", weights="12") as parts:
        assert tmp_path / "1.jpg" in parts
        parts.write(entry("2.jpg"))
    assert ParquetParts(tmp_path, resume=True, model="m", weights="12").count == 2
    assert len(parquet.read_table(tmp_path).to_pylist()) == 2


def test_names_that_are_no_text_are_known_again(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    with JsonLines(tmp_path / "a.jsonl") as lines:
        lines.write(entry(name))
    with JsonLines(tmp_path / "a.jsonl", resume=True) as lines:
        assert name in lines
        assert "cafe.jpg" not in lines


def test_two_runs_do_not_write_to_one_file(tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="files are not locked on this system")
    with JsonLines(tmp_path / "a.jsonl") as lines:
        lines.write(entry("1.jpg"))
        for resume in (True, False):
            with pytest.raises(ArgumentError, match="another run"):
                JsonLines(tmp_path / "a.jsonl", resume=resume)
    assert paths_in(tmp_path / "a.jsonl") == ["1.jpg"]


class Stuck:
    """A file whose write is ended by something else than the file, after a few bytes."""

    def __init__(self, file: Any, error: BaseException) -> None:
        self.file, self.error = file, error

    def write(self, data: memoryview) -> int:
        self.file.write(data[:7])
        raise self.error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143), OSError(28, "No space left on device")])
def test_a_line_that_is_interrupted_is_taken_back(tmp_path: Path, error: BaseException) -> None:
    lines = JsonLines(tmp_path / "a.jsonl")
    lines.write(entry("1.jpg"))
    lines._file = Stuck(lines._file, error)  # type: ignore[assignment]
    with pytest.raises(ArgumentError if isinstance(error, OSError) else type(error)):
        lines.write(entry("2.jpg"))
    lines.close()
    assert paths_in(tmp_path / "a.jsonl") == ["1.jpg"]
    with pytest.raises(ArgumentError, match="closed"):
        lines.write(entry("3.jpg"))


def test_a_nul_in_the_name(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="cannot be written"):
        JsonLines(str(tmp_path / "a\0b"))


@pytest.mark.parametrize(("number", "count"), [(0, 4), (5, 4), (-1, 4), (1.5, 4), (1, 0)])
def test_a_share_that_there_is_not(number: int, count: int) -> None:
    with pytest.raises(ArgumentError, match="counted from 1"):
        annotate.Shard(number, count)


def test_a_disk_that_fills_up_leaves_whole_lines(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="there is no limit to a file's size on this system")
    file = tmp_path / "a.jsonl"
    with JsonLines(file) as lines:
        lines.write(entry("0000.jpg"))
    size = file.stat().st_size
    code = (
        "import sys; sys.path.insert(0, sys.argv[2]); from test_annotate import entry, JsonLines\n"
        "lines = JsonLines(sys.argv[1])\n"
        "for i in range(100): lines.write(entry(f'{i:04d}.jpg'))"
    )
    limit = 10 * size + size // 2
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, file, Path(__file__).parent],  # -B: the limit would cut bytecode short
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.stderr.splitlines()[-1].endswith("cannot be written (File too large)"), done.stderr
    assert paths_in(file) == [f"{i:04d}.jpg" for i in range(10)]


def test_places_that_take_no_lines(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for bad in (tmp_path, tmp_path / "file" / "a.jsonl", tmp_path / "loop", tmp_path / ("x" * 300)):
        with pytest.raises(ArgumentError, match="cannot be written"):
            JsonLines(bad)
    if Path("/dev/full").exists():
        with JsonLines("/dev/full") as lines, pytest.raises(ArgumentError, match="No space left"):
            lines.write(entry("1.jpg"))
        with pytest.raises(ArgumentError, match="no regular file"):
            JsonLines("/dev/null", resume=True)


# ---------------------------------------------------------------- Parquet


@pytest.fixture
def parquet() -> Any:
    return pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed: pip install 'facekp[parquet]'")


def test_parquet_parts_are_whole_and_resumed(parquet: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facekp.annotate.parquet.ROWS", 2)
    odd = os.fsdecode(b"caf\xe9.jpg")
    with ParquetParts(tmp_path / "out", shard=Shard(1, 2)) as parts:
        for name in ("1.jpg", odd, "3.jpg"):
            parts.write(entry(name))
    with ParquetParts(tmp_path / "out", shard=Shard(2, 2)) as parts:
        parts.write(entry("5.jpg"))
    names = [f"part-{n}.parquet" for n in ("1of2-00000", "1of2-00001", "2of2-00000")]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == names
    for shard in (Shard(1, 2), Shard(1, 1), Shard(1, 3)):
        with pytest.raises(ArgumentError, match="holds part-"):
            ParquetParts(tmp_path / "out", shard=shard)
    with ParquetParts(tmp_path / "out", resume=True, shard=Shard(1, 2), model="m") as parts:
        assert parts.count == 4
        assert odd in parts
        assert "./5.jpg" in parts
        assert "4.jpg" not in parts
        parts.write(entry("4.jpg"))
    rows = parquet.read_table(tmp_path / "out").to_pylist()
    assert sorted(row["path"] for row in rows) == ["1.jpg", "3.jpg", "4.jpg", "5.jpg", "caf\\udce9.jpg"]
    expected = entry("x")
    for face in expected["faces"]:
        face["uncertainty"] = None  # this model did not tell it
    assert {**rows[0], "path": "x"} == expected | {
        "weights": None,
        "base": os.path.relpath(Path.cwd(), tmp_path / "out"),
    }
    with pytest.raises(ArgumentError, match="the model m, not n"):
        ParquetParts(tmp_path / "out", resume=True, model="n")


def test_parquet_after_an_interruption(parquet: Any, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), ParquetParts(tmp_path) as parts:  # noqa: PT012
        parts.write(entry("1.jpg"))
        raise KeyboardInterrupt
    assert ParquetParts(tmp_path, resume=True).count == 1


def test_parquet_in_wrong_places(parquet: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArgumentError, match="cannot be written"):
        ParquetParts(tmp_path / "file")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.parquet").write_text("no such thing")
    with pytest.raises(ArgumentError, match=r"x\.parquet is no file"):
        ParquetParts(tmp_path / "a", resume=True)
    parts = ParquetParts(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    parts.write(entry("1.jpg"))
    with pytest.raises(ArgumentError, match="cannot be written"):
        parts.close()


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"facekp\[parquet\]"):
        ParquetParts(tmp_path)


# ---------------------------------------------------------------- facekp detect


@pytest.fixture
def detect(capfd: pytest.CaptureFixture[str], tiny_models: Path) -> Callable[..., tuple[int, str]]:
    def call(*arguments: object) -> tuple[int, str]:
        capfd.readouterr()
        code = cli.main(["detect", "--device", "cpu", "--model", str(tiny_models / "whole"), *map(str, arguments)])
        return code, capfd.readouterr().err

    return call


def album(folder: Path, count: int) -> Path:
    folder.mkdir()
    assert cv2.imwrite(str(folder / "0000.png"), np.full((24, 32, 3), 90, np.uint8))
    for i in range(1, count):
        os.link(folder / "0000.png", folder / f"{i:04d}.png")
    return folder


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_run_is_resumed(
    detect: Callable[..., tuple[int, str]], tiny_models: Path, tmp_path: Path, number: signal.Signals
) -> None:
    count = 300
    folder, file = album(tmp_path / "in", count), tmp_path / "points.jsonl"
    command = [*COMMAND, "detect", folder, "--json", file, "--model", tiny_models / "whole", "--device", "cpu"]
    process = subprocess.Popen(
        list(map(str, command)),
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore Ctrl-C, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  (no threads yet)
    )
    assert process.stderr is not None
    while process.poll() is None and not (file.exists() and file.stat().st_size > 20_000):
        time.sleep(0.01)
    process.send_signal(number)
    assert process.stderr.read() == ""
    assert process.wait() == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    data = file.read_bytes()
    if number != signal.SIGKILL:
        assert data.endswith(b"\n")
    before = data[: data.rindex(b"\n") + 1]
    assert 0 < before.count(b"\n") < count
    file.write_bytes(before + before[:100])  # where a kill can leave it
    assert detect(folder, "--json", file, "--resume") == (0, "")
    assert file.read_bytes().startswith(before)
    assert paths_in(file) == [str(folder / f"{i:04d}.png") for i in range(count)]


def test_an_unreadable_picture_is_tried_again(detect: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    folder, file = album(tmp_path / "in", 3), tmp_path / "points.jsonl"
    (folder / "0001.png").unlink()
    (folder / "0001.png").write_bytes(b"")
    for _ in range(2):
        code, errors = detect(folder, "--json", file, "--resume")
        assert (code, len(errors.splitlines())) == (1, 1)
    (folder / "0001.png").write_bytes((folder / "0000.png").read_bytes())
    assert detect(folder, "--json", file, "--resume") == (0, "")
    assert [Path(p).name for p in paths_in(file)] == ["0000.png", "0002.png", "0001.png"]


def test_shards_of_a_run(detect: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    folder, file = album(tmp_path / "in", 4), tmp_path / "points.jsonl"
    other = album(tmp_path / "other", 4)
    found = []
    for number in (1, 2, 3):
        out = ("--output", tmp_path / "out", "--json", file)
        assert detect(other, folder, "--shard", f"{number}/3", *out) == (0, "")
        found.append(paths_in(file))
    assert [len(share) for share in found] == [3, 3, 2]
    assert sorted(path for share in found for path in share) == sorted(map(str, [*folder.iterdir(), *other.iterdir()]))
    assert len(list((tmp_path / "out").iterdir())) == 8  # no shard wrote over another's drawing of the same name
    assert detect(folder, "--shard", "9/9", "--json", file) == (0, "")
    assert file.read_bytes() == b""


def test_parquet_of_a_run(parquet: Any, detect: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    folder = album(tmp_path / "in", 5)
    for number in (1, 2):
        out = ("--parquet", tmp_path / "out", "--resume")
        assert detect(folder, "--shard", f"{number}/2", *out) == (0, "")
    rows = parquet.read_table(tmp_path / "out").to_pylist()
    assert sorted(row["path"] for row in rows) == sorted(map(str, folder.iterdir()))
    assert facekp.Face.from_dict(rows[0]["faces"][0], rows[0]["schema"]).keypoints.shape == (68, 2)
    assert detect(folder, *out) == (0, "")
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--resume"], "--resume needs"),
        (["--resume", "--json", "-"], "--resume needs"),
        (["--json", "a", "--parquet", "b"], "one of them"),
        (["--shard", "0/3"], "3/16"),
        (["--json", "notes.txt", "--resume"], "no record"),
    ],
)
def test_options_that_contradict(
    detect: Callable[..., tuple[int, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: Sequence[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("mine\n")
    code, errors = detect(album(tmp_path / "in", 1), *options)
    assert (code, len(errors.splitlines())) == (2, 1)
    assert says in errors
    assert Path("notes.txt").read_text() == "mine\n"
    assert not Path("a").exists()


def test_a_run_is_resumed_from_another_folder(
    detect: Callable[..., tuple[int, str]], tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        album(tmp_path / place / "p", 2)
    file = tmp_path / "a" / "o.jsonl"
    monkeypatch.chdir(tmp_path / "a")
    assert detect("p", "--json", "o.jsonl") == (0, "")
    config = json.loads((tiny_models / "whole" / "config.json").read_text("utf-8"))
    (first, _) = (json.loads(text) for text in file.read_text("ascii").splitlines())
    assert (first["path"], first["base"], first["weights"]) == (str(Path("p", "0000.png")), ".", config["sha256"])
    before = file.read_bytes()
    monkeypatch.chdir(tmp_path)
    assert detect(tmp_path / "a" / "p", "--json", file, "--resume") == (0, "")
    assert file.read_bytes() == before
    monkeypatch.chdir(tmp_path / "b")
    assert detect("p", "--json", file, "--resume") == (0, "")
    assert [Path(p).name for p in paths_in(file)] == ["0000.png", "0001.png"] * 2


def test_records_do_not_go_over_a_picture(detect: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    folder = album(tmp_path / "in", 1)
    before = (folder / "0000.png").read_bytes()
    os.link(folder / "0000.png", tmp_path / "linked")
    (tmp_path / "soft").symlink_to(folder / "0000.png")
    for target in ("linked", "soft"):
        code, errors = detect(folder, "--json", tmp_path / target)
        assert code == 2
        assert "is one of the pictures" in errors
    assert (folder / "0000.png").read_bytes() == before


def test_a_full_disk_is_one_line(detect: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    code, errors = detect(album(tmp_path / "in", 3), "--json", "/dev/full")
    assert (code, errors) == (2, "facekp: --json /dev/full: cannot be written (No space left on device)\n")


# ---------------------------------------------------------------- threads and processes


def parts_of(picture: Any, count: int) -> list[Any]:
    return [np.ascontiguousarray(picture[: 400 - 4 * i, 3 * i : 512 - 3 * i]) for i in range(count)]


def answer(detector: facekp.Detector, picture: Any) -> list[bytes]:
    return [f.keypoints.tobytes() + f.scores.tobytes() + f.box.tobytes() for f in detector(picture)]


@pytest.mark.parametrize(
    ("engine", "precision"), [("torch", "float32"), ("onnx", "float32"), ("onnx", "int8"), ("opencv", "float32")]
)
def test_threads_share_a_detector(engine: str, precision: str) -> None:
    if engine == "onnx":
        pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    pictures = parts_of(facekp.image.read(ASTRONAUT), 20)
    detector = facekp.Detector.from_pretrained(device="cpu", engine=engine, precision=precision)
    with ThreadPoolExecutor(20) as pool:  # first, so that they also race for what is made at the first call
        together = list(pool.map(lambda p: answer(detector, p), pictures))
    assert together == [answer(detector, p) for p in pictures]
    assert all(together)


WORKERS = """
import multiprocessing, sys
import facekp

def answer(given):
    detector, path = given
    return [f.keypoints.tobytes() + f.scores.tobytes() for f in (detector or DETECTOR)(path)]

if __name__ == "__main__":
    how, engine, path = sys.argv[1:]
    import torch
    torch.set_num_threads(1)  # the threads of a process do not come with a fork
    DETECTOR = facekp.Detector.from_pretrained(device="cpu", engine=engine)
    here = answer((None, path))
    with multiprocessing.get_context(how).Pool(2) as pool:
        there = pool.map(answer, [(None if how == "fork" else DETECTOR, path)] * 4)
    assert len(here) == 1
    assert there == [here] * 4
"""


@pytest.mark.parametrize(
    ("how", "engine"),
    [
        ("fork", "torch"),
        ("spawn", "onnx"),
        *(pytest.param(*pair, marks=pytest.mark.slow) for pair in [("fork", "onnx"), ("fork", "opencv")]),
        *(pytest.param(*pair, marks=pytest.mark.slow) for pair in [("spawn", "torch"), ("spawn", "opencv")]),
    ],
)
def test_worker_processes_give_the_same(how: str, engine: str, tmp_path: Path) -> None:
    import multiprocessing

    if how not in multiprocessing.get_all_start_methods():
        pytest.skip(f"processes cannot be started by {how} on this system")
    if engine == "onnx":
        pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    script = tmp_path / "workers.py"
    script.write_text(WORKERS)
    done = subprocess.run(
        [sys.executable, str(script), how, engine, str(ASTRONAUT)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
