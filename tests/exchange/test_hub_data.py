"""Data sets from a Hub: a small local server speaks its protocol to the real client, in a process of its own."""

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
from urllib.parse import unquote, urlsplit

import pytest

from dpo_studio.exchange import hub_data

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ASK = """
import json, sys
from dpo_studio.core.errors import UserError
from dpo_studio.exchange import readers
for line in sys.stdin:
    name, asked = json.loads(line)
    try:
        source = readers.open_source(name, readers.Asked(**asked))
        rows = [row.values["prompt"] for row in source.rows()]
        said = {"name": source.name, "splits": source.splits, "rows": rows}
    except UserError as error:
        said = {"message": error.message, "hint": error.hint}
    print(json.dumps(said), flush=True)
"""


class Hub:
    """What the server holds, by data set, revision and file name, and which files were fetched."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.converted: dict[str, dict[str, bytes]] = {}
        self.gated: set[str] = set()
        self.fetched: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                status, headers, body = hub.answer(self.command, unquote(urlsplit(self.path).path))
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
        is_api = parts[0] == "api"
        name = "/".join(parts[2:4] if is_api else parts[1:3])
        rest = parts[4:] if is_api else parts[3:]
        if name not in self.files:
            return 404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}, b""
        if name in self.gated:
            return 403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"}, b""
        revision = "/".join(rest[1:4]) if rest[1:3] == ["refs", "convert"] else "".join(rest[1:2])
        turned = revision in ("refs/convert/parquet", COMMIT[::-1])
        files = self.converted.get(name) if turned else self.files[name]
        if files is None:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        commit = COMMIT[::-1] if turned else COMMIT
        if is_api:
            if rest[:1] == ["tree"]:
                rows = [{"type": "file", "path": n, "size": len(b), "oid": sha1(b)} for n, b in files.items()]
                return 200, {"Content-Type": "application/json"}, json.dumps(rows).encode()
            siblings = [{"rfilename": one} for one in files]
            body = json.dumps({"id": name, "sha": commit, "siblings": siblings, "tags": []}).encode()
            return 200, {"Content-Type": "application/json"}, body
        file = "/".join(rest[2:])
        if file not in files:
            return 404, {"X-Error-Code": "EntryNotFound"}, b""
        if method == "GET":
            self.fetched.append(f"{name}/{file}")
        return 200, {"ETag": f'"{sha1(files[file])}"', "X-Repo-Commit": commit}, files[file]


def sha1(body: bytes) -> str:
    return hashlib.sha1(body).hexdigest()


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    threading.Thread(target=made.server.serve_forever, daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


def ask(url: str, home: Path, *asked: tuple[str, dict[str, str]]) -> list[dict]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    environment |= {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    environment |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    lines = "".join(json.dumps(one) + "\n" for one in asked)
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, input=lines, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def jsonl(*prompts: str) -> bytes:
    return "".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts).encode()


CARD = b"""---
configs:
- config_name: short
  data_files:
  - split: train
    path: "short/*.jsonl"
- config_name: long
  data_files: {train: long/a.jsonl, test: [long/b.jsonl]}
---
# A data set
"""


def test_data_sets_come_from_the_hub_and_what_cannot_is_said(hub: Hub, tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"prompt": ["turned"]}), tmp_path / "p.parquet")
    hub.files = {
        "o/plain": {
            "README.md": b"# No card",
            "data/train-0.jsonl": jsonl("a", "b"),
            "data/train-1.jsonl": jsonl("c"),
            "data/validation-0.jsonl": jsonl("v"),
            "plain.py": b"raise SystemExit",
        },
        "o/configs": {
            "README.md": CARD,
            "short/0.jsonl": jsonl("s"),
            "long/a.jsonl": jsonl("l"),
            "long/b.jsonl": jsonl("t"),
        },
        "o/pictures": {"a.png": b"png", "own.py": b"raise SystemExit"},
        "o/other": {"rows.xml": b"<a/>"},
        "o/gated": {"a.jsonl": jsonl("a")},
    }
    hub.converted = {"o/other": {"default/train/0000.parquet": (tmp_path / "p.parquet").read_bytes()}}
    hub.gated = {"o/gated"}
    asked = [
        ("o/plain", {}),
        ("o/plain", {"split": "validation"}),
        ("o/plain", {"split": "dev"}),
        ("o/configs", {}),
        ("o/configs", {"config": "short"}),
        ("o/configs", {"config": "long", "split": "test"}),
        ("o/configs", {"config": "middle"}),
        ("o/pictures", {}),
        ("o/other", {}),
        ("o/gated", {}),
        ("o/absent", {}),
    ]
    said = ask(hub.url, tmp_path / "home", *asked)
    assert said[0] == {"name": "o/plain (train)", "splits": ["train", "validation"], "rows": ["a", "b", "c"]}
    assert said[1]["rows"] == ["v"]
    assert "no split 'dev'" in said[2]["message"] and "train, validation" in said[2]["hint"]
    assert "several configurations" in said[3]["message"] and "short, long" in said[3]["hint"]
    assert (said[4]["rows"], said[5]["rows"], said[5]["splits"]) == (["s"], ["t"], ["train", "test"])
    assert "no configuration 'middle'" in said[6]["message"]
    assert "holds no JSON" in said[7]["message"]
    assert said[8]["rows"] == ["turned"]
    assert "terms" in said[9]["message"] and "hf auth login" in said[9]["hint"]
    assert "no data set called o/absent" in said[10]["message"]
    assert not [name for name in hub.fetched if name.endswith((".py", ".png"))]
    assert "o/configs/long/a.jsonl" not in hub.fetched, "only the split that was asked for"

    # With the Hub gone, what was downloaded still works, and the rest is a sentence.
    hub.server.shutdown()
    hub.server.server_close()
    asked = [("o/plain", {}), ("o/other", {}), ("o/configs", {"config": "long"}), ("o/else", {})]
    kept, turned, part, gone = ask(hub.url, tmp_path / "home", *asked)
    assert "not all here" in part["message"]
    assert (kept["rows"], turned["rows"]) == (["a", "b", "c"], ["turned"])
    assert "could not be reached" in gone["message"] and gone["hint"]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("owner/name", True),
        ("o/data.set-1", True),
        ("name", False),
        ("a/b/c", False),
        ("./a", False),
        ("a/b.csv", False),
    ],
)
def test_what_can_be_the_name_of_a_data_set(name: str, is_one: bool) -> None:
    assert hub_data.is_id(name) is is_one
