"""What :func:`facekp.benchmark.speed` gave, as tables for people: plain text here, Markdown for the docs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .machine import machine_line
from .stages import STAGES

__all__ = ["speed_table", "speed_tables"]

Row = Sequence[str]
#: Title, heads of the columns, rows.
Table = tuple[str, Row, list[Row]]


def speed_table(result: Mapping[str, Any]) -> str:
    """A table for people of what :func:`speed` gave."""
    seen = result["pictures"]
    lines = [
        machine_line(result["machine"]),
        f"{seen['count']} picture(s), {seen['faces']} face(s); the median (best) of {result['rounds']} rounds in turns",
    ]
    for title, heads, rows in speed_tables(result):
        lines += ["", title, *_aligned([heads, *rows])]
    lines += [f"left out: {e['model']} by {e['engine']}: {e['why']}" for e in result["left_out"]]
    return "\n".join(lines)


def speed_tables(result: Mapping[str, Any]) -> Iterator[Table]:
    """The tables, one after the other."""
    rows = result["rows"]
    yield (
        "stages of a call with one picture's path, ms a picture",
        ["model", "engine", "threads", "looks", *STAGES],
        [
            [*_who(row), f"{row['looks']:g}", *(_one(row["stages_ms"][stage], stage == "call") for stage in STAGES)]
            for row in rows
        ],
    )
    yield _beside(result)
    if any(row["faces_per_s"] for row in rows):
        sizes = list(rows[0]["faces_per_s"])
        yield (
            "faces a second whose boxes are known (cutting out, network, decoding), by batch size; the median",
            ["model", "engine", "threads", *sizes],
            [[*_who(row), *(f"{row['faces_per_s'][size]['median']:.0f}" for size in sizes)] for row in rows],
        )
    if result["starts"]:
        starts = result["starts"]
        first: list[Row] = [["import torch, torchvision, cv2", "", _one(starts["imports_s"], True, 2), ""]]
        yield (
            f"from a process's start to its first result, s; {starts['processes']} processes of each",
            ["", "engine", "seconds", "more than the imports"],
            [
                *first,
                *([r["model"], r["engine"], _one(r["seconds"], True, 2), f"{r['more']:+.2f}"] for r in starts["rows"]),
            ],
        )
    if result["memory"]:
        names = ("loaded", "warm", "least", "most", "end")
        memory = result["memory"]
        yield (
            f"resident memory, MB: {memory['pictures']} pictures through stream(), {memory['model']} by "
            f"{memory['engine']}; least and most after the first tenth",
            [*names, "flat"],
            [[*(f"{memory[name]:.0f}" for name in names), f"±{memory['flat']:g}"]],
        )


def _beside(result: Mapping[str, Any]) -> Table:
    """One face and one frame, beside the peers: theirs times what."""
    names = list(dict.fromkeys(peer["name"] for peer in result["peers"]))
    rows: list[Row] = []
    for row in result["rows"]:
        peers = [peer for name in names for peer in _peers(result, name, row["threads"])]
        shares = [_share(row, peer) for peer in peers]
        rows.append([*_who(row), _one(row["face_ms"], True), _one(row["frame_ms"], True), *shares])
        for side, frame in row.get("frame_ms_at", {}).items():
            model, *others = _who(row)
            shares = [_share({"frame_ms": frame}, peer) if "frame_ms" in peer else "" for peer in peers]
            rows.append([f"{model}, finder at {side}", *others, "", _one(frame, True), *shares])
    for peer in result["peers"]:
        cells = [_one(peer[key], True) if key in peer else "" for key in ("face_ms", "frame_ms")]
        about = f"{peer['name']} {peer.get('version', '')}".strip()
        rows.append([about, str(peer.get("what", "")), f"{peer['threads']}", *cells, *("" for _ in names)])
    return (
        "one face whose box is known, and a whole frame of 640 x 480, ms",
        ["", "engine", "threads", "face", "frame", *(f"of {name}'s time" for name in names)],
        rows,
    )


def _peers(result: Mapping[str, Any], name: str, threads: int) -> list[Mapping[str, Any]]:
    return [peer for peer in result["peers"] if peer["name"] == name and peer["threads"] == threads]


def _share(row: Mapping[str, Any], peer: Mapping[str, Any]) -> str:
    key = "face_ms" if "face_ms" in peer else "frame_ms"
    return f"{row[key]['median'] / peer[key]['median']:.2f} ({row[key]['best'] / peer[key]['best']:.2f})"


def _who(row: Mapping[str, Any]) -> list[str]:
    name = row["engine"] if row["engine"] == row["network_engine"] else f"{row['engine']}: {row['network_engine']}"
    precision = "" if row["precision"] == "float32" else f" {row['precision']}"
    return [row["model"], f"{name}{precision}", str(row["threads"])]


def _one(value: Mapping[str, float], best: bool, digits: int = 1) -> str:
    more = f" ({value['best']:.{digits}f})" if best else ""
    return f"{value['median']:.{digits}f}{more}"


def _aligned(rows: Sequence[Row]) -> list[str]:
    """Text to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    text = [any(row[i][:1].isalpha() for row in rows[1:]) for i in range(len(rows[0]))]
    return [
        "  ".join(c.ljust(w) if left else c.rjust(w) for c, w, left in zip(row, widths, text, strict=True)).rstrip()
        for row in rows
    ]
