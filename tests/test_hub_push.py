"""What is saved and pushed: the folder, the card, the commands; tests/hubserver.py plays the Hub."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from hubserver import READER, WRITER, Hub, connect, sha256, small_model

from facekp import Detector, hub, schema
from facekp.cli import main
from facekp.errors import ArgumentError, HubError

PICTURE = np.arange(48 * 48 * 3, dtype=np.uint8).reshape(48, 48, 3)
FILES = ["README.md", "config.json", "model.safetensors", "schema.png"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with Hub() as server:
        connect(server, monkeypatch, tmp_path / "cache")
        monkeypatch.setenv("HF_TOKEN", WRITER)
        yield server


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("models") / "tiny")


def edit(folder: Path, **changes: object) -> None:
    path = folder / hub.CONFIG
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def card_of(folder: Path) -> tuple[dict[str, object], str]:
    _, head, text = (folder / "README.md").read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(head), text


# ---------------------------------------------------------------- saved


def test_save_pretrained_gives_the_same_detector(model: Path, tmp_path: Path) -> None:
    first = Detector.from_pretrained(model, device="cpu")
    first.save_pretrained(tmp_path / "a" / "copy")
    again = Detector.from_pretrained(tmp_path / "a" / "copy", device="cpu")
    np.testing.assert_array_equal(first(PICTURE)[0].keypoints, again(PICTURE)[0].keypoints)
    assert again.config == first.config
    for name in FILES:
        assert (tmp_path / "a" / "copy" / name).read_bytes() == (model / name).read_bytes()


def test_save_pretrained_onto_a_file(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HubError, match="file: cannot be written"):
        Detector.from_pretrained(model, device="cpu").save_pretrained(tmp_path / "file")


def test_the_card_says_what_the_config_says(model: Path) -> None:
    head, text = card_of(model)
    assert head["library_name"] == "facekp"
    assert (head["license"], head["license_name"]) == ("other", "research-non-commercial")
    assert head["pipeline_tag"] == "keypoint-detection"
    assert {"facekp", "facial-landmarks", "ibug68"} <= set(head["tags"])
    (index,) = head["model-index"]
    assert index["name"] == "tiny"
    measured = {r["dataset"]["name"]: {m["type"]: m["value"] for m in r["metrics"]} for r in index["results"]}
    assert measured == {"validation list": {"nme": 0.5}, "a test set": {"nme": 0.25}}
    assert index["results"][0]["metrics"][0]["args"] == {"normalizer": "inter_ocular"}
    for part in (
        "68 points of `ibug68`",
        "(schema.png)",
        "nothing at all",
        "research, non-commercial",
        "0.25",
        "imple",
    ):
        assert part in text
    code = text.partition("```python\n")[2].partition("```")[0]
    assert 'from_pretrained("path/to/this/folder")' in code
    compile(code, "card", "exec")


def test_huggingface_hub_reads_the_card(model: Path) -> None:
    from huggingface_hub import ModelCard

    data = ModelCard.load(model / "README.md").data
    assert [r.metric_value for r in data.eval_results] == [0.5, 0.25]


@pytest.mark.parametrize(("licence", "known"), [("MIT", "mit"), ("cc-by-nc-4.0", "cc-by-nc-4.0")])
def test_a_licence_that_the_hub_knows(model: Path, tmp_path: Path, licence: str, known: str) -> None:
    hub.write_config(tmp_path, {**hub.read_config(model / hub.CONFIG), "licence": licence})
    head, _ = card_of(tmp_path)
    assert head["license"] == known
    assert "license_name" not in head


@pytest.mark.parametrize(("data", "says"), [(None, "Not said."), ("my faces", "- my faces"), (3, "- 3")])
def test_training_data_that_are_no_list(tmp_path: Path, data: Any, says: str) -> None:
    hub.write_config(tmp_path, {"format": 1, "training_data": data})
    assert f"## Data\n\n{says}\n" in (tmp_path / "README.md").read_text("utf-8")


def test_a_card_of_next_to_nothing(tmp_path: Path) -> None:
    hub.write_config(tmp_path, {"format": 1, "type": "finder", "name": "bare"})
    head, text = card_of(tmp_path)
    assert head["pipeline_tag"] == "object-detection"
    assert head["license_name"] == "unknown"
    assert "model-index" not in head
    assert "Nothing yet." in text
    assert not (tmp_path / "schema.png").exists()


@pytest.mark.parametrize("name", schema.names())
def test_every_schema_has_a_picture(tmp_path: Path, name: str) -> None:
    hub.write_config(tmp_path, {"format": 1, "type": "keypoints", "name": "drawn", "schema": name})
    picture = cv2.imread(str(tmp_path / "schema.png"))
    assert max(picture.shape) <= 960
    assert (picture.max(-1) > 100).sum() > 20 * len(schema.get(name))  # each point, with its number


# ---------------------------------------------------------------- pushed


def test_push_then_load_what_was_pushed(server: Hub, model: Path) -> None:
    detector = Detector.from_pretrained(model, device="cpu")
    done = detector.push_to_hub("me/my-faces", message="first")
    repo = server.repos["me/my-faces"]
    assert not repo.private
    assert repo.branches["main"] == done.commit
    assert repo.messages[done.commit] == "first"
    stored = repo.commits[done.commit]
    assert sorted(stored) == FILES
    assert done.files == {name: sha256(data) for name, data in stored.items()}
    assert b'from_pretrained("me/my-faces")' in stored["README.md"]
    assert {r.server for r in server.asked("PUT")} == {"cdn"}
    again = Detector.from_pretrained(f"me/my-faces@{done.commit}", device="cpu")
    np.testing.assert_array_equal(detector(PICTURE)[0].keypoints, again(PICTURE)[0].keypoints)
    second = detector.push_to_hub("me/my-faces")  # there already
    assert len(repo.commits) == 2
    assert second.files == done.files


def test_push_takes_a_run_and_sends_nothing_but_the_model(server: Hub, model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "run" / "model")
    for stray in ("run/best.ckpt", "run/model/notes.txt", "run/model/token.env"):
        (tmp_path / stray).write_text("secret")
    done = hub.push(tmp_path / "run", "me/run", private=True, revision="v2")
    repo = server.repos["me/run"]
    assert repo.private
    assert repo.branches["v2"] == done.commit != repo.branches.get("main")
    assert set(repo.commits[done.commit]) - {".gitattributes"} == set(FILES)


def test_dry_run_asks_nobody(server: Hub, model: Path) -> None:
    done = hub.push(model, "me/dry", dry_run=True)
    assert done.commit is None
    assert sorted(done.files) == FILES
    assert done.card.startswith("---\n")
    assert not server.requests


@pytest.mark.parametrize("repo", ["name", "a/b/c", "../x", "me/", "me/a b", "me/--x", ""])
def test_a_repository_that_cannot_be_one(server: Hub, model: Path, repo: str) -> None:
    with pytest.raises(ArgumentError, match="repository"):
        hub.push(model, repo)
    assert not server.requests


def test_private_is_not_pushed_into_the_open(server: Hub, model: Path) -> None:
    server.add("me/open", {"README.md": b"old"})
    with pytest.raises(HubError, match="me/open: is there already, and public; nothing was pushed"):
        hub.push(model, "me/open", private=True)
    assert not server.asked("commit")


@pytest.mark.parametrize(
    ("token", "fault", "says"),
    [
        (None, None, "could not be made, and nothing was pushed.*401"),
        (READER, None, "could not be made, and nothing was pushed.*403: the token does not allow this"),
        (WRITER, "POST /api/repos/create", "could not be made, and nothing was pushed.*500"),
        (WRITER, "POST /api/models/me/x/commit", "not committed; the repository may now be there.*500: it is out"),
        (WRITER, "PUT /upload", "not committed; the repository may now be there.*500"),
    ],
)
def test_push_that_fails(
    server: Hub, model: Path, monkeypatch: pytest.MonkeyPatch, token: str | None, fault: str | None, says: str
) -> None:
    if token is None:
        monkeypatch.delenv("HF_TOKEN")
    else:
        monkeypatch.setenv("HF_TOKEN", token)
    if fault:
        server.fault(fault, status=500)
    with pytest.raises(HubError, match=says) as caught:
        hub.push(model, "me/x")
    assert server.url in str(caught.value)
    assert "offline, the model's folder is all" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "me/x" not in server.repos or not server.repos["me/x"].commits


def test_push_with_the_hub_away(server: Hub, model: Path) -> None:
    server.close()
    with pytest.raises(HubError, match="it cannot be reached"):
        hub.push(model, "me/x")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sha256": "0" * 64}, "SHA-256"),
        ({"codec": {"name": "magic"}}, "unknown codec"),
        ({"network": {"name": "simple", "points": 68, "input_size": [16, 16], "channels": [5]}}, "does not fit"),
    ],
)
def test_what_would_not_load_is_not_pushed(
    server: Hub, model: Path, tmp_path: Path, changes: dict[str, object], says: str
) -> None:
    shutil.copytree(model, tmp_path / "bad")
    edit(tmp_path / "bad", **changes)
    with pytest.raises(HubError, match=says):
        hub.push(tmp_path / "bad", "me/bad")
    assert not server.requests


def test_what_is_no_whole_model_is_not_pushed(server: Hub, model: Path, tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"neither a model's folder nor a run's: no config\.json"):
        hub.push(tmp_path, "me/none")
    shutil.copytree(model, tmp_path / "half")
    config = json.loads((model / hub.CONFIG).read_text("utf-8"))
    del config["crop"], config["preprocessing"]
    (tmp_path / "half" / hub.CONFIG).write_text(json.dumps(config), "utf-8")
    with pytest.raises(HubError, match=r"config\.json: there is no crop, preprocessing, without which"):
        hub.push(tmp_path / "half", "me/half")
    assert not server.requests


# ---------------------------------------------------------------- the commands


def test_the_command(server: Hub, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", str(model), "me/cli", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "nothing was sent" in out
    assert "model-index:" in out
    assert not server.requests
    assert main(["push", str(model), "me/cli", "--private", "--revision", "try", "--message", "hello", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    repo = server.repos["me/cli"]
    assert repo.private
    assert said["revision"] == repo.branches["try"]
    assert repo.messages[said["revision"]] == "hello"
    assert said["files"][hub.WEIGHTS] == sha256((model / hub.WEIGHTS).read_bytes())
    assert main(["push", str(model), "me/cli"]) == 0
    out = capsys.readouterr().out
    assert f"load it with --model me/cli@{repo.branches['main']}" in out
    assert said["files"][hub.WEIGHTS] in out


def test_the_command_explains_in_one_line(server: Hub, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", str(model), "nobody"]) == 2
    assert capsys.readouterr().err == "facekp: repository 'nobody': expected ORG/NAME, such as me/my-model\n"
    server.fault("POST", status=403)
    assert main(["push", str(model), "me/x"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_models_are_listed_for_people_and_programs(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hub, "bundled", lambda: {"tiny": model})
    pin = {"revision": "a" * 40, "files": {}, "type": "keypoints", "points": 5, "schema": "five", "licence": "mit"}
    monkeypatch.setattr(hub, "pushed", lambda: {"tiny": pin, "away": pin})
    assert main(["models"]) == 0
    here, away = capsys.readouterr().out.splitlines()
    for part in (
        "tiny",
        "keypoints",
        "68 points (ibug68)",
        "0.1 MB",
        "NME 25.00 % (a test set)",
        "research",
        "package",
    ):
        assert part in here
    assert away.endswith(f"hub: facekp/away@{'a' * 40}")
    assert main(["models", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["source"] for row in rows] == ["package", "hub"]
    assert (rows[0]["nme"], rows[0]["bytes"]) == (0.25, (model / hub.WEIGHTS).stat().st_size)
    assert set(rows[0]) == set(hub.Entry.__dataclass_fields__)


# ---------------------------------------------------------------- pinned


def test_what_was_pushed_is_pinned_by_what_the_command_printed(
    server: Hub, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As CONTRIBUTING.md says: the name then means that commit with those files."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    import ship

    table, printed = tmp_path / "pushed.json", tmp_path / "push.json"
    table.write_text("{}", "utf-8")
    assert main(["push", str(model), "facekp/tiny", "--json"]) == 0
    printed.write_text(capsys.readouterr().out, "utf-8")
    ship.pin(str(printed), str(model), table)
    entry = json.loads(table.read_text("utf-8"))["tiny"]
    commit = server.repos["facekp/tiny"].branches["main"]
    assert (entry["revision"], entry["points"], entry["schema"], entry["nme"]) == (commit, 68, "ibug68", 0.25)
    server.repos["facekp/tiny"].commit({"config.json": b"{}"})  # the branch goes on
    monkeypatch.setattr(hub, "pushed", lambda: json.loads(table.read_text("utf-8")))
    assert hub.load("tiny", kind="keypoints").origin == f"facekp/tiny@{commit}"
    assert [e.revision for e in hub.available() if e.name == "tiny"] == [commit]
    shutil.copytree(model, tmp_path / "other")
    edit(tmp_path / "other", name="other")
    with pytest.raises(SystemExit, match=r"config\.json is not the one that was pushed"):
        ship.pin(str(printed), str(tmp_path / "other"), table)
    assert main(["push", str(model), "facekp/tiny", "--json", "--dry-run"]) == 0
    printed.write_text(capsys.readouterr().out, "utf-8")
    with pytest.raises(SystemExit, match="no dry run"):
        ship.pin(str(printed), str(model), table)


# ---------------------------------------------------------------- arguments that are none


@pytest.mark.parametrize(
    ("folder", "says"),
    [
        (None, "folder: expected a path, got NoneType"),
        (3, "folder: expected a path, got int"),
        ("a\0b", "folder: expected a path, got 'a"),
        ("", "folder: expected a path, got an empty text; '.' is this folder"),
    ],
)
def test_a_folder_that_is_none(
    model: Path, folder: Any, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    detector = Detector.from_pretrained(model, device="cpu")
    calls: list[Callable[[], object]] = [
        lambda: detector.save_pretrained(folder),
        lambda: hub.save(folder, detector.network, detector.config),
        lambda: hub.write_config(folder, {}),
        lambda: hub.push(folder, "me/x", dry_run=True),
    ]
    for call in calls:
        with pytest.raises(ArgumentError, match=says):
            call()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("repo", "options", "says"),
    [
        (None, {}, "repository: expected ORG/NAME, such as me/my-model, got NoneType"),
        ("me/x", {"revision": 3}, "revision: expected the name of a branch, tag or commit, got int"),
        ("me/x", {"private": "yes"}, "private: expected True, False or None, got 'yes'"),
        ("me/x", {"message": 3}, "message: expected text, got int"),
        ("me/x", {"token": 3}, "token: expected text, False or None, got int"),
    ],
)
def test_what_cannot_be_pushed_to(server: Hub, model: Path, repo: Any, options: dict[str, Any], says: str) -> None:
    detector = Detector.from_pretrained(model, device="cpu")
    for call in (detector.push_to_hub, lambda *a, **o: hub.push(model, *a, **o)):
        with pytest.raises(ArgumentError, match=says):
            call(repo, **options)
    assert not server.requests


def test_a_config_is_read_by_text_and_path_and_written_where_that_is_possible(model: Path, tmp_path: Path) -> None:
    assert hub.read_config(str(model / hub.CONFIG)) == hub.read_config(model / hub.CONFIG)
    with pytest.raises(ArgumentError, match="path: expected a path, got int"):
        hub.read_config(3)  # type: ignore[arg-type]
    with pytest.raises(HubError, match=r"nowhere: cannot be written \(No such file or directory\)"):
        hub.write_config(tmp_path / "nowhere", {})


@pytest.mark.parametrize("config", [{"a": object()}, {"a": {1, 2}}, {"a": "\ud800"}, "text", None])
def test_a_config_that_is_no_plain_data_is_not_saved(model: Path, tmp_path: Path, config: Any) -> None:
    network = Detector.from_pretrained(model, device="cpu").network
    with pytest.raises(ArgumentError, match="config: (expected a mapping, got|'a' is no plain data, as JSON has it)"):
        hub.save(tmp_path / "new", network, config)
    with pytest.raises(ArgumentError, match="network: expected a torch.nn.Module, got NoneType"):
        hub.save(tmp_path / "new", None, {})  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()
