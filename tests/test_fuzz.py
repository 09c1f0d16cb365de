"""A few hundred inputs of the fuzzer, ``python tests/fuzz.py``, and whether it finds what it looks for."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("PIL", reason="Pillow, which makes the fuzzer's pictures, is not installed")

import fuzz
from fuzz_seeds import Target, targets

from facekp.errors import DatasetError


def refuse(data: bytes) -> None:
    raise DatasetError("no")


def fall(data: bytes) -> None:
    raise ValueError("not facekp's")


def test_the_names_are_the_targets_in_order(tmp_path: Path) -> None:
    assert tuple(targets(tmp_path)) == fuzz.NAMES


def test_outcomes_are_told_apart() -> None:
    assert fuzz.attempt(Target("bytes", [], len), b"x") == (fuzz.READ, "")
    assert fuzz.attempt(Target("bytes", [], refuse), b"x") == (fuzz.REFUSED, "")
    assert fuzz.attempt(Target("bytes", [], fall), b"x") == (fuzz.FAULTY, "ValueError: not facekp's")


@pytest.mark.parametrize("kind", ["bytes", "text", "json"])
def test_mutants_are_repeatable_and_various(kind: str) -> None:
    value = b'{"a": [1, 2, {"b": "c"}], "d": 3.5, "e": null}'
    target = Target(kind, [value if kind == "json" else value + b"\n1 2\n3 4\n"], len)
    made = [fuzz.mutant(target, random.Random(i)) for i in range(200)]
    assert made == [fuzz.mutant(target, random.Random(i)) for i in range(200)]
    assert len(set(made)) > 100


def test_hundreds_of_damaged_inputs(tmp_path: Path) -> None:
    """In a process of its own: what it looks for are crashes, too."""
    options = {"inputs": 390, "seed": 8, "limit": 0, "keep": tmp_path}
    command = [sys.executable, fuzz.__file__, *(str(w) for key, v in options.items() for w in (f"--{key}", v))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    *each, whole = (line.split() for line in done.stdout.splitlines())
    assert len(each) == len(fuzz.NAMES)
    assert whole[:3] == ["all", "390", "inputs"]
    assert whole[-2:] == ["0", "faults"]
