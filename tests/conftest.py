"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real, labelled faces beside the repository; without it, the test that asks for it is skipped."""
    root = Path(__file__).parents[2] / "shared" / "data"
    if not root.is_dir():
        pytest.skip(f"no data set at {root}: put 300w/ and imm_frontal/ there to run this test")
    return root


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models of random weights, which answer fast and always the same.

    ``whole`` takes every picture for one face; ``crops`` asks ``finder``, which takes a lot for faces.
    """
    import torch

    from facekp import decoders, finder, hub, models

    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    options = {"name": "resnet", "points": 68, "head": "regression", "head_width": 8}
    codec = decoders.create("regression", input_size=(32, 32))
    shared = {
        "type": "keypoints",
        "schema": "ibug68",
        "network": options,
        "codec": codec.to_config(),
        "preprocessing": {"mean": 127.5, "std": 64.0},
        "licence": "none",
    }
    network = models.from_config(options)
    for name, box in (("whole", "full"), ("crops", "extent")):
        crop = {"size": [32, 32], "scale": 1.2, "box": box}
        hub.save(folder / name, network, {**shared, "name": name, "crop": crop})
    spec = {"type": "pyramid", "stem": 8, "channels": [8, 8, 8], "depths": [1, 1, 1], "neck": 8, "head": 1}
    config = {"type": "finder", "name": "finder", "network": spec, "finder": {"side": 64, "min_score": 0.0}}
    hub.save(folder / "finder", finder.create(spec), config)
    return folder
