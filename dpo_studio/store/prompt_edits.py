"""What is done to prompts that are there: archive, tag, rewrite and so on; each says what it changed, to be undone.

A prompt that was answered keeps its words: its answers are answers to those. Rewriting it makes another prompt and
archives the old one, with its answers and labels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message, Prompt, PromptId

from . import prompts
from .database import Project, in_chunks, to_text

LONGEST_TAG = 60
MOST_TAGS = 50


@dataclass(frozen=True, slots=True)
class Edited:
    """A prompt that was rewritten.

    Attributes:
        before: as it was.
        after: as it is now. It is another prompt where the one before had been asked, and was archived.
    """

    before: Prompt
    after: Prompt

    @property
    def is_new(self) -> bool:
        return self.before.id != self.after.id


def archive(project: Project, prompt_ids: Iterable[PromptId], archived: bool = True) -> list[PromptId]:
    """Put prompts out of the way, or back; the ids of those that were not there already.

    Their answers and labels stay and count as before.
    """
    changed: list[PromptId] = []
    with project.transaction() as db:
        for ids in in_chunks(prompt_ids):
            marks = ", ".join("?" * len(ids))
            rows = db.conn.execute(
                f"UPDATE prompts SET archived = ? WHERE id IN ({marks}) AND archived <> ? RETURNING id",
                [int(archived), *ids, int(archived)],
            ).fetchall()
            changed.extend(PromptId(row[0]) for row in rows)
    return changed


def hold_out(project: Project, prompt_ids: Iterable[PromptId], held_out: bool) -> None:
    """Hold prompts out of training, or let them in."""
    with project.transaction():
        for prompt_id in prompt_ids:
            prompts.set_held_out(project, prompt_id, held_out)


def tags_of(project: Project, prompt_ids: Iterable[PromptId]) -> dict[PromptId, tuple[str, ...]]:
    """The tags of these prompts; unknown ones are left out."""
    found: dict[PromptId, tuple[str, ...]] = {}
    for ids in in_chunks(prompt_ids):
        marks = ", ".join("?" * len(ids))
        for prompt_id, tags in project.db.conn.execute(f"SELECT id, tags FROM prompts WHERE id IN ({marks})", ids):
            found[PromptId(prompt_id)] = tuple(json.loads(tags))
    return found


def change_tags(
    project: Project, prompt_ids: Iterable[PromptId], *, add: Sequence[str] = (), remove: Sequence[str] = ()
) -> dict[PromptId, tuple[str, ...]]:
    """Add and take away tags; by prompt that was changed, its tags before.

    Raises:
        UserError: a tag that cannot be one (see `clean_tags`), or too many on one prompt.
    """
    added, removed = clean_tags(add), set(remove)
    before: dict[PromptId, tuple[str, ...]] = {}
    with project.transaction():
        for ids in in_chunks(prompt_ids):
            for prompt_id, tags in tags_of(project, (PromptId(one) for one in ids)).items():
                wanted = tuple(dict.fromkeys([*(tag for tag in tags if tag not in removed), *added]))
                if len(wanted) > MOST_TAGS:
                    raise UserError(f"A prompt can have {MOST_TAGS} tags at most.", "Take some away first.")
                if wanted != tags:
                    _write_tags(project, prompt_id, wanted)
                    before[prompt_id] = tags
    return before


def set_tags(project: Project, tags: Mapping[PromptId, Sequence[str]]) -> None:
    """Give each prompt these tags: what `change_tags` returned undoes it."""
    with project.transaction():
        for prompt_id, own in tags.items():
            _write_tags(project, prompt_id, own)


def clean_tags(tags: Iterable[str]) -> list[str]:
    """Tags without blanks around them, each once.

    Raises:
        UserError: one is too long, or holds a comma or a line break.
    """
    cleaned = list(dict.fromkeys(" ".join(tag.split()) for tag in tags if tag.strip()))
    for tag in cleaned:
        if len(tag) > LONGEST_TAG:
            raise UserError(f"“{tag[:20]}…” is too long for a tag.", f"Use {LONGEST_TAG} letters at most.")
        if "," in tag:
            raise UserError("A tag holds no comma: commas stand between tags.", "Leave it out.")
    return cleaned


def rewrite(project: Project, prompt_id: PromptId, messages: Sequence[Message]) -> Edited:
    """Give a prompt another text.

    One that was never asked is changed where it stands. For one that was, another prompt is made, with the same
    tags and on the same side of the split, and the old one is archived: its answers stay answers to what was asked.

    Raises:
        UserError: the messages cannot be a prompt, or another prompt says the same already.
    """
    prompts.check(messages)
    with project.transaction() as db:
        before = prompts.get(project, prompt_id)
        text, content_hash = prompts.stored_form(messages)
        same = prompts.find_by_hash(project, content_hash)
        if same == prompt_id:
            return Edited(before, before)
        if same is not None:
            where = "among the archived prompts" if prompts.get(project, same).archived else "in this project"
            raise UserError(
                f"A prompt with exactly this text is {where} already.", "Change something, or use that one."
            )
        if not was_asked(project, prompt_id):
            db.conn.execute(
                "UPDATE prompts SET messages = ?, content_hash = ? WHERE id = ?", [text, content_hash, prompt_id]
            )
            return Edited(before, prompts.get(project, prompt_id))
        made = prompts.add(project, messages, source=before.source, tags=before.tags)
        prompts.set_held_out(project, made.id, before.held_out)
        archive(project, [prompt_id])
        return Edited(before, prompts.get(project, made.id))


def undo_rewrite(project: Project, edited: Edited) -> None:
    """Take a rewriting back: the old text returns; a new prompt goes if nothing was asked of it, else it stays.

    Raises:
        UserError: the prompt was asked since with its new text, or the old text is another prompt's by now.
    """
    with project.transaction():
        if edited.is_new:
            archive(project, [edited.before.id], edited.before.archived)
            take_back(project, [edited.after.id])
        elif was_asked(project, edited.before.id):
            raise UserError(
                "This prompt was asked since with its new text, so that text stays.", "Edit it to make another prompt."
            )
        else:
            rewrite(project, edited.before.id, edited.before.messages)


def take_back(project: Project, prompt_ids: Iterable[PromptId]) -> list[PromptId]:
    """Remove prompts that were just added; those that were asked stay. The ids of those that are gone."""
    gone: list[PromptId] = []
    with project.transaction() as db:
        for ids in in_chunks(prompt_ids):
            marks = ", ".join("?" * len(ids))
            rows = db.conn.execute(
                f"""DELETE FROM prompts WHERE id IN ({marks})
                    AND NOT EXISTS (SELECT 1 FROM groups g WHERE g.prompt_id = prompts.id)
                    AND NOT EXISTS (SELECT 1 FROM completions c WHERE c.prompt_id = prompts.id) RETURNING id""",
                ids,
            ).fetchall()
            gone.extend(PromptId(row[0]) for row in rows)
    return gone


def was_asked(project: Project, prompt_id: PromptId) -> bool:
    """Whether answers were ever asked for or are there."""
    return bool(
        project.db.conn.execute(
            "SELECT EXISTS (SELECT 1 FROM groups WHERE prompt_id = ?)"
            " OR EXISTS (SELECT 1 FROM completions WHERE prompt_id = ?)",
            [prompt_id, prompt_id],
        ).fetchone()[0]
    )


def _write_tags(project: Project, prompt_id: PromptId, tags: Sequence[str]) -> None:
    project.db.conn.execute("UPDATE prompts SET tags = ? WHERE id = ?", [to_text(list(tags)), prompt_id])
