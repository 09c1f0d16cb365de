"""300-W from its standard folders of ``.pts`` files (Sagonas et al., ICCVW 2013)."""

from __future__ import annotations

import logging
from pathlib import Path

from .. import schema as schemas
from ..errors import DatasetError, unknown_name
from ..sample import Sample
from .base import SampleSet, Skipping
from .dlib_xml import photograph
from .pts import read_pts

__all__ = ["IBUG300W"]

log = logging.getLogger(__name__)

SPLITS: dict[str, tuple[str, ...]] = {
    "train": ("afw", "helen/trainset", "lfpw/trainset"),
    "common": ("helen/testset", "lfpw/testset"),
    "challenge": ("ibug",),
    "full": ("helen/testset", "lfpw/testset", "ibug"),
    "test": ("01_Indoor", "02_Outdoor"),
}
PICTURES = (".jpg", ".png", ".jpeg", ".JPG")


class IBUG300W(SampleSet):
    """The 68-point faces of 300-W.

    Args:
        root: the folder that holds ``afw/ helen/ lfpw/ ibug/`` (or ``01_Indoor/ 02_Outdoor/``).
        split: ``"train"`` (3,148 faces when complete), ``"common"`` (554), ``"challenge"`` (135),
            ``"full"`` (689), ``"test"`` (600), or one folder such as ``"lfpw/testset"``.
        on_error: ``"skip"`` leaves wrong files out and lists them in ``skipped``.

    A set of which some folders are missing is read, with one warning that names
    them.  ``meta["name"]`` is the picture's path below the root; ``subject`` is
    the photograph, which AFW's files share.

    Raises:
        DatasetError: no folder of the split is there, or a file is wrong.
    """

    def __init__(self, root: str | Path, split: str = "train", *, on_error: str = "raise") -> None:
        root = Path(root)
        if split not in SPLITS and not (root / split).is_dir():
            raise unknown_name("300-W split or folder", split, SPLITS)
        folders = SPLITS.get(split, (split,))
        missing = [f for f in folders if not (root / f).is_dir()]
        if len(missing) == len(folders):
            raise DatasetError(
                f"{root}: none of {', '.join(folders)} is here. 300-W (research, non-commercial) is had from "
                "the iBUG group's 300-W page; unpack it so that these folders of .jpg and .pts lie in this one"
            )
        if missing:
            log.warning("%s: 300-W %s is partial, %s not found", root, split, " and ".join(missing))
        samples, skipping = [], Skipping(on_error)
        for path in (path for f in folders for path in sorted((root / f).glob("*.pts"))):
            with skipping.one():
                samples.append(_sample(root, path))
        if not samples:
            raise skipping.nothing(f"{root}: no .pts file in {', '.join(folders) or 'this folder'}")
        super().__init__(samples, schemas.get("ibug68"), f"300-W {split}", skipping.errors)


def _sample(root: Path, labels: Path) -> Sample:
    schema = schemas.get("ibug68")
    points = read_pts(labels, len(schema))
    picture = next((p for suffix in PICTURES if (p := labels.with_suffix(suffix)).exists()), None)
    if picture is None:
        raise DatasetError(
            f"{labels}: its picture {labels.stem}{PICTURES[0]} (or {', '.join(PICTURES[1:])}) is missing"
        )
    name = picture.relative_to(root).as_posix()
    return Sample(points, schema, picture, subject=photograph(name), meta={"name": name})
