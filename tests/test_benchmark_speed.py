"""The speed benchmark: what it reports and that it adds up, never how long anything took."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from facekp import benchmark, cli
from facekp.benchmark import starts, timing
from facekp.benchmark.machine import installed, machine, machine_line
from facekp.benchmark.peers import Peer
from facekp.benchmark.speed_table import speed_tables
from facekp.benchmark.stages import STAGES, WatchedDetector
from facekp.errors import ArgumentError, ImageError, MissingExtraError
from facekp.finder import Detections, FaceFinder

PEER = """
import json, sys
print(json.dumps({{"name": {name!r}, "version": "1", "what": "made up", "boxes": {boxes}}}), flush=True)
for line in sys.stdin:
    path, tab, boxes = line.rstrip("\\n").partition("\\t")
    assert bool(tab) == {boxes}
    print(json.dumps({{"boxes": json.loads(boxes) if tab else [], "ms": 2.5}}), flush=True)
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"{i}.png" for i in range(2)]
    for i, path in enumerate(paths):
        cv2.imwrite(str(path), np.random.default_rng(i).integers(0, 256, (48, 64, 3), np.uint8))
    return paths


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("peers")
    commands = []
    for name, boxes in (("trees", True), ("mesh", False)):
        program = folder / f"{name}.py"
        program.write_text(PEER.format(name=name, boxes=boxes), "utf-8")
        commands.append(f'"{sys.executable}" "{program}"')
    return commands


@pytest.fixture(scope="module")
def face_finder(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of ``tiny_models``, with few of its many faces."""
    folder = tmp_path_factory.mktemp("finder")
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((tiny_models / "finder" / name).read_bytes())
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["finder"] |= {"side": 32, "margin": 0, "nms_iou": 0.01}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return folder


@pytest.fixture(scope="module")
def result(tiny_models: Path, face_finder: Path, pictures: list[Path], peers: list[str]) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        # Two real threads on a busy machine wait for each other a thousand times as long as the work takes.
        patch.setattr(sys.modules["facekp.benchmark.speed"], "threads", lambda count: timing.threads(1))
        return benchmark.speed(
            pictures,
            models=[tiny_models / "crops"],
            engines=["torch", "opencv"],
            precisions=["float32", "bfloat16"],
            thread_counts=[1, 2],
            batch_sizes=[1, 3],
            rounds=2,
            starts=0,
            peers=peers,
            finder=face_finder,
            finder_sides=[64],
            device="cpu",
        )


def test_a_row_for_each_combination(result: dict[str, Any]) -> None:
    combinations = [(row["engine"], row["precision"], row["threads"]) for row in result["rows"]]
    kinds = [("torch", "float32"), ("torch", "bfloat16"), ("opencv", "float32")]
    assert combinations == [(*kind, count) for count in (1, 2) for kind in kinds]
    assert all(row["network_engine"] == row["finder_engine"] == row["engine"] for row in result["rows"])
    assert result["left_out"] == []
    assert result["pictures"]["count"] == 2
    assert result["pictures"]["faces"] >= 1
    json.dumps(result, allow_nan=False)


def test_times_are_consistent(result: dict[str, Any]) -> None:
    for row in result["rows"]:
        assert set(row["stages_ms"]) == set(STAGES)
        times = [row["face_ms"], row["frame_ms"], row["frame_ms_at"]["64"]]
        times += [row["stages_ms"][s] for s in STAGES if s != "rest"]
        assert all(0 < each["best"] <= each["median"] for each in times)
        assert row["looks"] >= 1
        assert set(row["faces_per_s"]) == {"1", "3"}
        assert all(0 < each["median"] <= each["best"] for each in row["faces_per_s"].values())


def test_peers_are_asked_what_they_do(result: dict[str, Any]) -> None:
    told = [(peer["name"], peer["threads"], "face_ms" in peer, "frame_ms" in peer) for peer in result["peers"]]
    assert told == [
        ("trees", 1, True, False),
        ("mesh", 1, False, True),
        ("trees", 2, True, False),
        ("mesh", 2, False, True),
    ]
    assert result["peers"][0]["face_ms"] == {"median": 2.5, "best": 2.5}


def test_the_tables_say_it_all(result: dict[str, Any]) -> None:
    some = {"median": 2.0, "best": 1.5}
    whole = {
        **result,
        "starts": {
            "processes": 3,
            "imports_s": some,
            "rows": [{"model": "m", "engine": "torch", "seconds": some, "more": 0.5}],
        },
        "memory": {
            **dict.fromkeys(("loaded", "warm", "least", "most", "end"), 100.0),
            "model": "m",
            "engine": "torch",
            "pictures": 9,
            "flat": 0.5,
        },
        "left_out": [{"model": "m", "engine": "opencv", "why": "cannot"}],
    }
    tables = list(speed_tables(whole))
    assert len(tables) == 5
    for _, heads, rows in tables:
        assert rows
        assert {len(row) for row in rows} == {len(heads)}
    text = benchmark.speed_table(whole)
    for part in ("torch bfloat16", "trees 1", "of mesh's time", "+0.50", "±0.5", "left out: m by opencv: cannot"):
        assert part in text
    assert len(list(speed_tables(result))) == 3


def test_shares_of_a_peers_time_by_hand(result: dict[str, Any]) -> None:
    row = {**result["rows"][0], "face_ms": {"median": 5.0, "best": 2.5}, "frame_ms": {"median": 10.0, "best": 5.0}}
    _, _, rows = list(speed_tables({**result, "rows": [row]}))[1]
    assert rows[0][3:] == ["5.0 (2.5)", "10.0 (5.0)", "2.00 (1.00)", "4.00 (2.00)"]


def test_stages_are_parts_of_the_call(tiny_models: Path, face_finder: Path, pictures: list[Path]) -> None:
    model, finder = tiny_models / "crops", face_finder
    detector = WatchedDetector.from_pretrained(model, finder=finder, engine="torch", device="cpu")
    assert isinstance(detector, WatchedDetector)
    plain = WatchedDetector.__base__.from_pretrained(model, finder=finder, engine="torch", device="cpu")  # type: ignore[union-attr]
    times = detector.stages(pictures)
    assert sum(times[s][0] for s in STAGES[:-1]) == pytest.approx(times["call"][0])
    assert all(times[s][0] > 0 for s in ("read", "find", "crop", "network", "decode"))
    assert detector.looks >= len(detector(pictures[0])) >= 1
    for mine, theirs in zip(detector(pictures[0]), plain(pictures[0]), strict=True):
        np.testing.assert_array_equal(mine.keypoints, theirs.keypoints)


def test_turns_and_summaries() -> None:
    order: list[str] = []

    def turn(name: str) -> dict[str, list[float]]:
        order.append(name)
        return {"time": [float(len(order)), 10.0]}

    runs = [lambda: turn("a"), lambda: turn("b")]
    assert timing.in_turns(runs, 2) == [{"time": {"median": 6.5, "best": 1.0}}, {"time": {"median": 7.0, "best": 2.0}}]
    assert order == ["a", "b", "a", "b"]
    calls: list[int] = []
    assert len(timing.milliseconds(lambda: calls.append(1), 3, torch.device("cpu"))) == len(calls) == 3


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads(), cv2.getNumThreads()
    with timing.threads(2):
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (2, 2)
    assert (torch.get_num_threads(), cv2.getNumThreads()) == before


def test_the_machine_is_named() -> None:
    about = machine(torch.device("cpu"))
    assert about["cores"] >= 1
    assert about["versions"]["torch"] == torch.__version__
    assert about["gpu"] is None
    line = machine_line(about)
    assert about["cpu"] in line
    assert "device cpu" in line
    assert installed("no-such-distribution", "torch")
    assert installed("no-such-distribution") is None


def test_memory_in_a_fresh_process(tiny_models: Path, face_finder: Path, pictures: list[Path]) -> None:
    pair, options = (str(tiny_models / "crops"), "torch"), {"finder": str(face_finder), "device": "cpu"}
    memory = starts.stream_memory(pictures, *pair, options, 20)
    if memory is not None:
        assert memory["pictures"] == 20
        assert memory["loaded"] > 0
        assert 0 < memory["least"] <= memory["warm"] <= memory["most"]
        assert memory["least"] <= memory["end"] <= memory["most"]


def test_first_results_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def seconds(program: tuple[str, ...]) -> float:
        asked.append("imports" if len(program) == 1 else program[2])
        return float(len(asked))

    monkeypatch.setattr(starts, "_seconds", seconds)
    got = starts.first_results(Path("p.png"), [("m", "torch"), ("m", "onnx")], {"finder": "f", "device": "cpu"}, 2)
    assert asked == ["imports", "torch", "onnx"] * 3
    assert got["imports_s"] == {"median": 5.5, "best": 4.0}
    assert [(row["engine"], row["more"]) for row in got["rows"]] == [("torch", 1.0), ("onnx", 2.0)]


def test_a_fresh_process_says_when_it_is_ready() -> None:
    assert starts._seconds(["print('ready', flush=True)"]) > 0
    with pytest.raises(ArgumentError, match="the fresh process failed: ValueError: bad"):
        starts._seconds(["raise ValueError('bad')"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": []}, "models: at least 1"),
        ({"rounds": 0}, "rounds: at least 1"),
        ({"batch_sizes": [4, 0]}, "batch_sizes: at least 1"),
        ({"thread_counts": []}, "thread_counts: at least 1"),
        ({"memory": -1}, "memory: at least 0"),
        ({"engines": ["tvm"]}, "tvm"),
        ({"precisions": ["int4"]}, "int4"),
        ({"engines": ["opencv"], "precisions": ["bfloat16"]}, "bfloat16 is of torch, int8 is of onnx"),
    ],
)
def test_wrong_arguments(pictures: list[Path], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        benchmark.speed(pictures, **{"device": "cpu", "starts": 0, **options})


def _missing(name: str) -> str:
    raise metadata.PackageNotFoundError(name)


def test_wrong_pictures(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArgumentError, match="pictures: at least 1"):
        benchmark.speed([])
    tiny: dict[str, Any] = {"models": [tiny_models / "crops"], "finder": tiny_models / "finder", "device": "cpu"}
    with pytest.raises(ImageError, match="nothing.png"):
        benchmark.speed([tmp_path / "nothing.png"], engines=["torch"], **tiny)
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(ArgumentError, match=r"whole pictures"):
        benchmark.speed([blank], engines=["torch"], **{**tiny, "models": [tiny_models / "whole"]})
    monkeypatch.setattr("facekp.benchmark.machine.metadata.version", _missing)
    with pytest.raises(MissingExtraError, match=r"facekp\[onnx\]"):
        benchmark.speed([blank], engines=["onnx"], **tiny)
    with pytest.raises(MissingExtraError, match=r"facekp\[onnx\]"):
        benchmark.speed([blank], precisions=["int8"], **tiny)


def test_pictures_without_a_face(
    tiny_models: Path, face_finder: Path, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    none = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.float32))
    monkeypatch.setattr(FaceFinder, "__call__", lambda self, images, **options: [none for _ in images])
    model = tiny_models / "crops"
    with pytest.raises(ArgumentError, match="no face was found in 2 of them"):
        benchmark.speed(pictures, models=[model], finder=face_finder, engines=["torch"], device="cpu")


def test_peers_that_are_given_boxes_find_nothing(peers: list[str]) -> None:
    with Peer(peers[0]) as peer:
        assert peer.given_boxes
        with pytest.raises(ArgumentError, match="must be given boxes"):
            peer.find([np.zeros((4, 4, 3), np.uint8)])
        assert peer.milliseconds(np.zeros((4, 4, 3), np.uint8), 2, np.array([[0, 0, 2, 2]])) == [2.5, 2.5]


def test_the_command(
    tiny_models: Path,
    face_finder: Path,
    pictures: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = tmp_path / "speed.json"
    tiny = ["--model", str(tiny_models / "crops"), "--finder", str(face_finder), "--device", "cpu"]
    few = ["--engine", "torch", "--max-batch", "2", "--rounds", "1", "--starts", "0", "--limit", "1"]
    command = ["benchmark", "speed", str(pictures[0].parent), *tiny, *few]
    assert cli.main([*command, "--output", str(report)]) == 0
    written = json.loads(report.read_text("utf-8"))
    assert list(written["rows"][0]["faces_per_s"]) == ["1", "2"]
    assert written["pictures"]["count"] == 1
    assert "stages of a call" in capsys.readouterr().out
    for wrong, message in (
        (["benchmark", "speed", str(tmp_path / "nowhere")], "nowhere"),
        ([*command, "--batch-sizes", "1,x"], "--batch-sizes 1,x"),
    ):
        assert cli.main(wrong) == 2
        assert message in capsys.readouterr().err
