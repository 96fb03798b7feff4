"""Rules rank by what can be counted, tie what is equal, and say what they saw."""

from __future__ import annotations

import pytest

from dpo_studio.core.errors import UserError
from dpo_studio.core.judge_rules import FORMATS, RULES, count_words, parse, rank, refuses


def ranked(rules, *answers):
    return rank(
        [parse(rule) for rule in rules], [(text, "stop") if isinstance(text, str) else text for text in answers]
    )


@pytest.mark.parametrize(
    ("rule", "answers", "ranks"),
    [
        ("shorter", ("one two three", "one", "a b c"), (2, 1, 2)),
        ("longer", ("one two three", "one", "a b c"), (1, 2, 1)),
        ("shorter:3", ("a b c", "a b c d e", "a b"), (2, 2, 1)),
        ("max-words:2", ("a b", "a b c", "a"), (1, 2, 1)),
        ("matches:^yes\\b", ("yes, it is", "well, yes", "yesterday"), (1, 2, 2)),
        ("avoids:(?i)delve", ("Delve into it", "look", "go"), (2, 1, 1)),
        ("format:json", ('{"a": [1]}', "a: 1"), (1, 2)),
        ("finished", (("cut of", "length"), ("done.", "stop"), ("written", "written"), (" ", "stop")), (2, 1, 1, 2)),
        ("no-refusal", ("I'm sorry, but I can't help.", "Take the train.", "As an AI, I do not eat."), (2, 1, 2)),
    ],
)
def test_a_rule_gives_a_weak_order(rule, answers, ranks):
    assert ranked([rule], *answers)[0] == ranks


def test_the_first_rule_that_tells_answers_apart_decides():
    ranks, why = ranked(["no-refusal", "shorter"], "I cannot do that", "a b c", "a b")
    assert ranks == (3, 2, 1)
    assert why == "Best first, no-refusal: yes, yes, no; shorter: 2 words, 3 words, 4 words."


def test_where_nothing_differs_all_tie():
    assert ranked(["format:list", "finished"], "a", "b") == ((1, 1), "The rules tell no difference.")


def test_words_of_scripts_without_blanks_are_counted_by_character():
    assert count_words("It's fine — 日本語 ok") == 2 + 3 + 1


@pytest.mark.parametrize(
    ("text", "declines"),
    [
        ("I can't help with that.", True),
        ("I’m sorry, but no.", True),
        ("I cannot say", True),
        ("You can't miss it.", False),
        ("Tell them that you are sorry.", False),
        ("x" * 300 + " I can't", False),
    ],
)
def test_a_refusal_is_looked_for_at_the_beginning(text, declines):
    assert refuses(text) is declines


@pytest.mark.parametrize(
    ("name", "keeps", "breaks"),
    [
        ("json", "[1, 2]", "[1, 2"),
        ("list", "Three things:\n- a\n- b", "a\nb"),
        ("one-line", "a b", "a\nb"),
        ("one-paragraph", "a\nb", "a\n\nb"),
        ("code", "So:\n```py\nx\n```", "x = 1"),
        ("no-markdown", "2 * 3 * 4 is 24.", "**24**"),
    ],
)
def test_formats(name, keeps, breaks):
    assert FORMATS[name](keeps) and not FORMATS[name](breaks)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("prettier", "no rule called 'prettier'"),
        ("shorter:few", "whole number"),
        ("max-words", "whole number"),
        ("matches", "needs a pattern"),
        ("matches:(", "not a regular expression"),
        ("format:xml", "no format 'xml'"),
        ("finished:yes", "nothing after its name"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused_in_a_sentence(rule, says):
    with pytest.raises(UserError) as refused:
        parse(rule)
    assert says in str(refused.value)


def test_every_rule_explains_itself():
    assert all(kind.says.endswith(".") for kind in RULES.values())
