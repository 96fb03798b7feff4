"""A small server on loopback that speaks a Hub's protocol to the real client, which runs in a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONVERTED_COMMIT = COMMIT[::-1]


class LocalHub:
    """Models and data sets in one heap: a name is one or the other.

    Attributes:
        files: the bodies of each repository's files, by "owner/name" and path.
        converted: the files of a data set's branch refs/convert/parquet.
        gated: repositories whose terms were not agreed to.
        fetched: "owner/name/path" of each file that was sent.
    """

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
                status, headers, body = hub._answer(self.command, unquote(urlsplit(self.path).path))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Be gone: nothing can be reached any more. Twice does no harm."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        parts = path.strip("/").split("/")
        is_api = parts[0] == "api"
        parts = parts[is_api:]
        parts = parts[parts[0] in ("models", "datasets") :]
        name, rest = "/".join(parts[:2]), parts[2:]
        if name not in self.files:
            return 404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}, b""
        if name in self.gated:
            return 403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"}, b""
        revision = "/".join(rest[1:4]) if rest[1:3] == ["refs", "convert"] else "".join(rest[1:2])
        is_converted = revision in ("refs/convert/parquet", CONVERTED_COMMIT)
        files = self.converted.get(name) if is_converted else self.files[name]
        if files is None:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        commit = CONVERTED_COMMIT if is_converted else COMMIT
        if is_api:
            rows = [{"type": "file", "path": n, "size": len(b), "oid": _sha1(b)} for n, b in files.items()]
            siblings = [{"rfilename": row["path"], "size": row["size"], "blobId": row["oid"]} for row in rows]
            info = {"id": name, "sha": commit, "siblings": siblings, "tags": []}
            body = json.dumps(rows if rest[:1] == ["tree"] else info).encode()
            return 200, {"Content-Type": "application/json"}, body
        file = "/".join(rest[2:])
        if file not in files:
            return 404, {"X-Error-Code": "EntryNotFound"}, b""
        if method == "GET":
            self.fetched.append(f"{name}/{file}")
        return 200, {"ETag": f'"{_sha1(files[file])}"', "X-Repo-Commit": commit}, files[file]


def ask(program: str, url: str, home: Path, asked: list[Any]) -> list[dict[str, Any]]:
    """What a program says that reads these as JSON lines and writes JSON lines, with the Hub at this address.

    Args:
        home: where its client keeps what it downloads.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    environment |= {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "OMP_NUM_THREADS": "1"}
    environment |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    lines = "".join(json.dumps(one) + "\n" for one in asked)
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, input=lines, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def _sha1(body: bytes) -> str:
    return hashlib.sha1(body).hexdigest()
