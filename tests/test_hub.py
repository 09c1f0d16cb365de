"""Models on disk: what is saved is what is loaded, and what is wrong is refused."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
import torch
from hubserver import set_offline
from safetensors.torch import save as to_bytes
from torch import nn

from facekp import finder, hub, models
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
        ('{"format": 0}', "not a facekp model"),
        ('{"format": 99}', "format 99, but facekp .* pip install --upgrade"),
        ('{"format": 1, "licence": "\\ud800"}', "not JSON .*surrogates not allowed"),
        ('{"format": 1, "type": ' + "[" * 500 + "]" * 500 + "}", r"of type .{80}, a 'keypoints' model is needed"),
    ],
)
def test_a_wrong_config_is_refused(folder: Path, text: str, message: str) -> None:
    (folder / hub.CONFIG).write_text(text, "utf-8")
    with pytest.raises(HubError, match=message):
        hub.load(folder, kind="keypoints")


def test_a_config_with_a_byte_order_mark_is_read(folder: Path) -> None:
    path = folder / hub.CONFIG
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    hub.load(folder, kind="keypoints")


@pytest.mark.parametrize(
    ("value", "says"),
    [(float("nan"), "NaN or infinity"), (float("inf"), "NaN or infinity"), (1j, "made of complex numbers")],
)
def test_weights_that_no_network_has_are_refused(folder: Path, value: complex, says: str) -> None:
    path = folder / hub.WEIGHTS
    state = {key: tensor * value for key, tensor in hub.load(folder, kind="keypoints").state.items()}
    try:
        path.write_bytes(to_bytes(state))
    except KeyError:
        pytest.skip("this safetensors writes no complex numbers")
    edit(folder, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(HubError, match=rf"{folder}: model\.safetensors: .* {says}"):
        hub.load(folder, kind="keypoints")


def test_a_file_is_no_model(folder: Path) -> None:
    for name in (hub.CONFIG, hub.WEIGHTS):
        with pytest.raises(HubError, match=rf"{name}: is a file; give the folder with config\.json"):
            hub.load(folder / name, kind="keypoints")


def test_missing_weights_are_named(folder: Path) -> None:
    (folder / hub.WEIGHTS).unlink()
    with pytest.raises(HubError, match=r"model\.safetensors: cannot be read"):
        hub.load(folder, kind="keypoints")


@pytest.mark.parametrize("name", ["a..b/c", "a--b/c", "org/name.git", "x" * 100 + "/y", "föö/bar"])
def test_a_name_that_the_hub_refuses(name: str) -> None:
    with pytest.raises(HubError, match="give a folder, org/repo"):
        hub.load(name, kind="keypoints")


def test_a_folder_without_config_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"has no config\.json"):
        hub.load(tmp_path, kind="keypoints")


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"name": "alexnet"}, "unknown network 'alexnet'; choose one of: .*resnet"),
        ({**SPEC, "wings": 2}, "wings"),
        ({**SPEC, "head_width": 10_000_000_000}, "nothing was allocated"),  # 20 TB
        (
            {"name": "unet", "points": 5, "channels": [16384] * 4},
            "nothing was allocated",
        ),  # 10 milliard numbers
        ({**SPEC, "pretrained": True}, "pretrained asks for other weights"),
        ({}, "no name"),
    ],
)
def test_a_network_that_cannot_be_is_refused(folder: Path, network: dict[str, object], message: str) -> None:
    edit(folder, network=network)
    with pytest.raises(HubError, match=message):
        hub.load(folder, kind="keypoints")


def test_a_network_that_does_not_fit_is_refused(folder: Path) -> None:
    edit(folder, network={**SPEC, "points": 6})
    bundle = hub.load(folder, kind="keypoints")
    with pytest.raises(HubError, match="does not fit"):
        hub.network_of(lambda: models.from_config(bundle.config["network"]), bundle)


def test_an_absurd_network_of_somebodys_own_is_refused_too(folder: Path) -> None:
    bundle = hub.load(folder, kind="keypoints")
    with pytest.raises(HubError, match="nothing was allocated"):
        hub.network_of(lambda: nn.Sequential(*(nn.Linear(100_000, 100_000) for _ in range(9))), bundle)


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "a/b/c"])
def test_a_path_that_is_not_there_is_not_asked_of_the_hub(name: str) -> None:
    with pytest.raises(HubError, match="no such folder"):
        hub.load(name, kind="keypoints")


def test_offline_says_what_was_tried(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    request.addfinalizer(lambda: set_offline(False))
    set_offline(True)
    with pytest.raises(HubError, match=r"facekp/never-was@main: not loaded\. Tried .*HF_HUB_OFFLINE is set"):
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


def test_every_bundled_file_is_on_record() -> None:
    """After a change that is meant:  cd src/facekp/weights && sha256sum */* > ../weights.sha256"""
    there = {
        name: {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
        for name, folder in hub.bundled().items()
    }
    assert hub.shipped() == there, test_every_bundled_file_is_on_record.__doc__


@pytest.mark.parametrize("file", [hub.CONFIG, hub.WEIGHTS])
def test_a_bundled_file_that_is_not_the_recorded_one_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    monkeypatch.setattr(hub, "bundled", lambda: {"tiny": folder})
    monkeypatch.setattr(hub, "shipped", lambda: {"tiny": sums})
    assert hub.load("tiny", kind="keypoints").origin == "tiny"
    monkeypatch.setattr(hub, "shipped", lambda: {"tiny": sums | {file: "0" * 64}})
    with pytest.raises(HubError, match=rf"tiny: {file} is not the one .* on record.*the package is damaged: reinstall"):
        hub.load("tiny", kind="keypoints")


def test_what_is_pushed_is_on_record() -> None:
    for name, pin in hub.pushed().items():
        assert re.fullmatch(r"[0-9a-f]{40}", pin["revision"]), name
        assert {hub.CONFIG, hub.WEIGHTS} <= set(pin["files"])


def test_a_bundled_model_is_saved_as_it_came(tmp_path: Path) -> None:
    if "finder" not in hub.bundled():
        pytest.skip("no finder in the package")
    bundle = hub.load("finder", kind="finder")
    network = hub.network_of(lambda: finder.create(bundle.config["network"]), bundle)
    hub.save(tmp_path, network, bundle.config, half=None)
    folder = hub.bundled()["finder"]
    for file in (hub.CONFIG, hub.WEIGHTS):
        assert (tmp_path / file).read_bytes() == (folder / file).read_bytes()


def test_weights_that_half_precision_would_change_stay_whole(tmp_path: Path) -> None:
    network = nn.Linear(2, 2)
    hub.save(tmp_path, network, CONFIG, half=None)
    from safetensors.torch import load_file

    assert torch.equal(load_file(tmp_path / hub.WEIGHTS)["weight"], network.weight)


def test_the_package_stays_under_30_mb() -> None:
    size = sum(f.stat().st_size for folder in hub.bundled().values() for f in folder.iterdir())
    assert size <= 30e6
