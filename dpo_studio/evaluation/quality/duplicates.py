"""Prompts that say the same, or nearly the same, and which of them stand on both sides of the held-out split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dpo_studio.core.types import Prompt

from . import near


def of_prompts(found: Sequence[Prompt], told: near.Told = lambda _done, _of: None) -> dict[str, Any]:
    """Sets of prompt ids, as lists under "same", "near" and "across", and a number under "held_out".

    `same` but for case and spaces, or `near` (see `near.NEAR_PROMPTS`); a set is in one of the two. `across` are those
    of either that hold both a held-out prompt and one for training; `held_out` counts the former in them. Archived
    prompts are left out. The last turn, what was said before it, and the system's instruction are compared each for
    itself, so that neither a long instruction nor a long history makes two questions alike.

    Args:
        told: see `near.sets`.
    """
    asked = [prompt for prompt in found if not prompt.archived]
    texts = [_parts(prompt) for prompt in asked]
    same: list[list[int]] = []
    alike: list[list[int]] = []
    across: list[list[int]] = []
    held_out = 0
    for places in near.sets(texts, sketched=2, told=told):
        ids = [int(asked[place].id) for place in places]
        (same if len({texts[place] for place in places}) == 1 else alike).append(ids)
        if len({asked[place].held_out for place in places}) == 2:
            across.append(ids)
            held_out += sum(asked[place].held_out for place in places)
    return {"same": same, "near": alike, "across": across, "held_out": held_out}


def _parts(prompt: Prompt) -> tuple[str, str, str]:
    said = [message for message in prompt.messages if message.role != "system"]
    before = "\n".join(f"{message.role}: {message.content}" for message in said[:-1])
    system = "\n".join(message.content for message in prompt.messages if message.role == "system")
    return near.plain(said[-1].content), near.plain(before), near.plain(system)
