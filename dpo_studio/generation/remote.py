"""Answers from an OpenAI-compatible server: streamed chat completions, one request a candidate.

Sent are temperature, top_p, max_tokens and seed; top_k, min_p and the repetition penalty are not part of that API.
Stop strings are looked for here, in what is streamed: they mean the same as for a local model, and there may be more
than the four that the API takes; at one of them the connection is closed, at which servers stop writing. Token ids
and log-probabilities stay unknown. Only the answer itself is read, not the separate reasoning of some servers.
"""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from dpo_studio.core import commands, events
from dpo_studio.core.errors import UserError
from dpo_studio.core.server_reference import ServerReference
from dpo_studio.core.settings import SamplingSettings

from . import server_keys
from .server_keys import FoundKey
from .stops import StoppableText

AT_ONCE = 4
_POLL_S = 0.05
_TRIES = 5
_LONGEST_WAIT_S = 60.0
_TIMEOUT = httpx2.Timeout(120.0, connect=10.0)
_LISTING_TIMEOUT_S = 20.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class RefusedError(UserError):
    """The server refuses this one request (too long, say); others may go well."""


@dataclass(frozen=True, slots=True)
class Counted:
    """An answer, and how many pieces it was streamed in, mostly one a token."""

    event: events.CompletionFinished
    tokens: int


@dataclass(slots=True)
class _Ended:
    candidate: int
    text: str
    finish_reason: str
    tokens: int
    seed: int


@dataclass(slots=True)
class _Talk:
    """What the requests of one prompt share: where they report, whether to stop, and their open sockets."""

    said: queue.SimpleQueue[tuple[int, str] | _Ended | BaseException] = field(default_factory=queue.SimpleQueue)
    stopped: threading.Event = field(default_factory=threading.Event)
    sockets: list[socket.socket] = field(default_factory=list)

    def stop(self) -> None:
        """End the requests now; a server sees the connection go and can stop as well."""
        self.stopped.set()
        for open_socket in list(self.sockets):
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)


class Server:
    """One model behind a server. For one thread.

    Args:
        key: sent as a bearer token; None looks for the one that is bound to this very address (server_keys).
    """

    def __init__(self, reference: ServerReference, key: str | None = None) -> None:
        self.reference = reference
        self._key = server_keys.find(reference.url) if key is None else FoundKey(key, "given" if key else "")
        headers = {"Authorization": f"Bearer {self._key.key}"} if self._key.key else {}
        local = httpx2.URL(reference.url).host in _LOOPBACK
        try:
            self._client = httpx2.Client(headers=headers, timeout=_TIMEOUT, trust_env=not local)
        except (UnicodeError, ValueError) as error:
            raise UserError("The API key holds characters that no key has.", self._key_advice) from error

    def close(self) -> None:
        self._client.close()

    def models(self) -> list[str]:
        """The names of the server's models; empty where it does not tell.

        Raises:
            UserError: it cannot be reached, or refuses the key.
        """
        with _in_words(self.reference):
            response = self._client.get(f"{self.reference.url}/models", timeout=_LISTING_TIMEOUT_S)
            if response.status_code in (404, 405, 501):
                return []
            self._check(response)
            rows = _json(response.text, self.reference).get("data")
        found = [row.get("id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        return [name for name in found if isinstance(name, str)]

    def check(self) -> None:
        """Raises UserError where the server is not there or does not have the model."""
        known = self.models()
        if known and self.reference.model not in known:
            some = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
            raise UserError(f"The server has no model {self.reference.model}.", f"It has: {some}.")

    def answer(
        self,
        job: str,
        item: commands.GenerationItem,
        wanted: Mapping[int, SamplingSettings],
        cancelled: Callable[[], bool],
    ) -> Iterator[events.TokensDecoded | Counted]:
        """What is said of these candidates of one prompt; finished ones stand whatever happens to the others.

        Args:
            wanted: the settings of each candidate.

        Raises:
            UserError: the server cannot be used; RefusedError where only this prompt is at fault.
        """
        talk, left = _Talk(), len(wanted)
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for candidate in wanted:
            waiting.put(candidate)

        def work() -> None:
            while not talk.stopped.is_set():
                try:
                    candidate = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    talk.said.put(self._complete(talk, item, candidate, wanted[candidate]))
                except BaseException as error:
                    talk.said.put(error)
                    return

        for _ in range(min(AT_ONCE, left)):
            threading.Thread(target=work, name="ask a server", daemon=True).start()
        try:
            while left and not cancelled():
                try:
                    said = talk.said.get(timeout=_POLL_S)
                except queue.Empty:
                    continue
                if isinstance(said, BaseException):
                    raise said
                if isinstance(said, tuple):
                    yield events.TokensDecoded(job, item.group, *said)
                    continue
                left -= 1
                event = events.CompletionFinished(
                    job, item.group, said.candidate, said.text, (), "", None, said.finish_reason, said.seed
                )
                yield Counted(event, said.tokens)
        finally:
            talk.stop()

    def complete(self, body: Mapping[str, Any], *, stopped: threading.Event) -> dict[str, Any]:
        """The answer to one request that is not streamed, as the server shaped it. May be called from several threads.

        Raises:
            UserError: as `answer`, or it was stopped while it waited for a busy server.
        """
        url, sent = f"{self.reference.url}/chat/completions", dict(body)
        with _in_words(self.reference):
            for tried in range(1, _TRIES + 1):
                response = self._client.post(url, json=sent)
                if response.status_code != 429 or tried == _TRIES:
                    _check(response, self.reference)
                    return _json(response.text, self.reference)
                if stopped.wait(_wait_s(response, tried)):
                    break
        raise UserError("The server was asked to stop.")

    def _complete(
        self, talk: _Talk, item: commands.GenerationItem, candidate: int, sampling: SamplingSettings
    ) -> _Ended:
        seed = (sampling.seed + candidate * 1_000_003) % 2**31
        body = {
            "model": self.reference.model,
            "messages": [message.to_json() for message in item.messages],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_new_tokens,
            "seed": seed,
            "stream": True,
        }
        url = f"{self.reference.url}/chat/completions"
        with _in_words(self.reference):
            for tried in range(1, _TRIES + 1):
                with self._client.stream("POST", url, json=body) as response:
                    if response.status_code == 429 and tried < _TRIES:
                        wait_s = _wait_s(response, tried)
                    else:
                        if response.status_code != 200:
                            response.read()
                        self._check(response)
                        return self._read(talk, response, candidate, seed, sampling.stop)
                if talk.stopped.wait(wait_s):
                    break
        raise UserError("The server was asked to stop.")

    def _read(self, talk: _Talk, response: httpx2.Response, candidate: int, seed: int, stops: Sequence[str]) -> _Ended:
        stream = response.extensions.get("network_stream")
        open_socket = stream.get_extra_info("socket") if stream is not None else None
        if isinstance(open_socket, socket.socket):
            talk.sockets.append(open_socket)
            if talk.stopped.is_set():
                talk.stop()
        text, reason, pieces, done = StoppableText(_Pieces(), stops), "", 0, False

        def tell(piece: str) -> None:
            if piece:
                talk.said.put((candidate, piece))

        for line in response.iter_lines():
            if not line.startswith("data:"):
                continue
            data = line.removeprefix("data:").strip()
            if data == "[DONE]":
                done = True
                break
            body = _json(data, self.reference)
            if body.get("error"):
                raise UserError(f"The server stopped with an error: {_said(body)}", "Try again; see the server's log.")
            choices = body.get("choices")
            for choice in choices if isinstance(choices, list) else ():
                piece = (choice.get("delta") or {}).get("content") or ""
                if piece:
                    pieces += 1
                    tell(text.push(piece))
                reason = choice.get("finish_reason") or reason
            if text.cut:
                return _Ended(candidate, text.text, "stop_string", pieces, seed)
        if not done and not reason:
            raise _cut()
        if (reason or "stop") not in ("stop", "length"):
            raise RefusedError(f"The server ended an answer before its end ({reason}).", "Change the prompt.")
        tell(text.finish())
        return _Ended(candidate, text.text, "stop_string" if text.cut else reason or "stop", pieces, seed)

    def _check(self, response: httpx2.Response) -> None:
        """Raises what a status means."""
        if response.status_code in (401, 403):
            wants = "refuses the API key it was given" if self._key.key else "wants an API key"
            raise UserError(f"The server {wants}.", self._key_advice)
        _check(response, self.reference)

    @property
    def _key_advice(self) -> str:
        return server_keys.advice(self.reference.url, self._key)


class _Pieces:
    """Text that comes as text: what StoppableText reads from where a model would give tokens."""

    def push(self, piece: str) -> str:
        return piece

    def finish(self) -> str:
        return ""


def unheard(sampling: SamplingSettings) -> str:
    """A sentence naming the settings that a server is not told; empty where there are none."""
    names = {
        "top-k": sampling.top_k != 0,
        "min-p": sampling.min_p != 0,
        "repetition penalty": sampling.repetition_penalty != 1,
    }
    left = [name for name, is_set in names.items() if is_set]
    return f"The server is not told these settings, which its API does not have: {', '.join(left)}." if left else ""


@contextlib.contextmanager
def _in_words(reference: ServerReference) -> Iterator[None]:
    """Turn what goes wrong on the wire into a sentence."""
    try:
        yield
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        raise UserError(
            f"No server answers at {reference.url}.", "Start it, or check the address and the port."
        ) from error
    except httpx2.TimeoutException as error:
        raise UserError("The server said nothing for too long.", "See whether it is busy, then go on.") from error
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        raise UserError(f"{reference.url} is not an address that can be used.", "Check it.") from error
    except httpx2.RequestError as error:
        raise _cut() from error


def _cut() -> UserError:
    return UserError(
        "The connection to the server ended in the middle of an answer.",
        "See whether the server still runs, then go on: what was finished is kept.",
    )


def _check(response: httpx2.Response, reference: ServerReference) -> None:
    status = response.status_code
    if status == 200:
        return
    said = _said_by(response)
    match status:
        case 404:
            raise UserError(
                f"The server does not know the model {reference.model} or this address. {said}".strip(),
                "Check the model's name, and that the address ends with the API's root, such as /v1.",
            )
        case 429:
            raise UserError("The server has too much to do, or a limit is reached.", "Wait a while, then go on.")
        case 400 | 413 | 422:
            raise RefusedError(f"The server refuses this prompt. {said}".strip(), "Shorten it, or ask for less.")
    raise UserError(f"The server answered with status {status}. {said}".strip(), "See the server's log, then go on.")


def _said_by(response: httpx2.Response) -> str:
    try:
        return _said(json.loads(response.text))
    except ValueError:
        return ""


def _said(body: Any) -> str:
    """The message in an error body, which servers shape in several ways."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or ""
    return error.strip()[:300] if isinstance(error, str) else ""


def _json(text: str, reference: ServerReference) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if isinstance(body, dict):
        return body
    raise UserError(
        f"What answers at {reference.url} does not speak the OpenAI API.", "Check the address: it often ends with /v1."
    )


def _wait_s(response: httpx2.Response, tried: int) -> float:
    """Seconds to wait after a 429: what the server asks for, else doubling from one."""
    try:
        asked = float(response.headers.get("retry-after", ""))
    except ValueError:
        asked = 2.0 ** (tried - 1)
    return min(max(asked, 0.0), _LONGEST_WAIT_S)
