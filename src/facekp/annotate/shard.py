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

__all__ = ["Done", "Shard", "line", "record", "same_path", "weights_of"]

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


def weights_of(model: Detector) -> str | None:
    """What tells models of one name apart: the SHA-256 of the weights; None where the model was not loaded."""
    found = model.config.get("sha256")
    return found if isinstance(found, str) else None


class Done:
    """The pictures on record, and what is recorded so that they are known again from any folder.

    A relative path counts from the working directory of its run, which is recorded as ``base``: as seen from the
    folder of the records, so that both can be moved together.

    Args:
        home: the folder of the records.
        name: how errors name the records.
        model: the model that will write, and its ``weights``; None: any.
    """

    def __init__(self, home: str | os.PathLike[str], name: str, model: str | None, weights: str | None) -> None:
        self._home, self._name, self._model, self._weights = os.path.realpath(home), name, model, weights
        self._paths: set[str] = set()
        self._loose: list[str] = []

    def __len__(self) -> int:
        return len(self._paths)

    def __contains__(self, path: str | os.PathLike[str]) -> bool:
        return bool(self._paths) and same_path(path) in self._paths

    def add(self, path: str, base: object, model: object, weights: object) -> None:
        """Take what an earlier run has recorded; ``base`` and ``weights`` are missing in what older facekps wrote.

        Raises:
            ArgumentError: another model wrote it.
        """
        if self._model is not None and model != self._model:
            raise ArgumentError(
                f"{self._name}: was written by the model {model}, not {self._model}: name another place"
            )
        if None not in (weights, self._weights) and weights != self._weights:
            raise ArgumentError(
                f"{self._name}: was written by another model of this name: the SHA-256 of its weights is "
                f"{str(weights)[:12]}..., not {str(self._weights)[:12]}...: name another place"
            )
        if isinstance(base, str):
            path = os.path.join(self._home, base, path)  # noqa: PTH118
        elif not os.path.isabs(path):  # noqa: PTH117
            self._loose.append(path)
        self._paths.add(same_path(path))

    def check(self) -> None:
        """Refuse relative paths of which nothing says whence they count, if not one of them is a file here.

        Raises:
            ArgumentError: that is so.
        """
        if self._loose and not any(map(os.path.lexists, self._loose)):
            raise ArgumentError(
                f"{self._name}: none of its pictures, such as {self._loose[0]}, is to be found from this folder: "
                "resume in the folder where it was begun"
            )

    def extras(self, path: str) -> dict[str, str]:
        """What is recorded of a picture besides :func:`record`: ``weights``, and of a relative path ``base``."""
        found = {} if self._weights is None else {"weights": self._weights}
        if not os.path.isabs(path):  # noqa: PTH117
            try:
                found["base"] = os.path.relpath(os.getcwd(), self._home)  # noqa: PTH109
            except ValueError:  # another drive of Windows
                found["base"] = os.getcwd()  # noqa: PTH109
        return found
