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
from .objectives import all_pairs, pl_dpo
from .objectives.orders import ABSENT
from .reference import Reference

Objective = Callable[[Tensor, Tensor, Tensor], Tensor]
Metrics = dict[str, float | None]


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
        self, model: Any, scorer: Scorer, reference: Reference, settings: TrainingSettings, *, token_budget: int
    ) -> None:
        self._model, self._scorer, self._reference, self._settings = model, scorer, reference, settings
        self._objective = objective_of(settings)
        self._parameters = [parameter for _, parameter in trainable(model)]
        self.optimizer = torch.optim.AdamW(
            self._parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.token_budget = token_budget

    def step(self, examples: Sequence[Example], learning_rate: float) -> Metrics:
        """One optimiser step on these groups; the metrics are of the policy before it.

        Raises:
            NotFinite: nothing was changed.
        """
        started = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        parts = []
        for part in micro_batches(examples, self.token_budget):
            losses, policy, reference, ranks = self._losses(part)
            (losses.sum() / len(examples)).backward()
            parts.append((losses.detach(), policy.detach(), reference, ranks))
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

    def measure(self, examples: Sequence[Example]) -> Measurement:
        """The metrics and log-probabilities of these groups, without training on them."""
        parts, logps = [], {}
        with torch.no_grad(), WithoutDropout(self._model):
            for part in micro_batches(examples, self.token_budget):
                losses, policy, reference, ranks = self._losses(part)
                parts.append((losses, policy, reference, ranks))
                for example, row in zip(part, policy.tolist(), strict=True):
                    logps[example.group] = row[: len(example.completions)]
        return Measurement(self._metrics(parts), logps)

    def _losses(self, part: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        policy = diagnostics.stack(self._scorer.logps(part), fill=0.0)
        device = policy.device
        reference = diagnostics.stack([self._reference.logps(example) for example in part], fill=0.0).to(device)
        ranks = diagnostics.stack([torch.tensor(example.ranks) for example in part], fill=ABSENT).to(device)
        return self._objective(policy, reference, ranks), policy, reference, ranks

    def _metrics(self, parts: Sequence[tuple[Tensor, Tensor, Tensor, Tensor]]) -> Metrics:
        losses, policy, reference, ranks = zip(*parts, strict=True)
        join = diagnostics.stack
        return diagnostics.measure(
            torch.cat(losses),
            join([row for part in policy for row in part], fill=0.0),
            join([row for part in reference for row in part], fill=0.0),
            join([row for part in ranks for row in part], fill=ABSENT),
            beta=self._settings.beta,
        )


def memory_gb() -> float:
    """Memory in use by this process, in 10⁹ bytes: the GPU's peak where there is one, else the resident set."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 1e9
    import psutil

    return psutil.Process().memory_info().rss / 1e9


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a GPU or on the CPU."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
