"""Measure the mean shapes of the schemas, derive those that no data is at hand for, and write them into ``_schemas/``.

    PYTHONPATH=src python tools/mean_shapes.py [--data ../shared/data]

Measured: the generalised Procrustes mean (Gower, "Generalized Procrustes analysis",
Psychometrika 1975) of ``ibug68`` over the 300-W training faces and of ``imm73`` over IMM Frontal.
Every face counts twice, as it is and mirrored, so the mean is symmetric.

Derived: ``wflw98``, ``cofw29``, ``kaggle15`` and ``imm58`` take the points that they share with
``ibug68`` by name, then the rules of :func:`derived_points`.  The rules follow the published
definitions (the sources stand in each schema's file); they are no measurement.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facekp import geometry

Array = npt.NDArray[Any]
SCHEMAS = Path(__file__).parents[1] / "src" / "facekp" / "_schemas"
TRAIN = ("afw", "helen/trainset", "lfpw/trainset")
DERIVED = ("wflw98", "cofw29", "kaggle15", "imm58")


# ---------------------------------------------------------------- reading and writing


def read_pts(path: Path) -> Array:
    """The points of a 300-W ``.pts`` file, ``(68, 2)``, in its own frame (a shift changes no mean shape)."""
    text = path.read_text("utf-8")
    return np.array(text[text.index("{") + 1 : text.index("}")].split(), np.float64).reshape(-1, 2)


def read_asf(path: Path, size: tuple[int, int] = (800, 600)) -> Array:
    """The points of an ``.asf`` file in pixels of a picture of ``(width, height)``."""
    rows = [line.split() for line in path.read_text("latin-1").splitlines() if not line.startswith("#")]
    return np.array([row[2:4] for row in rows if len(row) > 4], np.float64) * size


def load(name: str) -> dict[str, Any]:
    """The schema's file as it is."""
    data: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))
    return data


def save(data: dict[str, Any]) -> None:
    """Write a schema's file, wrapped so that a change can be read."""

    def text(value: Any) -> str:
        if isinstance(value, dict):
            return "{\n" + ",\n".join(f'  "{key}": {text(v)}' for key, v in value.items()) + "\n }"
        if not isinstance(value, list):
            return json.dumps(value, ensure_ascii=False)
        flat = "[" + ", ".join(json.dumps(item, separators=(",", ":")) for item in value) + "]"
        return textwrap.fill(flat, 118, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)

    rows = [f' "{key}": {text(value)}' for key, value in data.items()]
    (SCHEMAS / f"{data['name']}.json").write_text("{\n" + ",\n".join(rows) + "\n}\n", "utf-8")


# ---------------------------------------------------------------- measured


def measured_faces(data: Path) -> dict[str, Array]:
    """All labelled faces ``(N, K, 2)`` under ``data``, by schema."""
    faces = [read_pts(path) for part in TRAIN for path in sorted((data / "300w" / part).glob("*.pts"))]
    frontal = [read_asf(path) for path in sorted((data / "imm_frontal").glob("*.asf"))]
    return {"ibug68": np.array(faces), "imm73": np.array(frontal)}


def procrustes_mean(faces: Array, mirror: Array, rounds: int = 20) -> Array:
    """The symmetric mean ``(K, 2)`` of faces ``(N, K, 2)``, upright and centred on (0, 0)."""
    flipped = faces[:, mirror] * [-1, 1]
    # In 2-D a point is a complex number, and a rotation one complex factor of size 1.
    both = np.concatenate([faces, flipped]) @ [1, 1j]
    both -= both.mean(1, keepdims=True)
    both /= np.linalg.norm(both, axis=1, keepdims=True)
    mean = both.mean(0)
    for _ in range(rounds):
        mean /= np.linalg.norm(mean)
        turn = (both.conj() * mean).sum(1, keepdims=True)
        mean = (both * turn / abs(turn)).mean(0)
    return np.stack([mean.real, mean.imag], 1)


def framed(shape: Array, mirror: Array) -> Array:
    """Exactly symmetric, the extent's centre on (0, 0) and its longest side 1, rounded to 5 decimals."""
    shape = (shape + shape[mirror] * [-1, 1]) / 2
    low, high = shape.min(0), shape.max(0)
    shape = np.round((shape - [0, (low[1] + high[1]) / 2]) / (high - low).max(), 5)
    return shape + 0.0  # -0.0 becomes 0.0


# ---------------------------------------------------------------- derived


def derived_points(means: dict[str, dict[str, Array]]) -> dict[str, Array]:
    """Every name of the derived schemas that ``ibug68`` lacks, as a place in ``ibug68``'s frame.

    Only midline and ``right_`` names; the left side is their mirror image.

    Args:
        means: name to point, of ``ibug68`` and ``imm73``.
    """
    ibug, frontal = means["ibug68"], means["imm73"]
    shared = [name for name in ibug if name in frontal]
    to_ibug = geometry.similarity(np.array([frontal[n] for n in shared]), np.array([ibug[n] for n in shared]))

    def beside(name: str, anchor: str) -> Array:
        """``imm73``'s point, as far from the anchor as it is there: brows sit higher in one set than in the other."""
        step = (frontal[f"right_{name}"] - frontal[f"right_{anchor}"]) @ to_ibug[:, :2].T
        place: Array = ibug[f"right_{anchor}"] + step
        return place

    at = {name.removeprefix("right_"): point for name, point in ibug.items() if not name.startswith("left_")}
    eye = ["eye_outer", "eye_upper_outer", "eye_upper_inner", "eye_inner", "eye_lower_inner", "eye_lower_outer"]
    centre = np.mean([at[name] for name in eye], 0)
    side, ala = beside("nose_side", "nose_wing"), beside("nose_ala", "nose_wing")
    points = {
        "pupil": centre,
        "eye_center": centre,
        "eye_upper_mid": halfway(at["eye_outer"], at["eye_upper_outer"], at["eye_upper_inner"], at["eye_inner"]),
        "eye_lower_mid": halfway(at["eye_outer"], at["eye_lower_outer"], at["eye_lower_inner"], at["eye_inner"]),
        "brow_lower_outer": beside("brow_lower_outer", "brow_outer_mid"),
        "brow_lower_mid": beside("brow_lower_mid", "brow_mid"),
        "brow_lower_inner": beside("brow_lower_inner", "brow_inner_mid"),
        # WFLW's brow has a blunt inner end: as thick as in the middle.
        "brow_inner_bottom": at["brow_inner"] + beside("brow_lower_inner", "brow_inner_mid") - at["brow_inner_mid"],
        "nose_ala": ala,
        "nose_ala_top": (ala + side) / 2,
        "nose_bridge_side": (at["nose_bridge_2"] + 2 * side) / 3,
        "nose_root": beside("nose_root", "eye_inner"),
        "nose_sill": (at["nose_wing"] + at["nostril"]) / 2,
    }
    brow = np.array([at[f"brow_{k}"] for k in ("inner", "inner_mid", "mid", "outer_mid", "outer")])
    tops = along(brow, np.array([0.12, 0.61, 0.9]))
    points |= dict(zip(("brow_inner_top", "brow_peak", "brow_outer_top"), tops, strict=True))
    points |= jaw_points(at)
    return {f"right_{name}": point for name, point in points.items()}


def jaw_points(at: dict[str, Array]) -> dict[str, Array]:
    """WFLW's jaw has a point between each two of ibug's; IMM's is 13 even ones from below the ears."""
    jaw = np.array([at[f"jaw_{i}"] for i in range(8)] + [at["chin"], at["jaw_7"] * [-1, 1]])
    points = {f"jaw_{i}_half": halfway(*jaw[i - 1 : i + 3]) for i in range(1, 8)}
    points["jaw_0_half"] = (3 * jaw[0] + 6 * jaw[1] - jaw[2]) / 8  # the parabola through the first three
    # IMM's jaw starts an eighth of the way down from the nose's base to the mouth's corners (measured on imm73).
    start = at["nose_base"][1] + (at["mouth_corner"][1] - at["nose_base"][1]) / 8
    first = np.array([np.interp(start, jaw[:9, 1], jaw[:9, 0]), start])
    rest = np.concatenate([[first], jaw[:9][jaw[:9, 1] > start]])
    even = along(rest, np.arange(6) / 6)
    return points | {f"jaw_{i}_of_6": point for i, point in enumerate(even)}


def halfway(before: Array, a: Array, b: Array, after: Array) -> Array:
    """Midway between a and b on the cubic through four evenly spaced points."""
    middle: Array = (9 * (a + b) - before - after) / 16
    return middle


def along(line: Array, fractions: Array) -> Array:
    """Points at fractions of a polyline's length."""
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    return np.stack([np.interp(fractions * length[-1], length, line[:, i]) for i in (0, 1)], 1)


def derived(names: list[str], means: dict[str, dict[str, Array]]) -> Array:
    """The shape ``(K, 2)`` of a schema without data, in ``ibug68``'s frame."""
    places = derived_points(means)
    places |= {name.replace("right_", "left_"): point * [-1, 1] for name, point in places.items()}
    places |= means["ibug68"]
    return np.array([places[name] for name in names])


def main() -> None:
    """Rewrite ``mean_shape`` in every file of ``_schemas/``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    faces = measured_faces(parser.parse_args().data)
    means: dict[str, dict[str, Array]] = {}
    for name in (*faces, *DERIVED):
        schema = load(name)
        mirror = np.array(schema["mirror"])
        shape = procrustes_mean(faces[name], mirror) if name in faces else derived(schema["names"], means)
        schema["mean_shape"] = framed(shape, mirror).tolist()
        means[name] = dict(zip(schema["names"], np.array(schema["mean_shape"]), strict=True))
        save(schema)


if __name__ == "__main__":
    main()
