"""Near texts: what overlap is, that nothing else is called near, and that hardly anything near is missed."""

from __future__ import annotations

import random

import pytest

from dpo_studio.core.types import Message, Prompt
from dpo_studio.evaluation.quality import duplicates, near

WORDS = [first + last for first in "bdfgklmnprst" for last in ("ario", "enal", "itum", "osse", "urin", "alde")]


def sentence(draw, words=30):
    return " ".join(draw.choice(WORDS) for _ in range(words))


def overlap(first, second):
    """Jaccard by sets of substrings."""
    one, other = ({text[i : i + 5] for i in range(max(1, len(text) - 4))} for text in (first, second))
    return len(one & other) / len(one | other)


def test_overlap_by_hand():
    # abcde bcdef cdefg against abcde bcdef cdefh: two of four.
    assert near.similarity("abcdefg", "abcdefh") == pytest.approx(0.5)
    assert near.similarity("", "") == 1 and near.similarity("", "abcdefg") == 0
    assert near.similarity("abc", "abd") == 0 and near.similarity("abc", "abc") == 1


def test_overlap_is_that_of_sets_of_substrings():
    draw = random.Random(1)
    for _ in range(50):
        first = sentence(draw, 12)
        second = " ".join(word if draw.random() < 0.8 else draw.choice(WORDS) for word in first.split())
        assert near.similarity(first, second) == pytest.approx(overlap(first, second))


def test_plain_text_forgets_case_space_and_width():
    assert near.plain("  Straße\n\nＡBC ") == near.plain("STRASSE abc")
    assert near.plain("cafe\u0301") == near.plain("CAFÉ")


def test_sets_of_texts():
    draw = random.Random(2)
    first, other = sentence(draw), sentence(draw)
    changed = first.replace(first.split()[7], "another", 1)
    assert near.sets([(first,), (other,), (changed,), (first,)]) == [[0, 2, 3]]
    assert near.sets([]) == [] and near.sets([("",), ("",), ("x",)]) == [[0, 1]]


def test_texts_whose_numbers_differ_are_not_near():
    draw = random.Random(8)
    text = sentence(draw) + " in 1914 and"
    assert near.sets([(text + " 1918",), (text + " 1919",), (text + " 1918.",)]) == [[0, 2]]


def test_no_chains_that_lead_away():
    """Each of a set is near to its first one, though the last of a chain is not."""
    draw = random.Random(3)
    words = sentence(draw, 60).split()
    texts = []
    for step in range(8):
        texts.append((" ".join(words),))
        words[step * 7 : step * 7 + 3] = ["zzzzzz", "yyyyyy", "xxxxxx"]
    assert overlap(texts[0][0], texts[1][0]) > 0.8 > overlap(texts[0][0], texts[7][0])
    for places in near.sets(texts):
        assert all(overlap(texts[places[0]][0], texts[place][0]) >= 0.8 for place in places)


def test_what_every_pair_compared_finds_is_found():
    """500 texts, some made from others: the sets are those of comparing all with all."""
    draw = random.Random(4)
    texts = [sentence(draw) for _ in range(300)]
    for _ in range(200):
        words = draw.choice(texts[:300]).split()
        for _ in range(draw.choice((1, 1, 2, 4))):
            words[draw.randrange(len(words))] = draw.choice(WORDS)
        texts.append(" ".join(words))
    found = {place: places[0] for places in near.sets([(text,) for text in texts]) for place in places[1:]}
    runs = [{text[i : i + 5] for i in range(len(text) - 4)} for text in texts]
    leaders: list[int] = []
    missed = 0
    for place in range(len(texts)):
        close = [one for one in leaders if len(runs[one] & runs[place]) >= 0.8 * len(runs[one] | runs[place])]
        if not close:
            leaders.append(place)
            assert place not in found
        elif place in found:
            assert found[place] in close
        else:
            missed += 1
    assert len(found) > 100 and missed == 0


def test_a_common_opening_hides_nothing():
    """400 different questions behind the same words, and one of them again: the crowd is not compared with all."""
    draw = random.Random(5)
    opening = sentence(draw, 14)
    texts = [f"{opening} {sentence(draw, 12)}" for _ in range(400)]
    texts.append(texts[200] + " please")
    assert near.sets([(text,) for text in texts]) == [[200, 400]]


def prompt(number, *turns, system="", held_out=False, archived=False):
    messages = [Message("system", system)] if system else []
    messages += [Message(("user", "assistant")[place % 2], text) for place, text in enumerate(turns)]
    return Prompt(number, f"p{number}", tuple(messages), held_out=held_out, archived=archived)


def test_prompts_are_compared_turn_for_turn():
    draw = random.Random(6)
    question, other, history, reply = (sentence(draw) for _ in range(4))
    system = sentence(draw, 200)
    found = duplicates.of_prompts(
        [
            prompt(1, question, system=system),
            prompt(2, other, system=system),  # the same long instruction makes no two questions alike
            prompt(3, question.upper(), system=system, held_out=True),
            prompt(4, question),  # the same question, and not the instruction
            prompt(5, history, reply, question),  # nor the history
            prompt(6, history, reply, other),
            prompt(7, history, reply, other + "?"),
            prompt(8, question, archived=True),
        ]
    )
    assert found == {"same": [[1, 3]], "near": [[6, 7]], "across": [[1, 3]], "held_out": 1}
