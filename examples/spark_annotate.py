"""Find the faces of very many pictures on a Spark cluster, or on this machine.

    pip install pyspark pandas pyarrow facekp        (Spark needs Java)
    python examples/spark_annotate.py /photos /points --master 'local[2]'

Each partition loads the model once and reads its own pictures, so the folder must be seen by all machines.
/points gets Parquet files of path, faces (JSON) and error (empty where all went well).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import facekp


def annotate(detector: facekp.Detector, paths: list[str]) -> list[dict[str, str]]:
    """A row for each picture."""
    rows = []
    for faces in detector.stream(paths, on_error="return"):
        if isinstance(faces, facekp.FacekpError):
            rows.append({"faces": "[]", "error": str(faces)})
        else:
            rows.append({"faces": json.dumps([face.to_dict() for face in faces]), "error": ""})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pictures", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--model", default="resnet18-ibug")
    parser.add_argument("--master", default="local[*]")
    given = parser.parse_args()

    if given.master.startswith("local"):  # its workers would take the first python3 of PATH
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    import pandas
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import pandas_udf

    model = given.model
    # Before the UDF, which asks for it.
    session = SparkSession.builder.master(given.master).appName("facekp").getOrCreate()

    def faces_of(batches: Iterator[pandas.Series]) -> Iterator[pandas.DataFrame]:
        detector = facekp.Detector.from_pretrained(model)  # once for each partition
        for paths in batches:
            yield pandas.DataFrame(annotate(detector, paths.tolist()), columns=["faces", "error"])

    # Without annotations: Spark would look up the names in them, which are known in this function only.
    faces_of.__annotations__ = {"batches": Iterator[pandas.Series], "return": Iterator[pandas.DataFrame]}
    udf: Any = pandas_udf(faces_of, "faces string, error string")
    paths = sorted(str(p.resolve()) for p in given.pictures.rglob("*") if facekp.image.is_image_path(p))
    rows = session.createDataFrame([(path,) for path in paths], "path string")
    found = rows.repartition(session.sparkContext.defaultParallelism).select("path", udf("path").alias("found"))
    found.select("path", "found.*").write.mode("errorifexists").parquet(str(given.output.resolve()))
    session.stop()


if __name__ == "__main__":
    main()
