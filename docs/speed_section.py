"""What ``facekp benchmark speed --output`` wrote, as a section of docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from facekp.benchmark.machine import machine_line
from facekp.benchmark.speed_table import speed_tables

HEAD = """\
## Speed

Whatever is compared runs in turns on the same machine, after warming up; each number is the median of all rounds, and
the best in brackets. *Stages* are those of `detector("photo.jpg")`: *read* decodes the file, *find* finds faces, *crop*
cuts them out and makes them the network's input, *decode* makes points and scores of its output (most of that is the
engine's where it can be, and in *network*), *rest* is what is left of the call. *Looks* are the crops that go through
the network: a candidate may turn out to be no face, and a face may be cut out once more. Where the box is known each
face is looked at once. A peer that finds faces is timed on the whole frame, one that is given boxes on the frame's
face. *Finder at 192*: `finder_side=192`, which sees faces from about a tenth of the frame's width, where the finder's
own 384 sees half as large ones ([how small a face is found](#how-small-a-face-is-found)). Each model has the finder
that its config names: `finder-light` of `mobile-light-ibug`, `finder` of the others. *onnx* needs the extra
`facekp[onnx]`; the base install has the others."""

COMMANDS = """\
```sh
python benchmarks/peers/dlib_ert.py ert.dat --train DATA/300w/labels_ibug_300W_train.xml
facekp benchmark speed DATA/300w/lfpw/testset \\
  --model resnet18-ibug --model mobile-ibug --model mobile-light-ibug --threads 1 --threads 2 \\
  --precision float32 --precision bfloat16 --precision int8 --finder-side 256 --finder-side 192 --memory 5000 \\
  --peer "python benchmarks/peers/dlib_ert.py ert.dat" --peer "python benchmarks/peers/mediapipe_mesh.py" \\
  --output speed.json
```

Each peer by the Python of an environment of its own, see `benchmarks/peers`; the other finder by
`--finder finder-light`."""


def section(reports: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """Of the reports by the names of their files."""
    parts = [HEAD]
    for name, report in reports:
        parts += ["\n".join(_report(report, name))]
    return "\n\n".join([*parts, COMMANDS])


def _report(r: dict[str, Any], name: str) -> list[str]:
    seen, about, finder = r["pictures"], r["machine"], r.get("finder", "finder")
    lines = [
        f"### On {about['gpu'] or about['cpu']}{f', by `{finder}`' if finder not in ('finder', 'auto') else ''}",
        "",
        f"{machine_line(about)}. {seen['count']} pictures, {seen['faces']} faces, {r['rounds']} rounds; "
        f"`benchmarks/results/{name}`.",
        *(["", r["note"]] if "note" in r else []),
    ]
    for title, heads, rows in speed_tables(r):
        lines += ["", f"{title[0].upper()}{title[1:]}:", "", _cells(heads), "|" + "---|" * len(heads)]
        lines += [_cells(row) for row in rows]
    return lines


def _cells(row: Sequence[str]) -> str:
    return f"| {' | '.join(row)} |"
