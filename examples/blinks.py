"""Count the blinks of everybody in a film.

python examples/blinks.py FILM [--model resnet18-ibug] [--below 0.75]

The eye aspect ratio (``eyes.py``) falls for about a tenth of a second.  What is usual differs from person to person:
each frame is compared with the median of the person's own.  A blink begins where the ratio falls under ``--below`` of
that, and is one if it ends within half a second; what takes longer are closed eyes.  A nod changes the ratio, too.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from eyes import aspect_ratio

import facekp
from facekp.video import Tracker, frames

LONGEST = 0.5  # seconds


def blinks(times: Sequence[float], ratios: Sequence[float], below: float) -> Iterator[tuple[float, float]]:
    """When each blink begins and how long it takes, in seconds."""
    closed = np.asarray(ratios) < below * np.median(ratios)
    edges = np.flatnonzero(np.diff(closed.astype(int), prepend=0, append=0))
    for begin, end in edges.reshape(-1, 2).tolist():
        if begin > 0 and end < len(times) and times[end] - times[begin] <= LONGEST:
            yield times[begin], times[end] - times[begin]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("film", type=Path)
    parser.add_argument("--model", default="resnet18-ibug")
    parser.add_argument("--below", type=float, default=0.75, help="of what is usual: closed")
    given = parser.parse_args()
    # A blink is over in a few frames: the network looks at each of them, and nothing is smoothed away.
    tracker = Tracker(facekp.Detector.from_pretrained(given.model), carry=0, smooth=False)
    seen: dict[int, list[tuple[float, float]]] = {}
    for frame in frames(given.film):
        for one in tracker(frame.image, frame.time):
            face = one.face
            eyes = [face.keypoints[list(face.schema.groups[f"{side}_eye"])] for side in ("right", "left")]
            seen.setdefault(one.id, []).append((frame.time, float(np.mean([aspect_ratio(eye) for eye in eyes]))))
    for number, rows in seen.items():
        times, ratios = zip(*rows, strict=True)
        found = list(blinks(times, ratios, given.below))
        print(
            f"face {number}: {len(found)} blinks in {times[-1] - times[0]:.1f} s; usual ratio {np.median(ratios):.2f}"
        )
        for begin, lasts in found:
            print(f"  at {begin:.2f} s, for {lasts:.2f} s")


if __name__ == "__main__":
    main()
