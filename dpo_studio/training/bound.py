"""The bound on how far a run may drift: watched on its fresh answers, and where to go back to when it is passed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dpo_studio.core import events
from dpo_studio.core.settings import TrainingSettings

from .fresh import FreshAnswers
from .memory import give_back
from .processes import Alone
from .saved import State, checkpoint_within_bound


class DriftBound:
    """Has the fresh answers of a run drawn, and compares their KL from the start with the setting `max_kl`.

    One process draws them; all know what it found, so that all end at the same step.

    Attributes:
        passed: whether the last look was past the bound; never without a bound.
    """

    def __init__(self, fresh: FreshAnswers, settings: TrainingSettings, folder: Path, processes: Alone) -> None:
        self._fresh, self._settings, self._folder, self._processes = fresh, settings, folder, processes
        self._measured: tuple[int, float] | None = None
        self.passed = False

    def resume(self) -> None:
        """Remember the last measurement of the run that is gone on with."""
        within = self.fall_back()
        if within and within[1].fresh_kl is not None:
            self._measured = (within[1].step, within[1].fresh_kl)

    def near(self, step: int) -> bool:
        """Whether drift is to be measured at `step`, halfway to a measurement that is likely to be past the bound.

        Drift was seen to grow with the second to the third power of the steps, so n steps after step m it is at most
        about (1 + n/m)³ of what it was. A run that is ended then keeps what it learnt until halfway.
        """
        every = self._settings.evaluate_every
        if not self._measured or every < 2:
            return False
        last, kl = self._measured
        if not last or last % every or step != last + every // 2:
            return False
        return kl * (1 + every / last) ** 3 > self._settings.max_kl

    def look(self, step: int) -> Iterator[events.Event]:
        """Fresh answers after `step` optimiser steps, and a word where they are past the bound."""
        yield from self._fresh.look(step)
        give_back()
        if not self._settings.max_kl:
            return
        kl = self._processes.first(lambda: self._fresh.kl)
        if kl is None or not self._settings.evaluate_every:
            if step == 0:
                text = "The drift of fresh answers is not measured on the way, so the bound on it is not watched."
                yield events.Notice("no_bound", text)
            return
        self._measured = (step, kl)
        self.passed = not kl <= self._settings.max_kl  # what is not a number is past every bound
        if self.passed:
            within = self.fall_back()
            yield _notice(self._settings, step, kl, within[1].step if within else 0)

    def kl_at(self, step: int) -> float | None:
        """The drift of fresh answers in nats, where it was measured at this step and there is a bound on it."""
        return self._measured[1] if self._measured and self._measured[0] == step else None

    def fall_back(self) -> tuple[Path, State] | None:
        """The checkpoint of the last measurement within the bound; None where there was none after the start."""
        return self._processes.first(lambda: checkpoint_within_bound(self._folder))


def _notice(settings: TrainingSettings, step: int, kl: float, within: int) -> events.Notice:
    """Why the run ends, and what is kept of it; `within` is the last step within the bound, 0 where there is none."""
    far = f"Fresh answers are {kl:.3g} nats from where the model began, past the bound of {settings.max_kl:g}"
    if not within:
        kept = (
            "No step before it was measured, so what it had learnt by now is kept."
            " Train again with a lower learning rate, or measure more often."
        )
    elif settings.keep == "best":
        kept = "The best step within the bound is kept."
    else:
        kept = f"What it had learnt by step {within}, the last measured within the bound, is kept."
    return events.Notice("drifted", f"{far}, so training ends at step {step}. {kept}")
