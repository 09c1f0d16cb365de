"""Train every classic system of benchmarks/systems.yaml from scratch, and measure what they have learned.

    python benchmarks/systems.py train ../shared/data --runs out/systems [--only a1,a2] [--jobs 2] [--threads 1]
    python benchmarks/systems.py measure ../shared/data --runs out/systems
    python docs/generate_results.py

Each run is the recipe of ``facekp train`` with the changes that the list names, in a folder and a process of its own;
those that are done are not repeated, those that were interrupted go on. ``measure`` writes
benchmarks/results/systems.json and the pictures in docs/assets/results, the third command writes docs/results.md.

Kaggle's "Facial Keypoints Detection" needs an account: 300-W's training faces stand in for it, written in its format
(examples/make_kaggle.py) to ``RUNS/kaggle``. Each face is there once, so that no split has it on both sides; the
pictures to submit for are of the faces of the validation list, which are in no training row.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from facekp import datasets, schema
from facekp.errors import FacekpError
from facekp.training import groups, recipe, split

ROOT = Path(__file__).parents[1]
LIST = Path(__file__).with_suffix(".yaml")
KAGGLE_TEST_ROWS = 400
PACKED, PACKED_SIDE, PACKED_SCALE = "300w.fkp", 256, 2.6


@dataclass(frozen=True)
class System:
    """One run.

    Attributes:
        id: of the run and its folder.
        listed: the id in the list, which stands for several runs where ``each_point`` is given.
        section: whose it is.
        title: what the page calls it.
        recipe: a name that facekp knows.
        data: which data set or stand-in, a key of the list's ``data``.
        set: changes of the recipe's keys, the section's first.
        rows: all: Kaggle's incomplete rows too.
        authors: what those who built the system first reported: ``text``, and numbers.
        group: runs that are shown together.
        filters: whether its filters are drawn.
        plain: it changes nothing that its section does not.
    """

    id: str
    listed: str
    section: str
    title: str
    recipe: str
    data: str
    set: tuple[str, ...] = ()
    rows: str = "complete"
    authors: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    group: str = ""
    filters: bool = False
    plain: bool = True

    def changes(self, folder: str = "{kaggle}") -> list[str]:
        """The recipe's changes; Kaggle's files are in ``folder``."""
        missing = "keep" if self.rows == "all" else "drop"
        path = json.dumps(f"{folder}/training.csv")
        faces = [f"data.sets=[{{name: kaggle, path: {path}, missing: {missing}}}]"] if self.data == "kaggle" else []
        return [*faces, *(text.replace("{kaggle}", folder) for text in self.set)]

    def overrides(self, data: Path, runs: Path) -> list[str]:
        """The recipe's changes, with the folders of this machine; 300-W is read from the file that was packed."""
        root = f"data.root={json.dumps(str(data.resolve()))}"
        packed = json.dumps(str((runs / PACKED).resolve()))
        faces = [f"data.sets=[{{name: packed, path: {packed}}}]"] if self.data == "300w" else []
        return [root, *faces, *self.changes(str((runs / "kaggle").resolve()))]

    def command(self) -> str:
        """What a reader types to repeat it."""
        words = [f"facekp train {self.recipe}", "--data DATA"]
        return " ".join([*words, *(f"--set '{text}'" for text in self.changes("kaggle"))])


def read(path: Path = LIST) -> tuple[dict[str, Any], list[System]]:
    """The list's data sets and sections, and its runs in order."""
    listed = yaml.safe_load(path.read_text("utf-8"))
    sections = {section["id"]: section for section in listed["sections"]}
    found = []
    for entry in listed["runs"]:
        run = dict(entry)
        points = run.pop("each_point", None)
        section = sections[run["section"]]
        run["plain"] = not run.get("set")
        run["set"] = (*section.get("set", ()), *run.get("set", ()))
        one = System(listed=run["id"], **({"data": section["data"]} | run))
        found += [one] if points is None else [_of_point(one, name) for name in schema.get(points).names]
    if len({run.id for run in found}) < len(found):
        raise SystemExit(f"{path}: an id stands there twice")
    return {"data": listed["data"], "sections": listed["sections"]}, found


def _of_point(run: System, name: str) -> System:
    return replace(run, id=f"{run.id}-{name}", title=f"{run.title}: {name}", set=(*run.set, f"data.points=[{name}]"))


def chosen(runs: list[System], only: str | None, part: str) -> list[System]:
    """Those that the command line asks for."""
    wanted = only.split(",") if only else [run.id for run in runs]
    unknown = set(wanted) - {name for run in runs for name in (run.id, run.listed)}
    if unknown:
        raise SystemExit(f"--only: there is no {', '.join(sorted(unknown))} in {LIST.name}")
    first, step = (int(value) for value in part.split("/"))
    return [run for run in runs if run.id in wanted or run.listed in wanted][first::step]


def pack_300w(data: Path, runs: Path) -> None:
    """300-W's training faces in one file, which all runs share in memory."""
    if not (runs / PACKED).exists():
        samples = datasets.create("300w", root=str(data / "300w"), split="train")
        part = runs / f"{PACKED}.part"
        datasets.pack(samples, part, side=PACKED_SIDE, scale=PACKED_SCALE)
        part.replace(runs / PACKED)


def make_kaggle(data: Path, runs: Path) -> None:
    """The stand-in's files in ``runs/kaggle``, unless they are there."""
    folder = runs / "kaggle"
    if folder.is_dir():
        return
    sys.path.insert(0, str(ROOT / "examples"))
    from make_kaggle import make

    listed = groups.Data(sets=[{"name": "300w", "root": str(data / "300w"), "split": "train"}], validation="300w")
    train, held = split.split(listed)
    with tempfile.TemporaryDirectory(dir=runs) as scratch:
        made, test = Path(scratch) / "kaggle", Path(scratch) / "test"
        make(train, made, rows=len(train), test_rows=0)
        make(held, test, rows=1, test_rows=KAGGLE_TEST_ROWS, seed=1)
        for name in ("test.csv", "IdLookupTable.csv", "solution.csv"):
            (test / name).replace(made / name)
        made.rename(folder)


def done(folder: Path) -> dict[str, Any] | None:
    """What ``done.json`` says; None where the run is not."""
    file = folder / "done.json"
    return json.loads(file.read_text("utf-8")) if file.is_file() else None


def train_one(run: System, data: Path, runs: Path, threads: int) -> None:
    """Train one run in a process of its own, and say how that went in its ``done.json``."""
    folder = runs / run.id
    said = done(folder)
    if said and not said["error"]:
        return
    folder.mkdir(parents=True, exist_ok=True)
    changes = [word for text in run.overrides(data, runs) for word in ("--set", text)]
    words = ["train", run.recipe, *changes, "--output", str(folder), "--resume", "--threads", str(threads)]
    earlier = _spent(folder)
    with (folder / "log.txt").open("a") as log:
        main = "import sys; from facekp.cli import main; sys.exit(main())"
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        process = subprocess.Popen([sys.executable, "-c", main, *words], stdout=log, stderr=log, env=environment)
        try:
            status, spent = _watch(process, folder, earlier)
        finally:
            process.terminate()
    last = (folder / "log.txt").read_text("utf-8", "replace").strip().splitlines()[-1:]
    error = None if status == 0 else f"ended with {status}: {''.join(last)}"
    record = {**spent, "threads": threads, "error": error}
    (folder / "done.json").write_text(json.dumps(record, indent=1) + "\n")
    print(f"{run.id}: {error or 'done'} in {spent['seconds']:.0f} s", flush=True)


def _spent(folder: Path) -> dict[str, float]:
    """The time of earlier parts of a run."""
    file = folder / "time.json"
    return json.loads(file.read_text("utf-8")) if file.is_file() else {"seconds": 0.0, "cpu_seconds": 0.0}


def _watch(process: subprocess.Popen[bytes], folder: Path, earlier: dict[str, float]) -> tuple[int, dict[str, float]]:
    """Wait for the process, noting its time every few seconds: a power cut should not lose it.

    Of a part that was cut off, the processor's time is not known, and not counted.
    """
    started = time.monotonic()
    while True:
        pid, code, usage = os.wait4(
            process.pid, os.WNOHANG
        )  # not process.wait, for the time that it and its children took
        used = usage.ru_utime + usage.ru_stime if pid else 0.0
        spent = {
            "seconds": earlier["seconds"] + time.monotonic() - started,
            "cpu_seconds": earlier["cpu_seconds"] + used,
        }
        spent = {key: round(value, 1) for key, value in spent.items()}
        (folder / "time.json").write_text(json.dumps(spent))
        if pid:
            process.returncode = os.waitstatus_to_exitcode(code)
            return process.returncode, spent
        time.sleep(2)


def train(given: argparse.Namespace) -> None:
    """Train what is asked for and not done."""
    runs = chosen(read()[1], given.only, given.part)
    given.runs.mkdir(parents=True, exist_ok=True)
    for run in runs:
        try:
            recipe.load(run.recipe, run.overrides(given.data, given.runs))
        except FacekpError as error:
            print(f"{run.id}: will fail: {error}", flush=True)
    with (given.runs / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another part may be at it
        for name, make in (("kaggle", make_kaggle), ("300w", pack_300w)):
            if any(run.data == name for run in runs):
                make(given.data, given.runs)
    with ThreadPoolExecutor(given.jobs) as pool:
        list(pool.map(partial(train_one, data=given.data, runs=given.runs, threads=given.threads), runs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "measure"))
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("out/systems"))
    parser.add_argument("--only", help="ids, with commas between")
    parser.add_argument("--part", default="0/1", help="i/n: every n-th run from the i-th")
    parser.add_argument("--jobs", type=int, default=1, help="train: runs at a time")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--again", action="store_true", help="measure: what is measured already, too")
    given = parser.parse_args()
    if given.what == "train":
        train(given)
    else:
        from systems_measure import measure

        measure(given)


if __name__ == "__main__":
    main()
