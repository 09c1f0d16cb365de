"""One network, several decoders: by how much points wander when the crop moves by fractions of a heatmap's pixel.

python examples/compare_decoders.py [PICTURE] [--crops 24]

The face is still; only the crop moves, by up to half a heatmap's pixel (two of the input's) either way.  A decoder that
reads places between pixels gives the same points each time.  Errors against labels: facekp's page "Heatmaps and
decoders", or ``benchmarks/representations.py``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

import facekp
from facekp import decoders, geometry, preprocessing

DECODERS = {  # the usual one first
    "soft_argmax": {},
    "weighted_argmax, 5x5": {"window": 5},
    "dark": {},
    "argmax, a quarter": {"quarter": True},
    "argmax": {},
}


def maps(detector: facekp.Detector, image: np.ndarray, box: np.ndarray, shifts: np.ndarray) -> torch.Tensor:
    """What the network gives for crops whose contents are moved by ``shifts`` ``(N, 2)``: ``(N, K, h, w)`` logits."""
    crops = []
    for shift in shifts:
        matrix = geometry.crop_matrix(box, detector.crop_size, detector.crop_scale)
        matrix[:, 2] += shift
        crops.append(geometry.warp(image, matrix, detector.crop_size))
    batch = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).to(detector.device)
    with torch.inference_mode():
        output = detector.network(preprocessing.network_input(batch, detector.mean, detector.std))
    return output[:, : len(detector.schema)].float().cpu()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", type=Path, default=Path(__file__).with_name("astronaut.jpg"))
    parser.add_argument("--crops", type=int, default=24)
    given = parser.parse_args()
    detector = facekp.Detector.from_pretrained("resnet18-ibug")
    image = facekp.image.read(given.picture)
    faces = detector(image, max_faces=1)
    if not faces:
        sys.exit(f"{given.picture}: no face found")
    shifts = np.random.default_rng(0).uniform(-2, 2, (given.crops, 2)).astype(np.float32)
    output = maps(detector, image, geometry.extent(faces[0].keypoints), shifts)
    options = {"input_size": detector.crop_size, "heatmap_size": tuple(output.shape[-2:]), "sigma": 1.0}
    usual = None
    print(f"{'decoder':22} {'wanders':>8} {'from the usual':>15}   pixels of the {detector.crop_size[0]}-pixel crop")
    for title, more in DECODERS.items():
        # This network learned maps whose softmax is a bell: a decoder that is told of that loss reads them so.
        codec = decoders.create(title.partition(",")[0], **options, **more, loss="heatmap_cross_entropy")
        points = codec.decode(output)[0].numpy() - shifts[:, None]
        mean = points.mean(0)
        usual = mean if usual is None else usual
        wanders = np.sqrt(((points - mean) ** 2).sum(-1).mean())
        print(f"{title:22} {wanders:8.2f} {np.linalg.norm(mean - usual, axis=-1).mean():15.2f}")


if __name__ == "__main__":
    main()
