"""Other programs, each in a process of its own: they need other versions of everything."""

from __future__ import annotations

import json
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError

__all__ = ["Peer"]

Array = npt.NDArray[Any]


class Peer:
    """A command that finds faces, or the points of faces whose boxes it is given.

    It prints one JSON object that says what it is, ``{"name": ..., "version": ..., "what": ...}``; then, for each line
    of its input, the path of a PNG, one more: ``{"boxes": [[x0, y0, x1, y1], ...], "ms": milliseconds}``, the time
    without the reading.  One that says ``"boxes": true`` of itself gets boxes, too: after the path a tab, and
    ``[[x0, y0, x1, y1], ...]``.  It ends with its input.  ``benchmarks/peers/`` has some.

    Args:
        command: with its arguments, as in a shell: ``"venv/bin/python benchmarks/peers/mediapipe_mesh.py"``.

    Attributes:
        about: what it says of itself.
        name: of it.
        given_boxes: whether it is told where the faces are.

    Raises:
        ArgumentError: it cannot be started, or does not answer as it should.
    """

    def __init__(self, command: str) -> None:
        self.command = command
        self._folder = tempfile.TemporaryDirectory(prefix="facekp-peer-")
        try:
            self._process = subprocess.Popen(
                shlex.split(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        except (OSError, ValueError) as error:
            raise ArgumentError(f"peer {command!r}: cannot be started ({error})") from None
        self.about = self._answer()
        self.name = str(self.about.get("name", command))
        self.given_boxes = bool(self.about.get("boxes", False))

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            said = repr(line.strip()) if line else f"nothing, and ended with {self._process.wait()}"
            raise ArgumentError(f"peer {self.command!r}: expected a JSON object, it said {said}; try it in a shell")
        return answer

    def _ask(self, path: Path, boxes: Array | None = None) -> dict[str, Any]:
        assert self._process.stdin is not None
        given = "" if boxes is None else f"\t{json.dumps(boxes.tolist())}"
        try:
            self._process.stdin.write(f"{path}{given}\n")
            self._process.stdin.flush()
        except OSError:
            raise ArgumentError(f"peer {self.command!r}: it has ended; try it in a shell") from None
        return self._answer()

    def _written(self, image: Array) -> Path:
        path = Path(self._folder.name) / "picture.png"
        cv2.imwrite(str(path), image[..., ::-1])
        return path

    def find(self, images: Sequence[Array]) -> list[Array]:
        """The boxes ``(N, 4)`` xyxy that it finds in each picture ``(H, W, 3)`` RGB uint8.

        Raises:
            ArgumentError: it is one that must be told where the faces are.
        """
        if self.given_boxes:
            raise ArgumentError(f"peer {self.command!r}: finds no faces, it must be given boxes: for `benchmark speed`")
        return [np.array(self._ask(self._written(i))["boxes"], np.float32).reshape(-1, 4) for i in images]

    def milliseconds(self, image: Array, repeats: int, boxes: Array | None = None) -> list[float]:
        """How long it takes for one picture, again and again.

        Args:
            image: ``(H, W, 3)`` RGB uint8.
            repeats: how many times.
            boxes: ``(N, 4)`` xyxy, for one that is given boxes.
        """
        path = self._written(image)
        return [float(self._ask(path, boxes if self.given_boxes else None)["ms"]) for _ in range(repeats)]

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        """End its process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()
