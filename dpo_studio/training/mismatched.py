"""KTO's mismatched examples: each group's prompt with an answer that was given to another prompt."""

from __future__ import annotations

import random
from collections.abc import Sequence

from dpo_studio.core.errors import UserError

from .batches import Dataset, Example

_TRIES = 20


def partners_of(data: Dataset, *, seed: int) -> dict[str, Example]:
    """For each group, by its name, its prompt with one answer from a group of another prompt.

    The same for the same seed and data, so that the reference's values are computed once, with all others, before the
    first step. Training groups take theirs from training groups only. None is longer than the longest real example:
    where every answer to another prompt would be, the shortest is cut.

    Raises:
        UserError: all groups have one prompt.
    """
    longest = max(example.longest for example in (*data.train, *data.held_out))
    found = {}
    for examples, donors in ((data.train, data.train), (data.held_out, (*data.held_out, *data.train))):
        for example in examples:
            found[example.group] = _mismatched(example, donors, longest, random.Random(f"{seed}/{example.group}"))
    return found


def _mismatched(example: Example, donors: Sequence[Example], longest: int, rng: random.Random) -> Example:
    room = longest - len(example.prompt)

    def answers(donor: Example) -> list[tuple[int, ...]]:
        if donor.prompt == example.prompt:
            return []
        return [ids for ids in donor.completions if 0 < len(ids) <= room]

    for _ in range(_TRIES):
        if choice := answers(rng.choice(donors)):
            return _example(example, rng.choice(choice))
    start = rng.randrange(len(donors))
    for donor in (*donors[start:], *donors[:start]):
        if choice := answers(donor):
            return _example(example, rng.choice(choice))
    others = [ids for donor in donors if donor.prompt != example.prompt for ids in donor.completions if ids]
    if others and room > 0:
        return _example(example, min(others, key=len)[:room])
    raise UserError(
        "KTO compares answers with answers to other prompts, and there is none.",
        "Rank the answers to another prompt, or choose another method.",
    )


def _example(example: Example, completion: tuple[int, ...]) -> Example:
    return Example(f"{example.group}/mismatched", example.held_out, example.prompt, (completion,), (1,))
