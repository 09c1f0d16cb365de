"""Make a folder that can be pushed to a Hugging Face Space of the Gradio SDK: facekp's page, and facekp itself.

python examples/make_space.py FOLDER [CLONE]

Needs ``pip install build``, and a clone of the repository: by default the one that this file is in.  A Space installs
``requirements.txt`` before it has the other files, and would not find a wheel beside it: the wheel is unpacked beside
``app.py``, where Python looks first, and ``requirements.txt`` lists what it needs.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

CLONE = Path(__file__).resolve().parents[1]


def wheel_of(clone: Path, folder: Path) -> Path:
    """Build the clone's wheel into a folder."""
    if not (clone / "pyproject.toml").is_file() or not (clone / "src" / "facekp").is_dir():
        sys.exit(f"{clone}: this is no clone of facekp's repository, of which the wheel is built; give its folder")
    if importlib.util.find_spec("build") is None:
        sys.exit("the package build is missing: pip install build")
    words = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(clone)]
    if importlib.util.find_spec("hatchling"):
        words.append("--no-isolation")  # what builds it is there: nothing is fetched
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{clone}: the wheel cannot be built\n{done.stdout}{done.stderr}")
    return next(folder.glob("*.whl"))


def needs(metadata: str, extra: str) -> list[str]:
    """What a wheel asks for itself and for an extra, a line each as pip takes them."""
    from packaging.requirements import Requirement  # build brings it

    found = []
    for text in HeaderParser().parsestr(metadata).get_all("Requires-Dist", []):
        wanted = Requirement(text)
        if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
            wanted.marker = None
            found.append(str(wanted))
    return found


def make(target: Path, clone: Path = CLONE) -> None:
    """Fill the folder; what is of other names there stays."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel_of(clone, Path(folder))) as wheel:
        for old in (*target.glob("facekp"), *target.glob("facekp-*.dist-info")):
            shutil.rmtree(old)
        wheel.extractall(target)
        (metadata,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        lines = needs(wheel.read(metadata).decode(), "demo")
    for name in ("README.md", "app.py"):
        shutil.copy(clone / "examples" / "space" / name, target)
    (target / "requirements.txt").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    make(Path(sys.argv[1]), *map(Path, sys.argv[2:]))
    print(f"{sys.argv[1]}: push it with  hf upload YOU/YOUR-SPACE {sys.argv[1]} . --repo-type space")
