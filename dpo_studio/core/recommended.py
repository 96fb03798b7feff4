"""Training settings recommended for a number of groups and a model, each with its reason in a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from .methods import METHOD_SETTINGS, METHODS, RECOMMENDED_BETA
from .settings import TrainingSettings, with_method


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Training settings worked out from the data, with a sentence for each choice."""

    settings: TrainingSettings
    reasons: Mapping[str, str] = field(default_factory=dict)

    def for_method(self, method: str) -> Recommendation:
        """The same advice for a method that was chosen by hand."""
        if method == self.settings.method:
            return self
        settings = with_method(self.settings, method)
        uses = METHODS[method].uses
        reasons = {
            name: reason
            for name, reason in self.reasons.items()
            if name != "method"
            and (name in uses or name not in METHOD_SETTINGS)
            and getattr(settings, name) == getattr(self.settings, name)
        }
        return Recommendation(settings, {"method": "your choice", **reasons})


MIN_STEPS = 40
#: Peak learning rates at 135 M parameters, by what is trained, and what they do.
_RATES = {"lora": 5e-4, "full": 1e-5}
#: Nats of drift a fresh answer at which a run with the default settings ends.
MAX_KL = 10.0
_LEARNERS = {"lora": "an adapter moves", "full": "all weights together move"}


def recommend(
    groups: int, *, parameters: int = 135_000_000, ranked: bool = True, trains: str = "lora"
) -> Recommendation:
    """Defaults for this many training groups and a model of this many parameters.

    The learning rate and the number of steps decide whether anything happens at all on a small
    labelled set, so the batch and the epochs are chosen for at least MIN_STEPS optimiser steps. No one rate suits
    every preference: at 2e-4 and β 0.1 answers to unseen prompts won 95 % for brevity, which is easy to learn, and
    68 % for a tone, which is not; at twice that brevity was driven to answers of one word. So the rate is one at which
    a tone is learnt, β is 0.3, with which the best answers stay likely, and a run ends by itself where its fresh
    answers are MAX_KL nats from where it began. tests/benchmarks/LOG.md has the measurements. With all weights trained,
    2e-5 drifted past 10 nats by step 16 of 32 on the sample (β 0.1), so half of that is the default.
    """
    groups = max(groups, 1)
    batch = 2 if groups < 64 else 4 if groups < 256 else 8 if groups < 1024 else 16
    steps_per_epoch = math.ceil(groups / batch)
    epochs = max(1, math.ceil(MIN_STEPS / steps_per_epoch))
    rate = _RATES[trains] * min(1.0, (135_000_000 / max(parameters, 1)) ** 0.5)
    settings = TrainingSettings(
        method="pl_dpo" if ranked else "dpo",
        trains=trains,
        learning_rate=float(f"{rate:.1e}"),
        beta=RECOMMENDED_BETA,
        max_kl=MAX_KL,
        batch_groups=batch,
        epochs=epochs,
        evaluate_every=max(1, epochs * steps_per_epoch // 12),
        checkpoint_every=max(5, epochs * steps_per_epoch // 6),
    )
    steps = epochs * steps_per_epoch
    reasons = {
        "method": "whole rankings hold more than pairs, so PL-DPO uses them whole"
        if ranked
        else "the labels are pairs, so DPO it is (PL-DPO would compute the same)",
        "epochs": f"{groups} groups make {steps_per_epoch} steps a pass; {epochs} "
        f"{'pass' if epochs == 1 else 'passes'} make {steps}, and fewer than {MIN_STEPS} move a model little",
        "batch_groups": f"{batch} rankings a step suit a set of {groups}",
        "learning_rate": f"{_LEARNERS[trains]} a model of {parameters / 1e6:,.0f} M parameters at this rate",
        "beta": f"{RECOMMENDED_BETA:g} lets the model move and still holds it near where it began",
        "max_kl": f"training ends by itself where new answers have drifted {MAX_KL:g} nats:"
        " beyond that they get worse to read",
    }
    if trains == "lora":
        reasons["lora_rank"] = "rank 16 on every linear layer is enough for a style and small to store"
    return Recommendation(settings, reasons)
