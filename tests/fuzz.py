"""A seeded fuzzer: damaged pictures, label files and configs give facekp's own errors, and nothing else.

    python tests/fuzz.py --inputs 200000 --seed 1

Input i is of the target ``i mod 13``, mutated by ``random.Random(f"{seed}:{i}")``: the same at every run with the same
Pillow, which makes the good pictures, so that ``--first I --inputs I+1`` shows a fault again, and ``--only READER``
leaves out the inputs of the others.  They are read in a
process of its own, which may not take more than --memory beyond what it has at the start, nor more than --limit seconds
for one of them; when it dies, a new one goes on with the next.  What a process that lives takes for a fault lies in
--keep.  Warnings of numpy count as faults, too.  Exit code 1: there was a fault.
"""

from __future__ import annotations

import argparse
import copy
import faulthandler
import json
import random
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facekp.errors import FacekpError

if TYPE_CHECKING:
    from fuzz_seeds import Target  # whose imports take long: only what reads inputs needs them

ODD_WORDS = (
    "",
    "0",
    "-1",
    "1e400",
    "-1e39",
    "1e30",
    "nan",
    "inf",
    "9" * 20,
    "9" * 5000,
    "0x10",
    "1_0",
    "٣",
    "\0",
    '"',
    "'",
    "{",
    "}",
    "../a.png",
    "/",
    ".",
    "a" * 300,
    "\u202e",
    "é",
    ",",
    ";",
    ":",
    "#",
    "<",
    "&#0;",
    "<!ENTITY a 'b'>",
    "\r",
    "\v",
    "\ufeff",
)
ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    3.5,
    1e9,
    1e400,
    float("nan"),
    10**30,
    65536,
    "",
    "x",
    "regression",
    "resnet",
    "wflw98",
    "a:b",
    [],
    {},
    [1],
    [[]],
    [None],
    {"a": 1},
    {"name": "x"},
    [0, 0],
    [-1, 32],
    [32, 32, 32],
    ["a", "b"],
    [1e308, 32],
)
READ, REFUSED, FAULTY = 1, 2, 3  # columns of the table of counts; column 0 is the inputs


def mutant(target: Target, rng: random.Random) -> bytes:
    """A damaged input."""
    data = rng.choice(target.seeds)
    if target.kind == "json" and rng.random() < 0.75:
        value = json.loads(data)
        for _ in range(rng.choice((1, 1, 2, 4))):
            change(value, rng)
        return json.dumps(value).encode()
    if target.kind == "text" and rng.random() < 0.7:
        return mutant_text(data, rng)
    data = mutant_bytes(data, rng)
    if data.startswith(b"\x89PNG") and rng.random() < 0.7:
        return mended_png(data)
    return data


def mutant_bytes(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at, size = rng.randrange(len(out) + 1), rng.choice((1, 2, 4, 8, 40, 400))
        match rng.randrange(7):
            case 0:
                out[at : at + 1] = bytes([rng.randrange(256)])
            case 1 if at < len(out):
                out[at] ^= 1 << rng.randrange(8)
            case 2:
                out[at : at + size] = rng.choice((b"", b"\0" * size, b"\xff" * size, rng.randbytes(size)))
            case 3:
                out[at:at] = out[at : at + size]
            case 4:
                del out[at:]
            case 5:  # a length or an offset that means a lot
                word = rng.choice((0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF))
                wide, order = rng.choice((2, 4)), rng.choice(("big", "little"))
                out[at : at + wide] = (word & (1 << 8 * wide) - 1).to_bytes(wide, order)
            case 6:
                other = rng.randrange(len(out) + 1)
                out[at : at + size] = out[other : other + size]
    return bytes(out)


def mutant_text(data: bytes, rng: random.Random) -> bytes:
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(lines))
        match rng.randrange(5):
            case 0 | 1:
                separator = rng.choice((",", " ", "'", "\t"))
                words = lines[at].split(separator)
                words[rng.randrange(len(words))] = rng.choice(ODD_WORDS)
                lines[at] = separator.join(words)
            case 2:
                lines.insert(at, rng.choice(lines))
            case 3 if len(lines) > 1:
                del lines[at]
            case 4:
                cut = rng.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:cut] + rng.choice(ODD_WORDS) + lines[at][cut + rng.randrange(3) :]
    return rng.choice(("\n", "\n", "\r\n")).join(lines).encode("utf-8", "surrogateescape")


def odd(rng: random.Random) -> Any:
    return copy.deepcopy(rng.choice(ODD_VALUES))  # a copy, for it may itself be changed next


def change(value: Any, rng: random.Random) -> None:
    """Change one entry, however deep, of an object or a list."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not keys or rng.random() < 0.05:
        if isinstance(value, dict):
            value[rng.choice(("name", "points", "format", "x"))] = odd(rng)
        else:
            value.append(odd(rng))
        return
    key = rng.choice(keys)
    if isinstance(value[key], (dict, list)) and rng.random() < 0.8:
        change(value[key], rng)
    elif rng.random() < 0.2:
        del value[key]
    elif isinstance(value[key], (int, float)) and rng.random() < 0.3:
        value[key] = value[key] * rng.choice((-1, 0, 2, 1000, 10**12))
    else:
        value[key] = odd(rng)


def mended_png(data: bytes) -> bytes:
    """Give every chunk the checksum of its content, so that a mutant gets as far as the decoder."""
    import zlib

    out, at = bytearray(data), 8
    while at + 12 <= len(out):
        length = int.from_bytes(out[at : at + 4], "big")
        if at + 12 + length > len(out):
            break
        out[at + 8 + length : at + 12 + length] = zlib.crc32(out[at + 4 : at + 8 + length]).to_bytes(4, "big")
        at += 12 + length
    return bytes(out)


def attempt(target: Target, data: bytes) -> tuple[int, str]:
    """What becomes of an input: READ, REFUSED or FAULTY, and why."""
    try:
        target.read(data)
    except FacekpError as error:
        return (REFUSED, "") if str(error).strip() else (FAULTY, "an error that says nothing")
    except Exception as error:  # noqa: BLE001  (what is looked for)
        return FAULTY, f"{type(error).__name__}: {error}"[:300]
    return READ, ""


def work(
    first: int, last: int, seed: int, table: Path, limit: float, memory: int, only: str | None
) -> Iterator[tuple[int, str, bytes]]:
    """Read inputs, all or those of one reader, count in the file ``table`` what came of them; yields faults."""
    from fuzz_seeds import targets

    counts = np.memmap(table, np.int64, "r+")
    warnings.simplefilter("error", RuntimeWarning)
    with scratch() as folder:
        todo = list(targets(Path(folder)).values())
        for target in todo:  # what is loaded once is no input's doing
            for data in target.seeds:
                assert attempt(target, data)[0] == READ, attempt(target, data)
        hold(memory)
        for i in range(first, last):
            if only is not None and NAMES[i % len(NAMES)] != only:
                continue
            counts[0] = i
            target, rng = todo[i % len(todo)], random.Random(f"{seed}:{i}")
            data = mutant(target, rng)
            if limit:
                faulthandler.dump_traceback_later(limit, exit=True)
            result, why = attempt(target, data)
            faulthandler.cancel_dump_traceback_later()
            row = 1 + 4 * (i % len(todo))
            counts[row] += 1
            counts[row + result] += 1
            if result == FAULTY:
                yield i, why, data
        counts[0] = last


def scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="facekp-fuzz-")


def hold(memory: int) -> None:
    """Take no more than so many bytes beyond what is taken now."""
    if sys.platform != "linux" or not memory:
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    top = pages * resource.getpagesize() + memory
    resource.setrlimit(resource.RLIMIT_AS, (top, top))


def supervise(
    first: int, inputs: int, seed: int, folder: Path, limit: float, memory: int, only: str | None
) -> list[str]:
    """Run workers until all inputs are read; returns the faults."""
    names, faults, begun = list(NAMES), list[str](), first
    table = folder / "counts"
    np.array([first] + [0] * 4 * len(names), np.int64).tofile(table)
    command = [sys.executable, __file__, "--worker", str(table), "--seed", str(seed), "--keep", str(folder)]
    command += [] if only is None else ["--only", only]
    while first < inputs:
        ends = ["--first", str(first), "--inputs", str(inputs), "--limit", str(limit), "--memory", str(memory >> 20)]
        done = subprocess.run([*command, *ends], capture_output=True, text=True, check=False)
        faults += [text for text in done.stdout.splitlines() if text.startswith("fault ")]
        reached = int(np.fromfile(table, np.int64)[0])
        if done.returncode and reached < inputs:
            reason = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
            faults.append(f"fault {reached} {names[reached % len(names)]}: died with {done.returncode}: {reason}")
            if reached == begun and "Error" in reason:
                break  # it does not even begin
            reached += 1
        first = reached
    counts = np.fromfile(table, np.int64)[1:].reshape(-1, 4)
    for name, row in zip([*names, "all"], [*counts, counts.sum(0)], strict=True):
        say("{:14}{:9,} inputs{:9,} read{:9,} refused{:6,} faults".format(name, *row))
    return faults


NAMES = (
    "JPEG",
    "PNG",
    "WEBP",
    "GIF",
    "TIFF",
    "BMP",
    "pts",
    "asf",
    "dlib XML",
    "Kaggle CSV",
    "Udacity CSV",
    "WFLW list",
    "config.json",
)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n" if text else "")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description="Feed facekp damaged inputs.")
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=120.0, metavar="SECONDS", help="for one input; 0: none")
    parser.add_argument("--memory", type=int, default=2048, metavar="MIB", help="more than at the start; 0: any")
    parser.add_argument("--keep", type=Path, help="where inputs that show a fault are put")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=NAMES, metavar="READER", help="leave out the inputs of the others")
    parser.add_argument("--first", type=int, default=0, help="begin with this input")
    given = parser.parse_args()
    if given.worker is not None:
        memory = given.memory << 20
        for i, why, data in work(given.first, given.inputs, given.seed, given.worker, given.limit, memory, given.only):
            (given.keep / f"fault-{i}").write_bytes(data)
            say(f"fault {i} {NAMES[i % len(NAMES)]}: {why}")
        return 0
    asked: dict[str, Any] = {key: getattr(given, key) for key in ("first", "inputs", "seed", "limit", "only")}
    asked["memory"] = given.memory << 20
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
        faults = supervise(folder=given.keep, **asked)
    else:
        with scratch() as folder:
            faults = supervise(folder=Path(folder), **asked)
    say("\n".join(faults[:50]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
