"""What is asked of many texts at once is what each of them would answer by itself."""

from __future__ import annotations

import random
import re
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpo_studio.evaluation.quality import labels, near, possible_pairs, reading
from dpo_studio.evaluation.quality.letters import DIGIT, WORD, Letters
from dpo_studio.store.labelled_texts import LabelledTexts

TEXTS = st.lists(st.text(alphabet=st.characters(codec="utf-8") | st.sampled_from("ab 12字の\u0301é"), max_size=40))


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_kinds_of_characters_are_those_of_regular_expressions(texts):
    letters = Letters(texts)
    for bit, pattern in ((WORD, r"\w"), (DIGIT, r"\d")):
        assert letters.count((letters.kinds & bit) != 0).tolist() == [len(re.findall(pattern, text)) for text in texts]


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_reading_times_of_many_are_those_of_each(texts):
    """By hand: words outside of Chinese, Japanese and Korean, and those characters one by one."""
    cjk = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
    expected = [
        60 * (len(re.findall(r"\w+", cjk.sub(" ", text))) / 300 + len(cjk.findall(text)) / 500) for text in texts
    ]
    assert reading.seconds(Letters(texts)).tolist() == expected


def changed(draw, text):
    letters = list(text)
    for _ in range(draw.randint(0, 3)):
        letters[draw.randrange(len(letters))] = draw.choice("abc ")
    return near.plain("".join(letters))


@pytest.mark.parametrize("alphabet", ["abcdefghij     ", "ab ", "字の世界"])
@pytest.mark.parametrize("seed", range(4))
def test_no_near_pair_is_left_out(alphabet, seed):
    """Every pair compared in full, against those that are told to be possible; and of different texts few are."""
    draw = random.Random(seed)
    groups = []
    for _ in range(40):
        first = near.plain("".join(draw.choices(alphabet, k=draw.randint(1, 200)))) or "a"
        other = near.plain("".join(draw.choices(alphabet, k=draw.randint(1, 200))))
        groups.append([first, *(changed(draw, first) for _ in range(draw.randint(0, 4))), other])
    letters = Letters([text for group in groups for text in group])
    told = set(possible_pairs.possible(letters, [len(group) for group in groups], near.NEAR_ANSWERS))
    near_ones = {
        (number, i, j)
        for number, group in enumerate(groups)
        for i, j in combinations(range(len(group)), 2)
        if near.similarity(group[i], group[j]) >= near.NEAR_ANSWERS
    }
    assert near_ones and near_ones <= told


def test_different_texts_are_told_apart_without_comparing_them():
    draw = random.Random(0)
    texts = [near.plain("".join(draw.choices("abcdefghijklm   ", k=300))) for _ in range(400)]
    assert list(possible_pairs.possible(Letters(texts), [4] * 100, near.NEAR_ANSWERS)) == []


def test_of_a_very_large_group_no_pair_is_left_out():
    texts = [f"the same answer but for a letter {chr(97 + n % 26)}{n // 26 * '!'}" for n in range(70)]
    told = set(possible_pairs.possible(Letters(texts), [70], near.NEAR_ANSWERS))
    assert {(0, i, j) for i, j in combinations(range(70), 2) if near.similarity(texts[i], texts[j]) >= 0.9} <= told


def test_groups_are_measured_alike_wherever_they_fall(monkeypatch):
    """Read one by one, or together; and what was read is told."""
    draw = random.Random(5)
    groups = []
    for number in range(1, 30):
        first = "".join(draw.choices("abcdef   ", k=60))
        answers = [first, changed(draw, first), f"the same for several prompts, word for word {number % 3}"]
        groups.append(
            LabelledTexts(number, number, None, tuple((3 * number + n, text) for n, text in enumerate(answers)))
        )
    together = labels.measure(groups)
    told = []
    monkeypatch.setattr(labels, "_AT_ONCE", 1)
    assert labels.measure(groups, told.append) == together
    assert told == list(range(1, 30))
    assert [len(one.prompts) for one in together[1]] == [10, 10, 9]
    assert {one.likeness for one in together[0].values()} >= {"", "near"}


def test_the_search_for_near_ones_tells_how_far_it_is_and_can_be_given_up():
    texts = [(f"question number {n % 50} about something {n}",) for n in range(1200)]
    told = []
    near.sets(texts, told=lambda done, of: told.append(done / of))
    assert told == sorted(told) and told[0] == 0 and told[-1] < 1 and len(told) >= 3

    def give_up(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        near.sets(texts, told=give_up)
