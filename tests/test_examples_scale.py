"""The examples for clusters, in local mode."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(example: str, tmp_path: Path, *options: str) -> list[dict[str, object]]:
    """Two copies of a photograph with one face, and a file that is no picture."""
    pictures = tmp_path / "in"
    (pictures / "more").mkdir(parents=True)
    for copy in (pictures / "a.jpg", pictures / "more" / "b.jpg"):
        shutil.copy(EXAMPLES / "astronaut.jpg", copy)
    (pictures / "c.jpg").write_bytes(b"no picture")
    command = [sys.executable, str(EXAMPLES / example), str(pictures), str(tmp_path / "out"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    parquet = pytest.importorskip("pyarrow.parquet")
    rows: list[dict[str, object]] = parquet.read_table(tmp_path / "out").to_pylist()
    return sorted(rows, key=lambda row: str(row["path"]))


def check(rows: list[dict[str, object]]) -> None:
    assert [Path(str(row["path"])).name for row in rows] == ["a.jpg", "c.jpg", "b.jpg"]
    assert [len(json.loads(str(row["faces"]))) for row in rows] == [1, 0, 1]
    assert [bool(row["error"]) for row in rows] == [False, True, False]


@pytest.mark.slow
def test_ray(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'ray[data]'")
    check(run("ray_annotate.py", tmp_path))


@pytest.mark.slow
def test_spark(tmp_path: Path) -> None:
    for package in ("pyspark", "pandas", "pyarrow"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install pyspark pandas pyarrow")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, which is not installed")
    check(run("spark_annotate.py", tmp_path, "--master", "local[1]"))
