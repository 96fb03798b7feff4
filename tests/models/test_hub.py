"""Models from a Hub: a small local server speaks its protocol to the real client, in a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ASK = """
import json, sys
from dpo_studio.core.errors import UserError
from dpo_studio.models.load import load
for name in sys.argv[1:]:
    stages = []
    try:
        loaded = load(name, dtype="float32", device="cpu", on_stage=stages.append)
        said = {"parameters": loaded.parameters, "stages": stages}
    except UserError as error:
        said = {"message": error.message, "hint": error.hint}
    print(json.dumps(said), flush=True)
"""


class Hub:
    """What the server holds, by repository and file name, and what was asked of it."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.gated: set[str] = set()
        self.fetched: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                status, headers, body = hub.answer(self.command, urlsplit(self.path).path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        parts = path.strip("/").split("/")
        is_api = parts[:2] == ["api", "models"]
        repository = "/".join(parts[2:4] if is_api else parts[:2])
        files = self.files.get(repository)
        if files is None:
            return 404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}, b""
        if repository in self.gated:
            return 403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"}, b""
        if is_api:
            rows = [{"type": "file", "path": n, "size": len(b), "oid": sha1(b)} for n, b in files.items()]
            siblings = [{"rfilename": row["path"], "size": row["size"], "blobId": row["oid"]} for row in rows]
            info = {"id": repository, "modelId": repository, "sha": COMMIT, "siblings": siblings, "tags": []}
            body = json.dumps(rows if "tree" in parts else info).encode()
            return 200, {"Content-Type": "application/json"}, body
        name = "/".join(parts[4:])
        if name not in files:
            return 404, {"X-Error-Code": "EntryNotFound"}, b""
        if method == "GET":
            self.fetched.append(name)
        return 200, {"ETag": f'"{sha1(files[name])}"', "X-Repo-Commit": COMMIT}, files[name]


def sha1(body: bytes) -> str:
    return hashlib.sha1(body).hexdigest()


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    threading.Thread(target=made.server.serve_forever, daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


def ask(url: str, home: Path, *names: str) -> list[dict]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    environment |= {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "OMP_NUM_THREADS": "1"}
    environment |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, "-c", ASK, *names], env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_models_come_from_the_hub_and_what_cannot_is_said(hub: Hub, tiny_llama: Path, tmp_path: Path) -> None:
    sound = {path.name: path.read_bytes() for path in tiny_llama.iterdir()}
    without = {name: body for name, body in sound.items() if name != "model.safetensors"}
    strange = json.dumps({**json.loads(sound["config.json"]), "model_type": "hyperllama9"}).encode()
    hub.files = {
        "tiny/sound": {
            **sound,
            "pytorch_model.bin": b"a pickle",
            "own.py": b"raise SystemExit",
            "onnx/model.safetensors": b"another format",
        },
        "tiny/pickled": {**without, "pytorch_model.bin": b"a pickle"},
        "tiny/ggufs": {"a.gguf": b"GGUF"},
        "tiny/empty": {"README.md": b"nothing here"},
        "tiny/strange": {**sound, "config.json": strange},
        "tiny/gated": sound,
    }
    hub.gated = {"tiny/gated"}
    names = ["sound", "pickled", "ggufs", "empty", "strange", "gated", "absent"]
    answers = dict(zip(names, ask(hub.url, tmp_path, *(f"tiny/{name}" for name in names)), strict=True))

    assert answers["sound"]["parameters"] > 0
    assert any("downloading tiny/sound" in stage for stage in answers["sound"]["stages"])
    assert "pickle can run any code" in answers["pickled"]["message"]
    assert "GGUF" in answers["ggufs"]["message"]
    assert "no weights" in answers["empty"]["message"]
    assert "hyperllama9" in answers["strange"]["message"]
    assert "terms" in answers["gated"]["message"] and "hf auth login" in answers["gated"]["hint"]
    assert "no model called tiny/absent" in answers["absent"]["message"]
    assert not [name for name in hub.fetched if name.endswith((".bin", ".py", ".md")) or "/" in name]

    # With the Hub gone, what was downloaded still works, and the rest is a sentence.
    hub.server.shutdown()
    hub.server.server_close()
    kept, gone = ask(hub.url, tmp_path, "tiny/sound", "tiny/other")
    assert kept["parameters"] == answers["sound"]["parameters"]
    assert "could not be reached" in gone["message"] and gone["hint"]
