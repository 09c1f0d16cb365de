"""Tokens given to a call, files pinned by their checksum, and downloads that were killed: over real HTTP."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hubserver import READER, WRITER, Hub, connect, sha256, small_model

from facekp import Detector, _hubfind, _loading, detector, hub
from facekp.errors import ArgumentError, HubError

REPO = "someone/tiny"
SECRET = "hf_aSecretThatNobodyMaySee"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with Hub() as server:
        connect(server, monkeypatch, tmp_path / "cache")
        yield server


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return contents(small_model(tmp_path_factory.mktemp("models") / "tiny"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def load(**options: Any) -> hub.Bundle:
    return hub.load(REPO, kind="keypoints", **options)


# ---------------------------------------------------------------- tokens


@pytest.mark.parametrize("token", [READER, f" {READER}\n"])
def test_a_token_opens_a_private_repository(server: Hub, files: dict[str, bytes], token: str) -> None:
    server.add(REPO, files, private=True)
    with pytest.raises(HubError, match="401"):
        load()
    load(token=token)
    sent = {(r.server, r.headers.get("authorization")) for r in server.requests[1:]}
    assert sent == {("hub", f"Bearer {READER}"), ("cdn", None)}


def test_a_token_goes_before_the_environment_and_false_sends_none(
    server: Hub, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add(REPO, files, private=True)
    monkeypatch.setenv("HF_TOKEN", WRITER)
    with pytest.raises(HubError, match="401"):
        load(token=False)
    assert all("authorization" not in r.headers for r in server.requests)
    load(token=READER)
    assert server.asked("HEAD /someone")[-1].headers["authorization"] == f"Bearer {READER}"
    load(revision="main")
    assert server.asked("HEAD /someone")[-1].headers["authorization"] == f"Bearer {WRITER}"


@pytest.mark.parametrize("token", ["", " ", "hf_two words", "hf_two\nlines", "hf_\u00e4", 3, b"hf_bytes", ["hf_x"]])
def test_what_is_no_token_is_refused_without_being_quoted(server: Hub, files: dict[str, bytes], token: Any) -> None:
    server.add(REPO, files)
    for call in (
        lambda: load(token=token),
        lambda: Detector.from_pretrained("resnet18-ibug", device="cpu", token=token),
        lambda: hub.fetch(REPO, hub.CONFIG, "0" * 64, token=token),
    ):
        with pytest.raises(ArgumentError, match="token: expected") as caught:
            call()
        assert "hf_two" not in str(caught.value)
    assert not server.requests


def test_a_token_is_neither_logged_nor_kept(
    server: Hub, files: dict[str, bytes], tiny_models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.add(REPO, files)
    with pytest.raises(HubError, match="401: the token is missing or not accepted") as caught:
        load(token=SECRET)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in repr(_hubfind._Wanted(REPO, REPO, None, None, {}, SECRET))
    server.add("someone/private", contents(tiny_models / "crops"), private=True)
    server.add("someone/finder", contents(tiny_models / "finder"), private=True)
    model = Detector.from_pretrained("someone/private", finder="someone/finder", device="cpu", token=READER)
    assert READER.encode() not in pickle.dumps(model)
    assert READER not in repr(vars(model))
    assert all(secret not in record.getMessage() for record in caplog.records for secret in (SECRET, READER))


# ---------------------------------------------------------------- a file by its checksum


def test_a_file_by_its_checksum_then_the_cache_with_the_server_gone(server: Hub, tmp_path: Path) -> None:
    server.add("someone/files", {"net.onnx": b"right"}, private=True)
    path = hub.fetch("someone/files", "net.onnx", sha256(b"right"), token=READER)
    assert path.read_bytes() == b"right"
    asked = len(server.requests)
    assert hub.fetch("someone/files", "net.onnx", sha256(b"right")) == path
    assert len(server.requests) == asked
    server.close()
    assert hub.fetch("someone/files", "net.onnx", sha256(b"right")) == path
    with pytest.raises(HubError, match="it cannot be reached.*Offline, copy the file here"):
        hub.fetch("someone/files", "net.onnx", sha256(b"right"), cache_dir=tmp_path / "other")


def test_yunet_is_the_file_on_record_or_none(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    repo, file, digest = _loading.YUNET
    assert len(bytes.fromhex(digest)) == 32
    server.add(repo, {file: b"another network"})
    with pytest.raises(HubError, match=r"not the one that facekp has on record: its SHA-256 is .*yunet:PATH"):
        detector.load_finder("yunet")
    monkeypatch.setattr(_loading, "YUNET", (repo, file, sha256(b"another network")))
    with pytest.raises(HubError, match="OpenCV cannot read it as YuNet"):  # that far it comes
        detector.load_finder("yunet")


# ---------------------------------------------------------------- a process that is killed

# Of hub.load all but torch, which takes seconds to import.
DOWNLOAD = """
from huggingface_hub import constants, file_download
for module in (constants, file_download):
    if hasattr(module, "DOWNLOAD_CHUNK_SIZE"):
        module.DOWNLOAD_CHUNK_SIZE = 500
from facekp import _hubfind
source = _hubfind.find("someone/tiny", None, None, inside={}, shipped={}, pushed={})
source.file("config.json"), source.file("model.safetensors")
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("after", [0, 15_000])
def test_a_download_that_is_killed_leaves_a_cache_that_works(
    server: Hub, files: dict[str, bytes], tmp_path: Path, after: int
) -> None:
    server.add(REPO, files)
    fault = server.fault("GET /objects/", after=after, stalls=True)
    settings = {"HF_ENDPOINT": server.url, "HF_HUB_CACHE": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": "1"}
    settings |= {"NO_PROXY": "127.0.0.1", "HF_HUB_DOWNLOAD_TIMEOUT": "60", "HF_TOKEN_PATH": str(tmp_path / "none")}
    process = subprocess.Popen([sys.executable, "-c", DOWNLOAD], env=os.environ | settings, stderr=subprocess.PIPE)
    try:
        for _ in range(9000):
            # Half: what Python has not written yet lies in its buffer of 8 kB.
            parts = list((tmp_path / "cache").rglob("*.incomplete"))
            if parts and parts[0].stat().st_size >= after // 2 and server.asked("GET /objects/"):
                break
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            threading.Event().wait(0.02)  # time.sleep does nothing here: see connect
        else:
            pytest.fail("the download did not get that far")
    finally:
        process.kill()
        process.communicate()
    assert not list((tmp_path / "cache").rglob(hub.WEIGHTS))
    fault.times = 0
    bundle = load()  # whole: its SHA-256 is compared
    server.close()
    assert load().origin == bundle.origin
