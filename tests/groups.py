"""Comparisons as tests need them: a prompt, and a group of answers to it that waits for a label."""

from __future__ import annotations

from collections.abc import Sequence

from dpo_studio.core.types import Group, Message
from dpo_studio.store import Project, completions, prompts


def add_group(
    project: Project,
    prompt: str | Sequence[Message] = "Why is the sky blue?",
    answers: Sequence[str] | int = ("a", "b", "c", "d"),
    *,
    size: int | None = None,
    held_out: bool | None = None,
) -> Group:
    """Add a prompt and its answers; of a number of answers, "answer 0", "answer 1", …

    Args:
        size: how many answers the group is to have, where that is not how many it gets here.
        held_out: whether the prompt is held out; None leaves that to the store.
    """
    asked = prompts.add(project, [Message("user", prompt)] if isinstance(prompt, str) else prompt)
    if held_out is not None:
        prompts.set_held_out(project, asked.id, held_out)
    texts = [f"answer {number}" for number in range(answers)] if isinstance(answers, int) else answers
    group = completions.add_group(project, asked.id, size=len(texts) if size is None else size)
    for text in texts:
        completions.add(project, group.id, text)
    return completions.get_group(project, group.id)
