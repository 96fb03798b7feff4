"""One optimiser step, and one measurement: a model, its reference, an objective and an optimiser at work.

The effective batch is exact whatever the micro-batches are: every group's loss is divided by the number of groups
of the whole batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dpo_studio.core.settings import TrainingSettings

from . import diagnostics
from .adapter import WithoutDropout, trainable
from .batches import Example, micro_batches
from .forward import Scorer
from .memory import memory_gb
from .objectives import all_pairs, pl_dpo
from .objectives.orders import ABSENT
from .processes import Alone
from .reference import Reference

Objective = Callable[[Tensor, Tensor, Tensor], Tensor]
Metrics = dict[str, float | None]
#: Losses (groups,); log-probabilities of policy and reference, and ranks (groups, k): of a micro-batch.
Part = tuple[Tensor, Tensor, Tensor, Tensor]


class NotFinite(Exception):
    """The step's loss or gradient is not a number; the weights are as before. `metrics`: what was measured."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__("not finite")
        self.metrics = metrics


def objective_of(settings: TrainingSettings) -> Objective:
    """The settings' method as a function of policy log-probabilities, reference log-probabilities and ranks."""
    if settings.method == "pl_dpo":
        return lambda policy, reference, ranks: pl_dpo(
            policy, reference, ranks, beta=settings.beta, stage_reduction=settings.stage_reduction
        )
    assert settings.method == "dpo", settings.method
    return lambda policy, reference, ranks: all_pairs(
        policy, reference, ranks, beta=settings.beta, label_smoothing=settings.label_smoothing
    )


@dataclass(frozen=True, slots=True)
class Measurement:
    """Metrics over some groups, and each group's summed completion log-probabilities."""

    metrics: Metrics
    logps: dict[str, list[float]]


class Learner:
    """Trains a model's adapter, step by step.

    Attributes:
        optimizer: AdamW over the adapter's parameters.
        token_budget: tokens of a micro-batch; smaller when memory is short. It does not change the result.
    """

    def __init__(
        self,
        model: Any,
        scorer: Scorer,
        reference: Reference,
        settings: TrainingSettings,
        *,
        token_budget: int,
        processes: Alone | None = None,
    ) -> None:
        self._model, self._scorer, self._reference, self._settings = model, scorer, reference, settings
        self._objective = objective_of(settings)
        self._parameters = [parameter for _, parameter in trainable(model)]
        self.optimizer = torch.optim.AdamW(
            self._parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.token_budget = token_budget
        self._processes = processes or Alone()

    def step(self, examples: Sequence[Example], learning_rate: float) -> Metrics:
        """One optimiser step on these groups; the metrics are of the policy before it.

        Raises:
            NotFinite: nothing was changed.
        """
        started = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        share = self._processes.share(examples)
        found = self._processes.gather(lambda: self._backward(share, groups=len(examples)))
        parts = [part for of_process in found for part in of_process]
        self._processes.sum_gradients(self._parameters)
        metrics = self._metrics(parts)
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self._settings.max_grad_norm)
        metrics["grad_norm"], metrics["learning_rate"] = norm.item(), learning_rate
        if not (torch.isfinite(norm) and all(torch.isfinite(losses).all() for losses, *_ in parts)):
            self.optimizer.zero_grad(set_to_none=True)
            raise NotFinite(metrics)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        elapsed = time.perf_counter() - started
        metrics["tokens_per_s"] = sum(example.tokens for example in examples) / elapsed
        metrics["memory_gb"] = memory_gb()
        return metrics

    def _backward(self, examples: Sequence[Example], *, groups: int) -> list[Part]:
        """Add the gradients of the groups that are this process's; `groups` are in the whole batch."""
        parts = []
        for part in micro_batches(examples, self.token_budget):
            losses, policy, reference, ranks = self._losses(part)
            (losses.sum() / groups).backward()
            parts.append((losses.detach(), policy.detach(), reference, ranks))
        return parts

    def measure(self, examples: Sequence[Example]) -> Measurement:
        """The metrics and log-probabilities of these groups, without training on them."""
        share = self._processes.share(examples)
        found = self._processes.gather(lambda: self._look(share))
        logps = {group: row for _, of_process in found for group, row in of_process.items()}
        metrics = self._metrics([part for parts, _ in found for part in parts])
        return Measurement(metrics, {example.group: logps[example.group] for example in examples})

    def _look(self, examples: Sequence[Example]) -> tuple[list[Part], dict[str, list[float]]]:
        parts: list[Part] = []
        logps = {}
        with torch.no_grad(), WithoutDropout(self._model):
            for part in micro_batches(examples, self.token_budget):
                losses, policy, reference, ranks = self._losses(part)
                parts.append((losses, policy, reference, ranks))
                for example, row in zip(part, policy.tolist(), strict=True):
                    logps[example.group] = row[: len(example.completions)]
        return parts, logps

    def _losses(self, part: Sequence[Example]) -> Part:
        policy = diagnostics.stack(self._scorer.logps(part), fill=0.0)
        device = policy.device
        reference = diagnostics.stack([self._reference.logps(example) for example in part], fill=0.0).to(device)
        ranks = diagnostics.stack([torch.tensor(example.ranks) for example in part], fill=ABSENT).to(device)
        return self._objective(policy, reference, ranks), policy, reference, ranks

    def _metrics(self, parts: Sequence[Part]) -> Metrics:
        losses, policy, reference, ranks = zip(*parts, strict=True)
        join = diagnostics.stack
        return diagnostics.measure(
            torch.cat(losses),
            join([row for part in policy for row in part], fill=0.0),
            join([row for part in reference for row in part], fill=0.0),
            join([row for part in ranks for row in part], fill=ABSENT),
            beta=self._settings.beta,
        )
