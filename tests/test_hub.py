"""Models on disk: what is saved is what is loaded, and what is wrong is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from facekp import hub, models
from facekp.errors import HubError

SPEC = {"name": "resnet", "points": 5, "head": "regression", "head_width": 4}
CONFIG = {"type": "keypoints", "name": "tiny", "network": SPEC}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    hub.save(tmp_path / "tiny", models.from_config(SPEC), CONFIG)
    return tmp_path / "tiny"


def edit(folder: Path, **changes: object) -> None:
    path = folder / hub.CONFIG
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def test_save_then_load_gives_the_same_output(folder: Path) -> None:
    bundle = hub.load(folder, kind="keypoints")
    first = hub.network_of(lambda: models.from_config(bundle.config["network"]), bundle)
    second = models.from_config(SPEC)
    second.load_state_dict(bundle.state)
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(first(x), second.eval()(x))
    assert not first.training
    assert bundle.config["name"] == "tiny"
    assert bundle.origin == str(folder)


def test_filters_are_half_and_vectors_whole(folder: Path) -> None:
    from safetensors.torch import load_file

    state = load_file(folder / hub.WEIGHTS)
    assert state["trunk.conv1.weight"].dtype == torch.float16
    assert state["trunk.bn1.running_var"].dtype == torch.float32


def test_a_diverged_network_is_not_saved(tmp_path: Path) -> None:
    network = nn.Linear(2, 2)
    network.weight.data[0, 0] = float("nan")
    with pytest.raises(HubError, match="weight is not finite"):
        hub.save(tmp_path / "bad", network, CONFIG)
    network.weight.data[0, 0] = 1e6  # too large for float16
    with pytest.raises(HubError, match="float16"):
        hub.save(tmp_path / "bad", network, CONFIG)
    assert not (tmp_path / "bad" / hub.WEIGHTS).exists()


def test_another_kind_is_refused(folder: Path) -> None:
    with pytest.raises(HubError, match="type 'keypoints', a 'finder' model is needed"):
        hub.load(folder, kind="finder")


def test_changed_weights_are_refused(folder: Path) -> None:
    path = folder / hub.WEIGHTS
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(HubError, match="SHA-256"):
        hub.load(folder, kind="keypoints")


def test_truncated_weights_are_refused(folder: Path) -> None:
    path = folder / hub.WEIGHTS
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(HubError, match=r"model\.safetensors: damaged"):
        hub.load(folder, kind="keypoints")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a facekp model"),
        ("{}", "not a facekp model"),
        ('{"format": 99}', "format 99, but facekp .* pip install --upgrade"),
    ],
)
def test_a_wrong_config_is_refused(folder: Path, text: str, message: str) -> None:
    (folder / hub.CONFIG).write_text(text, "utf-8")
    with pytest.raises(HubError, match=message):
        hub.load(folder, kind="keypoints")


def test_missing_weights_are_named(folder: Path) -> None:
    (folder / hub.WEIGHTS).unlink()
    with pytest.raises(HubError, match=r"model\.safetensors: cannot be read"):
        hub.load(folder, kind="keypoints")


def test_a_folder_without_config_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"has no config\.json"):
        hub.load(tmp_path, kind="keypoints")


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"name": "alexnet"}, "unknown network 'alexnet'; choose one of: .*resnet"),
        ({**SPEC, "wings": 2}, "wings"),
        ({**SPEC, "points": 6}, "does not fit"),
        ({**SPEC, "head_width": 10_000_000_000}, "does not fit"),  # refused without allocating 20 TB
        ({}, "no name"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(folder: Path, network: dict[str, object], message: str) -> None:
    edit(folder, network=network)
    bundle = hub.load(folder, kind="keypoints")
    with pytest.raises(HubError, match=message):
        hub.network_of(lambda: models.from_config(bundle.config["network"]), bundle)


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "a/b/c"])
def test_a_path_that_is_not_there_is_not_asked_of_the_hub(name: str) -> None:
    with pytest.raises(HubError, match="no such folder"):
        hub.load(name, kind="keypoints")


def test_offline_says_what_was_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="facekp/never-was: not in the package .* not a folder, and the Hub gave"):
        hub.load("never-was", kind="keypoints", cache_dir=tmp_path)


def test_every_bundled_model_is_whole() -> None:
    """Schema, preprocessing, licence and training data travel in config.json, and fit the network."""
    from facekp import decoders, schema

    for name, folder in hub.bundled().items():
        config = hub.read_config(folder / hub.CONFIG)
        assert config["name"] == name
        assert "research" in config["licence"]
        assert config["training_data"]
        assert config["metrics"]
        bundle = hub.load(name, kind=config["type"])
        if config["type"] == "keypoints":
            network = hub.network_of(lambda spec=config["network"]: models.from_config(spec), bundle)
            codec = decoders.from_config(config["codec"])
            points, scores = codec.decode(network(torch.zeros(1, 3, *config["crop"]["size"])))
            assert points.shape == (1, len(schema.get(config["schema"])), 2)
            assert len(codec.calibration["bias"]) == points.shape[1] == scores.shape[1]


def test_the_package_stays_under_30_mb() -> None:
    size = sum(f.stat().st_size for folder in hub.bundled().values() for f in folder.iterdir())
    assert size <= 30e6
