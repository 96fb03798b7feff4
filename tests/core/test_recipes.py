"""Recipes: spreads worked by hand, policies in turn, and what cannot be planned."""

from __future__ import annotations

import dataclasses

import pytest

from dpo_studio.core import recipes
from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import SamplingSettings

BALANCED = SamplingSettings(k=4, temperature=0.8, top_p=0.95, seed=5)


def shape(recipe) -> list[tuple[int, float, float]]:
    return [(each.policy_id, each.sampling.temperature, each.sampling.top_p) for each in recipe]


def test_a_wide_spread_goes_from_focused_to_diverse() -> None:
    # 0.8 times 0.6, 0.8667, 1.1333, 1.4; what top-p cuts, 0.05, times 2, 2^⅓, 2^-⅓, ½.
    wanted = [(1, 0.48, 0.9), (1, 0.6933, 0.937004), (1, 0.9067, 0.960315), (1, 1.12, 0.975)]
    assert shape(recipes.plan(BALANCED, [1], spread="wide")) == wanted
    assert recipes.in_words(BALANCED, "wide") == "temperatures 0.48, 0.6933, 0.9067, 1.12"


def test_nothing_but_temperature_and_top_p_is_spread() -> None:
    for each in recipes.plan(BALANCED, [1], spread="slight"):
        assert dataclasses.replace(each.sampling, temperature=0.8, top_p=0.95) == BALANCED


def test_policies_take_turns_and_each_has_the_whole_spread() -> None:
    recipe = recipes.plan(BALANCED, [7, 3], spread="wide")
    assert shape(recipe) == [(7, 0.48, 0.9), (3, 0.48, 0.9), (7, 1.12, 0.975), (3, 1.12, 0.975)]
    # One with a single candidate keeps the middle: it is not told from the others by its settings.
    three = recipes.plan(dataclasses.replace(BALANCED, k=3), [7, 3], spread="wide")
    assert shape(three) == [(7, 0.48, 0.9), (3, 0.8, 0.95), (7, 1.12, 0.975)]


def test_a_policy_named_twice_answers_twice_as_often() -> None:
    recipe = recipes.plan(dataclasses.replace(BALANCED, k=6), [7, 7, 3])
    assert [each.policy_id for each in recipe] == [7, 7, 3, 7, 7, 3]
    assert not recipes.is_plain(recipe)


def test_one_policy_without_a_spread_needs_no_recipe() -> None:
    assert recipes.is_plain(recipes.plan(BALANCED, [7]))
    assert not recipes.is_plain(recipes.plan(BALANCED, [7], spread="slight"))


@pytest.mark.parametrize("spread", list(recipes.SPREADS))
@pytest.mark.parametrize("k", range(2, 10))
@pytest.mark.parametrize(("temperature", "top_p"), [(0.01, 1e-6), (0.8, 1.0), (5.0, 0.95)])
def test_what_is_planned_can_be_used_and_rises(spread: str, k: int, temperature: float, top_p: float) -> None:
    sampling = SamplingSettings(k=k, temperature=temperature, top_p=top_p)
    recipe = [each.sampling.validate() for each in recipes.plan(sampling, [1], spread=spread)]
    heats = [each.temperature for each in recipe]
    assert heats == sorted(heats) and len(heats) == k
    assert top_p < 1 or all(each.top_p == 1 for each in recipe)


def test_a_recipe_survives_json() -> None:
    for each in recipes.plan(dataclasses.replace(BALANCED, stop=("\n",)), [7, 3], spread="wide"):
        assert recipes.CandidateRecipe.from_json(each.to_json()) == each


def test_what_cannot_be_planned_is_said() -> None:
    with pytest.raises(UserError, match="4 answers to a prompt cannot come from 5 models"):
        recipes.plan(BALANCED, [1, 2, 3, 4, 5])
    with pytest.raises(UserError, match="no spread called 'huge'"):
        recipes.plan(BALANCED, [1], spread="huge")
    with pytest.raises(UserError, match="nothing to spread"):
        recipes.plan(dataclasses.replace(BALANCED, temperature=0), [1], spread="wide")
    with pytest.raises(UserError, match="Temperature is 9"):
        recipes.plan(dataclasses.replace(BALANCED, temperature=9), [1])
