"""What the policy says now: fresh answers to the run's fixed prompts, and what is measured on them."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

from dpo_studio.core import events
from dpo_studio.core.settings import TrainingSettings

from . import samples
from .adapter import WithoutDropout
from .frozen import FrozenWeights
from .kl import responses_kl
from .memory import is_out_of_memory
from .whole import has_room_for_a_copy

#: A run is not ended by the mean of fewer answers than this.
_ENOUGH = 16


class FreshAnswers:
    """Draws answers at the measurements of a run and says how far the policy has drifted.

    The answers have a random stream of their own, decided by seed and step: a run that draws none, or goes on from a
    checkpoint, trains with the same numbers.

    Attributes:
        notices: what a person should know about what cannot be measured.
        kl: of the last look, in nats a response; None where it could not be measured.
    """

    def __init__(
        self,
        model: Any,
        loaded: Any,
        settings: TrainingSettings,
        prompts: Sequence[samples.SamplePrompt],
        *,
        together: bool,
    ) -> None:
        """To be made before the first step or before a checkpoint is put back: the reference is the model as it is.

        Args:
            loaded: the model's chat format and context length.
            prompts: the run's fixed prompts; none where another process answers them.
            together: whether prompts may be answered in one batch.
        """
        self._model, self._loaded, self._settings, self._together = model, loaded, settings, together
        self._prompts = list(prompts) if settings.fresh_samples else []
        self.notices: list[events.Notice] = []
        self.kl: float | None = None
        self._frozen = None
        if self._prompts and (settings.trains != "full" or has_room_for_a_copy(model)):
            self._frozen = FrozenWeights(model)
        elif self._prompts:
            text = "There is not enough memory for a copy of the starting model, so its drift (KL) is not measured."
            self.notices.append(events.Notice("no_kl", text))
        self._began, self._spent = time.monotonic(), 0.0
        self._last = -1

    def look(self, step: int) -> Iterator[events.Event]:
        """Answers and measurements after `step` optimiser steps; nothing when that was done, or nothing is asked."""
        if not self._prompts or step == self._last:
            return
        self._last, self.kl = step, None
        started = time.monotonic()
        try:
            with WithoutDropout(self._model):
                drawn, divergences = self._measure(step)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self._prompts, self._frozen = [], None
            text = "Memory ran out, so no more answers are drawn while training."
            if self._settings.max_kl:
                text += " From here on the bound on drift is not watched."
            yield events.Notice("no_fresh_answers", text)
            return
        if not drawn:
            return
        shown = set()
        for answer in drawn:
            if answer.prompt not in shown:
                shown.add(answer.prompt)
                yield events.AnswerSampled(f"step {step}", answer.prompt, answer.text, answer.finish_reason)
        self._spent += time.monotonic() - started
        metrics = describe([answer.token_ids for answer in drawn], divergences)
        metrics["finished"] = sum(answer.finish_reason == "stop" for answer in drawn) / len(drawn)
        metrics["time_share"] = self._spent / max(time.monotonic() - self._began, 1e-9)
        self.kl = metrics["kl"]
        yield events.Sampled(step, metrics)

    def _measure(self, step: int) -> tuple[list[samples.Drawn], list[float] | None]:
        """Answers and the divergence at each; more of both where few seem to be past the bound.

        One answer of a few can be far off by itself, and the mean of these would end a run that has hardly moved.
        """
        drawn = self._draw(str(step), self._settings.fresh_samples)
        divergences = self._divergences(drawn)
        bound, missing = self._settings.max_kl, _ENOUGH - len(drawn)
        if bound and divergences and missing > 0 and not sum(divergences) <= bound * len(divergences):
            more = self._draw(f"{step}/more", missing)
            drawn += more
            divergences += self._divergences(more) or []
        return drawn, divergences

    def _draw(self, stream: str, count: int) -> list[samples.Drawn]:
        return samples.draw(
            self._model,
            self._loaded.chat,
            self._prompts,
            count=count,
            max_new_tokens=self._settings.fresh_tokens,
            seed=random.Random(f"{self._settings.seed}/fresh/{stream}").getrandbits(63),
            context_length=self._loaded.context_length,
            together=self._together,
        )

    def _divergences(self, drawn: Sequence[samples.Drawn]) -> list[float] | None:
        if self._frozen is None:
            return None
        return responses_kl(self._model, self._frozen, [(answer.prompt_ids, answer.token_ids) for answer in drawn])


def describe(answers: Sequence[Sequence[int]], divergences: Sequence[float] | None) -> dict[str, float | None]:
    """Mean length in tokens, distinct-1 and -2, and the mean divergence a response and a token, in nats.

    Args:
        divergences: one of each answer, or None where there is no reference at hand.
    """
    tokens = sum(len(answer) for answer in answers)
    total = None if divergences is None else sum(divergences)
    return {
        "kl": None if total is None else total / len(answers),
        "kl_per_token": None if total is None else total / max(tokens, 1),
        "mean_length": tokens / len(answers),
        "distinct_1": distinct(answers, 1),
        "distinct_2": distinct(answers, 2),
    }


def distinct(answers: Sequence[Sequence[int]], n: int) -> float | None:
    """The share of an answer's runs of n tokens that differ, averaged over the answers that have any.

    Within each answer (after arXiv 1510.03055): a model that repeats itself falls towards 0, and neither the number
    of answers nor two answers to one prompt change it.
    """
    shares = []
    for answer in answers:
        runs = [tuple(answer[i : i + n]) for i in range(len(answer) - n + 1)]
        if runs:
            shares.append(len(set(runs)) / len(runs))
    return sum(shares) / len(shares) if shares else None
