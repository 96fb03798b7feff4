"""One optimiser step, and one measurement: a model, its reference, an objective and an optimiser at work.

The effective batch is exact whatever the micro-batches are: every group's loss is divided by the number of groups
of the whole batch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dpo_studio.core.errors import UserError
from dpo_studio.core.methods import METHODS
from dpo_studio.core.settings import TrainingSettings

from . import diagnostics
from .adapter import WithoutDropout, trainable
from .batches import Example
from .forward import Scorer
from .lanes import Lanes
from .memory import give_back, is_out_of_memory, memory_gb
from .objective import Scored, losses_of
from .objectives.orders import ABSENT
from .processes import Alone
from .reference import Reference

Metrics = dict[str, float | None]


class NotFinite(Exception):
    """The step's loss or gradient is not a number; the weights are as before. `metrics`: what was measured."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__("not finite")
        self.metrics = metrics


class Part(NamedTuple):
    """What a micro-batch gave: losses (groups,); policy, reference, ranks and lengths (groups, k)."""

    losses: Tensor
    policy: Tensor
    reference: Tensor
    ranks: Tensor
    lengths: Tensor

    def detached(self) -> Part:
        return self._replace(losses=self.losses.detach(), policy=self.policy.detach())


@dataclass(frozen=True, slots=True)
class Measurement:
    """Metrics over some groups, and each group's summed completion log-probabilities."""

    metrics: Metrics
    logps: dict[str, list[float]]


class Learner:
    """Trains a model's adapter, step by step.

    Attributes:
        optimizer: AdamW over the adapter's parameters.
        lanes: compute the rows of a step.
        scorer: computes the policy's log-probabilities.
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
        partners: Mapping[str, Example] | None = None,
        is_reference: bool = False,
        lanes: Lanes | None = None,
    ) -> None:
        """
        Args:
            partners: each group's mismatched example, for `kto`.
            is_reference: the policy gives the reference's numbers, bit for bit, until its first update; so what
                it gives by then need not be computed by the reference too.
        """
        self._model, self.scorer, self._reference, self._settings = model, scorer, reference, settings
        self._partners, self._is_reference = partners or {}, is_reference
        self._mismatched: tuple[Tensor, Tensor] | None = None
        self._parameters = [parameter for _, parameter in trainable(model)]
        on_gpu = all(parameter.device.type == "cuda" for parameter in self._parameters)
        self.optimizer = torch.optim.AdamW(
            self._parameters,
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True if on_gpu else None,  # one operation for all weights
        )
        self._processes = processes or Alone()
        self.lanes = lanes or Lanes(1)
        self.token_budget = token_budget

    @property
    def token_budget(self) -> int:
        return self._token_budget

    @token_budget.setter
    def token_budget(self, tokens: int) -> None:
        self._token_budget = tokens
        self.lanes.room = tokens * self.lanes.count

    def rows(self, examples: Sequence[Example]) -> list[list[Example]]:
        """The groups as they are laid in rows."""
        return self.lanes.rows(examples, self.token_budget)

    def step(self, examples: Sequence[Example], learning_rate: float) -> Metrics:
        """One optimiser step on these groups; the metrics are of the policy before it.

        Raises:
            NotFinite: nothing was changed.
        """
        started = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        share = self._processes.share(examples)
        self._mismatched = self._score_mismatched(share)
        found = self._processes.gather(lambda: self._backward(share, groups=len(examples)))
        parts = [part for of_process in found for part in of_process]
        self._processes.sum_gradients(self._parameters)
        metrics = self._metrics(parts)
        # One process that runs out of memory here has all of them repeat the step, and below has all of them stop.
        norm = self._processes.in_step(self._clip)
        metrics["grad_norm"], metrics["learning_rate"] = norm.item(), learning_rate
        if not (torch.isfinite(norm) and all(torch.isfinite(part.losses).all() for part in parts)):
            self.optimizer.zero_grad(set_to_none=True)
            raise NotFinite(metrics)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self._processes.in_step(self._update)
        self.optimizer.zero_grad(set_to_none=True)
        elapsed = time.perf_counter() - started
        metrics["tokens_per_s"] = sum(example.tokens for example in examples) / elapsed
        metrics["memory_gb"] = memory_gb()
        return metrics

    def _clip(self) -> Tensor:
        return torch.nn.utils.clip_grad_norm_(self._parameters, self._settings.max_grad_norm)

    def _update(self) -> None:
        self._is_reference = False
        try:
            self.optimizer.step()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            # Some weights may be new and others old: this step cannot be done again.
            raise UserError(
                "Memory ran out while the adapter was being changed.",
                "Close other programs, then resume: training goes on from the last checkpoint.",
            ) from error

    def _backward(self, examples: Sequence[Example], *, groups: int) -> list[Part]:
        """Add the gradients of the groups that are this process's; `groups` are in the whole batch."""
        parts = []
        if self.lanes.count == 1:
            for row in self.rows(examples):
                scored = self._losses(row)
                (scored.losses.sum() / groups).backward()
                parts.append(scored.detached())
            return parts

        def row_with_gradients(row: Sequence[Example]) -> tuple[Part, Sequence[Tensor | None]]:
            scored = self._losses(row)
            loss = scored.losses.sum() / groups
            return scored.detached(), torch.autograd.grad(loss, self._parameters, allow_unused=True)

        # One after the other in the order of the rows, whichever was done first.
        for part, gradients in self.lanes.map(row_with_gradients, self.rows(examples)):
            parts.append(part)
            for parameter, gradient in zip(self._parameters, gradients, strict=True):
                if gradient is not None:
                    parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        return parts

    def measure(self, examples: Sequence[Example]) -> Measurement:
        """The metrics and log-probabilities of these groups, without training on them."""
        give_back()
        share = self._processes.share(examples)
        self._mismatched = self._score_mismatched(share)
        found = self._processes.gather(lambda: self._look(share))
        logps = {group: row for _, of_process in found for group, row in of_process.items()}
        metrics = self._metrics([part for parts, _ in found for part in parts])
        return Measurement(metrics, {example.group: logps[example.group] for example in examples})

    def _look(self, examples: Sequence[Example]) -> tuple[list[Part], dict[str, list[float]]]:
        parts: list[Part] = []
        logps = {}
        rows = self.rows(examples)
        with torch.no_grad(), WithoutDropout(self._model):
            for row, part in zip(rows, self.lanes.map(self._losses, rows), strict=True):
                parts.append(part)
                for example, values in zip(row, part.policy.tolist(), strict=True):
                    logps[example.group] = values[: len(example.completions)]
        return parts, logps

    def _losses(self, part: Sequence[Example]) -> Part:
        stack, tokens, reference_tokens = diagnostics.stack, None, None
        needs_tokens = METHODS[self._settings.method].needs_tokens
        rows = self.scorer.token_logps(part) if needs_tokens else self.scorer.logps(part)
        if self._is_reference:
            self._reference.learn(part, rows)
        if needs_tokens:
            tokens = diagnostics.stack_tokens(rows)
            policy = tokens.sum(dim=2)
            known = [self._reference.token_logps(example) for example in part]
            reference_tokens = diagnostics.stack_tokens(known).to(policy.device)
        else:
            policy = stack(rows, fill=0.0)
        device = policy.device
        reference = stack([self._reference.logps(example) for example in part], fill=0.0).to(device)
        ranks = stack([torch.tensor(example.ranks) for example in part], fill=ABSENT).to(device)
        lengths = stack([torch.tensor([max(1, len(ids)) for ids in e.completions]) for e in part], fill=1).to(device)
        mismatched_policy, mismatched_reference = self._mismatched or (None, None)
        scored = Scored(
            policy=policy,
            reference=reference,
            ranks=ranks,
            lengths=lengths,
            strength=torch.tensor([float(example.strength) for example in part], device=device),
            confidence=torch.tensor([e.confidence or math.nan for e in part], device=device),
            policy_tokens=tokens,
            reference_tokens=reference_tokens,
            mismatched_policy=mismatched_policy,
            mismatched_reference=mismatched_reference,
        )
        return Part(losses_of(self._settings, scored), policy, reference, ranks, lengths)

    def _score_mismatched(self, examples: Sequence[Example]) -> tuple[Tensor, Tensor] | None:
        """The mismatched values (groups,) of policy and reference; None where the method needs none.

        Of all groups of the step, those of the other processes too: how they are dealt out changes nothing.
        """
        if not self._partners:
            return None
        partners = [self._partners[example.group] for example in examples]

        def score() -> list[tuple[Tensor, Tensor]]:
            rows = self.rows(partners)
            found: dict[str, Tensor] = {}
            with torch.no_grad(), WithoutDropout(self._model):
                for row, values in zip(rows, self.lanes.map(self.scorer.logps, rows), strict=True):
                    found |= {one.group: logps.cpu() for one, logps in zip(row, values, strict=True)}
            return [(found[partner.group], self._reference.logps(partner)) for partner in partners]

        pairs = [pair for found in self._processes.gather(score) for pair in found]
        policy, reference = (torch.cat(values).to(self._parameters[0].device) for values in zip(*pairs, strict=True))
        return policy, reference

    def _metrics(self, parts: Sequence[Part]) -> Metrics:
        # On the CPU, where small operations begin at once.
        parts = [Part(*(tensor.cpu() for tensor in part)) for part in parts]

        def join(name: str, fill: float) -> Tensor:
            return diagnostics.stack([row for part in parts for row in getattr(part, name)], fill=fill)

        return diagnostics.measure(
            torch.cat([part.losses for part in parts]),
            join("policy", 0.0),
            join("reference", 0.0),
            join("ranks", ABSENT),
            lengths=join("lengths", 1),
            beta=self._settings.reward_beta,
        )
