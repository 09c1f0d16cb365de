"""``facekp doctor``: well here, and what it says of what is broken."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facekp import _packages, cli, doctor, hub

ROOT = Path(__file__).parents[1]
DATA = ROOT / "src" / "facekp" / "_selftest"


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capfd.readouterr()
    code = cli.main(["doctor", *arguments])
    done = capfd.readouterr()
    assert done.err == ""
    return code, done.out


def group(name: str) -> list[doctor.Check]:
    """What one group finds, without the others."""
    return list(getattr(doctor, f"_{name}")())


def test_all_is_well_here(capfd: pytest.CaptureFixture[str]) -> None:
    code, out = run(capfd, "--json")
    found = json.loads(out)
    wrong = [check for check in found["checks"] if check["status"] == "wrong"]
    assert (code, found["ok"], wrong) == (0, True, [])
    groups = list(dict.fromkeys(check["group"] for check in found["checks"]))
    assert groups[0] == "facekp"
    assert {"packages", "device", "engines", "cache", "weights", "self-test"} <= set(groups)
    runs = [check["name"] for check in found["checks"] if check["group"] == "self-test"]
    assert "resnet18-ibug, torch on cpu" in runs
    assert "resnet18-ibug, opencv on cpu" in runs
    for check in found["checks"]:
        if check["group"] == "self-test":
            off = re.search(r"([\d.]+) % of the eyes", check["says"])
            assert off is not None
            assert float(off[1]) < 3


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the networks, which the first test runs."""
    monkeypatch.setattr(doctor, "_selftest", lambda: iter(()))
    monkeypatch.setattr(doctor, "_required", lambda: iter(()))


@pytest.mark.usefixtures("quick")
def test_for_people(capfd: pytest.CaptureFixture[str]) -> None:
    code, out = run(capfd)
    assert code == 0
    assert out.endswith("\nAll is well.\n")
    assert "weights:\n  ok    finder: " in out


@pytest.mark.usefixtures("quick")
def test_a_damaged_model_is_wrong(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    sums = {name: dict(files) for name, files in hub.shipped().items()}
    sums["finder"]["config.json"] = "0" * 64
    sums["finder"]["gone.bin"] = "0" * 64
    monkeypatch.setattr(hub, "shipped", lambda: sums)
    code, out = run(capfd)
    assert code == 1
    assert "  WRONG finder: config.json is not the one on record; gone.bin is missing\n        -> pip install" in out
    assert out.endswith("\n1 thing wrong; see above what to do.\n")


def test_what_raises_is_wrong_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise RuntimeError("first\nsecond")

    names = ("facekp", "required", "extras", "device", "engines", "cache", "weights", "selftest")
    for name in names:
        monkeypatch.setattr(doctor, f"_{name}", broken if name == "device" else lambda: iter(()))
    (check,) = doctor.examine()
    assert (check.group, check.status, check.says) == ("device", "wrong", "RuntimeError: first")
    assert check.cure


def test_engines_that_give_other_points_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    _, expected, _ = doctor._expected()
    shift = {"auto": 0.5, "torch": 0.5, "opencv": 1.5, "onnx": 9.0}  # px; the eyes are 64 px apart

    def tried(picture: Any, name: str, device: str, engine: str, seen: set[str]) -> tuple[str, Any]:
        if engine == "onnx":
            raise ValueError("no session")
        return f"{name}, {engine} on {device}", expected + (shift[engine], 0)

    monkeypatch.setattr(_packages, "version", lambda name: "1.0")
    monkeypatch.setattr(doctor, "_try", tried)
    found = {c.name.split()[1]: c for c in group("selftest") if c.name.startswith("resnet18")}
    assert [found[e].status for e in ("auto", "torch", "opencv", "onnx")] == ["ok", "ok", "wrong", "wrong"]
    assert "--engine torch" in found["opencv"].cure
    assert found["onnx"].says == "ValueError: no session"


def test_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    requires = ["torch>=2.6", "numpy<3,>=1.26", "onnx>=1.17; extra == 'onnx'", 'facekp[onnx]; extra == "all"']
    there = {"torch": "2.5.1+cpu", "numpy": "2.0", "opencv-python": "4.10"}

    def version(name: str) -> str:
        if name not in there:
            raise metadata.PackageNotFoundError(name)
        return there[name]

    monkeypatch.setattr(_packages.metadata, "requires", lambda _: requires)
    monkeypatch.setattr(_packages.metadata, "version", version)
    torch, numpy = _packages.needed()
    assert (torch.name, torch.oldest, torch.old) == ("torch", "2.6", True)
    assert (numpy.oldest, numpy.found, numpy.old) == ("1.26", "2.0", False)
    (onnx,) = _packages.needed("onnx")
    assert (onnx.found, onnx.old) == (None, False)
    assert _packages.version("opencv-python-headless") == "4.10"


def test_a_missing_extra_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = _packages.Needed("onnxruntime", "1.20", None)
    old = _packages.Needed("matplotlib", "3.9", "3.8.1")
    monkeypatch.setattr(_packages, "extras", lambda: ["onnx", "plots"])
    monkeypatch.setattr(_packages, "needed", lambda extra: [missing if extra == "onnx" else old])
    note, wrong = group("extras")
    assert (note.status, note.cure) == ("note", "pip install 'facekp[onnx]'")
    assert (wrong.status, wrong.cure) == ("wrong", "pip install -U 'facekp[plots]'")
    assert "3.8.1, older than 3.9" in wrong.says


def test_what_every_extra_gives_is_told() -> None:
    text = ROOT.joinpath("pyproject.toml").read_text("utf-8")
    block = text.partition("[project.optional-dependencies]\n")[2].partition("\n[")[0]
    assert set(re.findall(r"^(\w+) = \[", block, re.M)) <= set(doctor.EXTRAS)


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "new" / "hub"))
    (check,) = group("cache")
    assert check.status == "ok"
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    (check,) = group("cache")
    assert (check.status, "HF_HOME" in check.cure) == ("note", True)


def test_the_picture_is_that_of_the_example() -> None:
    assert (DATA / "face.jpg").stat().st_size < 15_000
    inside, whole = cv2.imread(str(DATA / "face.jpg")), cv2.imread(str(ROOT / "examples" / "astronaut.jpg"))
    part = whole[28:188, 148:308]
    assert inside.shape == part.shape
    assert np.abs(inside.astype(int) - part).mean() < 5
    _, points, schema = doctor._expected()
    assert schema == "ibug68"
    assert points.shape == (68, 2)
