"""Find the faces of very many pictures on a Ray cluster, or on this machine.

    pip install 'ray[data]' 'facekp[parquet]'
    python examples/ray_annotate.py /photos /points --workers 2

Every worker loads the model once and reads its own pictures, so the folder must be seen by all machines.
/points gets Parquet files of path, width, height, schema, faces (JSON) and error (empty where all went well).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import facekp


class Annotate:
    """What a worker does with a batch of paths."""

    def __init__(self, model: str) -> None:
        self.detector = facekp.Detector.from_pretrained(model)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        paths = [str(path) for path in batch["path"]]
        sizes: list[tuple[int, int]] = []
        found = list(self.detector.stream(map(self.read(sizes), paths), on_error="return"))
        failed = [isinstance(faces, facekp.FacekpError) for faces in found]
        faces = [[] if bad else [face.to_dict() for face in faces] for faces, bad in zip(found, failed, strict=True)]
        return {
            "path": paths,
            "width": [size[1] for size in sizes],
            "height": [size[0] for size in sizes],
            "schema": [self.detector.schema.name] * len(paths),
            "faces": [json.dumps(each) for each in faces],
            "error": [str(each) if bad else "" for each, bad in zip(found, failed, strict=True)],
        }

    @staticmethod
    def read(sizes: list[tuple[int, int]]) -> Any:
        """A function that reads a picture and notes its size; the detector says why it cannot be read."""

        def one(path: str) -> Any:
            try:
                image = facekp.image.read(path)
            except facekp.FacekpError:
                sizes.append((0, 0))
                return path
            sizes.append(image.shape[:2])
            return image

        return one


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pictures", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--model", default="resnet18-ibug")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64)
    given = parser.parse_args()

    import ray

    paths = sorted(str(p.resolve()) for p in given.pictures.rglob("*") if facekp.image.is_image_path(p))
    rows = ray.data.from_items([{"path": path} for path in paths])
    options = {"batch_size": given.batch, "concurrency": given.workers, "fn_constructor_args": (given.model,)}
    rows.map_batches(Annotate, **options).write_parquet(str(given.output.resolve()))


if __name__ == "__main__":
    main()
