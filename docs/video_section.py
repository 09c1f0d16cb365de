"""What ``benchmarks/video.py`` wrote, as a section of docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

HEAD = """\
## Video

A photograph of the validation list under a virtual camera is a film in which it is known where every point is: each
frame is one affine warp of it, 640 x 480, the face 160 pixels high, with new noise (4 grey levels) and JPEG blocks
(quality 85). *Still*: the camera rests; *calm*: the face moves by up to 0.4 of its size a second, turns, grows and
shears, as in a talk; *lively*: up to 2.4. *Found anew*: `detector(frame)` for each frame; *tracked*: a
`facekp.video.Tracker` with its defaults, in turns on the same frames. Lengths are in % of the distance of the outer eye
corners. *Jitter* is the mean second difference of the points' errors ([`facekp.metrics.jitter`](reference/metrics.md));
*tremor* the standard deviation of the points in the photograph, which also counts what lags; *lag* the delay of the
truth at which that is least, in frames of 1/30 s; *error* is against the labelled points. *Looks* are the crops that go
through the network for a frame, candidates that turn out to be no faces among them: tracking saves them and the
finder's, as optical flow carries the points on in [every other frame](learn/video.md#between-the-looks)."""

CARRIED = """\
### What optical flow does to the points of a real film

Of a real film nobody knows the truth. So each frame's points are compared with those that the network sees in it, in
% of the distance of the outer eye corners. *Carried*: those of the frame before, by optical flow; *kept*: those of the
frame before as they are, which is how much the face moves; *mean of its neighbours*: of the network's points before and
after, which is how far the network is from itself. The film is *carphone*, a standard of video coding: a man who talks,
sings and sways in a car (120 frames of 176 x 144; eyes 30 pixels apart)."""


def section(records: Sequence[dict[str, Any]], carried: dict[str, Any] | None) -> str:
    """Of the records, one of each model; and that of ``benchmarks/carried.py``."""
    parts = [HEAD, *(_model(r) for r in records)]
    return "\n\n".join(parts if carried is None else [*parts, _carried(carried)])


def _carried(r: dict[str, Any]) -> str:
    names = list(r["films"][0]["rows"])
    lines = [CARRIED, "", "| model | | mean | 95 % of frames under |", "|---|---|---|---|"]
    for film in r["films"]:
        rows = film["rows"]
        lines += [f"| `{film['model']}` | {n} | {rows[n]['mean']:.2%} | {rows[n]['p95']:.2%} |" for n in names]
    spent = ", ".join(f"{film['ms']:.1f} ms beside `{film['model']}`" for film in r["films"])
    lost = sum(film["not_carried"] for film in r["films"])
    machine = r["machine"]
    lines += [
        "",
        f"The flow gave up in {lost} frames. It took {spent} ({machine['date']}, {machine['cpu']}, one thread, the "
        "other core busy).",
        "",
        f"```sh\n{r['command']}\n```",
    ]
    return "\n".join(lines)


def _model(r: dict[str, Any]) -> str:
    s, ways = r["summary"], list(r["films"][0])[2:]
    lines = [
        f"### `{r['model']}`",
        "",
        f"Of a still face jitter falls **{s['jitter_ratio']:g} times** and tremor "
        f"{s['tremor_ratio']:g} times; a moving one lags by {s['lag_frames_most']:g} frames at most; "
        f"**{s['speed_ratio']:g} times** as many frames a second, in the median of the films "
        f"{s['speed_ratio_median']:g} times ({s['looks_ratio']:g} times fewer looks).",
        "",
        "| film | motion | | jitter | tremor | error | lag | looks | ms a frame |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for film in r["films"]:
        for way in ways:
            m = film[way]
            lag = "" if film["motion"] == "still" else f"{m['lag']:.2f}"
            lines.append(
                f"| `{film['picture']}` | {film['motion']} | {way} | {m['jitter']:.2%} | {m['tremor']:.2%} | "
                f"{m['error']:.2%} | {lag} | {m['looks']:.2f} | {m['ms']:.0f} |"
            )
    machine = r["machine"]
    note = (
        f"{machine['date']}, facekp {machine['versions']['facekp']}, weights {r['sha256'][:12]}, {r['engine']}, "
        f"{r['threads']} thread, {machine['cpu']}; load {machine['load']}: other "
        "programs used the cores, so that only ratios of times count."
    )
    return "\n".join([*lines, "", note, "", f"```sh\n{r['command']}\n```"])
