"""MediaPipe's face mesh as a peer of ``facekp benchmark finder`` and ``facekp benchmark speed``.

    python -m venv venv-mediapipe && venv-mediapipe/bin/pip install mediapipe==0.10.21
    facekp benchmark finder --data DATA/300w --peer "venv-mediapipe/bin/python benchmarks/peers/mediapipe_mesh.py"

Its whole solution for still pictures: face detection and 468 points.  A face's box is the extent of its points, which
reach from the hairline to the chin.
"""

import json
import os
import sys
import time

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what the library prints must not mix with the answers

import cv2  # noqa: E402
import mediapipe  # noqa: E402

mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True, max_num_faces=5)
about = {"name": "MediaPipe", "version": mediapipe.__version__, "what": "face_mesh, static_image_mode, 5 faces at most"}
print(json.dumps(about), file=answers, flush=True)
for line in sys.stdin:
    picture = cv2.imread(line.strip())[..., ::-1].copy()
    height, width = picture.shape[:2]
    start = time.perf_counter()
    found = mesh.process(picture).multi_face_landmarks or []
    ms = (time.perf_counter() - start) * 1000
    boxes = []
    for face in found:
        xs, ys = [p.x * width - 0.5 for p in face.landmark], [p.y * height - 0.5 for p in face.landmark]
        boxes.append([min(xs), min(ys), max(xs), max(ys)])
    print(json.dumps({"boxes": boxes, "ms": ms}), file=answers, flush=True)
