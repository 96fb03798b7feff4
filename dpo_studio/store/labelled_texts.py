"""The texts of what was labelled, one group after another and nothing else of them.

A project's groups with their token ids do not fit in memory at once; their texts need not be there at once either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from dpo_studio.core.types import CompletionId, GroupId, PromptId

from .database import Project


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """A group with a standing judgement.

    Attributes:
        answers: the id and the text of each completion, in the group's order.
    """

    id: GroupId
    prompt_id: PromptId
    repeat_of: GroupId | None
    answers: tuple[tuple[CompletionId, str], ...]


def labelled_texts(project: Project, *, texts: bool = True) -> Iterator[LabelledTexts]:
    """The groups that anybody's judgement stands on, by a person or a judge, in order.

    Args:
        texts: without them the answers are there by their ids alone, which is quick.
    """
    text = "c.text" if texts else "''"
    rows = project.db.conn.execute(
        f"SELECT g.id, g.prompt_id, g.repeat_of, c.id, {text} FROM groups g"
        " JOIN group_items i ON i.group_id = g.id JOIN completions c ON c.id = i.completion_id"
        " WHERE EXISTS (SELECT 1 FROM current_rankings r WHERE r.group_id = g.id) ORDER BY g.id, i.candidate"
    )
    for (group_id, prompt_id, repeat_of), items in groupby(rows, key=lambda row: (row[0], row[1], row[2])):
        answers = tuple((CompletionId(row[3]), row[4]) for row in items)
        yield LabelledTexts(
            GroupId(group_id), PromptId(prompt_id), None if repeat_of is None else GroupId(repeat_of), answers
        )
