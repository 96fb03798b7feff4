"""What a generation worker is told: typed commands that travel as JSON lines on its stdin."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .types import Message, messages_from_json


@dataclass(frozen=True, slots=True)
class Command:
    """Base of all commands."""


@dataclass(frozen=True, slots=True)
class GenerationItem:
    """One prompt to answer.

    Attributes:
        group: the id that comes back with every event.
        candidates: which candidates to draw, by index; those a group has already are not named.
    """

    group: int
    messages: tuple[Message, ...]
    candidates: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Generate(Command):
    """Answer the items in order with this model; loads it first when another is loaded.

    Attributes:
        job: a name of the sender's choosing, repeated in every event.
        base: a model reference (core.types.Policy.base).
        adapter: absolute path of an adapter folder, or None.
        sampling: SamplingSettings as JSON; its k is not read.
        device: "auto", "cpu", "cuda" or "mps".
    """

    job: str
    base: str
    items: tuple[GenerationItem, ...]
    sampling: Mapping[str, Any]
    adapter: str | None = None
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class Load(Command):
    """Load a model now, so that the first Generate need not wait."""

    base: str
    adapter: str | None = None
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class Cancel(Command):
    """End a job after the token in hand; what is finished was sent already."""

    job: str = field(default="")


@dataclass(frozen=True, slots=True)
class Pause(Command):
    """Hold a job after the token in hand, with what is being written kept in memory, until Resume or Cancel."""

    job: str


@dataclass(frozen=True, slots=True)
class Resume(Command):
    """Let a job that was held go on where it was."""

    job: str


def to_line(command: Command) -> str:
    """The command as one JSON line, newline included."""
    body = {"command": type(command).__name__, **dataclasses.asdict(command)}
    return json.dumps(body, ensure_ascii=False) + "\n"


def from_line(line: str) -> Command:
    """The command of one line.

    Raises:
        ValueError: the line is not one of these commands (a bug on the sending side).
    """
    body = json.loads(line)
    name = body.pop("command", "")
    if name == "Generate":
        items = tuple(
            GenerationItem(item["group"], messages_from_json(item["messages"]), tuple(item["candidates"]))
            for item in body.pop("items")
        )
        return Generate(items=items, **body)
    plain = {"Load": Load, "Cancel": Cancel, "Pause": Pause, "Resume": Resume}.get(name)
    if plain is not None:
        return plain(**body)
    raise ValueError(f"unknown command {name!r}")
