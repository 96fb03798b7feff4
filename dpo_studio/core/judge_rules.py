"""Rules that rank answers by what can be counted: length, a pattern, a format, refusals. No model is asked.

A rule gives each answer a level, lower is better; equal levels tie. Of several rules the first that tells two answers
apart decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .errors import UserError
from .types import Ranks

#: Scripts that put no space between words: each of their characters counts as a word.
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_LIST_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+\S")
_CODE_FENCE = re.compile(r"^\s*(?:```|~~~)", re.MULTILINE)
_MARKDOWN = re.compile(
    r"^\s{0,3}(?:#{1,6}\s|[-*+]\s|\d+[.)]\s|>|```|~~~)|\*\*\S|__\S|\[[^\]]+\]\([^)]+\)", re.MULTILINE
)
#: Only the beginning is looked at: further down these words are mostly part of an answer.
_REFUSAL_CHARACTERS = 240
_REFUSAL = re.compile(
    r"\bI(?:['’]m| am) (?:really |very |so )?(?:sorry|afraid)\b"
    r"|\bI (?:can(?:['’]|no)?t|can not|won['’]t|will not|am unable to|am not able to|must decline|have to decline)\b"
    r"|\bI['’]m (?:unable|not able) to\b"
    r"|\bas an? (?:AI|language model|artificial intelligence)\b"
    r"|\b(?:I )?apologi[sz]e\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, ready to be used.

    Attributes:
        text: as it is written, such as "shorter" or "max-words:80".
        level: (text, finish_reason) -> a whole number, lower is better.
        found: (text, finish_reason) -> what was measured, in a word or two.
    """

    text: str
    level: Callable[[str, str], int]
    found: Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class RuleKind:
    """A kind of rule.

    Attributes:
        says: what it prefers, in a sentence for the person.
        argument: what stands after the colon; "" where nothing does, in square brackets where it may be left out.
        make: from the argument to level and found. Raises UserError for an argument that cannot be used.
    """

    says: str
    argument: str
    make: Callable[[str], tuple[Callable[[str, str], int], Callable[[str, str], str]]]


def parse(text: str) -> Rule:
    """The rule that a text such as "shorter", "matches:REGEX" or "format:json" stands for.

    Raises:
        UserError: there is no such rule, or its argument cannot be used.
    """
    name, _, argument = text.strip().partition(":")
    kind = RULES.get(name.strip().lower())
    if kind is None:
        raise UserError(f"There is no rule called {name.strip()!r}.", f"The rules are {', '.join(RULES)}.")
    level, found = kind.make(argument.strip())
    written = f"{name.strip().lower()}:{argument.strip()}" if argument.strip() else name.strip().lower()
    return Rule(written, level, found)


def rank(rules: Sequence[Rule], answers: Sequence[tuple[str, str]]) -> tuple[Ranks, str]:
    """The weak order that rules give (text, finish_reason) answers, and why, in a sentence.

    Args:
        rules: at least one; an earlier rule goes before a later one.
    """
    levels = [tuple(rule.level(*answer) for rule in rules) for answer in answers]
    places = {level: place for place, level in enumerate(sorted(set(levels)), 1)}
    ranks = tuple(places[level] for level in levels)
    order = sorted(range(len(answers)), key=lambda index: ranks[index])
    told = []
    for number, rule in enumerate(rules):
        if len({level[number] for level in levels}) > 1:
            told.append(f"{rule.text}: {', '.join(rule.found(*answers[index]) for index in order)}")
    return ranks, f"Best first, {'; '.join(told)}." if told else "The rules tell no difference."


def count_words(text: str) -> int:
    """Words of a text, and beside them its Chinese, Japanese and Korean characters one by one."""
    rest, characters = _CJK.subn(" ", text)
    return len(_WORD.findall(rest)) + characters


def refuses(text: str) -> bool:
    """Whether an answer begins with words that decline or excuse instead of answering."""
    return _REFUSAL.search(text[:_REFUSAL_CHARACTERS]) is not None


def _by_length(sign: int) -> Callable[[str], tuple[Callable[[str, str], int], Callable[[str, str], str]]]:
    def make(argument: str) -> tuple[Callable[[str, str], int], Callable[[str, str], str]]:
        step = _number(argument or "1", "a number of words, such as shorter:20")
        return (lambda text, _finish: sign * (count_words(text) // step)), _words_found

    return make


def _max_words(argument: str) -> tuple[Callable[[str, str], int], Callable[[str, str], str]]:
    most = _number(argument, "a number of words, such as max-words:80")
    return (lambda text, _finish: int(count_words(text) > most)), _words_found


def _pattern(*, wanted: bool) -> Callable[[str], tuple[Callable[[str, str], int], Callable[[str, str], str]]]:
    def make(argument: str) -> tuple[Callable[[str, str], int], Callable[[str, str], str]]:
        if not argument:
            raise UserError("This rule needs a pattern.", "Write a regular expression after it, such as matches:^Yes")
        try:
            pattern = re.compile(argument)
        except re.error as error:
            raise UserError(f"{argument!r} is not a regular expression: {error}.", "Mend it and try again.") from error
        return _yes_or_no(lambda text, _finish: (pattern.search(text) is not None) == wanted)

    return make


def _format(argument: str) -> tuple[Callable[[str, str], int], Callable[[str, str], str]]:
    keeps = FORMATS.get(argument.lower())
    if keeps is None:
        raise UserError(f"There is no format {argument!r}.", f"The formats are {', '.join(FORMATS)}.")
    return _yes_or_no(lambda text, _finish: keeps(text))


def _yes_or_no(
    keeps: Callable[[str, str], bool],
) -> tuple[Callable[[str, str], int], Callable[[str, str], str]]:
    return (
        lambda text, finish: int(not keeps(text, finish)),
        lambda text, finish: "yes" if keeps(text, finish) else "no",
    )


def _plain(
    keeps: Callable[[str, str], bool],
) -> Callable[[str], tuple[Callable[[str, str], int], Callable[[str, str], str]]]:
    def make(argument: str) -> tuple[Callable[[str, str], int], Callable[[str, str], str]]:
        if argument:
            raise UserError(f"This rule takes nothing after its name, and {argument!r} stands there.", "Leave it out.")
        return _yes_or_no(keeps)

    return make


def _words_found(text: str, _finish_reason: str) -> str:
    count = count_words(text)
    return f"{count} word{'' if count == 1 else 's'}"


def _number(text: str, what: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise UserError(f"This rule needs {what}, and {text!r} stands there.", "Write a whole number from 1.")
    return value


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_list(text: str) -> bool:
    """Two list items or more, and at most one line of another kind before them."""
    lines = [line for line in text.splitlines() if line.strip()]
    items = sum(_LIST_ITEM.match(line) is not None for line in lines)
    return items >= 2 and items >= len(lines) - 1


#: Formats by name: whether a text keeps one.
FORMATS: dict[str, Callable[[str], bool]] = {
    "json": _is_json,
    "list": _is_list,
    "one-line": lambda text: bool(text.strip()) and "\n" not in text.strip(),
    "one-paragraph": lambda text: bool(text.strip()) and re.search(r"\n\s*\n", text.strip()) is None,
    "code": lambda text: _CODE_FENCE.search(text) is not None,
    "no-markdown": lambda text: _MARKDOWN.search(text) is None,
}

#: Rules by name, in the order in which they are offered.
RULES: dict[str, RuleKind] = {
    "shorter": RuleKind(
        "Fewer words are better. With a number, lengths in the same step of so many words tie.",
        "[words]",
        _by_length(1),
    ),
    "longer": RuleKind(
        "More words are better. With a number, lengths in the same step of so many words tie.",
        "[words]",
        _by_length(-1),
    ),
    "max-words": RuleKind("Answers of at most so many words are better.", "words", _max_words),
    "matches": RuleKind(
        "Answers in which the pattern (a regular expression) is found are better.", "regex", _pattern(wanted=True)
    ),
    "avoids": RuleKind("Answers in which the pattern is not found are better.", "regex", _pattern(wanted=False)),
    "format": RuleKind(f"Answers that keep a format are better: {', '.join(FORMATS)}.", "format", _format),
    "finished": RuleKind(
        "Answers that came to their own end are better than those that the token limit cut.",
        "",
        _plain(lambda text, finish: finish != "length" and bool(text.strip())),
    ),
    "no-refusal": RuleKind(
        "Answers that do not begin by declining or with an excuse are better (English phrases).",
        "",
        _plain(lambda text, _finish: not refuses(text)),
    ),
}
