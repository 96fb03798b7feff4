"""A judge: rules, or a model with a written list of principles. What it is, what it is called, how it is asked."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import judge_rules
from .commands import Command
from .errors import UserError
from .server_reference import is_server
from .types import Message, messages_from_json

KINDS = ("rules", "model")
LONGEST_PRINCIPLES = 20_000
#: Two answers tie where the judge is less sure than this which one is better.
TIE_BELOW = 0.55
_HASH_DIGITS = 8

#: What a model is asked. It is part of what a judge is: another text is another judge.
QUESTION = """Two answers to the last message of a conversation are compared. \
Decide by these principles and by nothing else:

{principles}

The conversation:

{conversation}

Answer A:

{first}

Answer B:

{second}

Which answer keeps the principles better? Reply with one letter only: A or B."""


@dataclass(frozen=True, slots=True)
class Judge:
    """What ranks answers in a person's stead; always kept apart from people.

    Attributes:
        kind: "rules", or "model" (on this machine or behind a server).
        rules: for rules: as they are written, the one that decides first in front.
        base, adapter: for a model: as in core.commands.Generate.
        model_name: for a model: what it is called.
        principles: for a model: the written list it decides by.
        tie_below: for a model: two answers tie where it is less sure than this; from a half (never) to under 1.
    """

    kind: str
    rules: tuple[str, ...] = ()
    base: str = ""
    adapter: str | None = None
    model_name: str = ""
    principles: str = ""
    tie_below: float = TIE_BELOW

    @property
    def name(self) -> str:
        """The annotator its rankings are written under: equal exactly where the same is asked of the same model."""
        if self.kind == "rules":
            return f"rules: {', '.join(self.rules)}"
        model = self.model_name or self.base
        tie = "" if self.tie_below == TIE_BELOW else f", ties below {self.tie_below:g}"
        return f"{model}, principles {principles_hash(self.principles)}{tie}"

    @property
    def remote(self) -> bool:
        return self.kind == "model" and is_server(self.base)

    def validate(self) -> Judge:
        """Itself, in its plain form.

        Raises:
            UserError: what it is to decide by is missing or cannot be used.
        """
        if self.kind == "rules":
            if not self.rules:
                raise UserError("No rule is given.", f"Give one or more of {', '.join(judge_rules.RULES)}.")
            return dataclasses.replace(self, rules=tuple(judge_rules.parse(text).text for text in self.rules))
        if self.kind != "model":
            raise UserError(f"{self.kind!r} is not a kind of judge.", f"Use one of {', '.join(KINDS)}.")
        if not self.base.strip():
            raise UserError("No model is named that is to judge.", "Name one, or judge by rules.")
        principles = plain(self.principles)
        if not principles:
            raise UserError(
                "A model that judges needs principles: what makes an answer better.",
                "Write them down, one a line, or write the project's guideline.",
            )
        if len(principles) > LONGEST_PRINCIPLES:
            raise UserError(
                f"The principles are {len(principles):,} characters long; up to {LONGEST_PRINCIPLES:,} are read.",
                "Say them in fewer words.",
            )
        if not 0.5 <= self.tie_below < 1.0:
            raise UserError(
                f"Ties below {self.tie_below:g} cannot be.", "Use a number from 0.5 (no ties) to under 1 (ties often)."
            )
        return dataclasses.replace(self, principles=principles)

    def to_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "rules": list(self.rules)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Judge:
        return cls(**{**values, "rules": tuple(values.get("rules", ()))})


def plain(text: str) -> str:
    """A text without blanks at line ends and around it, so that these make no other judge."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def principles_hash(principles: str) -> str:
    """8 hex digits of the principles and of the question around them: equal where a model is asked the same."""
    return hashlib.sha256(f"{QUESTION}\n{plain(principles)}".encode()).hexdigest()[:_HASH_DIGITS]


def question(principles: str, messages: Sequence[Message], first: str, second: str) -> Message:
    """The message that asks which of two answers is better."""
    titles = {"system": "System", "user": "User", "assistant": "Assistant"}
    conversation = "\n\n".join(f"{titles.get(turn.role, turn.role)}: {turn.content.strip()}" for turn in messages)
    # In one pass, so that braces in a text stay what they are.
    return Message(
        "user",
        QUESTION.format(principles=principles, conversation=conversation, first=first.strip(), second=second.strip()),
    )


# -- the worker's protocol ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JudgeItem:
    """A group to rank: its conversation, and each answer's text and finish reason, in the group's order."""

    group: int
    messages: tuple[Message, ...]
    answers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class JudgeGroups(Command):
    """Rank the items in order.

    Attributes:
        job: a name of the sender's choosing, repeated in every event.
        judge: a Judge as JSON.
        device: "auto", "cpu", "cuda" or "mps".
    """

    job: str
    judge: Mapping[str, Any]
    items: tuple[JudgeItem, ...]
    device: str = "auto"


def from_line(line: str) -> JudgeGroups:
    """The command of one line.

    Raises:
        ValueError: the line is no such command (a bug on the sending side).
    """
    body = json.loads(line)
    if body.pop("command", "") != "JudgeGroups":
        raise ValueError("not a command for a judge")
    items = tuple(
        JudgeItem(item["group"], messages_from_json(item["messages"]), tuple((a, b) for a, b in item["answers"]))
        for item in body.pop("items")
    )
    return JudgeGroups(items=items, **body)
