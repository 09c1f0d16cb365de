"""What an import does not load.  (How long it takes: benchmarks/import_time.py.)"""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"lightning", "matplotlib", "onnxruntime", "pydantic", "torchvision", "typer", "yaml"}


def loaded(code: str) -> set[str]:
    """The top-level modules that a fresh process has loaded after some code."""
    report = f"{code}\nimport sys\nprint(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(done.stdout.split("\n")[-2].split())


def test_import_facekp_loads_no_torch() -> None:
    assert not loaded("import facekp") & (HEAVY | {"torch", "cv2", "numpy"})


def test_detector_loads_only_what_detection_needs() -> None:
    got = loaded("import facekp; facekp.Detector, facekp.Face, facekp.draw")
    assert "torch" in got
    assert not got & HEAVY


@pytest.mark.parametrize("option", ["--help", "--version", "detect --help", "train --help", "evaluate --help"])
def test_help_loads_no_torch(option: str) -> None:
    got = loaded(f"from facekp.cli import main; assert main({option.split()!r}) == 0")
    assert not got & {"torch", "cv2", "lightning", "torchvision", "matplotlib"}
