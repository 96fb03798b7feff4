"""Generation jobs: keep a model loaded, answer one prompt after another, say everything as events."""

from __future__ import annotations

import gc
import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from dpo_studio.core import commands, events
from dpo_studio.core.errors import UserError
from dpo_studio.core.server_reference import is_server, parse
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.models.load import LoadedModel, load

from .remote import RefusedError, Server, unheard
from .sampler import Answer, TextPiece, sample

_POLL_S = 0.1
_Key = tuple[str, str | None, str]


@dataclass(slots=True)
class _Loading:
    """A load that goes on in a thread of its own, since it cannot be interrupted."""

    key: _Key
    said: queue.SimpleQueue[str | LoadedModel | BaseException]


class Generator:
    """Answers prompts with the model of the last command, which stays loaded until another is asked for.

    For one thread.
    """

    def __init__(self) -> None:
        self._key: _Key | None = None
        self._loaded: LoadedModel | None = None
        self._loading: _Loading | None = None
        self._told: set[str] = set()

    def run(self, command: commands.Generate, cancelled: Callable[[], bool]) -> Iterator[events.Event]:
        """The events of one job, the last of which is JobFinished or Failed. Never raises.

        Args:
            cancelled: asked at each token; answers finished before stand.
        """
        try:
            sampling = SamplingSettings.from_json(command.sampling).validate()
            if is_server(command.base):
                yield from self._run_remote(command, sampling, cancelled)
                return
            key = (command.base, command.adapter, command.device)
            if not cancelled():
                yield from self._load(key, cancelled)
            for item in command.items:
                if cancelled() or self._loaded is None:
                    break
                yield from self._answer(self._loaded, command.job, item, sampling, cancelled)
            yield events.JobFinished(command.job, "cancelled" if cancelled() else "done")
        except Exception as error:  # the process must live on, and tell
            yield self._failed(error, command.job)

    def load(self, command: commands.Load, cancelled: Callable[[], bool]) -> Iterator[events.Event]:
        """Load the model that a coming job will want. Never raises."""
        try:
            if is_server(command.base):
                yield from _greet(command.base)
                return
            yield from self._load((command.base, command.adapter, command.device), cancelled)
        except Exception as error:
            yield self._failed(error, "")

    def _run_remote(
        self, command: commands.Generate, sampling: SamplingSettings, cancelled: Callable[[], bool]
    ) -> Iterator[events.Event]:
        if not cancelled():
            yield from _greet(command.base)
        left_out = unheard(sampling)
        if left_out and left_out not in self._told:
            self._told.add(left_out)
            yield events.Notice("settings_unheard", left_out)
        server = Server(parse(command.base))
        try:
            for item in command.items:
                if cancelled():
                    break
                try:
                    yield from server.answer(command.job, item, sampling, cancelled)
                except RefusedError as error:
                    yield events.GroupRefused(command.job, item.group, error.message, error.hint)
        finally:
            server.close()
        yield events.JobFinished(command.job, "cancelled" if cancelled() else "done")

    def _answer(
        self,
        loaded: LoadedModel,
        job: str,
        item: commands.GenerationItem,
        sampling: SamplingSettings,
        cancelled: Callable[[], bool],
    ) -> Iterator[events.Event]:
        started, tokens, finished = time.monotonic(), 0, 0
        try:
            for said in sample(loaded, item.messages, sampling, item.candidates, cancelled=cancelled):
                if isinstance(said, TextPiece):
                    yield events.TokensDecoded(job, item.group, said.candidate, said.text)
                    continue
                tokens, finished = tokens + len(said.token_ids), finished + 1
                yield _finished(job, item.group, said, loaded.tokenizer_hash)
                if said.repeats:
                    yield _repeat_notice(said, sampling)
        except UserError as error:
            yield events.GroupRefused(job, item.group, error.message, error.hint)
            return
        if finished == len(item.candidates):
            yield events.GroupFinished(job, item.group, time.monotonic() - started, tokens)

    def _load(self, key: _Key, cancelled: Callable[[], bool]) -> Iterator[events.Event]:
        if self._key == key and self._loaded is not None:
            return
        started = time.monotonic()
        if self._loading is not None and self._loading.key != key:
            yield events.ModelLoading(key[0], "waiting for another model that is being loaded")
            if not (yield from self._follow(self._loading, cancelled, quiet=True)):
                return
        if self._loading is None and not (self._key == key and self._loaded is not None):
            self._let_go()
            self._loading = _start(key)
        if self._loading is not None and not (yield from self._follow(self._loading, cancelled)):
            return
        loaded = self._loaded
        assert loaded is not None
        yield events.ModelLoaded(
            base=key[0],
            adapter=key[1],
            device=str(loaded.device),
            dtype=str(loaded.dtype).removeprefix("torch."),
            parameters=loaded.parameters,
            context_length=loaded.context_length,
            tokenizer_hash=loaded.tokenizer_hash,
            seconds=time.monotonic() - started,
            plain_template=loaded.chat.is_plain,
        )

    def _follow(
        self, loading: _Loading, cancelled: Callable[[], bool], *, quiet: bool = False
    ) -> Iterator[events.Event]:
        """Pass on what a load says until it ends; returns False when cancelled before that."""
        while not cancelled():
            try:
                said = loading.said.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if isinstance(said, str):
                if not quiet:
                    yield events.ModelLoading(loading.key[0], said)
                continue
            self._loading = None
            if isinstance(said, LoadedModel):
                self._key, self._loaded = loading.key, said
            elif not quiet:
                raise said
            return True
        return False

    def _failed(self, error: Exception, job: str) -> events.Failed:
        if isinstance(error, UserError):
            return events.Failed(error.message, error.hint, job=job)
        if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
            self._let_go()
            return events.Failed(
                "The memory was not enough for these answers.",
                "Ask for fewer or shorter ones, or use a smaller model.",
                traceback.format_exc(),
                job,
            )
        return events.Failed("Something went wrong in the model process.", "", traceback.format_exc(), job)

    def _let_go(self) -> None:
        """Give back the memory of the model held."""
        if self._loaded is not None:
            self._key = self._loaded = None
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def _greet(base: str) -> Iterator[events.Event]:
    """See that a server is there and has the model; raises UserError otherwise."""
    started = time.monotonic()
    yield events.ModelLoading(base, "asking the server for its models")
    server = Server(parse(base))
    try:
        server.check()
    finally:
        server.close()
    yield events.ModelLoaded(base, None, "server", "", 0, 0, "", time.monotonic() - started)


def _start(key: _Key) -> _Loading:
    base, adapter, device = key
    loading = _Loading(key, queue.SimpleQueue())

    def work() -> None:
        try:
            path = Path(adapter) if adapter else None
            loading.said.put(load(base, adapter=path, device=device, on_stage=loading.said.put))
        except BaseException as error:
            loading.said.put(error)

    threading.Thread(target=work, name="load a model", daemon=True).start()
    return loading


def _finished(job: str, group: int, answer: Answer, tokenizer_hash: str) -> events.CompletionFinished:
    return events.CompletionFinished(
        job=job,
        group=group,
        candidate=answer.candidate,
        text=answer.text,
        token_ids=answer.token_ids,
        tokenizer_hash=tokenizer_hash,
        logp=answer.logp,
        finish_reason=answer.finish_reason,
        seed=answer.seed,
    )


def _repeat_notice(answer: Answer, sampling: SamplingSettings) -> events.Notice:
    why = (
        "at temperature 0 the model always gives the same answer"
        if sampling.temperature == 0
        else "drawing it again gave the same text; a higher temperature would vary it"
    )
    return events.Notice("same_answer", f"Answer {answer.candidate + 1} is the same as another one: {why}.")
