"""Brevity on answers whose sentences were counted by hand."""

from __future__ import annotations

import pytest

from dpo_studio.evaluation.stated_preferences import BREVITY, sentences


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Yes", 1),
        ("Drink water. Sleep well!", 2),
        ("It costs 3.50 euros at 10.30 today.", 1),
        ("1. Eat\n2. Sleep\n3. Run", 3),
        ("Really? Yes. Go.", 3),
    ],
)
def test_sentences(text: str, count: int) -> None:
    assert sentences(text) == count


def test_ranks_tie_answers_of_one_kind() -> None:
    answers = [("A. B. C.", "stop"), ("One.", "stop"), ("A. B. C. D.", "stop"), ("No end", "length")]
    assert BREVITY.ranks(answers) == (2, 1, 2, 3)


def test_a_cut_or_empty_answer_never_keeps_the_guideline() -> None:
    assert BREVITY.keeps("Short.", "stop")
    assert not BREVITY.keeps("Short.", "length")
    assert not BREVITY.keeps("  ", "stop")
    assert not BREVITY.keeps("A. B. C. D. E.", "stop")
