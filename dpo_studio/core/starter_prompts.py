"""The prompts that come with the app, by theme, for a project that has none yet."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

from . import bundled, prompt_rows
from .types import Conversation


@dataclass(frozen=True, slots=True)
class Theme:
    """Prompts of one kind.

    Attributes:
        tag: what its prompts are tagged with.
        about: a few words on what they show of a model.
    """

    name: str
    tag: str
    about: str
    prompts: tuple[Conversation, ...]


@cache
def themes() -> tuple[Theme, ...]:
    """Every theme, in the order in which they are shown.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    text = (bundled.folder("resources") / "starter_prompts.json").read_text(encoding="utf-8")
    return tuple(
        Theme(
            name=entry["name"],
            tag=entry["tag"],
            about=entry["about"],
            prompts=tuple(prompt_rows.of_entry({"prompt": prompt})[0] for prompt in entry["prompts"]),
        )
        for entry in json.loads(text)
    )
