"""What a person does to prompts, written in a thread and undone by Ctrl+Z while the window is open."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Signal

from dpo_studio.core.errors import UserError
from dpo_studio.core.prompt_files import Conversation
from dpo_studio.core.types import Message, PromptId
from dpo_studio.store import Project, prompt_edits, prompt_import, prompts
from dpo_studio.store.database import in_chunks
from dpo_studio.ui.context import Context
from dpo_studio.ui.prompt_list.store_thread import Answer, StoreThread

from .panel import counted

#: So many prompts are written in one transaction; between two, others may write.
_CHUNK = 2_000
_BREATH_S = 0.005
_MOST_UNDONE = 100
#: Of so many prompts that were here already it is said whether they are archived.
_LOOKED_AT = 1_000


@dataclass(frozen=True, slots=True)
class Done:
    """What a change did.

    Attributes:
        sentence: for the person; "" where nothing changed.
        undo: takes it back and says so; None where there is nothing to take back.
        gone, came: prompts that a list of the others no longer shows, and that it shows now.
    """

    sentence: str
    undo: Callable[[Project], Done] | None = None
    gone: Sequence[int] = ()
    came: Sequence[int] = ()


class Changes(QObject):
    """Archives, tags, rewrites and adds prompts.

    Signals:
        done: (a Done, the change's number) it is in the project.
        refused: (a sentence why, the change's number) it was not done; the project is as it was.
        busy_changed: how far a large change is, in words; "" when it is done.
    """

    done = Signal(object, int)
    refused = Signal(str, int)
    busy_changed = Signal(str)

    def __init__(self, context: Context, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._thread: StoreThread | None = None
        self._undone_by: list[Callable[[Project], Done]] = []
        self._undo_wanted = False

    def open(self, project: Project | None) -> None:
        """Change another project's prompts; what was done in the one before is no longer undone."""
        self.close()
        self._undone_by.clear()
        self._undo_wanted = False
        if project is not None:
            self._thread = StoreThread(project, self)
            self._thread.answered.connect(self._on_answered)
            self._thread.failed.connect(self._on_failed)

    def close(self) -> None:
        """Finish what is being written."""
        if self._thread is not None:
            self._thread.close()
            self._thread.deleteLater()
            self._thread = None

    def archive(self, ids: array[int], archived: bool) -> None:
        """Put prompts out of the way, or back."""
        self._do(lambda project, send: _archive(project, ids, archived, send))

    def tag(self, ids: array[int], *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Add and take away tags."""
        self._do(lambda project, send: _tag(project, ids, tuple(add), tuple(remove), send))

    def rewrite(self, prompt_id: PromptId, messages: Sequence[Message]) -> int:
        """Give a prompt another text; see store.prompt_edits. The change's number."""
        return self._do(lambda project, _send: _rewrite(project, prompt_id, messages))

    def add(self, rows: Sequence[tuple[Conversation, tuple[str, ...]]], source: str) -> int:
        """Add prompts, all or none; those that are there already stay as they are. The change's number."""
        return self._do(lambda project, _send: _add(project, rows, source))

    def undo(self) -> bool:
        """Take the last change back; whether there was one (or one is being written)."""
        if self._thread is None:
            return False
        if not self._thread.is_idle:
            self._undo_wanted = True
            return True
        if not self._undone_by:
            return False
        undo = self._undone_by.pop()
        self._do(lambda project, _send: undo(project))
        return True

    def _do(self, work: Callable[[Project, Callable[[Any], None]], Done]) -> int:
        return self._thread.do("change", work) if self._thread is not None else 0

    def _on_answered(self, answer: Answer) -> None:
        if self.sender() is not self._thread:
            return
        if not answer.last:
            self.busy_changed.emit(answer.value)
            return
        self.busy_changed.emit("")
        done: Done = answer.value
        if done.undo is not None:
            self._undone_by.append(done.undo)
            del self._undone_by[:-_MOST_UNDONE]
        self.done.emit(done, answer.number)
        if self._undo_wanted and self._thread is not None and self._thread.is_idle:
            self._undo_wanted = False
            self.undo()

    def _on_failed(self, _kind: str, number: int, error: Exception | None) -> None:
        self.busy_changed.emit("")
        self._undo_wanted = False
        if error is not None:
            self.refused.emit(str(error), number)
        if error is not None and not isinstance(error, UserError):
            raise error


def _archive(project: Project, ids: Sequence[int], archived: bool, send: Callable[[str], None] | None = None) -> Done:
    changed = array("q")
    for part in _in_parts(ids, "Archiving" if archived else "Bringing back", send):
        changed.extend(prompt_edits.archive(project, part, archived))
    what = counted(len(changed))
    return Done(
        f"{what} archived; answers and labels stay." if archived else f"{what} brought back.",
        _untold(lambda project: _archive(project, changed, not archived)) if changed else None,
        gone=changed if archived else (),
        came=() if archived else changed,
    )


def _tag(
    project: Project, ids: Sequence[int], add: Sequence[str], remove: Sequence[str], send: Callable[[str], None]
) -> Done:
    before: dict[tuple[str, ...], array[int]] = {}  # few have tags of their own alone, so a million are few lists

    def undo(project: Project) -> Done:
        for tags, own in before.items():
            for part in in_chunks(own, _CHUNK):
                prompt_edits.set_tags(project, {PromptId(one): tags for one in part})
                time.sleep(_BREATH_S)
        changed = sum(map(len, before.values()))
        return Done(f"{counted(changed)} have their tags of before." if changed != 1 else "Its tags are as before.")

    try:
        for part in _in_parts(ids, "Tagging", send):
            for prompt_id, tags in prompt_edits.change_tags(project, part, add=add, remove=remove).items():
                before.setdefault(tags, array("q")).append(prompt_id)
    except UserError:
        undo(project)  # all or none, though written in parts
        raise
    changed = sum(map(len, before.values()))
    if not changed:
        return Done("These tags are there already." if add else "None of them has this tag.")
    said = [f"tagged “{', '.join(add)}”"] if add else []
    said += [f"no longer tagged “{', '.join(remove)}”"] if remove else []
    return Done(f"{counted(changed)} {' and '.join(said)}.", undo)


def _rewrite(project: Project, prompt_id: PromptId, messages: Sequence[Message]) -> Done:
    edited = prompt_edits.rewrite(project, prompt_id, messages)
    if edited.before == edited.after:
        return Done("")

    def undo(project: Project) -> Done:
        prompt_edits.undo_rewrite(project, edited)
        gone = [edited.after.id] if edited.is_new else []
        return Done("The prompt has its old text again.", gone=gone, came=[edited.before.id])

    if edited.is_new:
        sentence = "A new prompt was made; the old one is archived with its answers."
        return Done(sentence, undo, gone=[edited.before.id], came=[edited.after.id])
    return Done("The prompt was changed.", undo)


def _add(project: Project, rows: Sequence[tuple[Conversation, tuple[str, ...]]], source: str) -> Done:
    with project.transaction():
        there = prompts.there_already(project, [conversation for conversation, _ in rows])
        fresh = dict((conversation, tags) for place, (conversation, tags) in enumerate(rows) if place not in there)
        prompt_import.add(project, fresh.items(), source=source)
        added = list(prompts.there_already(project, list(fresh)).values())
    known = len(rows) - len(added)
    away = sum(prompt.archived for prompt in prompts.get_many(project, list(there.values())[:_LOOKED_AT]).values())
    sentence = f"{counted(len(added))} added" if added else "Nothing was added"
    sentence += f"; {known:,} {'was' if known == 1 else 'were'} here already" if known else ""
    sentence += " (archived)." if away and away == known else f", {away:,} of them archived." if away else "."

    def undo(project: Project) -> Done:
        gone = prompt_edits.take_back(project, added)
        kept = len(added) - len(gone)
        said = f"{counted(len(gone))} taken back" + (f"; {kept:,} stay, since they were asked." if kept else ".")
        return Done(said, gone=gone)

    return Done(sentence, undo if added else None, came=added or list(there.values())[:1])


def _in_parts(ids: Iterable[int], verb: str, send: Callable[[str], None] | None) -> Iterable[list[PromptId]]:
    """The ids in parts, each to be one transaction, telling how far it is where there are many."""
    whole, done = list(ids), 0
    for part in in_chunks(whole, _CHUNK):
        if done:
            time.sleep(_BREATH_S)
            if send is not None:
                send(f"{verb}… {done:,} of {len(whole):,}")
        yield [PromptId(one) for one in part]
        done += len(part)


def _untold(undo: Callable[[Project], Done]) -> Callable[[Project], Done]:
    """An undo that is not itself undone by the next Ctrl+Z."""

    def run(project: Project) -> Done:
        done = undo(project)
        return Done(done.sentence, None, done.gone, done.came)

    return run
