"""Rows that carry a judgement, of either shape, as one thing: a prompt, completions and their ranks.

Rankings are rows of `{"prompt", "completions", "ranks", …}` (a `group` uuid may stand for the first
two); pairs are TRL's preference rows, with an explicit or an implicit prompt, as text or as messages. Values go by
what they mean here, whatever their columns are called (see `core.column_meanings`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dpo_studio.core import prompt_rows, turns
from dpo_studio.core import ranking as weak_orders
from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import MAX_CANDIDATES
from dpo_studio.core.types import Conversation, Message
from dpo_studio.store import prompts
from dpo_studio.store.matching import Judged

STRENGTHS = (1, 2, 3)
_FINISHES = ("stop", "stop_string", "length", "written", "imported")


def from_completions(values: Mapping[str, Any]) -> Judged:
    """The comparison of a row that has completions and no judgement: its ranks are empty.

    Raises:
        UserError: what is wrong with the row.
    """
    messages = _prompt(values)
    texts = tuple(_completion(item, messages) for item in _list(values.get("completions"), "completions"))
    _check_size(len(texts))
    return Judged(group="", messages=messages, completions=texts, ranks=(), tags=_tags(values))


def single(values: Mapping[str, Any]) -> tuple[Conversation, str, tuple[str, ...]]:
    """The prompt, the one completion and the tags of a row that has but one completion.

    Raises:
        UserError: what is wrong with the row.
    """
    messages = _prompt(values)
    return messages, _completion(values.get("completion"), messages), _tags(values)


def from_ranking(values: Mapping[str, Any]) -> Judged:
    """The judgement of a ranking row.

    Raises:
        UserError: what is wrong with the row.
    """
    group = str(values.get("group") or "")
    given = values.get("completions")
    if given is None and not group:
        raise UserError("It has neither completions nor a group.")
    items = [] if given is None else _list(given, "completions")
    messages = _prompt(values) if items else ()
    texts = tuple(_completion(item, messages) for item in items)
    ranks = _list(values.get("ranks"), "ranks")
    if texts:
        _check_size(len(texts))
        ranks = list(weak_orders.validate(ranks, len(texts)))
    finishes = values.get("finish_reasons") or ()
    finishes = tuple(finishes) if isinstance(finishes, (list, tuple)) else (finishes,)
    if finishes and (len(finishes) != len(texts) or any(reason not in _FINISHES for reason in finishes)):
        raise UserError(f"Its finish_reasons are not one of {', '.join(_FINISHES)} for each completion.")
    return Judged(
        group=group,
        messages=messages,
        completions=texts,
        ranks=tuple(ranks),
        finish_reasons=finishes,
        **_remarks(values),
    )


def from_pair(values: Mapping[str, Any]) -> Judged:
    """The judgement of a preference row: two completions, the first ranked above the second.

    Raises:
        UserError: what is wrong with the row.
    """
    chosen, rejected = _turns(values.get("chosen"), "chosen"), _turns(values.get("rejected"), "rejected")
    if chosen[:-1] != rejected[:-1]:
        raise UserError("Chosen and rejected answer different conversations.")
    for name, given in (("chosen", chosen), ("rejected", rejected)):
        if given[-1].role != "assistant":
            raise UserError(f"Its {name} does not end with an assistant message.")
    messages = _prompt(values, chosen[:-1])
    better, worse = chosen[-1].content, rejected[-1].content
    if better == worse:
        raise UserError("Chosen and rejected are the same text.")
    texts = (_completion(better, messages), _completion(worse, messages))
    return Judged(group="", messages=messages, completions=texts, ranks=(1, 2), **_remarks(values))


def _remarks(values: Mapping[str, Any]) -> dict[str, Any]:
    strength = values.get("strength")
    strength = 1 if strength is None else strength
    if isinstance(strength, bool) or strength not in STRENGTHS:
        raise UserError(f"Its strength is {strength!r}; it can be 1, 2 or 3.")
    annotator, note, held_out = values.get("annotator") or "", values.get("note") or "", values.get("held_out")
    flags = values.get("flags") or ()
    if not isinstance(annotator, str) or not isinstance(note, str):
        raise UserError("Its annotator or note is not text.")
    if not isinstance(flags, Sequence) or isinstance(flags, str) or not all(isinstance(flag, str) for flag in flags):
        raise UserError("Its flags are not a list of texts.")
    if held_out is not None and not isinstance(held_out, bool):
        raise UserError("Its held_out is neither true nor false.")
    kind = values.get("annotator_kind") or ""
    if kind not in ("", "person", "judge"):
        raise UserError(f"Its annotator_kind is {kind!r}; it can be person or judge.")
    confidence = values.get("confidence")
    if confidence is not None and (
        isinstance(confidence, bool) or not isinstance(confidence, (int, float)) or not 0.5 <= confidence <= 1.0
    ):
        raise UserError(f"Its confidence is {confidence!r}; it can be from 0.5 (a guess) to 1 (sure).")
    return {
        "tags": _tags(values),
        "annotator": annotator.strip(),
        "strength": int(strength),
        "note": note,
        "flags": tuple(flags),
        "held_out": held_out,
        "confidence": None if confidence is None else float(confidence),
        "annotator_kind": kind,
    }


def _prompt(values: Mapping[str, Any], lead: Conversation = ()) -> Conversation:
    """The conversation that is answered: its column, then the turns that chosen and rejected begin with.

    Those turns may repeat the column, and stand for it where there is none.
    """
    messages = prompt_rows.asked(values)
    if not messages and not lead:
        there = any(values.get(one) is not None for one in ("prompt", "messages"))
        raise UserError("Its prompt is empty." if there else "It has no prompt.")
    if len(messages) > 1 and not messages[-1].content:
        messages = messages[:-1]  # a transcript that ends with "Assistant:"
    messages = lead if lead[: len(messages)] == messages else messages + lead
    messages = prompt_rows.with_system(messages, values.get("system"))
    turns.check_order(messages)
    prompts.check(messages)
    _no_nul(*(message.content for message in messages))
    return messages


def _turns(value: Any, name: str) -> Conversation:
    """Messages of a chosen or rejected column; plain text is one assistant turn, or an HH transcript."""
    if isinstance(value, str):
        return turns.transcript(value) or (Message("assistant", value),)
    if not value:
        raise UserError(f"It has no {name}.")
    return turns.messages(value, name)


def _completion(value: Any, prompt: Conversation) -> str:
    """The text of a completion, which can stand as a message, also after the turns that it answers."""
    if isinstance(value, list) and value:
        *before, last = turns.messages(value, "completion")
        if last.role != "assistant" or (before and tuple(before) != prompt[-len(before) :]):
            raise UserError("A completion is not one message of the assistant.")
        value = last.content
    if not isinstance(value, str):
        raise UserError("A completion is not text.")
    if not value.strip():
        raise UserError("A completion is empty.")
    _no_nul(value)
    return value


def _tags(values: Mapping[str, Any]) -> tuple[str, ...]:
    return prompt_rows.tags_of(values.get("tags"))


def _no_nul(*texts: str) -> None:
    if any("\x00" in text for text in texts):
        raise UserError("It holds a NUL character.")


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise UserError(f"Its {name} is not a list." if value is not None else f"It has no {name}.")
    return list(value)


def _check_size(size: int) -> None:
    if not 2 <= size <= MAX_CANDIDATES:
        has = "1 completion" if size == 1 else f"{size} completions"
        raise UserError(f"It has {has}; a group has from 2 to {MAX_CANDIDATES}.")
