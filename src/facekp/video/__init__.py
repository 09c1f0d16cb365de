"""Films and cameras: faces with stable ids, whose points neither tremble nor lag.

Frame by frame, in a loop of your own::

    detector = facekp.Detector.from_pretrained("resnet18-ibug")
    tracker = facekp.video.Tracker(detector)
    for frame in facekp.video.frames("film.mp4"):  # or a camera: frames(0)
        for one in tracker(frame.image, frame.time):
            print(frame.index, one.id, one.face.keypoints)

or a whole film at once: ``facekp.video.annotate("film.mp4", "drawn.mp4", tracker)``.  ``facekp video`` does the same on
the command line.

The finder looks at a frame twice a second, and when a face was lost from sight; in between every face is looked for
where its last points were, at 30 frames a second in every other frame by optical flow.  :class:`Smoothing` says how
points are smoothed.
"""

from __future__ import annotations

from .film import annotate, draw, record
from .reader import FilmFrame, Reader, frames
from .smooth import OneEuro, Smoother, Smoothing
from .tracker import TrackedFace, Tracker
from .writer import FORMATS, Writer, copy_sound

__all__ = [
    "FORMATS",
    "FilmFrame",
    "OneEuro",
    "Reader",
    "Smoother",
    "Smoothing",
    "TrackedFace",
    "Tracker",
    "Writer",
    "annotate",
    "copy_sound",
    "draw",
    "frames",
    "record",
]
