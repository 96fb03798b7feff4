"""What a run has said so far, put in order: series for the curves, answers, notices. No Qt, no drawing.

The events of `core.events` are the only source; a run that is read again from its start gives the same record.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping

from dpo_studio.core import events

#: What a run does once it was measured before training.
FIRST_STEP = "taking the first step"


class Series:
    """One measured quantity over optimiser steps. A value that was not finite is a gap (NaN).

    Attributes:
        steps: optimiser steps, rising. values: as many numbers.
    """

    def __init__(self) -> None:
        self.steps = array("q")
        self.values = array("d")

    def __len__(self) -> int:
        return len(self.steps)

    def add(self, step: int, value: float | None) -> None:
        """Append a point; a step that was measured already is measured anew from there."""
        if self.steps and step <= self.steps[-1]:
            self.cut(step)
        self.steps.append(step)
        self.values.append(math.nan if value is None else float(value))

    def cut(self, step: int) -> None:
        """Forget the points from this step on."""
        keep = bisect_left(self.steps, step)
        del self.steps[keep:]
        del self.values[keep:]

    def until(self, step: int) -> Series:
        """The points up to and with this step."""
        made, keep = Series(), bisect_right(self.steps, step)
        made.steps, made.values = self.steps[:keep], self.values[:keep]
        return made

    def last(self) -> float | None:
        """The newest value, or None when there is none or it is a gap."""
        return self.values[-1] if self.values and math.isfinite(self.values[-1]) else None

    def at(self, step: int) -> float | None:
        """The value at exactly this step, or None."""
        index = bisect_left(self.steps, step)
        if index < len(self.steps) and self.steps[index] == step and math.isfinite(self.values[index]):
            return self.values[index]
        return None


class RunRecord:
    """Everything one run said.

    Attributes:
        train, held_out: series by metric name (see `core.events.StepDone`).
        fresh: series of what was measured on fresh answers (see `core.events.Sampled`).
        answers: by prompt number, then by phase ("before", "after", "step 12").
        stage: what it is doing before the first step, as a phrase.
        version: grows with every change.
        expected: what was expected of it before it began, if something was measured.
    """

    def __init__(self, expected: events.Estimated | None = None) -> None:
        self.version = 0
        self.expected = expected
        self.clear()

    def clear(self) -> None:
        """Forget everything, to be read again from the start."""
        self.started: events.RunStarted | None = None
        self.done: events.RunDone | None = None
        self.failed: events.Failed | None = None
        self.stage = ""
        self.step = 0
        self.train: dict[str, Series] = {}
        self.held_out: dict[str, Series] = {}
        self.fresh: dict[str, Series] = {}
        self.notices: list[events.Notice] = []
        self.answers: dict[int, dict[str, events.AnswerSampled]] = {}
        self.version += 1

    @property
    def steps(self) -> int:
        """How many optimiser steps the run is to have; 0 while that is unknown."""
        return self.started.steps if self.started else 0

    @property
    def kept_step(self) -> int:
        """The step that was kept in the end where it is not the last one that was done; else 0."""
        kept = self.done.kept_step if self.done else 0
        return kept if kept < self.step else 0

    @property
    def is_ending(self) -> bool:
        """Whether its last step is done: all of them, or it has drifted past its bound."""
        drifted = any(notice.code == "drifted" for notice in self.notices)
        return bool(self.steps) and (drifted or self.step >= self.steps)

    @property
    def memory_gb(self) -> float | None:
        """The most memory that a step held."""
        series = self.train.get("memory_gb")
        return max((value for value in series.values if math.isfinite(value)), default=None) if series else None

    @property
    def has_curves(self) -> bool:
        return bool(self.train or self.held_out or self.fresh)

    def add(self, said: Iterable[events.Event]) -> None:
        """Take in events in the order in which they were said."""
        for event in said:
            self._take(event)
        self.version += 1

    def _take(self, event: events.Event) -> None:
        match event:
            case events.StepDone(step=step, metrics=metrics):
                self.step, self.stage = step, ""
                _append(self.train, step, metrics)
            case events.Evaluated(step=step, metrics=metrics):
                _append(self.held_out, step, metrics)
            case events.Sampled(step=step, metrics=metrics):
                self.stage = FIRST_STEP if step == 0 else self.stage
                _append(self.fresh, step, metrics)
            case events.RunStarted():
                self._begin(event)
            case events.ModelLoading(stage=stage):
                self.stage = stage
            case events.ModelLoaded():
                self.stage = "preparing"
            case events.AnswerSampled(prompt=prompt, phase=phase):
                self.answers.setdefault(prompt, {})[phase] = event
                if phase == "before":
                    self.stage = "measuring it before training"
            case events.Notice():
                if event not in self.notices:
                    self.notices.append(event)
            case events.RunDone():
                self.done, self.failed, self.stage = event, None, ""
            case events.Failed():
                self.failed = event

    def _begin(self, event: events.RunStarted) -> None:
        """A start, or a resume: what was measured past the checkpoint is measured again."""
        self.started, self.done, self.failed, self.step = event, None, None, event.first_step
        self.stage = "answering the sample prompts before training"
        for series in (*self.train.values(), *self.held_out.values(), *self.fresh.values()):
            series.cut(event.first_step + 1)


def _append(into: dict[str, Series], step: int, metrics: Mapping[str, float | None]) -> None:
    for name, value in metrics.items():
        into.setdefault(name, Series()).add(step, value)
