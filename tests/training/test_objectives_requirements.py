"""What each objective refuses before training starts."""

from __future__ import annotations

import pytest
import torch

from dpo_studio.core.errors import UserError
from dpo_studio.training import objectives
from dpo_studio.training.objectives import check_data
from dpo_studio.training.objectives.requirements import NAMES

PAIRED = ["dpo", "robust", "hinge", "ipo", "dpop", "ld_dpo", "orpo", "simpo", "unlikelihood"]
WITH_TIES = ["rao_kupper", "davidson"]
GROUPS = ["pl_dpo", "all_pairs", "preferred_ft"]


def test_every_objective_has_its_requirements():
    helpers = {"check_data", "combined", "judged", "margin_of_strength", "shared_logps"}
    assert set(objectives.__all__) - helpers == NAMES == {*PAIRED, *WITH_TIES, *GROUPS, "kto"}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_ordered_pairs_suit_all_and_nothing_suits_none(name):
    check_data(name, torch.tensor([[1, 2], [2, 1], [0, 1]]))
    with pytest.raises(UserError, match="nothing to train on"):
        check_data(name, torch.zeros((0, 2), dtype=torch.long))


@pytest.mark.parametrize("name", PAIRED)
def test_strict_pairs_refuse_ties_and_say_how_many(name):
    with pytest.raises(UserError, match=f"{name} cannot use ties, and 2 pairs are ties"):
        check_data(name, torch.tensor([[1, 1], [1, 2], [0, 0]]))
    with pytest.raises(UserError, match="1 pair is one"):
        check_data(name, torch.tensor([[1, 1], [1, 2]]))


@pytest.mark.parametrize("name", PAIRED + WITH_TIES)
def test_pairs_refuse_larger_groups_and_allow_padding(name):
    with pytest.raises(UserError, match=f"{name} takes pairs, and 1 group is not"):
        check_data(name, torch.tensor([[1, 2, -1], [1, 2, 3]]))
    check_data(name, torch.tensor([[1, -1, 2], [2, 1, -1]]))


@pytest.mark.parametrize("name", WITH_TIES)
def test_ties_are_evidence_and_silence_is_not(name):
    check_data(name, torch.tensor([[1, 1], [1, 1]]))
    with pytest.raises(UserError, match="1 pair was not ranked at all"):
        check_data(name, torch.tensor([[1, 1], [0, 0]]))


@pytest.mark.parametrize("name", GROUPS)
def test_groups_refuse_only_what_teaches_nothing(name):
    check_data(name, torch.tensor([[1, 1, 1], [1, 0, -1]]))
    with pytest.raises(UserError, match="every group is a tie"):
        check_data(name, torch.tensor([[1, 1, 1], [0, 0, -1]]))


def test_kto_needs_two_prompts():
    check_data("kto", torch.tensor([[1, 2, 3], [1, 1, 1], [1, 0, -1]]))
    with pytest.raises(UserError, match="at least two prompts"):
        check_data("kto", torch.tensor([[1, 2, 3], [1, 1, 1]]))


def test_an_unknown_name_is_a_bug():
    with pytest.raises(KeyError):
        check_data("dop", torch.tensor([[1, 2]]))
