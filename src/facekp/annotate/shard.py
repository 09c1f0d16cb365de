"""Which pictures are whose share, and what is written of one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ArgumentError

if TYPE_CHECKING:
    from ..detector import Detector
    from ..face import Face

__all__ = ["Shard", "line", "record", "same_path"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several equal shares of the pictures.

    Attributes:
        number: which, from 1.
        count: of how many.

    Raises:
        ArgumentError: ``number`` is not from 1 to ``count``.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        whole = isinstance(self.number, int) and isinstance(self.count, int)
        if not whole or not 1 <= self.number <= self.count:
            raise ArgumentError(
                f"shard {self.number!r}/{self.count!r}: expected which of how many, counted from 1, such as 3/16"
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``"3/16"``: the third of sixteen.

        Raises:
            ArgumentError: it is not two numbers, the first from 1 to the second.
        """
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if found is None:
            raise ArgumentError(f"shard {text!r}: expected which of how many, counted from 1, such as 3/16")
        return cls(int(found[1]), int(found[2]))

    def pick(self, items: Iterable[T], key: Callable[[T], Any] = lambda item: item) -> list[T]:
        """This shard's share: of the items sorted by path, every ``count``-th from the ``number``-th.

        The shares of all shards are the whole, without overlap, as long as all are given the same paths, in any order.

        Args:
            items: what is to be shared out.
            key: an item's path.
        """
        ordered = sorted(items, key=lambda item: os.fsencode(key(item)))  # bytes: the same in every locale
        return ordered[self.number - 1 :: self.count]


def record(
    path: str | os.PathLike[str], size: tuple[int, int], faces: Sequence[Face], model: Detector
) -> dict[str, Any]:
    """What is written of one picture.

    Args:
        path: the picture's, as it is to stand in the file.
        size: ``(H, W)`` of the upright picture.
        faces: those that were found.
        model: what found them.

    Returns:
        ``path``, ``width``, ``height``, ``model``, ``schema`` and ``faces`` (:meth:`facekp.Face.to_dict`).
    """
    return {
        "path": os.fspath(path),
        "width": size[1],
        "height": size[0],
        "model": model.name,
        "schema": model.schema.name,
        "faces": [face.to_dict() for face in faces],
    }


def line(record: Mapping[str, Any]) -> str:
    """A record as one line of JSON, without its end."""
    # ASCII only: bytes of a file's name that are no UTF-8 arrive as "\udcXX", which os.fsencode turns back into them.
    return json.dumps(record, ensure_ascii=True, allow_nan=False)


def same_path(path: str | os.PathLike[str]) -> str:
    """The same for two spellings of a path, such as ``a.jpg`` and ``./a.jpg``."""
    return os.path.abspath(path)  # noqa: PTH100  (Path.absolute keeps "..")
