"""Recipes: which policy and which settings each candidate of a group comes from, where they differ.

A spread varies temperature and top-p over the candidates; a mix lets several policies answer in turn, so that
base and tuned stand in one group. Nothing of this shows while a group is labelled: positions are shuffled, and
policy and settings hidden until the label is given.

For a form: `SPREADS` has the choices and a sentence for each, `in_words` what a choice comes to, `check` what cannot be
asked for, and `store.requests.ask(..., [policies], settings, spread=...)` writes the groups.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import UserError
from .setting_checks import Problem, SettingsError
from .settings import SamplingSettings
from .types import PolicyId

_HOTTEST = 5.0


@dataclass(frozen=True, slots=True)
class Spread:
    """How far the candidates of one policy lie apart.

    Attributes:
        says: a sentence for the person.
        heat: the first candidate's temperature is (1 - heat) times the one asked for, the last one's (1 + heat)
            times, and the others' lie evenly between.
        tail: what top-p cuts off (1 - top_p) is `tail` times as much at the first and 1/tail times at the last
            candidate, evenly in its logarithm between. A top-p of 1 stays 1.
    """

    says: str
    heat: float
    tail: float


#: Spreads by name. "wide" makes of the balanced preset (0.8, 0.95) what goes from focused (0.48, 0.9) to diverse (1.12,
#: 0.975).
SPREADS: dict[str, Spread] = {
    "none": Spread("every answer with the same settings", 0.0, 1.0),
    "slight": Spread("from a little calmer to a little bolder: temperature ±20%", 0.2, 1.5),
    "wide": Spread("from focused to diverse: temperature ±40%", 0.4, 2.0),
}


@dataclass(frozen=True, slots=True)
class CandidateRecipe:
    """What one candidate comes from. `sampling.k` and `sampling.seed` are those of its whole group."""

    policy_id: PolicyId
    sampling: SamplingSettings

    def to_json(self) -> dict[str, Any]:
        """As `core.types.Group.recipe` holds it."""
        return {"policy_id": self.policy_id, "sampling": self.sampling.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> CandidateRecipe:
        return cls(PolicyId(values["policy_id"]), SamplingSettings.from_json(values["sampling"]))


def plan(
    sampling: SamplingSettings, policy_ids: Sequence[PolicyId], *, spread: str = "none"
) -> tuple[CandidateRecipe, ...]:
    """A recipe for each of `sampling.k` candidates, in their order.

    The policies take turns: candidate i comes from `policy_ids[i % len(policy_ids)]`. One that is named twice
    answers twice as often. The spread is over the candidates of each policy, so that a policy is not told from
    another by its settings; a policy with one candidate answers with the settings as they are.

    Args:
        spread: a key of SPREADS.

    Raises:
        UserError: there are more policies than candidates, or no such spread.
        SettingsError: the settings cannot be used, or leave nothing to spread.
    """
    check(sampling, len(policy_ids), spread)
    asked = [policy_ids[index % len(policy_ids)] for index in range(sampling.k)]
    made = []
    for index, policy_id in enumerate(asked):
        place, count = asked[:index].count(policy_id), asked.count(policy_id)
        made.append(CandidateRecipe(policy_id, _spread_out(sampling, SPREADS[spread], place, count)))
    return tuple(made)


def is_plain(recipe: Sequence[CandidateRecipe]) -> bool:
    """Whether all candidates come from the same, so that a group needs no recipe."""
    return all(each == recipe[0] for each in recipe)


def in_words(sampling: SamplingSettings, spread: str) -> str:
    """The temperatures of a spread over all candidates, such as "temperatures 0.48, 0.69, 0.91, 1.12".

    Raises:
        UserError: as `plan`.
    """
    recipe = plan(sampling, [PolicyId(0)], spread=spread)
    return "temperatures " + ", ".join(f"{each.sampling.temperature:g}" for each in recipe)


def check(sampling: SamplingSettings, policies: int, spread: str) -> None:
    """Raises UserError where `plan` would, for so many policies."""
    sampling.validate()
    if spread not in SPREADS:
        raise UserError(f"There is no spread called {spread!r}.", f"There are {', '.join(SPREADS)}.")
    if policies > sampling.k:
        raise UserError(
            f"{sampling.k} answers to a prompt cannot come from {policies} models.",
            "Ask for at least one answer from each, or for fewer models.",
        )
    if spread != "none" and sampling.temperature == 0:
        problem = "At temperature 0 every answer is the same one, so there is nothing to spread."
        raise SettingsError([Problem("temperature", problem)])


def _spread_out(sampling: SamplingSettings, spread: Spread, place: int, count: int) -> SamplingSettings:
    """The settings of a policy's candidate `place` of `count`; the middle of the spread where it is alone."""
    where = 2 * place / (count - 1) - 1 if count > 1 else 0.0
    if not where or spread == SPREADS["none"]:
        return sampling
    return dataclasses.replace(
        sampling,
        temperature=round(min(sampling.temperature * (1 + spread.heat * where), _HOTTEST), 4),
        top_p=round(max(1 - (1 - sampling.top_p) * spread.tail**-where, 1e-6), 6),
    )
