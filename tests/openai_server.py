"""A small server on loopback that speaks the wire format of streamed chat completions, and misbehaves on demand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODELS = ("small", "big")


class OpenAIServer:
    """Answers "Answer SEED: first words" in pieces.

    Attributes:
        mode: "", "cut", "slow", "not json", "filtered", "in-stream error", "error object", "odd shapes",
            "web page", "deep", "nothing", "not streamed" or "only thinks".
        thinks: what it thinks first, in words, and the field in which it says so; or nothing.
        statuses: status codes to answer the next chat requests with, each once; 200 after them.
        headers: those of an answer with such a status.
        fails_at: a request whose messages hold this text is answered with 500.
        asked: the bodies of the chat requests that came.
        keys: what each request of either kind gave as its authorization, or None.
        gone: set when a client went away in the middle of an answer.
        choice: makes the choice of a request that is not streamed, from its body.
        words: the pieces of an answer, from its seed.
        says: makes the pieces of a streamed answer from the request's body, in place of all that; cut at its limit.
        room: the most tokens that it may be asked for.
        new_limit: these are to be called max_completion_tokens.
        reason: why a streamed answer ended, in the server's own word; empty for the usual ones.
        listed: the models that it tells of; None fails to tell.
        refuses: a request that holds this is refused with 400.
    """

    def __init__(self, key: str = "") -> None:
        self.mode, self.key = "", key
        self.thinks: tuple[str, str] = ("", "")
        self.statuses: list[int] = []
        self.headers, self.fails_at = {"Retry-After": "0.2"}, ""
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.gone = threading.Event()
        self.choice: Callable[[dict[str, Any]], dict[str, Any]] = lambda body: {"message": {"content": "A"}}
        self.refuses = self.reason = ""
        self.room, self.new_limit = 1_000_000, False
        self.says: Callable[[dict[str, Any]], list[dict[str, str]]] | None = None
        self.words: Callable[[int], list[str]] = lambda seed: [f"Answer {seed}:", " fir", "st\n", "wörds"]
        self.listed: tuple[str, ...] | None = MODELS
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                if not self._let_in():
                    return
                if outer.mode == "web page":
                    self._send(200, b"<html>hello</html>")
                elif outer.listed is None:
                    self._send(500, b"Internal Server Error", Connection="close")
                else:
                    self._json(200, {"object": "list", "data": [{"id": name} for name in outer.listed]})

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                sent = self.rfile.read(length)
                if len(sent) < length:  # the client went away before it had said all
                    outer.gone.set()
                    return
                body = json.loads(sent)
                outer.asked.append(dict(body))
                if not self._let_in():
                    return
                if outer.statuses and (status := outer.statuses.pop(0)) != 200:
                    self._json(status, {"error": {"message": f"status {status} it is"}}, **outer.headers)
                    return
                if outer.fails_at and outer.fails_at in str(body["messages"]):
                    self._json(500, {"error": {"message": "status 500 it is"}})
                    return
                if outer.new_limit and "max_tokens" in body:
                    self._json(400, {"error": {"message": "'max_tokens': use 'max_completion_tokens' instead"}})
                    return
                body.setdefault("max_tokens", body.get("max_completion_tokens"))
                if body["model"] not in MODELS:
                    self._json(404, {"error": {"message": "no such model"}})
                    return
                if outer.refuses in body and outer.refuses:
                    self._json(400, {"error": {"message": f"{outer.refuses} is not supported"}})
                    return
                if body["max_tokens"] > outer.room:
                    self._json(400, {"error": {"message": f"at most {outer.room} tokens"}})
                    return
                if outer.mode == "not streamed":
                    message = {
                        "role": "assistant",
                        "content": f"Answer {body['seed']}",
                        outer.thinks[1]: outer.thinks[0],
                    }
                    self._json(
                        200,
                        {"choices": [{"message": message, "finish_reason": "stop"}]},
                        **{"Content-Type": "application/json"},
                    )
                    return
                if not body.get("stream"):
                    self._json(200, {"choices": [outer.choice(body)]})
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                try:
                    self._stream(body)
                except OSError:
                    outer.gone.set()

            def _stream(self, body: dict[str, Any]) -> None:
                self._chunk({"role": "assistant"}, None)
                if outer.says is not None:
                    pieces = outer.says(body)
                    for piece in pieces[: body["max_tokens"]]:
                        self._chunk(piece, None)
                    self._chunk({}, "length" if len(pieces) > body["max_tokens"] else "stop")
                    self.wfile.write(b"data: [DONE]\n\n")
                    return
                thought, field = outer.thinks
                for number, word in enumerate(thought.split(" ") if thought else ()):
                    self._chunk({"content": None, field: word if number == 0 else f" {word}"}, None)
                words = [] if outer.mode in ("only thinks", "nothing") else outer.words(body["seed"])
                for word in words[:2] if outer.mode == "cut" else words:
                    self._chunk({"content": word}, None)
                if outer.mode == "cut":
                    return
                if outer.mode == "not json":
                    self.wfile.write(b"data: {oops\n\n")
                    return
                if outer.mode == "error object":
                    self.wfile.write(b'data: {"object": "error", "message": "out of memory"}\n\ndata: [DONE]\n\n')
                    return
                if outer.mode == "odd shapes":
                    for odd in ('["x"]', '[{"delta": "x", "finish_reason": 7}]', "{}", "null"):
                        self.wfile.write(f'data: {{"choices": {odd}}}\n\n'.encode())
                if outer.mode == "nothing":
                    self.wfile.write(b"data: [DONE]\n\n")
                    return
                if outer.mode == "deep":
                    self.wfile.write(b"data: " + b"[" * 100_000 + b"\n\n")
                    return
                if outer.mode == "in-stream error":
                    self.wfile.write(b'data: {"error": {"message": "out of memory"}}\n\n')
                    return
                while outer.mode == "slow":
                    self._chunk({"content": " on"}, None)
                    time.sleep(0.02)
                reason = outer.reason or ("content_filter" if outer.mode == "filtered" else "stop")
                self._chunk({}, "length" if body["max_tokens"] < 4 else reason)
                self.wfile.write(b": a comment\n\ndata: [DONE]\n\n")

            def _chunk(self, delta: dict[str, str | None], reason: str | None) -> None:
                body = {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
                escapes = any("\ud800" <= char <= "\udfff" for char in "".join(map(str, delta.values())))
                self.wfile.write(f"data: {json.dumps(body, ensure_ascii=escapes)}\n\n".encode())
                self.wfile.flush()

            def _let_in(self) -> bool:
                outer.keys.append(self.headers.get("Authorization"))
                if not outer.key or self.headers.get("Authorization") == f"Bearer {outer.key}":
                    return True
                self._json(401, {"error": {"message": "no"}})
                return False

            def handle(self) -> None:
                try:
                    super().handle()
                except ConnectionError:
                    outer.gone.set()

            def _json(self, status: int, body: dict[str, Any], **headers: str) -> None:
                self._send(status, json.dumps(body).encode(), **headers)

            def _send(self, status: int, body: bytes, **headers: str) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.mode = ""
        self._server.shutdown()
        self._server.server_close()
