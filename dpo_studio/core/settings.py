"""Settings of the two jobs, one dataclass each, validated in one place."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from .errors import UserError
from .methods import METHOD_SETTINGS, METHODS, reward_beta
from .setting_checks import Problem, SettingsError, from_json, out_of_range, validated, words

__all__ = [
    "LORA_TARGETS",
    "MAX_CANDIDATES",
    "METHODS",
    "MIN_CANDIDATES",
    "SAMPLING_PRESETS",
    "Problem",
    "SamplingSettings",
    "SettingsError",
    "TrainingSettings",
    "parse_assignments",
    "with_method",
]

MIN_CANDIDATES, MAX_CANDIDATES = 2, 9
#: Stop strings, and characters of each.
MAX_STOPS, MAX_STOP_LENGTH = 16, 200

#: Groups of layers that an adapter can be put on, by name; other names are endings of module names.
LORA_TARGETS = ("all-linear", "attention", "mlp")


#: What is trained, by name, with a sentence for the person.
TRAINS: dict[str, str] = {
    "lora": "An adapter beside the model: small, quick to store, and gentle on memory.",
    "full": "The whole model, every weight: a model folder of its own; for models below 500 M parameters.",
}


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How completions are drawn. Probabilities are cut in this order: top_k, top_p, min_p.

    Attributes:
        k: candidates per prompt.
        top_k: keep this many most probable tokens; 0 keeps all.
        max_new_tokens: tokens per completion at most, end token included.
        seed: with the prompt and the candidate it decides each random stream.
        stop: an answer ends before the first of these texts that comes after something was said.
    """

    k: int = 4
    temperature: float = 0.8
    top_p: float = 0.95
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.05
    max_new_tokens: int = 160
    seed: int = 0
    stop: tuple[str, ...] = ()

    def problems(self) -> list[Problem]:
        problems = out_of_range(
            self,
            k=(MIN_CANDIDATES, MAX_CANDIDATES),
            temperature=(0.0, 5.0),
            top_p=(1e-6, 1.0),
            top_k=(0, 1_000_000),
            min_p=(0.0, 1.0),
            repetition_penalty=(0.5, 3.0),
            max_new_tokens=(1, 32_768),
            seed=(0, 2**31 - 1),
        )
        if len(self.stop) > MAX_STOPS:
            problems.append(Problem("stop", f"Stop has {len(self.stop)} texts; it can have up to {MAX_STOPS}."))
        elif not all(0 < len(text) <= MAX_STOP_LENGTH for text in self.stop):
            problems.append(Problem("stop", f"Each text of stop needs 1 to {MAX_STOP_LENGTH} characters."))
        return problems

    def validate(self) -> SamplingSettings:
        """Itself, or raises SettingsError."""
        return validated(self)

    def to_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "stop": list(self.stop)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SamplingSettings:
        return from_json(cls, values)


#: Presets by name: a sentence for the person, and what it sets.
SAMPLING_PRESETS: dict[str, tuple[str, dict[str, float]]] = {
    "focused": ("near its favourite", {"temperature": 0.5, "top_p": 0.9}),
    "balanced": ("varied, sensible", {"temperature": 0.8, "top_p": 0.95}),
    "diverse": ("very varied", {"temperature": 1.1, "top_p": 0.98}),
}


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a policy is trained on rankings.

    Attributes:
        method: a key of METHODS.
        beta: the weight β of the implicit reward β·log(π_θ/π_ref). Which of what follows a method reads is
            in METHODS; the others stay at their defaults.
        stage_reduction: "mean" or "sum" over the Plackett–Luce stages of one group.
        label_smoothing: ε of conservative and of robust DPO, the share of labels that may be wrong.
        nll_weight: the weight of the best completion's negative log-likelihood per token; 0 is without.
        strength_use: "off", or what a label's strength becomes: a "margin", a "weight", or a "smoothing" that is
            smaller for strong labels and follows the annotator's confidence where it is known.
        strength_alpha: α of the margin α·log(1 + strength).
        nu: ν of the models with ties. gamma_beta_ratio: γ/β of SimPO. penalty: λ of DPO-Positive.
        ld_alpha: α of LD-DPO. odds_weight: λ of ORPO. unlikelihood_alpha: α of unlikelihood.
        desirable_weight, undesirable_weight: λ_D and λ_U of KTO.
        trains: a key of TRAINS: an adapter, or all weights.
        lora_alpha: scale of the adapter; the adapter's output is multiplied by alpha/rank.
        lora_targets: one of LORA_TARGETS, or endings of module names with commas between them ("q_proj, v_proj").
        learning_rate: the peak, after the warm-up.
        warmup_ratio: share of the optimiser steps with a rising rate.
        batch_groups: groups per optimiser step.
        evaluate_every: optimiser steps between measurements on the held-out groups; 0 for only at
            the start and the end.
        fresh_samples: answers drawn from the policy at each measurement; 0 for none.
        fresh_tokens: tokens of such an answer at most.
        max_kl: the run ends at the first measurement whose fresh answers have more KL from the start than this, in
            nats a response (mean over all that were drawn), and keeps the last within it; 0 is without. Where fewer
            than 16 answers seem to be past it, the rest of 16 are drawn before that counts. A measurement that is
            likely to be past it has another halfway before it. It is not watched where nothing is measured on the
            way (`evaluate_every` or `fresh_samples` 0).
        checkpoint_every: optimiser steps between checkpoints.
        max_length: tokens of prompt and completion together; 0 is the model's own context.
        too_long: what is done with a group longer than that: "shorten" takes the oldest turns off its prompt, and
            leaves the group out if that does not help; "leave_out" leaves it out.
        max_steps: stop after this many optimiser steps; 0 means all epochs.
        keep: the adapter that is kept: of the "last" step, or of the "best" one by its loss on the held-out groups.
        dtype: "auto" (measured), "float32" or "bfloat16" for the frozen weights.
        device: "auto", "cpu", "cuda" or "mps".
    """

    method: str = "pl_dpo"
    beta: float = 0.1
    stage_reduction: str = "mean"
    label_smoothing: float = 0.0
    nll_weight: float = 0.0
    strength_use: str = "off"
    strength_alpha: float = 1.0
    nu: float = 3.0
    gamma_beta_ratio: float = 0.5
    penalty: float = 50.0
    ld_alpha: float = 0.5
    odds_weight: float = 0.1
    desirable_weight: float = 1.0
    undesirable_weight: float = 1.0
    unlikelihood_alpha: float = 0.5
    trains: str = "lora"
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    lora_targets: str = "all-linear"
    learning_rate: float = 2e-4
    warmup_ratio: float = 0.1
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    epochs: int = 2
    batch_groups: int = 2
    max_steps: int = 0
    max_length: int = 0
    too_long: str = "shorten"
    evaluate_every: int = 5
    fresh_samples: int = 4
    fresh_tokens: int = 64
    max_kl: float = 0.0
    checkpoint_every: int = 10
    keep: str = "last"
    seed: int = 0
    dtype: str = "auto"
    device: str = "auto"

    def problems(self) -> list[Problem]:
        problems = out_of_range(
            self,
            beta=(1e-4, 10.0),
            label_smoothing=(0.0, 0.49),
            nll_weight=(0.0, 100.0),
            strength_alpha=(0.0, 100.0),
            nu=(1e-3, 1e3),
            gamma_beta_ratio=(0.0, 10.0),
            penalty=(0.0, 1e4),
            ld_alpha=(0.0, 1.0),
            odds_weight=(0.0, 100.0),
            desirable_weight=(0.0, 100.0),
            undesirable_weight=(0.0, 100.0),
            unlikelihood_alpha=(0.0, 10.0),
            lora_rank=(1, 512),
            lora_alpha=(1, 2048),
            lora_dropout=(0.0, 0.9),
            learning_rate=(1e-8, 1.0),
            warmup_ratio=(0.0, 0.9),
            weight_decay=(0.0, 1.0),
            max_grad_norm=(1e-3, 1e6),
            epochs=(1, 1000),
            batch_groups=(1, 4096),
            max_steps=(0, 10_000_000),
            max_length=(0, 1_000_000),
            evaluate_every=(0, 1_000_000),
            fresh_samples=(0, 256),
            fresh_tokens=(1, 4096),
            max_kl=(0.0, 1e6),
            checkpoint_every=(1, 1_000_000),
            seed=(0, 2**31 - 1),
        )
        if not self.lora_targets.strip(" ,"):
            problems.append(
                Problem("lora_targets", f"Lora targets is empty; use {', '.join(LORA_TARGETS)}, or names of layers.")
            )
        for name, allowed in (
            ("method", tuple(METHODS)),
            ("trains", tuple(TRAINS)),
            ("stage_reduction", ("mean", "sum")),
            ("strength_use", ("off", "margin", "weight", "smoothing")),
            ("too_long", ("shorten", "leave_out")),
            ("keep", ("last", "best")),
            ("dtype", ("auto", "float32", "bfloat16")),
            ("device", ("auto", "cpu", "cuda", "mps")),
        ):
            if getattr(self, name) not in allowed:
                problems.append(
                    Problem(name, f"{words(name)} is {getattr(self, name)!r}; use one of {', '.join(allowed)}.")
                )
        if self.trains == "full" and self.dtype == "bfloat16":
            problems.append(Problem("dtype", "Dtype is bfloat16; a whole model is trained in float32 (or auto)."))
        bad = {problem.field for problem in problems}
        return problems + [problem for problem in self._misfits() if problem.field not in bad]

    def _misfits(self) -> list[Problem]:
        """What does not fit the method."""
        if self.method not in METHODS:
            return []
        method = METHODS[self.method]
        problems = [
            Problem(name, f"{words(name)} is not used by {method.title}; leave it out.")
            for name in sorted(METHOD_SETTINGS - set(method.uses))
            if getattr(self, name) != getattr(_DEFAULTS, name)
        ]
        if self.strength_use not in ("off", *method.strength_uses):
            allowed = ", ".join(("off", *method.strength_uses))
            problems.append(
                Problem(
                    "strength_use", f"Strength use is {self.strength_use!r}; with {method.title} use one of {allowed}."
                )
            )
        elif self.strength_use == "smoothing" and self.label_smoothing == 0.0:
            problems.append(
                Problem(
                    "label_smoothing",
                    "Label smoothing has to be above 0, such as 0.1: the doubt in a label that says nothing of it.",
                )
            )
        if self.method == "rao_kupper" and self.nu <= 1.0:
            problems.append(Problem("nu", f"Nu is {self.nu:g}; with {method.title} it has to be above 1."))
        return problems

    def steps_over(self, groups: int) -> int:
        """Optimiser steps of a run over so many groups; the last batch of a pass may be smaller."""
        steps = self.epochs * -(-groups // self.batch_groups)
        return min(steps, self.max_steps) if self.max_steps else steps

    @property
    def reward_beta(self) -> float:
        """The β of the rewards that are shown."""
        return reward_beta(self.method, self.beta)

    def validate(self) -> TrainingSettings:
        """Itself, or raises SettingsError."""
        return validated(self)

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TrainingSettings:
        return from_json(cls, values)


_DEFAULTS = TrainingSettings()


def with_method(settings: TrainingSettings, method: str) -> TrainingSettings:
    """The settings for another method.

    What stood at the old method's default takes the new one's, and what the new one does not read goes back to the
    default; what was chosen otherwise stays.
    """
    if method not in METHODS or settings.method not in METHODS:
        return dataclasses.replace(settings, method=method)
    before, after = METHODS[settings.method], METHODS[method]
    values: dict[str, Any] = {}
    for name in METHOD_SETTINGS:
        plain = getattr(_DEFAULTS, name)
        chosen = getattr(settings, name) != before.defaults.get(name, plain)
        if name not in after.uses:
            values[name] = plain
        elif not chosen:
            values[name] = after.defaults.get(name, plain)
    changed = dataclasses.replace(settings, method=method, **values)
    if changed.strength_use not in after.strength_uses:
        changed = dataclasses.replace(changed, strength_use="off")
    return changed


Settings = TypeVar("Settings", SamplingSettings, TrainingSettings)


def parse_assignments(settings: Settings, assignments: Sequence[str]) -> Settings:
    """The settings with "name=value" texts applied, as the command line gives them."""
    values: dict[str, Any] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"{text!r} is not a setting.", "Write it as name=value, for example beta=0.2.")
        values[name.strip()] = value.strip()
    return from_json(type(settings), {**settings.to_json(), **values})
