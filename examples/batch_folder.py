"""Find the faces of all pictures in a folder, with bounded memory, and go on where an earlier run has stopped.

python examples/batch_folder.py [FOLDER] [--output out/faces.jsonl]

``facekp detect FOLDER -r --json FILE --resume`` does the same; this is for programs with a loop of their own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import facekp
from facekp import annotate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    parser.add_argument("--output", type=Path, default=Path("out/faces.jsonl"))
    given = parser.parse_args()
    paths = sorted(p for p in given.folder.rglob("*") if facekp.image.is_image_path(p))
    detector = facekp.Detector.from_pretrained("resnet18-ibug")
    count = 0
    with annotate.JsonLines(given.output, resume=True, model=detector.name) as lines:
        left = [path for path in paths if path not in lines]
        # Pictures are read as they are needed; the crops of many share the network's batches.
        for path, faces in zip(left, detector.stream(left, batch_size=64, on_error="return"), strict=True):
            if isinstance(faces, facekp.FacekpError):
                print(faces)  # says which file, and what is wrong with it
                continue
            lines.write(annotate.record(path, facekp.image.size(path), faces, detector))
            count += len(faces)
        print(f"{len(left)} pictures now, {lines.count} before: {count} new faces in {given.output}")


if __name__ == "__main__":
    main()
