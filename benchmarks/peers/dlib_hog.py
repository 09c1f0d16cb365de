"""dlib's HOG face detector as a peer of ``facekp benchmark finder``.

    python -m venv venv-dlib && venv-dlib/bin/pip install dlib opencv-python-headless    # needs a compiler
    facekp benchmark finder --data DATA/300w --peer "venv-dlib/bin/python benchmarks/peers/dlib_hog.py"

Pictures are doubled once, as in dlib's examples; else faces under 80 pixels are not found.
"""

import json
import sys
import time

import cv2
import dlib

detector = dlib.get_frontal_face_detector()
about = {"name": "dlib", "version": dlib.__version__, "what": "frontal face detector (HOG), upsampled once"}
print(json.dumps(about), flush=True)
for line in sys.stdin:
    picture = cv2.imread(line.strip())[..., ::-1].copy()
    start = time.perf_counter()
    found = detector(picture, 1)
    ms = (time.perf_counter() - start) * 1000
    boxes = [[r.left() - 0.5, r.top() - 0.5, r.right() + 0.5, r.bottom() + 0.5] for r in found]
    print(json.dumps({"boxes": boxes, "ms": ms}), flush=True)
