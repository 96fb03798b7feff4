"""Which column of a source is what: guessed from the columns' names, or said by a person.

What a source holds ("prompts", "completions", "pairs" or "rankings") shows in the columns it has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from .errors import UserError

_PROMPT: dict[str, tuple[str, ...]] = {
    "prompt": ("prompt", "question", "instruction", "query", "text", "input"),
    "input": ("input", "context"),
    "messages": ("messages", "conversation", "conversations"),
    "system": ("system", "system_prompt"),
    "tags": ("tags", "tag"),
}
_JUDGEMENT: dict[str, tuple[str, ...]] = {
    "annotator": ("annotator", "annotator_id", "labeler"),
    "annotator_kind": ("annotator_kind",),
    "strength": ("strength",),
    "note": ("note", "comment"),
    "flags": ("flags",),
    "confidence": ("confidence",),
    "held_out": ("held_out",),
}
#: What a column can be, by what the source holds, and the names it is known by, the first found first.
KNOWN: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "prompts": _PROMPT,
    "completions": {
        **_PROMPT,
        "completions": ("completions", "responses", "answers", "candidates"),
        "completion": ("completion", "response", "answer", "output"),
    },
    "pairs": {
        **_PROMPT,
        "chosen": ("chosen", "chosen_response", "preferred", "preferred_output"),
        "rejected": ("rejected", "rejected_response", "dispreferred", "non_preferred_output"),
        **_JUDGEMENT,
    },
    "rankings": {
        **_PROMPT,
        "group": ("group",),
        "completions": ("completions", "responses", "answers", "candidates"),
        "ranks": ("ranks", "ranking"),
        "finish_reasons": ("finish_reasons",),
        **_JUDGEMENT,
    },
}
_NEEDED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "prompts": (("prompt", "messages"),),
    "completions": (("prompt", "messages"), ("completions", "completion")),
    "pairs": (("chosen",), ("rejected",)),
    "rankings": (("ranks",), ("completions", "group")),
}
KINDS = tuple(KNOWN)
#: What an instruction is about stands beside it (Alpaca, Dolly); elsewhere a column of such a name can be anything.
_HAVE_INPUT = ("instruction",)
#: Between the names of numbered columns that stand for one list.
JOINT = ", "
_NUMBERED = {
    "completions": re.compile(r"(completion|response|answer|candidate)[ _-]?([0-9a-i])", re.IGNORECASE),
    "ranks": re.compile(r"(rank)[ _-]?([0-9a-i])", re.IGNORECASE),
}


def kind_of(columns: Iterable[str], said: Mapping[str, str] | None = None) -> str:
    """What a source with these columns holds; prompts where nothing says more.

    Args:
        said: column names by meaning. A meaning that only one kind has decides.
    """
    names = {name.lower() for name in columns}
    said = said or {}

    def there(kind: str, meaning: str) -> bool:
        return meaning in said or any(one in names for one in KNOWN[kind][meaning]) or bool(numbered(meaning, names))

    if there("rankings", "ranks") and (there("rankings", "completions") or there("rankings", "group")):
        return "rankings"
    if there("pairs", "chosen") and there("pairs", "rejected"):
        return "pairs"
    if there("completions", "completions") and (there("completions", "prompt") or there("completions", "messages")):
        return "completions"
    return "completions" if "completion" in said else "prompts"


def guess(kind: str, columns: Iterable[str], said: Mapping[str, str] | None = None) -> dict[str, str]:
    """Which of the columns is what, by meaning; what is said holds over what is guessed ("" is that no column is it).

    What is a list can be several columns, joined by JOINT.

    Raises:
        UserError: a meaning that there is not, a column that is not there, or one that is needed is not found.
    """
    there = list(columns)
    found = ", ".join(there[:50]) or "none"
    known = KNOWN[kind]
    result = dict(said or {})
    for meaning, name in result.items():
        if meaning not in known:
            raise UserError(f"A column of {kind} cannot be {meaning!r}.", f"Use one of {', '.join(known)}.")
        if name and name not in there and not (meaning in _NUMBERED and set(name.split(JOINT)) <= set(there)):
            raise UserError(f"There is no column {name!r}.", f"The columns are: {found}.")
    lower = {name.lower(): name for name in reversed(there)}
    for meaning, names in known.items():
        if meaning in result or _stands_already(meaning, result) or _has_no_place(meaning, result):
            continue
        taken = result.values()
        name = next((lower[one] for one in names if one in lower and lower[one] not in taken), "")
        name = name or numbered(meaning, there)
        if name:
            result[meaning] = name
    result = {meaning: name for meaning, name in result.items() if name}
    for needed in _NEEDED[kind]:
        if not any(meaning in result for meaning in needed):
            raise UserError(
                f"No column is the {needed[0]}. The columns are: {found}.",
                f"Say which one, such as --column {needed[0]}=NAME.",
            )
    return result


def is_prompt(columns: Iterable[str]) -> bool:
    """Whether one of these columns is known as a prompt."""
    names = {name.lower() for name in columns}
    return any(one in names for meaning in ("prompt", "messages") for one in _PROMPT[meaning])


def numbered(meaning: str, columns: Iterable[str]) -> str:
    """The names of numbered columns ("answer_1", "answer_2") that together are what is meant, joined; or ""."""
    pattern = _NUMBERED.get(meaning)
    if pattern is None:
        return ""
    found: dict[str, list[tuple[str, str]]] = {}
    for name in columns:
        if match := pattern.fullmatch(name):
            found.setdefault(match[1].lower(), []).append((match[2].lower(), name))
    series = next((names for names in found.values() if len(names) > 1), [])
    return JOINT.join(name for _, name in sorted(series))


def _stands_already(meaning: str, result: Mapping[str, str]) -> bool:
    """A prompt stands in one column, and so do completions."""
    either = (("prompt", "messages"), ("completions", "completion"))
    return any(meaning in pair and any(result.get(one) for one in pair) for pair in either)


def _has_no_place(meaning: str, result: Mapping[str, str]) -> bool:
    """An input is guessed only beside what is known to have one."""
    return meaning == "input" and result.get("prompt", "").lower() not in _HAVE_INPUT
