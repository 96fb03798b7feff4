"""Answers from an OpenAI-compatible server: streamed chat completions, one request a candidate.

Sent are temperature, top_p, max_tokens and seed; top_k, min_p and the repetition penalty are not part of that API.
Stop strings are looked for here, in what is streamed: they mean the same as for a local model, and there may be more
than the four that the API takes; at one of them the connection is closed, at which servers stop writing. Token ids
and log-probabilities stay unknown.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx2

from dpo_studio.core import commands, events
from dpo_studio.core.errors import UserError
from dpo_studio.core.server_reference import ServerReference
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.surrogates import joined

from . import server_keys
from .server_answer import ServerAnswer
from .server_errors import (
    BUSY,
    FailedRequestError,
    RefusedError,
    UnknownModelError,
    check_status,
    cut,
    in_words,
    json_of,
    no_model,
    said_by,
    said_in,
    wait_s,
)
from .server_keys import FoundKey
from .server_stream import bodies

AT_ONCE = 4
_Answer = TypeVar("_Answer")
#: What the token limit is called: by nearly all, and by those that have given that name up (OpenAI's thinking models).
_LIMIT, _NEW_LIMIT = "max_tokens", "max_completion_tokens"
_POLL_S = 0.05
_TRIES = 5
#: A server may answer one request after another, and the last of them waits in silence for all others.
_TIMEOUT = httpx2.Timeout(600.0, connect=10.0)
_LISTING_TIMEOUT_S = 20.0
#: Idle connections are let go before servers do so (uvicorn: after 5 s), lest a request meets a closing one.
_LIMITS = httpx2.Limits(keepalive_expiry=2.0)
#: uvicorn closes a connection after a failure: the next request must not take it.
_ALONE = {"Connection": "close"}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
#: What servers call an end besides "stop" and "length".
_ENDS = {"eos": "stop", "eos_token": "stop", "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length"}


@dataclass(frozen=True, slots=True)
class Counted:
    """An answer.

    Attributes:
        tokens: how many pieces it was streamed in, mostly one a token.
        repeats: it is the same text as another candidate's, and asking again with another seed did not help.
    """

    event: events.CompletionFinished
    tokens: int
    repeats: bool = False


@dataclass(slots=True)
class _Ended:
    candidate: int
    attempt: int
    text: str
    finish_reason: str
    tokens: int
    seed: int


@dataclass(slots=True)
class Talk:
    """What requests that are made together share: where they report, whether to stop, and their open sockets."""

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
        self._varies, self._limit = True, _LIMIT
        headers = {"Authorization": f"Bearer {self._key.key}"} if self._key.key else {}
        if not self._key.key.isascii():
            raise UserError("The API key holds characters that no key has.", self._key_advice)
        local = httpx2.URL(reference.url).host in _LOOPBACK
        try:
            self._client = httpx2.Client(headers=headers, timeout=_TIMEOUT, limits=_LIMITS, trust_env=not local)
        except (ImportError, ValueError) as error:  # a kind of proxy that httpx does not speak to, such as SOCKS
            raise UserError(
                "The proxy that the environment names cannot be used for this server.",
                "Set HTTPS_PROXY and HTTP_PROXY to an http:// proxy and ALL_PROXY to nothing, or put the server's host"
                " into NO_PROXY.",
            ) from error

    def close(self) -> None:
        self._client.close()

    def models(self) -> list[str]:
        """The names of the server's models; empty where it does not tell.

        Raises:
            UserError: it cannot be reached, or refuses the key.
        """
        with in_words(self.reference):
            url = f"{self.reference.url}/models"
            response = self._client.get(url, headers=_ALONE, timeout=_LISTING_TIMEOUT_S)
            if response.status_code in (404, 405, 500, 501):  # 500: `transformers serve` without a Hub cache
                return []
            self._check(response)
            rows = json_of(response.text, self.reference).get("data")
        found = [row.get("id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        return [joined(name) for name in found if isinstance(name, str)]

    def check(self) -> None:
        """Raises UserError where the server is not there or does not have the model.

        A model that it does not list is asked for one token: some list only a part of what they answer with.
        """
        known = self.models()
        if self.reference.model in known:
            return
        hello = {"role": "user", "content": "Hello"}
        try:
            self.complete(
                {"model": self.reference.model, "messages": [hello], "max_tokens": 1}, stopped=threading.Event()
            )
        except (UnknownModelError, RefusedError) as error:
            raise no_model(self.reference, known, error.message) from error

    def answer(
        self,
        job: str,
        item: commands.GenerationItem,
        wanted: Mapping[int, SamplingSettings],
        cancelled: Callable[[], bool],
        *,
        taken: Collection[str] = (),
    ) -> Iterator[events.TokensDecoded | Counted]:
        """What is said of these candidates of one prompt; finished ones stand whatever happens to the others.

        One that comes out like another is asked for once more with another seed, unless this server has shown that
        it gives the same again. Text is told as it comes for a first attempt only.

        Args:
            wanted: the settings of each candidate.
            taken: answers that the prompt has already, without white space at the ends.

        Raises:
            UserError: the server cannot be used; RefusedError where only this prompt is at fault, FailedRequestError
                where it may be.
        """
        talk, left, texts = Talk(), len(wanted), set(taken)
        waiting: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        for candidate in wanted:
            waiting.put((candidate, 0))

        def work() -> None:
            while not talk.stopped.is_set():
                try:
                    candidate, attempt = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    talk.said.put(self._complete(talk, item, candidate, attempt, wanted[candidate]))
                except BaseException as error:
                    talk.said.put(error)
                    return

        def begin() -> None:
            threading.Thread(target=work, name="ask a server", daemon=True).start()

        for _ in range(min(AT_ONCE, left)):
            begin()
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
                repeats = said.text.strip() in texts
                if repeats and not said.attempt and self._varies and wanted[said.candidate].temperature > 0:
                    waiting.put((said.candidate, 1))
                    begin()
                    continue
                self._varies &= not (repeats and said.attempt)
                texts.add(said.text.strip())
                left -= 1
                event = events.CompletionFinished(
                    job, item.group, said.candidate, said.text, (), "", None, said.finish_reason, said.seed
                )
                yield Counted(event, said.tokens, repeats)
        finally:
            talk.stop()

    def complete(self, body: Mapping[str, Any], *, stopped: threading.Event) -> dict[str, Any]:
        """The answer to one request that is not streamed, as the server shaped it. May be called from several threads.

        Raises:
            UserError: as `answer`, or it was stopped while it waited for a busy server.
        """
        return self._with_limit(body, lambda sent: self._complete_once(sent, stopped))

    def _with_limit(self, body: Mapping[str, Any], ask: Callable[[dict[str, Any]], _Answer]) -> _Answer:
        """Ask with the token limit under the name that this server knows it by."""
        name = self._limit
        try:
            return ask({name if key == _LIMIT else key: value for key, value in body.items()})
        except RefusedError as error:
            if name == _NEW_LIMIT or _NEW_LIMIT not in error.message:
                raise
        self._limit = _NEW_LIMIT
        return self._with_limit(body, ask)

    def _complete_once(self, sent: dict[str, Any], stopped: threading.Event) -> dict[str, Any]:
        url = f"{self.reference.url}/chat/completions"
        with in_words(self.reference):
            for tried in range(1, _TRIES + 1):
                response = self._client.post(url, json=sent)
                if response.status_code not in BUSY or tried == _TRIES:
                    self._check(response)
                    return json_of(response.text, self.reference)
                if stopped.wait(wait_s(response, tried)):
                    break
        raise UserError("The server was asked to stop.")

    def think(self, body: Mapping[str, Any], *, talk: Talk) -> tuple[str, str]:
        """A whole answer that may take long: its text, thinking in marks (see `ServerAnswer`), and why it ended.

        It is streamed, so a server that thinks for minutes is not taken for one that hangs, and it ends with `talk`.
        May be called from several threads.

        Raises:
            UserError: as `answer`.
        """
        ended = self._stream(talk, body, (0, 1, 0), ())  # a second attempt, of which no piece is told
        return ended.text, ended.finish_reason

    def _complete(
        self, talk: Talk, item: commands.GenerationItem, candidate: int, attempt: int, sampling: SamplingSettings
    ) -> _Ended:
        seed = (sampling.seed + candidate * 1_000_003 + attempt * 500_009) % 2**31
        body: dict[str, Any] = {
            "model": self.reference.model,
            "messages": [message.to_json() for message in item.messages],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_new_tokens,
            "seed": seed,
        }
        return self._stream(talk, body, (candidate, attempt, seed), sampling.stop)

    def _stream(self, talk: Talk, body: Mapping[str, Any], of: tuple[int, int, int], stops: Sequence[str]) -> _Ended:
        """Ask and read the answer as it comes.

        Args:
            of: candidate, attempt and seed.
        """
        return self._with_limit({**body, "stream": True}, lambda sent: self._stream_once(talk, sent, of, stops))

    def _stream_once(self, talk: Talk, sent: dict[str, Any], of: tuple[int, int, int], stops: Sequence[str]) -> _Ended:
        url = f"{self.reference.url}/chat/completions"
        with in_words(self.reference):
            for tried in range(1, _TRIES + 1):
                with self._client.stream("POST", url, json=sent) as response:
                    if response.status_code in BUSY and tried < _TRIES:
                        pause_s = wait_s(response, tried)
                    else:
                        if response.status_code != 200:
                            response.read()
                        self._check(response)
                        return self._read(talk, response, of, stops)
                if talk.stopped.wait(pause_s):
                    break
        raise UserError("The server was asked to stop.")

    def _read(self, talk: Talk, response: httpx2.Response, of: tuple[int, int, int], stops: Sequence[str]) -> _Ended:
        """Read a stream to its end."""
        candidate, attempt, seed = of
        stream = response.extensions.get("network_stream")
        open_socket = stream.get_extra_info("socket") if stream is not None else None
        if isinstance(open_socket, socket.socket):
            talk.sockets.append(open_socket)
            if talk.stopped.is_set():
                talk.stop()
        text, reason, done = ServerAnswer(stops), "", False

        def tell(piece: str) -> None:
            if piece and not attempt:
                talk.said.put((candidate, piece))

        for body in bodies(response, self.reference):
            if body is None:
                done = True
                break
            if body.get("error") or body.get("object") == "error":
                raise FailedRequestError(
                    f"The server stopped with an error{f': {said}' if (said := said_in(body)) else '.'}",
                    "Try again; see the server's log.",
                )
            choices = body.get("choices")
            for choice in choices if isinstance(choices, list) else ():
                if isinstance(choice, Mapping):
                    part, ended = choice.get("delta") or choice.get("message"), choice.get("finish_reason")
                    tell(text.push(part if isinstance(part, Mapping) else {}))
                    reason = _ENDS.get(str(ended), str(ended)) if ended else reason
            if text.cut:
                return _Ended(candidate, attempt, text.text, "stop_string", text.pieces, seed)
        if not done and not reason:
            raise cut()
        if not reason and not text.pieces:
            raise FailedRequestError("The server ended an answer without a word.", "Try again; see the server's log.")
        if (reason or "stop") not in ("stop", "length"):
            raise RefusedError(f"The server ended an answer before its end ({reason}).", "Change the prompt.")
        tell(text.finish(is_cut=reason == "length"))
        why = "stop_string" if text.cut else reason or "stop"
        return _Ended(candidate, attempt, text.text, why, text.pieces, seed)

    def _check(self, response: httpx2.Response) -> None:
        """Raises what a status means."""
        if response.status_code in (401, 403):
            known = "refuses" if response.status_code == 401 else "does not allow this with"
            wants = f"{known} the API key it was given" if self._key.key else "wants an API key"
            said = said_by(response) if response.status_code == 403 else ""
            raise UserError(f"The server {wants}. {said}".strip(), self._key_advice)
        check_status(response, self.reference)

    @property
    def _key_advice(self) -> str:
        return server_keys.advice(self.reference.url, self._key)


def unheard(sampling: SamplingSettings) -> str:
    """A sentence naming the settings that a server is not told; empty where there are none."""
    names = {
        "top-k": sampling.top_k != 0,
        "min-p": sampling.min_p != 0,
        "repetition penalty": sampling.repetition_penalty != 1,
    }
    left = [name for name, is_set in names.items() if is_set]
    return f"The server is not told these settings, which its API does not have: {', '.join(left)}." if left else ""
