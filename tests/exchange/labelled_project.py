"""A small project whose judgements are known by heart, for the tests of exports and imports."""

from __future__ import annotations

from pathlib import Path

from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, prompts, rankings

#: (answers, what was judged): a list is ranks, a text another kind, None nothing yet.
GROUPS = (
    (("red", "green", "blue", "grey"), [2, 3, 1, None]),
    (("one", "two", "three"), [1, 1, 2]),
    (("a", "b"), [1, 1]),
    (("c", "d"), "skip"),
    (("e", "f"), "all_bad"),
    (("g", "h"), None),
    (("same", "same", "other"), [1, 2, 3]),
)


def make(folder: Path, *, held_out: tuple[int, ...] = ()) -> Project:
    """The project, open. The first prompt has several turns and a text that tests encodings."""
    project = Project.create(folder, guideline='Warm: "kind" words\nbefore facts.')
    for index, (answers, judged) in enumerate(GROUPS):
        messages = [Message("user", f"Question {index}?")]
        if index == 0:
            messages = [
                Message("system", "Be brief."),
                Message("user", "Salut — ça va? 你好 👋"),
                Message("assistant", "Oui."),
                Message("user", "Question 0?\u2028Next line."),
            ]
        prompt = prompts.add(project, messages)
        prompts.set_held_out(project, prompt.id, index in held_out)
        group = completions.add_group(project, prompt.id, size=len(answers))
        for number, text in enumerate(answers):
            completions.add(project, group.id, text, finish_reason="length" if number == 0 else "stop")
        group = completions.get_group(project, group.id)
        if isinstance(judged, list):
            rankings.add(
                project, group, ranks=judged, strength=2, note=f"note {index}", flags=("odd",), confidence=0.75
            )
        elif judged is not None:
            rankings.add(project, group, kind=judged)
    return project
