"""The model that a worker holds: loaded when it is asked for, its adapters switched, let go for another base."""

from __future__ import annotations

import gc
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from dpo_studio.core import events
from dpo_studio.models.load import LoadedModel, load_where_it_fits
from dpo_studio.models.switching import SharedBase, can_share

_POLL_S = 0.1
#: Base, adapter and device, as a command names them.
Key = tuple[str, str | None, str]


@dataclass(slots=True)
class _Held:
    """A base and its switched adapters, or a model whose adapter cannot be switched off (`shared` is None)."""

    key: Key
    loaded: LoadedModel
    shared: SharedBase | None


@dataclass(slots=True)
class _Loading:
    """A load that goes on in a thread of its own, since it cannot be interrupted."""

    key: Key
    said: queue.SimpleQueue[str | _Held | BaseException]


class Holder:
    """Holds one base model at a time. For one thread.

    Attributes:
        loaded: the model that was asked for last; None before, and when its load was cancelled.
    """

    def __init__(self) -> None:
        self.loaded: LoadedModel | None = None
        self._held: _Held | None = None
        self._loading: _Loading | None = None

    def hold(self, key: Key, cancelled: Callable[[], bool]) -> Iterator[events.Event]:
        """What loading a model says; nothing when it is held already, its adapter only switched off or on.

        Raises:
            UserError: it cannot be used.
        """
        self.loaded = None
        started = time.monotonic()
        if self._loading is not None and self._loading.key != key:
            yield events.ModelLoading(key[0], "waiting for another model that is being loaded")
            if not (yield from self._follow(self._loading, cancelled, quiet=True)):
                return
        if self._loading is None:
            if self._switch(key):
                return
            self._loading = self._start(key)
        if not (yield from self._follow(self._loading, cancelled)):
            return
        assert self._held is not None
        loaded = self.loaded = self._held.loaded
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

    def let_go(self) -> None:
        """Give back the memory of the model held."""
        self.loaded = None
        if self._held is not None:
            self._held = None
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _switch(self, key: Key) -> bool:
        """Use what is in memory; False where something is to be read."""
        held = self._held
        if held is None or (held.key[0], held.key[2]) != (key[0], key[2]):
            return False
        path = None if key[1] is None else Path(key[1])
        if held.shared is not None and held.shared.has(path):
            held.key, held.loaded = key, held.shared.use(path)
        elif held.shared is not None or held.key != key:
            return False
        self.loaded = held.loaded
        return True

    def _start(self, key: Key) -> _Loading:
        base, adapter, device = key
        path = None if adapter is None else Path(adapter)
        sharing = path is None or can_share(path)
        held = self._held
        same_base = held is not None and (held.key[0], held.key[2]) == (base, device)
        shared = held.shared if held is not None and same_base and sharing else None
        if shared is None:
            held = None
            self.let_go()
        loading = _Loading(key, queue.SimpleQueue())

        def work() -> None:
            try:
                loading.said.put(_load(key, shared, loading.said.put, sharing=sharing))
            except BaseException as error:
                loading.said.put(error)

        threading.Thread(target=work, name="load a model", daemon=True).start()
        return loading

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
            if isinstance(said, _Held):
                self._held = said
            else:
                self.let_go()  # an adapter that found no place may have changed the base
                if not quiet:
                    raise said
            return True
        return False


def _load(key: Key, shared: SharedBase | None, on_stage: Callable[[str], None], *, sharing: bool) -> _Held:
    base, adapter, device = key
    path = None if adapter is None else Path(adapter)
    if not sharing:
        return _Held(key, load_where_it_fits(base, adapter=path, device=device, on_stage=on_stage), None)
    if shared is None:
        shared = SharedBase(load_where_it_fits(base, device=device, on_stage=on_stage))
    if path is not None:
        on_stage("loading the adapter")
    return _Held(key, shared.use(path), shared)
