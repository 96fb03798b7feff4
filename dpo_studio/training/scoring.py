"""How undecided a trained policy is about groups nobody labelled: the gap between their two highest implicit rewards.

Implicit rewards β·(log π_θ − log π_ref) with training's own log-probabilities. The reference is the base with the
adapter switched off, or for a wholly trained model the one its run began with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import TrainingSettings
from dpo_studio.core.types import messages_from_json
from dpo_studio.models.load import LoadedModel

from .adapter import WithoutDropout, attach
from .batches import Example, example_of, micro_batches
from .forward import Scorer, choose_scorer
from .loading import token_budget_of
from .memory import is_out_of_memory

#: β of the implicit reward: training's default, so that gaps under different runs are on one scale.
BETA = TrainingSettings().beta


def examples_of(rows: Sequence[Mapping[str, Any]], loaded: LoadedModel) -> tuple[list[Example], int]:
    """Groups as token ids, and how many of them cannot be scored.

    Left out are those longer than the model reads, with fewer than two different answers, or whose conversation the
    chat template refuses.

    Args:
        rows: as the lines of a run's `data.jsonl`; ranks are not read and may all be null.
    """
    kept = []
    for row in rows:
        try:
            prompt = loaded.chat.prompt_ids(messages_from_json(row["prompt"]))
        except UserError:
            continue
        example = example_of(row, prompt, loaded.chat, loaded.tokenizer_hash)
        if example.prompt and len(set(example.completions)) > 1 and example.longest <= loaded.context_length:
            kept.append(example)
    return kept, len(rows) - len(kept)


class Scoring:
    """Scores groups with a policy that stays loaded.

    Args:
        loaded: the policy; with an adapter unless there is a `reference`.
        reference: the model that a wholly trained policy is compared with.
    """

    def __init__(self, loaded: LoadedModel, reference: LoadedModel | None = None) -> None:
        assert loaded.adapter is not None or reference is not None, "a base has no implicit rewards"
        self._policy = _Side(loaded)
        self._reference = self._policy if reference is None else _Side(reference)

    def gaps(
        self, examples: Sequence[Example], *, cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[dict[str, float]]:
        """The gaps in nats by group, a few groups at a time as they are computed.

        Args:
            cancelled: asked between the rows.

        Raises:
            UserError: memory is too short for a single group.
        """
        for side in (self._policy, self._reference):
            side.prepare_for(examples)
        for part in micro_batches(examples, min(self._policy.token_budget, self._reference.token_budget)):
            if cancelled():
                return
            yield from self._fitting(part)

    def _fitting(self, part: Sequence[Example]) -> Iterator[dict[str, float]]:
        """The gaps of a row; group by group where memory is too short for the row."""
        try:
            found = self._of_row(part)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            found = {}
        if found:
            yield found
        elif len(part) == 1:
            raise UserError(
                f"Memory is too short to score a group of {part[0].tokens:,} tokens.",
                "Close other programs, or score on another machine; what was scored is kept.",
            )
        else:
            for example in part:
                yield from self._fitting([example])

    def _of_row(self, part: Sequence[Example]) -> dict[str, float]:
        with_it = self._policy.logps(part)
        without = self._reference.logps(part, adapter=self._reference is not self._policy)
        return {
            example.group: gap(BETA * (a - b), example.completions)
            for example, a, b in zip(part, with_it, without, strict=True)
        }


def gap(rewards: Tensor, completions: Sequence[tuple[int, ...]]) -> float:
    """The best reward minus that of the best other completion; equal completions count as one.

    Args:
        rewards: (k,) implicit rewards of the completions.
    """
    by_completion = dict(zip(completions, rewards.tolist(), strict=True))
    best, second = sorted(by_completion.values(), reverse=True)[:2]
    return best - second


class _Side:
    """One of the two models that are compared, made ready as for training."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        self._model: Any = loaded.model
        if loaded.adapter is not None:
            self._model, _ = attach(loaded.model, TrainingSettings())
        self._longest = 0
        self._scorer: Scorer
        self.token_budget = 1

    def prepare_for(self, examples: Sequence[Example]) -> None:
        """Choose the way of computing, by the longest group so far: a longer one may need another."""
        longest = max((example.longest for example in examples), default=0)
        if longest > self._longest:
            self._longest = longest
            self._scorer, _ = choose_scorer(self._model, examples)
            self.token_budget = token_budget_of(self._loaded, exact_in_company=self._scorer.exact_in_company)

    @torch.no_grad()
    def logps(self, part: Sequence[Example], *, adapter: bool = True) -> list[Tensor]:
        """(k,) fp32 for each group, on the CPU; with the adapter switched off if so asked."""
        off = nullcontext() if adapter else self._model.disable_adapter()
        measuring = WithoutDropout(self._model) if self._loaded.adapter is not None else nullcontext()
        with measuring, off:
            return [row.cpu() for row in self._scorer.logps(part)]
