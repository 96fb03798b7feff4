"""The reference's log-probabilities: computed once per run, kept in its folder.

The reference is the policy as it stands before the first step: the base with the adapter off in a first round,
the starting adapter in a later one. Both are at hand, and unchanged, at the moment this is computed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from .adapter import WithoutDropout
from .batches import Example, micro_batches
from .disk import write_file_whole
from .forward import Scorer
from .processes import Alone

CACHE_FILE = "reference.safetensors"
#: What the name of a group's token log-probabilities ends with.
_TOKENS = "/tokens"


class Reference:
    """Looks up the reference's (k,) log-probabilities by group."""

    def __init__(self, path: Path, identity: Sequence[Any], *, keeps_tokens: bool = False) -> None:
        """
        Args:
            identity: everything but the tokens that the numbers depend on: model, dtype, way of computing.
            keeps_tokens: keep each token's log-probability too, for `token_logps`.
        """
        self._path, self._keeps_tokens = path, keeps_tokens
        self._identity = json.dumps([str(part) for part in identity])
        self._known = _read(path)

    def missing(self, examples: Sequence[Example]) -> list[Example]:
        names = ("", _TOKENS) if self._keeps_tokens else ("",)
        return [example for example in examples if any(self._key(example) + name not in self._known for name in names)]

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
    ) -> None:
        """Compute what is missing, each process its share, and keep it on disk.

        Args:
            adapter_is_new: the adapter was made for this run, so the reference is the base without it.
        """
        todo = self.missing(examples)
        if not todo:
            return
        off: Callable[[], Any] = model.disable_adapter if adapter_is_new else nullcontext

        def compute() -> dict[str, Tensor]:
            found = {}
            for part in micro_batches(processes.share(todo), token_budget):
                with torch.no_grad(), WithoutDropout(model), off():
                    rows = scorer.token_logps(part) if self._keeps_tokens else scorer.logps(part)
                for example, row in zip(part, rows, strict=True):
                    if self._keeps_tokens:
                        found[self._key(example) + _TOKENS] = row.cpu()
                    found[self._key(example)] = (row.sum(dim=1) if self._keeps_tokens else row).cpu()
            return found

        for found in processes.gather(compute):
            self._known.update(found)
        processes.first(lambda: write_file_whole(self._path, save(self._known)))

    def _key(self, example: Example) -> str:
        ids = json.dumps([self._identity, example.prompt, example.completions])
        return f"{example.group}/{hashlib.sha256(ids.encode()).hexdigest()[:32]}"


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError):
        return {}
