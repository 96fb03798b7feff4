"""The reference's log-probabilities: computed once, kept in the project's cache for every run, and with the run.

The reference is the policy as it stands before the first step: the base with the adapter off in a first round,
the starting adapter in a later one. Both are at hand, and unchanged, at the moment this is computed. So what the
policy itself gives before its first update, to the held-out groups and to those of the first step, is the
reference's too, and is computed once where both give the same bits.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from dpo_studio import __version__
from dpo_studio.core.settings import TrainingSettings

from .adapter import WithoutDropout
from .batches import Example
from .disk import write_file_whole
from .forward import Scorer
from .lanes import Lanes
from .processes import Alone
from .reference_cache import ReferenceCache

CACHE_FILE = "reference.safetensors"
#: What the name of a group's token log-probabilities ends with.
_TOKENS = "/tokens"
_KEEP_EVERY_S = 30.0


def is_the_policy(settings: TrainingSettings, scorer: Scorer, processes: Alone) -> bool:
    """Whether the policy, until its first update, gives what `compute` would, to the last bit.

    An adapter that is new adds exact zeros. Dropout would come between, and so would neighbours in a row where they
    move a number's last digits. Several processes would have to tell one another; `kto` also asks for pairs that no
    step scores with the policy alone.
    """
    alone = processes.count == 1 and scorer.exact_in_company
    return alone and settings.lora_dropout == 0 and settings.method != "kto"


class Reference:
    """Looks up the reference's (k,) log-probabilities by group."""

    def __init__(
        self,
        path: Path,
        identity: Sequence[Any],
        *,
        keeps_tokens: bool = False,
        cache: Path | None = None,
        processes: Alone | None = None,
    ) -> None:
        """
        Args:
            identity: everything but the tokens that the numbers depend on: model, dtype, way of computing.
            path: the run's own file. It has the numbers that the run goes by, so that a resumed one goes by the same
                whatever became of the cache.
            keeps_tokens: keep each token's log-probability too, for `token_logps`.
            cache: the folder that all runs share, if there is one.
            processes: those of the run; all of them know what the first one has read.
        """
        self._path, self._keeps_tokens = path, keeps_tokens
        # Another version of the program or of torch may round in another way.
        self._identity = json.dumps([str(part) for part in (__version__, torch.__version__, *identity)])
        self._cache = None if cache is None else ReferenceCache(cache, self._identity)
        self._learnt: dict[str, Tensor] = {}
        self._known = (processes or Alone()).first(self._read)

    def missing(self, examples: Sequence[Example]) -> list[Example]:
        return [example for example in examples if any(name not in self._known for name in self._names(example))]

    def logps(self, example: Example) -> Tensor:
        """(k,) fp32 on the CPU.

        Raises:
            KeyError: `compute` was not asked for this group.
        """
        return self._known[self._key(example)]

    def token_logps(self, example: Example) -> Tensor:
        """(k, longest) fp32 on the CPU, 0 past each end.

        Raises:
            KeyError: `compute` was not asked for this group, or not for its tokens.
        """
        return self._known[self._key(example) + _TOKENS]

    def compute(
        self,
        model: Any,
        scorer: Scorer,
        examples: Sequence[Example],
        *,
        token_budget: int,
        adapter_is_new: bool,
        processes: Alone,
        lanes: Lanes | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Compute what is missing, each process its share, and add it to the cache.

        Args:
            adapter_is_new: the adapter was made for this run, so the reference is the base without it.
            stop: asked after every row: whether to leave the rest.
        """
        if not self.missing(examples):
            return
        beside = lanes or Lanes(1)
        off: Callable[[], Any] = model.disable_adapter if adapter_is_new else nullcontext

        def compute() -> dict[str, Tensor]:
            found: dict[str, Tensor] = {}
            kept, last = 0, time.monotonic()
            # Rows are cut from all groups, not from those that are missing: a row's numbers depend in their last
            # digits on its groups, and are to be the same when this was interrupted half-way.
            parts = [row for row in beside.rows(processes.share(examples), token_budget) if self.missing(row)]
            score = scorer.token_logps if self._keeps_tokens else scorer.logps
            with torch.no_grad(), WithoutDropout(model), off():
                for part, rows in zip(parts, beside.map(score, parts), strict=True):
                    for example, row in zip(part, rows, strict=True):
                        found |= self._entries(example, row)
                    if self._cache and time.monotonic() - last > _KEEP_EVERY_S:
                        self._cache.add(dict(list(found.items())[kept:]))
                        kept, last = len(found), time.monotonic()
                    if stop():
                        break
            if self._cache:
                self._cache.add(dict(list(found.items())[kept:]))
            return found

        for found in processes.gather(compute):
            self._known.update({key: row for key, row in found.items() if key not in self._known})

    def learn(self, examples: Sequence[Example], rows: Sequence[Tensor]) -> None:
        """Take what the policy gives while it is still the reference, for groups that are not known yet.

        Args:
            rows: for each group, (k,) log-probabilities, or (k, longest) of its tokens where those are kept.
        """
        for example, row in zip(examples, rows, strict=True):
            if self.missing([example]):
                entries = self._entries(example, row)
                self._learnt |= entries
                self._known |= entries

    def keep(self, examples: Sequence[Example], processes: Alone) -> None:
        """Write the run's own file: what these groups need, and nothing else of what the cache knows.

        What was learnt since goes to the cache.
        """
        if self._cache:
            self._cache.add(self._learnt)
        self._learnt = {}
        names = {name for example in examples for name in self._names(example)}
        own = {name: self._known[name] for name in sorted(names)}
        processes.first(lambda: write_file_whole(self._path, save(own)))

    def _key(self, example: Example) -> str:
        ids = json.dumps([self._identity, example.prompt, example.completions])
        return hashlib.sha256(ids.encode()).hexdigest()[:32]

    def _entries(self, example: Example, row: Tensor) -> dict[str, Tensor]:
        key, row = self._key(example), row.detach().cpu()
        return {key: row.sum(dim=1), key + _TOKENS: row} if self._keeps_tokens else {key: row}

    def _names(self, example: Example) -> list[str]:
        return [self._key(example) + ending for ending in (("", _TOKENS) if self._keeps_tokens else ("",))]

    def _read(self) -> dict[str, Tensor]:
        return {**(self._cache.read() if self._cache else {}), **_read(self._path)}


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError):
        return {}
