"""Follow the faces of a camera, or of a film: write a film with them, and print who looks where.

python examples/webcam.py [CAMERA|FILM] [DRAWN] [SECONDS]
"""

from __future__ import annotations

import sys

import cv2
import numpy as np

import facekp
from facekp import pose, video


def show(image: np.ndarray) -> bool:
    """Show a frame where this OpenCV has windows (opencv-python, not -headless); False once q was pressed."""
    try:
        cv2.imshow("facekp", image[..., ::-1])  # cv2 shows BGR
        return cv2.waitKey(1) & 0xFF != ord("q")
    except cv2.error:
        return True


def main(source: str, drawn: str, seconds: float) -> None:
    tracker = video.Tracker(facekp.Detector.from_pretrained("resnet18-ibug"))
    print(f"{source}: q or Ctrl-C ends it; the film is {drawn}")
    spoken = -1
    with (
        video.Reader(int(source) if source.isdecimal() else source) as reader,
        video.Writer(drawn, reader.fps, reader.size) as writer,
    ):
        for frame in reader:
            faces = tracker(frame.image, frame.time)
            image = video.draw(frame.image, faces)
            writer.write(image, frame.time)
            if int(frame.time) > spoken:  # once a second
                spoken = int(frame.time)
                for one in faces:
                    ((yaw, pitch, _),) = pose.angles(one.face.keypoints[None], one.face.schema)
                    print(f"{frame.time:6.1f} s  face {one.id}: yaw {yaw:+.0f}, pitch {pitch:+.0f} degrees")
            if not show(image) or frame.time >= seconds:
                break


if __name__ == "__main__":
    defaults = ["0", "webcam.mp4", "60"]
    given = (sys.argv[1:] + defaults[len(sys.argv) - 1 :])[:3]
    try:
        main(given[0], given[1], float(given[2]))
    except facekp.FacekpError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("ended; the film is whole")
