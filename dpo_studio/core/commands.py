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
        sources: for each of them where it comes from, an index into `Generate.sources`; empty is 0 for all.
        taken: the answers that the group has already, so that none of them comes a second time.
    """

    group: int
    messages: tuple[Message, ...]
    candidates: tuple[int, ...]
    sources: tuple[int, ...] = ()
    taken: tuple[str, ...] = ()

    def source_of(self, candidate: int) -> int:
        """Where a candidate comes from, as an index into `Generate.sources`."""
        return self.sources[self.candidates.index(candidate)] if self.sources else 0


@dataclass(frozen=True, slots=True)
class Source:
    """A model with settings: what a candidate comes from; fields as in Generate."""

    base: str
    sampling: Mapping[str, Any]
    adapter: str | None = None


@dataclass(frozen=True, slots=True)
class Generate(Command):
    """Answer the items in order with this model; loads it first when another is loaded.

    Attributes:
        job: a name of the sender's choosing, repeated in every event.
        base: a model reference (core.types.Policy.base).
        adapter: absolute path of an adapter folder, or None.
        sampling: SamplingSettings as JSON; its k is not read.
        device: "auto", "cpu", "cuda" or "mps".
        others: further models and settings that candidates come from, where a group mixes them.
    """

    job: str
    base: str
    items: tuple[GenerationItem, ...]
    sampling: Mapping[str, Any]
    adapter: str | None = None
    device: str = "auto"
    others: tuple[Source, ...] = ()

    @property
    def sources(self) -> tuple[Source, ...]:
        """All that candidates come from: first the command's own model and settings, then the others."""
        return (Source(self.base, self.sampling, self.adapter), *self.others)


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
            GenerationItem(
                item["group"],
                messages_from_json(item["messages"]),
                tuple(item["candidates"]),
                tuple(item.get("sources", ())),
                tuple(item.get("taken", ())),
            )
            for item in body.pop("items")
        )
        others = tuple(Source(**source) for source in body.pop("others", ()))
        return Generate(items=items, others=others, **body)
    plain = {"Load": Load, "Cancel": Cancel, "Pause": Pause, "Resume": Resume}.get(name)
    if plain is not None:
        return plain(**body)
    raise ValueError(f"unknown command {name!r}")
