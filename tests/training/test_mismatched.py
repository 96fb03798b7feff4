"""KTO's partners: another prompt's answer for each group, the same for the same seed."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from dpo_studio.core.errors import UserError
from dpo_studio.training.batches import Dataset
from dpo_studio.training.mismatched import partners_of


def dataset(make_example, *, train: int = 8, held_out: int = 3) -> Dataset:
    rng = random.Random(2)
    examples = [make_example(rng, f"g{n}", prompt=3 + n % 4) for n in range(train + held_out)]
    return Dataset(tuple(examples[:train]), tuple(replace(example, held_out=True) for example in examples[train:]), ())


def test_each_group_keeps_its_prompt_and_gets_anothers_answer(make_example):
    data = dataset(make_example)
    partners = partners_of(data, seed=3)
    everything = (*data.train, *data.held_out)
    answers_of = {example.group: set(example.completions) for example in everything}
    training_answers = set().union(*(answers_of[example.group] for example in data.train))
    longest = max(example.longest for example in everything)
    assert set(partners) == set(answers_of)
    for example in everything:
        partner = partners[example.group]
        (answer,) = partner.completions
        assert partner.prompt == example.prompt and answer not in answers_of[example.group]
        assert partner.longest <= longest
        if not example.held_out:
            assert answer in training_answers
    assert len({partner.group for partner in partners.values()} & set(answers_of)) == 0


def test_the_seed_decides_and_nothing_else(make_example):
    data = dataset(make_example)
    assert partners_of(data, seed=3) == partners_of(data, seed=3)
    assert partners_of(data, seed=3) != partners_of(data, seed=4)
    fewer = Dataset(data.train, data.held_out[:1], ())
    first = partners_of(fewer, seed=3)
    assert all(first[example.group] == partners_of(data, seed=3)[example.group] for example in data.train)


def test_groups_on_the_same_prompt_are_no_partners(make_example):
    data = dataset(make_example, train=3, held_out=1)
    one_prompt = tuple(replace(example, prompt=data.train[0].prompt) for example in data.train[:2])
    partners = partners_of(Dataset((*one_prompt, data.train[2]), (), ()), seed=0)
    assert all(partners[example.group].completions[0] in data.train[2].completions for example in one_prompt)
    with pytest.raises(UserError, match="there is none"):
        partners_of(Dataset(one_prompt, (), ()), seed=0)


def test_where_all_answers_to_other_prompts_are_too_long_the_shortest_is_cut(make_example):
    rng = random.Random(5)
    long_prompt = make_example(rng, "long prompt", prompt=30, longest=3)
    long_answers = replace(make_example(rng, "long answers", prompt=3), completions=((5,) * 25, (6,) * 20))
    data = Dataset((long_prompt, long_answers), (), ())
    partners = partners_of(data, seed=0)
    room = long_prompt.longest - 30
    assert partners["long prompt"].completions == ((6,) * room,)
    assert partners["long answers"].completions[0] in long_prompt.completions
