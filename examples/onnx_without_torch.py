"""Faces and their keypoints without PyTorch and without facekp: numpy, OpenCV and, where it is there, ONNX Runtime.

facekp export finder --size 320x416 --output out/finder.onnx
facekp export resnet18-ibug --output out/keypoints.onnx
python examples/onnx_without_torch.py out/finder.onnx out/keypoints.onnx [PICTURE] [DRAWING] [onnxruntime|opencv]

A model of your own does as well.  ONNX Runtime tells its crop's size and scale; for OpenCV set CROP and SCALE.
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

SIZE, MARGIN = (416, 320), 16  # the finder's input, width first; grey pixels around the picture
CROP, SCALE = (192, 192), 1.3  # resnet18-ibug's crop_size, width first, and crop_scale


def load(path, engine, outputs):
    """A function from RGB pictures (N, 3, H, W), float32 from 0 to 255, to the outputs; and the file's metadata."""
    if engine == "onnxruntime":
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return lambda images: session.run(outputs, {"images": images}), session.get_modelmeta().custom_metadata_map
    net = cv2.dnn.readNetFromONNX(path)
    return lambda images: (net.setInput(images), net.forward(outputs))[1], {}


def cut(picture, centre, zoom, size, *, angle=0.0, grey=0):
    """The part of a picture around a centre, zoomed and turned back, as the networks take it; and the 2x3 way back."""
    matrix = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), angle, zoom)
    matrix[:, 2] += (np.array(size) - 1) / 2 - centre
    part = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderValue=(grey,) * 3)
    return cv2.dnn.blobFromImage(part, swapRB=True), cv2.invertAffineTransform(matrix)


def main(finder, keypoints, picture, drawing, engine):
    find, _ = load(finder, engine, ["boxes", "scores", "angles"])
    locate, facts = load(keypoints, engine, ["keypoints", "scores"])
    crop, scale = (tuple(json.loads(facts["crop_size"])[::-1]), float(facts["crop_scale"])) if facts else (CROP, SCALE)
    image = cv2.imread(picture)  # BGR; cut() turns it into RGB
    height, width = image.shape[:2]
    zoom = min((SIZE[0] - 2 * MARGIN) / width, (SIZE[1] - 2 * MARGIN) / height, 2.0)
    blob, back = cut(image, ((width - 1) / 2, (height - 1) / 2), zoom, SIZE, grey=114)
    boxes, scores, angles = (output[0] for output in find(blob))
    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
    for i in np.ravel(cv2.dnn.NMSBoxes(xywh.tolist(), scores.tolist(), 0.5, 0.4)).astype(int):
        (x0, y0), (x1, y1) = cv2.transform(boxes[i].reshape(1, 2, 2), back)[0]
        centre, nearer = np.array([x0 + x1, y0 + y1]) / 2, min(crop[0] / (x1 - x0), crop[1] / (y1 - y0)) / scale
        blob, to_picture = cut(image, centre, nearer, crop, angle=float(angles[i]))
        points = cv2.transform(locate(blob)[0], to_picture)[0]
        print(f"face {scores[i]:.2f}, points {points.astype(float).round(1).tolist()}")
        for x, y in points:
            cv2.circle(image, (round(float(x)), round(float(y))), 2, (0, 255, 255), -1, cv2.LINE_AA)
    Path(drawing).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(drawing, image)


if __name__ == "__main__":
    best = "onnxruntime" if find_spec("onnxruntime") else "opencv"
    given = sys.argv[1:]
    main(
        *given,
        *["out/finder.onnx", "out/keypoints.onnx", "examples/astronaut.jpg", "out/astronaut.jpg", best][len(given) :],
    )
