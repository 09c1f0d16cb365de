"""Models from the Hub, over real HTTP: tests/hubserver.py plays the Hub."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
from hubserver import READER, Hub, connect, set_offline, sha256, small_model

from facekp import Detector, decoders, hub
from facekp.errors import ArgumentError, HubError

REPO = "someone/tiny"
GET_WEIGHTS = "GET /objects/"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with Hub() as server:
        connect(server, monkeypatch, tmp_path / "cache")
        yield server


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def files(model: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in model.iterdir()}


def edited(files: dict[str, bytes], **changes: Any) -> dict[str, bytes]:
    """The same files, with another config."""
    return files | {hub.CONFIG: json.dumps(json.loads(files[hub.CONFIG]) | changes).encode()}


def other_weights(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same files, with other weights that are whole in themselves."""
    data = bytearray(files[hub.WEIGHTS])
    data[-1] ^= 1
    return edited(files, sha256=sha256(bytes(data))) | {hub.WEIGHTS: bytes(data)}


def load(name: str = REPO, **options: Any) -> hub.Bundle:
    return hub.load(name, kind="keypoints", **options)


def refused(match: str, name: str = REPO, **options: Any) -> str:
    with pytest.raises(HubError, match=match) as caught:
        load(name, **options)
    return str(caught.value)


def names_all(message: str, server: Hub, tmp_path: Path) -> None:
    """What was tried, from where, and what to do offline, in one line."""
    for part in ("a folder", "the package", str(tmp_path / "cache"), server.url, "Offline, give a folder", "resnet18"):
        assert part in message
    assert "\n" not in message


# ---------------------------------------------------------------- what works


def test_first_download_then_the_cache_with_the_server_gone(server: Hub, files: dict[str, bytes], model: Path) -> None:
    commit = server.add(REPO, files)
    bundle = load()
    assert bundle.origin == f"{REPO}@{commit}"
    assert bundle.config == hub.load(model, kind="keypoints").config
    asked = [(r.method, r.path) for r in server.requests]
    assert asked == [
        ("GET", f"/api/models/{REPO}"),
        ("HEAD", f"/{REPO}/resolve/main/config.json"),
        ("GET", f"/{REPO}/resolve/main/config.json"),
        ("HEAD", f"/{REPO}/resolve/{commit}/model.safetensors"),
        ("GET", f"/objects/{sha256(files[hub.WEIGHTS])}"),
    ]
    server.close()
    again = load()
    assert again.origin == bundle.origin
    assert all((again.state[k] == v).all() for k, v in bundle.state.items())
    assert len(server.requests) == len(asked)


def test_detector_from_the_hub_is_the_one_that_was_pushed(server: Hub, files: dict[str, bytes], model: Path) -> None:
    commit = server.add(REPO, files)
    picture = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)
    (here,) = Detector.from_pretrained(model, device="cpu")(picture)
    (there,) = Detector.from_pretrained(f"{REPO}@{commit}", device="cpu")(picture)
    np.testing.assert_array_equal(here.keypoints, there.keypoints)


def test_a_bare_name_is_looked_for_at_facekp(server: Hub, files: dict[str, bytes]) -> None:
    commit = server.add("facekp/tiny", files)
    assert load("tiny").origin == f"facekp/tiny@{commit}"


def test_a_folder_goes_before_the_hub(
    server: Hub, files: dict[str, bytes], model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add(REPO, files)
    shutil.copytree(model, tmp_path / REPO)
    monkeypatch.chdir(tmp_path)
    assert load().origin == REPO
    assert load("resnet18-ibug").origin == "resnet18-ibug"
    assert not server.requests


def test_revisions(server: Hub, files: dict[str, bytes]) -> None:
    first = server.add(REPO, files)
    assert load().origin.endswith(first)
    second = server.add(REPO, other_weights(files))
    server.repos[REPO].branches["v1"] = first
    asked = len(server.requests)
    assert load().origin.endswith(first)  # what is in the cache does not change by itself
    assert len(server.requests) == asked
    assert load(revision="main").origin.endswith(second)  # a branch that is named is asked for anew
    assert load(f"{REPO}@v1").origin.endswith(first)
    assert load(revision=second).origin.endswith(second)
    asked = len(server.requests)
    assert load(f"{REPO}@{first}").origin.endswith(first)  # a commit is not
    assert len(server.requests) == asked
    refused("names a revision, and revision='v2' names another", f"{REPO}@v1", revision="v2")
    refused("404: it has no such revision", f"{REPO}@v3")


def test_a_named_branch_falls_back_to_the_cache_when_nobody_answers(
    server: Hub, files: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    commit = server.add(REPO, files)
    load(revision="main")
    server.fault("GET /api/models", status=500)
    assert load(revision="main").origin.endswith(commit)
    assert "taken from the cache, as it was on the last call; the Hub: 500" in caplog.text
    server.close()
    assert load(revision="main").origin.endswith(commit)


def test_a_named_branch_that_the_hub_denies_is_not_taken_from_the_cache(server: Hub, files: dict[str, bytes]) -> None:
    server.add(REPO, files)
    load(revision="main")
    server.repos[REPO].private = True
    refused("no such repository, or it is private", revision="main")


def test_cache_dir(server: Hub, files: dict[str, bytes], tmp_path: Path) -> None:
    server.add(REPO, files)
    load(cache_dir=tmp_path / "other")
    assert (tmp_path / "other" / "models--someone--tiny").is_dir()
    assert not (tmp_path / "cache").exists()


def test_an_interrupted_download_is_resumed(server: Hub, files: dict[str, bytes]) -> None:
    server.add(REPO, files)
    server.fault(GET_WEIGHTS, after=1000, times=2)
    for _ in range(3):  # before 1.0 huggingface_hub goes on in the next call, since then in the same one
        try:
            load()
            break
        except HubError as error:
            if "the connection broke; try again" not in str(error):
                raise
    ranges = [r.headers.get("range") for r in server.asked(GET_WEIGHTS)]
    assert ranges == [None, "bytes=1000-", "bytes=2000-"]
    load()


def test_a_connection_that_always_breaks(server: Hub, files: dict[str, bytes], tmp_path: Path) -> None:
    server.add(REPO, files)
    server.fault(GET_WEIGHTS, after=0)
    names_all(refused("the connection broke; try again"), server, tmp_path)


def test_a_download_that_was_given_up_is_done_again(server: Hub, files: dict[str, bytes], tmp_path: Path) -> None:
    server.add(REPO, files)
    fault = server.fault(GET_WEIGHTS, status=503)
    message = refused(r"model\.safetensors: 503: it is out of order")
    names_all(message, server, tmp_path)
    assert "only config.json is there" in message
    fault.times = 0
    load()


def test_private_repositories_want_a_token_which_the_cdn_does_not_see(
    server: Hub, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add(REPO, files, private=True)
    refused("401: there is no such repository, or it is private and wants another HF_TOKEN")
    monkeypatch.setenv("HF_TOKEN", READER)
    load()
    assert server.asked("HEAD /someone")[-1].headers["authorization"] == f"Bearer {READER}"
    assert [r.server for r in server.requests if "authorization" not in r.headers][-1] == "cdn"


# ---------------------------------------------------------------- what the Hub may answer


@pytest.mark.parametrize(
    ("status", "headers", "says"),
    [
        (401, {"X-Error-Message": "Invalid credentials in Authorization header"}, "401: the token is missing or not"),
        (401, {"X-Error-Code": "GatedRepo"}, "401: it is gated: accept its conditions"),
        (403, {}, "403: the token does not allow this"),
        (404, {"X-Error-Code": "RepoNotFound"}, "404: there is no such repository, or it is private"),
        (404, {}, "404: there is no such thing"),
        (429, {}, "429: too many requests"),
        (500, {}, "500: it is out of order"),
        (503, {}, "503: it is out of order"),
    ],
)
@pytest.mark.parametrize("where", ["GET /api/models", "HEAD /someone.*safetensors"])
def test_refusals(
    server: Hub, files: dict[str, bytes], tmp_path: Path, where: str, status: int, headers: dict[str, str], says: str
) -> None:
    server.add(REPO, files)
    server.fault(where, status=status, headers=headers)
    names_all(refused(says), server, tmp_path)


def test_a_bad_token_is_said_to_be_one(server: Hub, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    server.add(REPO, files)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "hf_wrong" not in refused("401: the token is missing or not accepted")


@pytest.mark.parametrize("where", ["GET /api/models", GET_WEIGHTS])
def test_silence_ends(server: Hub, files: dict[str, bytes], tmp_path: Path, where: str) -> None:
    server.add(REPO, files)
    server.fault(where, silent=True)
    names_all(refused("it did not answer in time"), server, tmp_path)


def test_nobody_there(server: Hub, tmp_path: Path) -> None:
    server.close()
    names_all(refused("it cannot be reached"), server, tmp_path)


def test_offline_nothing_is_asked(
    server: Hub, files: dict[str, bytes], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(lambda: set_offline(False))
    commit = server.add(REPO, files)
    set_offline(True)
    names_all(refused("HF_HUB_OFFLINE is set, so it was not asked"), server, tmp_path)
    assert not server.requests
    set_offline(False)
    load()
    asked = len(server.requests)
    set_offline(True)
    assert load().origin.endswith(commit)
    assert load(revision="main").origin.endswith(commit)
    assert len(server.requests) == asked


# ---------------------------------------------------------------- what it may serve


def test_never_a_pickle_and_never_code(
    server: Hub, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(tmp_path / "exploded"),))

    bomb = pickle.dumps(Bomb())
    code = f"import os\nos.mkdir({str(tmp_path / 'exploded')!r})\n".encode()
    others = {"pytorch_model.bin": bomb, "model.pkl": bomb, "modeling.py": code, "requirements.txt": b"evil\n"}
    extras = {"auto_map": {"AutoModel": "modeling.Net"}, "custom_code": True}
    monkeypatch.setattr(pickle, "Unpickler", None)
    server.add(REPO, edited(files, **extras) | others)
    load()
    assert {Path(r.path).name for r in server.asked("resolve")} == {hub.CONFIG, hub.WEIGHTS}
    server.add("someone/pickled", {hub.CONFIG: files[hub.CONFIG], **others})
    refused(r"it has no model\.safetensors, only .*facekp loads nothing else", "someone/pickled")
    server.add("someone/else", edited(files, network={"name": "modeling:Net", "points": 68}) | others)
    with pytest.raises(HubError, match=r"modeling:Net, is not part of facekp, which runs no code that a config names"):
        Detector.from_pretrained("someone/else", device="cpu")
    # A pickle that is called safetensors.
    server.add("someone/disguised", edited(files, sha256=sha256(bomb)) | {hub.WEIGHTS: bomb})
    refused("damaged", "someone/disguised")
    assert not (tmp_path / "exploded").exists()


WRONG_CONFIGS = [
    ({"format": 99}, "format 99, but facekp .* reads up to 1; run  pip install --upgrade facekp"),
    ({"format": True}, "not a facekp model's config"),
    ({"type": "poetry"}, "type 'poetry', a 'keypoints' model is needed"),
    ({"schema": "ibug69"}, "unknown schema 'ibug69'; choose one of: .*ibug68"),
    ({"schema": {"name": "mine"}}, "schema: the key 'names' is missing"),
    ({"schema": 68}, "schema: expected an object"),
    ({"schema": "imm58"}, "has 68 points, but schema imm58 has 58"),
    ({"codec": {"name": "magic"}}, "unknown codec 'magic'; choose one of: .*regression"),
    ({"codec": []}, "codec: expected an object"),
    ({"network": {"name": "alexnet", "points": 68}}, "unknown network 'alexnet'; choose one of: .*resnet"),
    ({"network": {"name": "resnet", "points": "many"}}, "network"),
    ({"network": {"name": "resnet", "points": 68, "pretrained": True}}, "pretrained asks for other weights"),
    ({"network": {"name": "resnet", "points": 68, "head_width": 10**10}}, "beyond 65,536.* nothing was allocated"),
    (
        {"network": {"name": "unet", "points": 68, "channels": [16384] * 4}},  # some 10 thousand million
        "more than 500,000,000 numbers .*nothing was allocated",
    ),
    ({"network": {"name": "unet", "points": 68, "channels": [1] * 9, "convs": 9999}}, "4,000 tensors"),
    ({"network": {"name": "mobile", "points": 68, "width": 1e300}}, "beyond 65,536"),
    ({"network": {"name": "mobile", "points": 68, "width": float("nan")}}, "beyond 65,536"),
    ({"crop": {"size": [10**9, 10**9], "scale": 1.2, "box": "full"}}, "crop.size: 1000000000 is beyond"),
]


@pytest.mark.parametrize(("changes", "says"), WRONG_CONFIGS, ids=[says[:24] for _, says in WRONG_CONFIGS])
def test_a_config_is_judged_before_weights_are_asked_for(
    server: Hub, files: dict[str, bytes], changes: dict[str, Any], says: str
) -> None:
    server.add(REPO, edited(files, **changes))
    message = refused(says)
    assert not server.asked("safetensors")
    assert not server.asked(GET_WEIGHTS)
    assert server.url in message
    assert "Offline, give a folder" in message


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b"<html>sign in</html>"])
def test_a_config_that_is_none(server: Hub, files: dict[str, bytes], data: bytes) -> None:
    server.add(REPO, files | {hub.CONFIG: data})
    assert server.url in refused("not JSON|not a facekp model's config")


def test_truncated_and_wrong_weights(server: Hub, files: dict[str, bytes], tmp_path: Path) -> None:
    cut = files[hub.WEIGHTS][:-100]
    server.add(REPO, files | {hub.WEIGHTS: cut})
    message = refused("damaged")
    whole = tmp_path / "cache" / "models--someone--tiny"
    assert f"; delete {whole}, and load again; it came from {server.url}. Offline, give a folder" in message
    server.repos.clear()
    server.add(REPO, files)
    refused("damaged")  # what is in the cache stays there ...
    shutil.rmtree(whole)
    load()  # ... until it is deleted, as the message says


def test_wrong_checksums(server: Hub, files: dict[str, bytes]) -> None:
    server.add("someone/a", edited(files, sha256="0" * 64))
    refused("SHA-256 is .* config.json says '0000", "someone/a")
    server.add("someone/b", edited(files, sha256=None))
    refused("config.json has no sha256 of model.safetensors", "someone/b")


def test_a_changed_file_under_the_same_commit_is_refused(server: Hub, files: dict[str, bytes], tmp_path: Path) -> None:
    commit = server.add(REPO, files)
    load()
    server.repos[REPO].commits[commit] |= {hub.WEIGHTS: other_weights(files)[hub.WEIGHTS]}
    load()  # the cache is believed, not the server
    shutil.rmtree(tmp_path / "cache")
    assert server.url in refused("SHA-256 is .* config.json says", f"{REPO}@{commit}")


def test_a_cache_of_which_the_list_of_commits_is_damaged(server: Hub, files: dict[str, bytes], tmp_path: Path) -> None:
    server.add(REPO, files)
    load()
    folder = tmp_path / "cache" / "models--someone--tiny"
    (folder / "refs" / "main").write_bytes(b"\xff\0")
    assert str(folder) in refused("the cache .* cannot be read .*delete it, and load again")


# ---------------------------------------------------------------- what facekp has pushed itself


@pytest.fixture
def pinned(server: Hub, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> str:
    """A model that facekp has pushed, and its commit; the real table has none yet."""
    commit = server.add("facekp/tiny", files)
    sums = {name: sha256(files[name]) for name in (hub.CONFIG, hub.WEIGHTS)}
    pin = {"revision": commit, "files": sums, "type": "keypoints", "schema": "ibug68", "points": 68, "licence": "none"}
    monkeypatch.setattr(hub, "pushed", lambda: {"tiny": pin})
    server.add("facekp/tiny", other_weights(files))  # the branch has gone on
    return commit


@pytest.mark.parametrize("name", ["tiny", "facekp/tiny"])
def test_a_pushed_name_is_pinned(server: Hub, pinned: str, name: str) -> None:
    assert load(name).origin == f"facekp/tiny@{pinned}"
    assert not server.asked("resolve/main")
    asked = len(server.requests)
    load(name)
    assert len(server.requests) == asked
    assert not load(name, revision="main").origin.endswith(pinned)


def test_a_pinned_commit_with_other_files_is_refused(server: Hub, pinned: str, files: dict[str, bytes]) -> None:
    # Whole in itself: only the record tells.
    server.repos["facekp/tiny"].commits[pinned] = other_weights(files)
    message = refused(r"config\.json is not the one that facekp has on record: its SHA-256 is", "tiny")
    assert server.url in message
    assert not server.asked("safetensors")


def test_pinned_weights_are_compared_with_the_record(server: Hub, pinned: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pin = hub.pushed()["tiny"]
    monkeypatch.setattr(hub, "pushed", lambda: {"tiny": pin | {"files": {**pin["files"], hub.WEIGHTS: "0" * 64}}})
    refused(r"model\.safetensors is not the one that facekp has on record", "tiny")


def test_pushed_models_are_listed_with_where_they_would_come_from(server: Hub, pinned: str) -> None:
    (entry,) = [e for e in hub.available() if e.name == "tiny"]
    assert (entry.source, entry.repo, entry.revision, entry.points) == ("hub", "facekp/tiny", pinned, 68)
    load("tiny")
    assert [e.source for e in hub.available() if e.name == "tiny"] == ["cache"]


# ---------------------------------------------------------------- the variables of the environment


def test_the_environment_of_huggingface_hub_holds(server: Hub, files: dict[str, bytes], tmp_path: Path) -> None:
    """In a process of its own: it reads them when it is imported."""
    commit = server.add(REPO, files, private=True)
    code = (
        "from facekp import hub\n"
        "print(hub.load('someone/tiny', kind='keypoints').origin)\n"
        "from hubserver import set_offline\n"
        "set_offline(True)\n"
        "print(hub.load('someone/tiny', kind='keypoints', revision='main').origin)\n"
    )
    settings = {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": READER}
    settings |= {"HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1", "TQDM_POSITION": "-1"}
    run = [sys.executable, "-c", code]
    paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | settings | {"PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [f"{REPO}@{commit}"] * 2, done.stderr
    assert (tmp_path / "home" / "hub" / "models--someone--tiny").is_dir()
    assert "HF_HUB_OFFLINE is set" in done.stderr
    if not huggingface_hub.__version__.startswith("0."):  # which has a progress bar on a terminal only
        assert "100%|" in done.stderr


@pytest.mark.parametrize("address", ["http://[::1", "http://127.0.0.1:99999", "nonsense"])
def test_an_endpoint_that_is_no_address(address: str) -> None:
    code = "from facekp import cli; raise SystemExit(cli.main(['export', 'someone/tiny', '--output', 'none.onnx']))"
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, env=os.environ | {"HF_ENDPOINT": address}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert address in done.stderr


# ---------------------------------------------------------------- wrong where only use would show it

FITTED = {"slope": -4.0, "bias": [-14.0]}
CROP = {"size": [16, 16], "scale": 1.2, "box": "full"}
UNUSABLE = [
    ({"crop": None}, r"config\.json: there is no crop, without which the model cannot be used"),
    ({"codec": None, "name": None}, "there is no name, codec, without which"),
    ({"name": ["a"]}, "name must be text of one line"),
    ({"crop": {**CROP, "scale": "large"}}, r"crop\.scale must be a number from 0\.01 to 100, not 'large'"),
    ({"crop": {**CROP, "size": [16]}}, r"crop\.size must be \[16, 16\], the codec's input_size"),
    ({"crop": {**CROP, "size": "16"}}, r"crop\.size must be two whole numbers"),
    ({"crop": {"size": [16, 16], "scale": 1.2}}, r"crop\.box must be one of extent, source, full, not missing"),
    ({"preprocessing": {"mean": 127.5, "std": 0}}, r"preprocessing\.std must be a number from 1e-06 .*, not 0"),
    ({"preprocessing": {"std": 64.0}}, r"preprocessing\.mean must be a number .*, not missing"),
    ({"preprocessing": {"mean": 1, "std": 1, "color": "red"}}, r"preprocessing\.color must be one of rgb, grey"),
    ({"preprocessing": {"mean": 1, "std": 1, "clahe": -1}}, r"preprocessing\.clahe must be a number from 0"),
    ({"preprocessing": {"mean": 1, "std": 1, "color": "grey"}}, r"network: does not take crops of \(1, 16, 16\)"),
    ({"face_finder": "somebody/else"}, r"face_finder must be one of finder, finder-light, not 'somebody/else'"),
    ({"face_finder": 3}, r"face_finder must be one of finder, finder-light, not 3"),
    ({"face_score": {"finder": 1}}, "face_score: points, bias, least, likely, min_score missing"),
    (
        {"codec": {"name": "simcc", "input_size": [16, 16]}},
        r"network: gives \(136,\) for a crop, but codec simcc reads",
    ),
]
CALIBRATIONS: list[tuple[Any, str]] = [
    ({"a": 1}, "calibration: expected slope and bias, got a"),
    ({}, "calibration: expected slope and bias, got nothing"),
    (3, "calibration: expected slope and bias, got 3"),
    ({**FITTED, "slope": "x"}, r"calibration\.slope: expected a finite number, got 'x'"),
    ({**FITTED, "slope": None}, r"calibration\.slope: expected a finite number"),
    ({**FITTED, "slope": True}, r"calibration\.slope: expected a finite number"),
    ({**FITTED, "bias": []}, r"calibration\.bias: expected a list of finite numbers, got \[\]"),
    ({**FITTED, "bias": [None]}, r"calibration\.bias: expected a list of finite numbers"),
    ({**FITTED, "bias": [1, 2]}, r"calibration\.bias: expected 1 number, or one for each of 68 points, got 2"),
    ({**FITTED, "error": [-1, 32]}, r"calibration\.error: expected slope and bias, got \[-1, 32\]"),
    (
        {**FITTED, "error": {"slope": 1.0, "bias": [0.0] * 3}},
        r"calibration\.error\.bias: expected 1 number, or one for",
    ),
    ({**FITTED, "more": 1}, "calibration: expected slope and bias, got slope, bias, more"),
]
UNUSABLE += [
    ({"codec": {"name": "regression", "input_size": [16, 16], "calibration": given}}, says)
    for given, says in CALIBRATIONS
]


@pytest.mark.parametrize(("changes", "says"), UNUSABLE, ids=[says[:40] for _, says in UNUSABLE])
def test_a_config_that_could_not_be_used_is_refused(
    server: Hub, files: dict[str, bytes], changes: dict[str, Any], says: str, tmp_path: Path
) -> None:
    """It says in one line what is wrong, of which commit, where that came from, and what to do offline."""
    kept = {k: v for k, v in (json.loads(files[hub.CONFIG]) | changes).items() if v is not None}
    broken = files | {hub.CONFIG: json.dumps(kept).encode()}
    commit = server.add(REPO, broken)
    with pytest.raises(HubError, match=says) as caught:
        Detector.from_pretrained(REPO, device="cpu")
    message = str(caught.value)
    assert message.startswith(f"{REPO}@{commit}: config.json: ")
    assert server.url in message
    assert "Offline, give a folder" in message
    assert not any(word in message for word in ("\n", "Error(", "Traceback"))
    (tmp_path / "bad").mkdir()
    for name, data in broken.items():
        (tmp_path / "bad" / name).write_bytes(data)
    with pytest.raises(HubError, match=says):
        hub.push(tmp_path / "bad", "me/bad", dry_run=True)  # what would not load is not pushed


@pytest.mark.parametrize(("given", "says"), CALIBRATIONS)
def test_a_calibration_given_to_a_codec_is_an_argument(given: Any, says: str) -> None:
    def make() -> None:
        decoders.create("regression", input_size=(16, 16), calibration=given).check_points(68)

    with pytest.raises(ArgumentError, match=says):
        make()


def test_weights_that_do_not_fit_say_whence_they_came(server: Hub, files: dict[str, bytes]) -> None:
    spec = {"name": "simple", "points": 68, "input_size": [16, 16], "channels": [5], "hidden": []}
    commit = server.add(REPO, edited(files, network=spec))
    with pytest.raises(HubError, match=r"model\.safetensors does not fit config\.json: ") as caught:
        Detector.from_pretrained(REPO, device="cpu")
    message = str(caught.value)
    assert message.startswith(f"{REPO}@{commit}: ")
    assert f"; it came from {server.url}. Offline, give a folder" in message
    assert "\n" not in message


# ---------------------------------------------------------------- arguments that are none


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"revision": "x" * 300}, "revision: expected the name of a branch, tag or commit, got 'xxx"),
        ({"cache_dir": 3}, "cache_dir: expected a path, got int"),
        ({"cache_dir": ""}, "cache_dir: expected a path, got an empty text"),
        ({"cache_dir": "a\0b"}, "cache_dir: expected a path, got 'a"),
        ({"cache_dir": __file__}, "cache_dir: expected a folder, .* is a file"),
        ({"revision": 3}, "revision: expected the name of a branch, tag or commit, got int"),
        ({"revision": ""}, "revision: expected the name of a branch, tag or commit, got ''"),
        ({"revision": "a\nb"}, r"revision: expected the name of a branch, tag or commit, got 'a\\nb'"),
        ({"name": f"{REPO}@a\nb"}, r"its revision: expected the name of a branch, tag or commit, got 'a\\nb'"),
    ],
)
def test_arguments_that_cannot_be_meant(server: Hub, options: dict[str, Any], says: str) -> None:
    for call in (load, lambda **given: Detector.from_pretrained(**{"name": REPO, **given})):
        with pytest.raises(ArgumentError, match=says) as caught:
            call(**options)
        assert "\n" not in str(caught.value)
    assert not server.requests


def test_a_cache_that_cannot_be_written_is_not_the_hubs_fault(
    server: Hub, files: dict[str, bytes], tmp_path: Path
) -> None:
    server.add(REPO, files)
    (tmp_path / "file").write_text("")
    below = tmp_path / "file" / "cache"
    message = refused(r"the cache .*cache \(.* cannot be written \(Not a directory\)\)", cache_dir=below)
    assert "\n" not in message
    assert f"the Hub {server.url} (it has config.json)" in message
    server.add("x/y", {"a.onnx": b"a"})
    with pytest.raises(HubError, match=r"x/y: a.onnx: not loaded\. The cache .*: .* cannot be written") as caught:
        hub.fetch("x/y", "a.onnx", sha256(b"a"), cache_dir=below)
    assert server.url not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((None, "a", "0" * 64), "repository: expected ORG/NAME, such as me/my-model, got NoneType"),
        (("name", "a", "0" * 64), "repository 'name': expected ORG/NAME"),
        (("x/y", None, "0" * 64), "file: expected text, got NoneType"),
        (("x/y", "", "0" * 64), "file: expected text, got an empty text"),
        (("x/y", "a", "0"), "sha256: expected 64 hexadecimal digits, got '0'"),
        (("x/y", "a", None), "sha256: expected 64 hexadecimal digits, got None"),
    ],
)
def test_a_file_that_cannot_be_meant(server: Hub, arguments: tuple[Any, ...], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        hub.fetch(*arguments)
    assert not server.requests


def test_a_checksum_in_capitals_is_the_same(server: Hub) -> None:
    server.add("x/y", {"a.onnx": b"a"})
    assert hub.fetch("x/y", "a.onnx", sha256(b"a").upper()).read_bytes() == b"a"
