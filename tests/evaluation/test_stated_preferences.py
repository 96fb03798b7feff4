"""Stated preferences on answers whose sentences and words were counted by hand."""

from __future__ import annotations

import pytest

from dpo_studio.evaluation.stated_preferences import BREVITY, PERSONAL, PLAIN, WARM, StatedPreference, sentences


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


SOMETHING = "a cat sat near that old green door while rain fell over grey stone walls and small birds sang low"


def test_the_share_of_words_to_the_reader_is_what_counts_and_not_the_length() -> None:
    # The sentence has 20 words. 2 of 22 are 9 in a hundred, 4 of 44 are the same, 1 of 21 is 5, none is 0.
    assert len(SOMETHING.split()) == 20
    answers = [
        f"{SOMETHING} your YOU",
        f"{SOMETHING} you. {SOMETHING} You’re yours yourself",
        f"{SOMETHING} you",
        SOMETHING,
    ]
    assert [PERSONAL.level(text, "length") for text in answers] == [1, 1, 5, 10]
    assert PERSONAL.ranks([(text, "length") for text in answers]) == (1, 1, 2, 3)
    assert [PERSONAL.keeps(text, "stop") for text in answers] == [True, True, False, False]


def test_warm_words_are_counted_for_the_length() -> None:
    # 1 of 21 is 5 in a hundred, 3 of 23 are 13: more than enough.
    assert WARM.level(f"{SOMETHING} lovely", "stop") == 3
    assert WARM.level(f"{SOMETHING} lovely happy smile", "stop") == 0
    assert WARM.level(SOMETHING, "stop") == 8


def test_plain_words_are_short_on_average() -> None:
    four = " ".join(f"ab{a}{b}" for a in "cdefg" for b in "hijk")  # 20 words of four letters
    six = " ".join(f"abcd{a}{b}" for a in "cdefg" for b in "hijk")
    assert PLAIN.level(four, "stop") == 0
    assert PLAIN.level(f"{four} {six}", "stop") == 10  # five letters on average, ten tenths more than four
    assert PLAIN.level(six, "stop") == 20


@pytest.mark.parametrize("preference", [PERSONAL, WARM, PLAIN], ids=lambda preference: preference.name)
def test_saying_nothing_is_worse_than_the_worst_answer(preference: StatedPreference) -> None:
    worst = preference.level(" ".join(f"abcdefgh{a}{b}" for a in "cdefg" for b in "hijk"), "stop")
    for empty in ("", "You.", "you your happy " * 30, "12 34 56"):
        assert preference.level(empty, "stop") > worst
