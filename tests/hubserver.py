"""A small Hugging Face Hub on localhost: what huggingface_hub asks of the real one, over real HTTP.

Models are repositories of commits; weights are LFS files, which a second server, the "CDN", holds.  Every request is
written down, and any of them can be made to fail: with a status, by silence, or by a connection that breaks.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml

READER, WRITER = "hf_reader", "hf_writer"
LFS = (".safetensors", ".bin", ".pkl")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass
class Repo:
    """Branches of commits of files."""

    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], message: str = "", branch: str = "main") -> str:
        before = self.commits.get(self.branches.get(branch, ""), {})
        after = before | files
        said = "".join(f"{k}{sha256(v)}" for k, v in sorted(after.items())) + message + str(len(self.commits))
        oid = hashlib.sha1(said.encode()).hexdigest()
        self.commits[oid], self.branches[branch], self.messages[oid] = after, oid, message
        return oid

    def resolve(self, revision: str) -> str | None:
        oid = self.branches.get(revision, revision)
        return oid if oid in self.commits else None


@dataclass
class Fault:
    """What goes wrong with requests whose ``"METHOD /path"`` matches."""

    pattern: str
    status: int | None = None
    after: int | None = None  # bytes of the body, then the connection breaks
    stalls: bool = False  # after those, or before any, it says nothing more and stays open
    silent: bool = False
    times: int = 1_000_000
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    server: str


class Hub:
    """The server; ``with Hub() as hub: hub.url``."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.released = threading.Event()
        self._servers = [self._serve("hub"), self._serve("cdn")]
        self.url, self.cdn = (f"http://127.0.0.1:{s.server_address[1]}" for s in self._servers)

    def _serve(self, name: str) -> ThreadingHTTPServer:
        handler = type("Handler", (_Handler,), {"hub": self, "server_name": name})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return server

    def __enter__(self) -> Hub:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Go away: connections are refused from here on."""
        self.released.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers = []

    def add(self, name: str, files: dict[str, bytes], **options: Any) -> str:
        """Put files into a repository, made where there is none; returns the commit."""
        repo = self.repos.setdefault(name, Repo(**options))
        return repo.commit(files)

    def fault(self, pattern: str, **options: Any) -> Fault:
        self.faults.append(Fault(pattern, **options))
        return self.faults[-1]

    def asked(self, pattern: str = "") -> list[Request]:
        """The requests so far whose ``"METHOD /path"`` matches."""
        return [r for r in self.requests if re.search(pattern, f"{r.method} {r.path}")]


def connect(hub: Hub, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Make huggingface_hub ask this server, without waiting between attempts.

    It reads the environment when it is imported, hence its constants; test_hub_server has one test of the variables.
    """
    from huggingface_hub import _commit_api, constants, file_download, hf_api, lfs

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    changes = {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(cache),
        "HF_TOKEN_PATH": str(cache / "no-token"),
        "HF_STORED_TOKENS_PATH": str(cache / "no-tokens"),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_ETAG_TIMEOUT": 1,
        "HF_HUB_DOWNLOAD_TIMEOUT": 1,
        "DOWNLOAD_CHUNK_SIZE": 500,  # what is resumed is whole chunks; 10 MB unless told
    }
    for name, value in changes.items():
        for module in (constants, _commit_api, file_download, hf_api, lfs):  # old versions have copies
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    monkeypatch.setattr("time.sleep", lambda _: None)


def set_offline(value: bool) -> None:
    """What HF_HUB_OFFLINE does, while the program runs."""
    from huggingface_hub import constants, utils

    constants.HF_HUB_OFFLINE = value
    getattr(utils, "reset_sessions", lambda: None)()  # before 1.0 a session remembers


def small_model(folder: Path) -> Path:
    """A model of random weights, of some 20 kB, that takes each picture for a face."""
    import torch

    from facekp import decoders, hub, models

    torch.manual_seed(0)
    size = [16, 16]
    network = {"name": "simple", "points": 68, "input_size": size, "channels": [4], "hidden": []}
    config = {
        "type": "keypoints",
        "name": "tiny",
        "schema": "ibug68",
        "network": network,
        "codec": decoders.create("regression", input_size=size).to_config(),
        "crop": {"size": size, "scale": 1.2, "box": "full"},
        "preprocessing": {"mean": 127.5, "std": 64.0},
        "licence": "research, non-commercial",
        "training_data": ["nothing at all"],
        "metrics": [
            {"data": "validation list", "boxes": "labelled", "normalizer": "inter_ocular", "faces": 3, "nme": 0.5},
            {"data": "a test set", "boxes": "labelled", "normalizer": "inter_ocular", "faces": 4, "nme": 0.25},
        ],
    }
    hub.save(folder, models.from_config(network), config)
    return folder


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    server_name: str
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._handle()

    do_HEAD = do_POST = do_PUT = do_GET

    def _handle(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path != "/api/agent-harnesses":  # telemetry of huggingface_hub
            seen = {key.lower(): value for key, value in self.headers.items()}
            self.hub.requests.append(Request(self.command, path, seen, self.server_name))
        fault = next((f for f in self.hub.faults if f.times and re.search(f.pattern, f"{self.command} {path}")), None)
        self.after, self.stalls = None, False
        if fault is not None:
            fault.times -= 1
            self.stalls = fault.stalls
            if fault.silent:
                self.hub.released.wait(60)
                self.close_connection = True
                return
            if fault.status is not None:
                self._send(fault.status, {"error": "as the test asks"}, fault.headers)
                return
            self.after = fault.after
        for method, pattern, answer in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and self.command in method:
                answer(self, body, *found.groups())
                return
        self._send(404, {"error": "no such route"})

    # ------------------------------------------------------------ answers

    def _send(self, status: int, data: Any = b"", headers: dict[str, str] | None = None) -> None:
        content = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **(headers or {}), "Connection": "close"}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content if self.after is None else content[: self.after])
            if self.stalls:
                self.wfile.flush()
                self.hub.released.wait(60)
        self.close_connection = True

    def _content(self, data: bytes, headers: dict[str, str]) -> None:
        """A file, or the part of it that a Range asks for."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked is None:
            self._send(200, data, {"Accept-Ranges": "bytes", **headers})
            return
        start = int(asked[1])
        span = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        self._send(206, data[start:], {**headers, **span})

    def _token(self) -> str | None:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None

    def _repo(self, name: str, revision: str = "main") -> tuple[Repo, str] | None:
        """A repository and a commit of it, or None where the answer has been sent: as the Hub does it."""
        repo, token = self.hub.repos.get(name), self._token()
        if token not in (None, READER, WRITER):
            self._send(401, {"error": "bad token"}, {"X-Error-Message": "Invalid credentials in Authorization header"})
        elif repo is None or (repo.private and token is None):
            # The Hub does not tell a stranger what is missing from what is private.
            self._send(401 if token is None else 404, {"error": "?"}, {"X-Error-Code": "RepoNotFound"})
        elif repo.gated and token is None:
            self._send(401, {"error": "gated"}, {"X-Error-Code": "GatedRepo"})
        elif (oid := repo.resolve(revision)) is None and repo.commits:
            self._send(404, {"error": "?"}, {"X-Error-Code": "RevisionNotFound"})
        else:
            return repo, oid or ""
        return None

    def info(self, _: bytes, name: str, revision: str | None = None) -> None:
        if found := self._repo(name, revision or "main"):
            repo, oid = found
            files = [{"rfilename": path} for path in repo.commits.get(oid, {})]
            about = {"_id": "0", "id": name, "modelId": name, "sha": oid, "private": repo.private, "tags": []}
            self._send(200, {**about, "siblings": files, "downloads": 0, "likes": 0})

    def resolve(self, _: bytes, name: str, revision: str, path: str) -> None:
        if not (found := self._repo(name, revision)):
            return
        repo, oid = found
        commit = {"X-Repo-Commit": oid}
        data = repo.commits[oid].get(path)
        if data is None:
            self._send(404, {"error": "?"}, {**commit, "X-Error-Code": "EntryNotFound"})
        elif path.endswith(LFS):
            self.hub.objects[sha256(data)] = data
            linked = {"X-Linked-Etag": f'"{sha256(data)}"', "X-Linked-Size": str(len(data))}
            self._send(302, b"", {**commit, **linked, "Location": f"{self.hub.cdn}/objects/{sha256(data)}"})
        else:
            self._content(data, {**commit, "ETag": f'"{git_oid(data)}"'})

    def object(self, _: bytes, oid: str) -> None:
        self._content(self.hub.objects[oid], {"ETag": f'"{oid}"'})

    # ------------------------------------------------------------ uploads

    def _may_write(self) -> bool:
        if self._token() == WRITER:
            return True
        self._send(403 if self._token() == READER else 401, {"error": "you may not write"})
        return False

    def create(self, body: bytes) -> None:
        if not self._may_write():
            return
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        answer = {"url": f"{self.hub.url}/{name}", "name": name}
        if name in self.hub.repos:
            self._send(409, {"error": "You already created this model repo", **answer})
            return
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.hub.repos[name] = Repo(private=private)
        self._send(200, answer)

    def branch(self, _: bytes, name: str, branch: str) -> None:
        if self._may_write() and (found := self._repo(name)):
            repo, oid = found
            if not oid:  # the real one's initial commit
                oid = repo.commit({".gitattributes": b""}, "initial commit")
            status = 409 if branch in repo.branches else 200
            repo.branches.setdefault(branch, oid)
            self._send(status, {})

    def validate(self, body: bytes) -> None:
        head = json.loads(body)["content"].split("---\n")[1]
        try:
            wrong = [] if isinstance(yaml.safe_load(head), dict) else ["not a mapping"]
        except yaml.YAMLError as error:
            wrong = [str(error)]
        self._send(400 if wrong else 200, {"warnings": [], "errors": [{"message": w} for w in wrong]})

    def preupload(self, body: bytes, name: str, _: str) -> None:
        if self._may_write() and self._repo(name):
            paths = [one["path"] for one in json.loads(body)["files"]]
            modes = [{"path": p, "uploadMode": "lfs" if p.endswith(LFS) else "regular"} for p in paths]
            self._send(200, {"files": [{**m, "shouldIgnore": False} for m in modes]})

    def batch(self, body: bytes, _: str) -> None:
        objects = [
            {**one, "actions": {"upload": {"href": f"{self.hub.cdn}/upload/{one['oid']}", "header": {}}}}
            for one in json.loads(body)["objects"]
        ]
        if self._may_write():
            self._send(200, {"transfer": "basic", "objects": objects})

    def upload(self, body: bytes, oid: str) -> None:
        self.hub.objects[oid] = body
        self._send(200 if sha256(body) == oid else 400)

    def commit(self, body: bytes, name: str, branch: str) -> None:
        if not self._may_write() or not (found := self._repo(name, branch)):
            return
        lines = [json.loads(line) for line in body.splitlines()]
        files = {}
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
        message = next(line["value"]["summary"] for line in lines if line["key"] == "header")
        oid = found[0].commit(files, message, branch)
        self._send(200, {"success": True, "commitUrl": f"{self.hub.url}/{name}/commit/{oid}", "commitOid": oid})


Answer = Callable[..., None]
NAME = r"([\w.-]+/[\w.-]+)"
ROUTES: list[tuple[str, str, Answer]] = [
    ("GET", f"/api/models/{NAME}", _Handler.info),
    ("GET", f"/api/models/{NAME}/revision/(.+)", _Handler.info),
    ("GET HEAD", f"/{NAME}/resolve/([^/]+)/(.+)", _Handler.resolve),
    ("GET HEAD", "/objects/([0-9a-f]+)", _Handler.object),
    ("POST", "/api/repos/create", _Handler.create),
    ("POST", f"/api/models/{NAME}/branch/(.+)", _Handler.branch),
    ("POST", "/api/validate-yaml", _Handler.validate),
    ("POST", f"/api/models/{NAME}/preupload/(.+)", _Handler.preupload),
    ("POST", r"/([\w.-]+/[\w.-]+)\.git/info/lfs/objects/batch", _Handler.batch),
    ("PUT", "/upload/([0-9a-f]+)", _Handler.upload),
    ("POST", f"/api/models/{NAME}/commit/(.+)", _Handler.commit),
]
