"""Which way heads are turned: OpenCV's solvePnP with a generic head and a perspective camera, beside facekp.pose.

python examples/head_pose.py [PICTURE] [--output out/head_pose.png]

solvePnP also tells where the head is, in the head model's millimetres, if the camera is known; here its focal length is
guessed to be the picture's longer side.  facekp.pose needs no camera, and leaves perspective out: for a head away from
the picture's middle the two differ by the angle at which the camera sees it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

import facekp
from facekp import pose


def solve(face: facekp.Face, camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The head's rotation and place before the camera, as OpenCV's vectors."""
    names = list(pose.HEAD)
    head = np.array([pose.HEAD[name] for name in names])
    seen = face.keypoints[[face.schema.names.index(name) for name in names]].astype(float)
    _, turn, place = cv2.solvePnP(head, seen, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    return cv2.solvePnPRefineLM(head, seen, camera, None, turn, place)


def degrees(turn: np.ndarray) -> tuple[float, float, float]:
    """Yaw, pitch and roll of a rotation vector, with facekp.pose's signs."""
    r = cv2.Rodrigues(turn)[0]
    yaw, pitch, roll = np.arcsin(np.clip(r[2, 0], -1, 1)), -np.arctan2(r[2, 1], r[2, 2]), np.arctan2(r[1, 0], r[0, 0])
    return tuple(float(a) for a in np.degrees([yaw, pitch, roll]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", type=Path, default=Path(__file__).with_name("astronaut.jpg"))
    parser.add_argument("--output", type=Path, default=Path("out/head_pose.png"))
    given = parser.parse_args()
    image = facekp.image.read(given.picture)
    height, width = image.shape[:2]
    focal = float(max(height, width))
    camera = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    for face in facekp.Detector.from_pretrained("resnet18-ibug")(image):
        turn, place = solve(face, camera)
        ours = pose.angles(face.keypoints[None], face.schema)[0]
        for name, angles in (("solvePnP", degrees(turn)), ("facekp.pose", ours)):
            print(f"{name:11}  yaw {angles[0]:+6.1f}  pitch {angles[1]:+6.1f}  roll {angles[2]:+6.1f}")
        print(f"{'':11}  {place[2, 0] / 1000:.1f} m before the camera, if the guess of its focal length is right")
        ends = np.add(pose.HEAD["nose_tip"], [(0, 0, 0), (60, 0, 0), (0, 60, 0), (0, 0, -60)])
        start, *tips = (cv2.projectPoints(ends, turn, place, camera, None)[0][:, 0] * 16).round().astype(int).tolist()
        for tip, colour in zip(tips, ((230, 60, 60), (60, 200, 60), (70, 110, 255)), strict=True):
            cv2.line(image, start, tip, colour, max(2, width // 250), cv2.LINE_AA, shift=4)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(given.output), image[..., ::-1])
    print(f"red: to the head's left, green: down, blue: out of the nose: {given.output}")


if __name__ == "__main__":
    main()
