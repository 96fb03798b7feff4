"""What a person does to prompts, written in a thread and undone by Ctrl+Z, also on a later day."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Signal

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Conversation, Message, Prompt, PromptId, messages_from_json
from dpo_studio.store import Project, prompt_edits, prompt_import, prompt_undo, prompts, settling
from dpo_studio.store.database import in_chunks
from dpo_studio.store.database_errors import BusyError
from dpo_studio.ui.context import Context
from dpo_studio.ui.prompt_list.store_thread import Answer, StoreThread

from .panel import counted

#: So many prompts are written in one transaction; between two, others may write.
_CHUNK = 2_000
_BREATH_S = 0.005
#: Of so many prompts that were here already it is said whether they are archived.
_LOOKED_AT = 1_000


@dataclass(frozen=True, slots=True)
class Done:
    """What a change did.

    Attributes:
        sentence: for the person; "" where nothing changed.
        undo: how to take it back (see `_take_back`); None where there is nothing to take back.
        gone, came: prompts that a list of the others no longer shows, and that it shows now.
    """

    sentence: str
    undo: Mapping[str, Any] | None = None
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
        self._undo_wanted = False

    def open(self, project: Project | None) -> None:
        """Change another project's prompts."""
        self.close()
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

    def keep_import(self, ids: Sequence[Sequence[int]]) -> None:
        """Prompts were imported, from the first to the last of each of these: undo takes them back."""
        self._do(lambda _project, _send: Done("", {"what": "add", "ids": ids}))

    def undo(self) -> bool:
        """Take the last change back, of whatever day; whether there was one (or one is being written)."""
        project = self._context.project
        if self._thread is None or project is None:
            return False
        if not self._thread.is_idle:
            self._undo_wanted = True
            return True
        if not prompt_undo.is_any(project):
            return False
        self._do(_undo_last)
        return True

    def _do(self, work: Callable[[Project, Callable[[Any], None]], Done]) -> int:
        if self._thread is None:
            return 0
        return self._thread.do("change", lambda project, send: _kept(project, work(project, send)))

    def _on_answered(self, answer: Answer) -> None:
        if self.sender() is not self._thread:
            return
        if not answer.last:
            self.busy_changed.emit(answer.value)
            return
        self.busy_changed.emit("")
        done: Done = answer.value
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
        {"what": "archive", "archived": archived, "ids": prompt_undo.ranges(changed)} if changed else None,
        gone=changed if archived else (),
        came=() if archived else changed,
    )


def _tag(
    project: Project, ids: Sequence[int], add: Sequence[str], remove: Sequence[str], send: Callable[[str], None]
) -> Done:
    before: dict[tuple[str, ...], array[int]] = {}  # few have tags of their own alone, so a million are few lists
    try:
        for part in _in_parts(ids, "Tagging", send):
            for prompt_id, tags in prompt_edits.change_tags(project, part, add=add, remove=remove).items():
                before.setdefault(tags, array("q")).append(prompt_id)
    except UserError:
        _set_tags(project, before)  # all or none, though written in parts
        raise
    changed = sum(map(len, before.values()))
    if not changed:
        return Done("These tags are there already." if add else "None of them has this tag.")
    said = [f"tagged “{', '.join(add)}”"] if add else []
    said += [f"no longer tagged “{', '.join(remove)}”"] if remove else []
    undo = {"what": "tags", "before": [[list(tags), prompt_undo.ranges(own)] for tags, own in before.items()]}
    return Done(f"{counted(changed)} {' and '.join(said)}.", undo)


def _set_tags(project: Project, before: Mapping[tuple[str, ...], Iterable[int]]) -> int:
    """Give prompts these tags again; how many they are."""
    changed = 0
    for tags, own in before.items():
        for part in in_chunks(own, _CHUNK):
            prompt_edits.set_tags(project, {PromptId(one): tags for one in part})
            changed += len(part)
            time.sleep(_BREATH_S)
    return changed


def _rewrite(project: Project, prompt_id: PromptId, messages: Sequence[Message]) -> Done:
    edited = prompt_edits.rewrite(project, prompt_id, messages)
    if edited.before == edited.after:
        return Done("")

    undo = {
        "what": "rewrite",
        "before": edited.before.id,
        "after": edited.after.id,
        "archived": edited.before.archived,
        "messages": [message.to_json() for message in edited.before.messages],
    }
    if edited.is_new:
        sentence = "A new prompt was made; the old one is archived with its answers."
        return Done(sentence, undo, gone=[edited.before.id], came=[edited.after.id])
    return Done("The prompt was changed.", undo)


def _add(project: Project, rows: Sequence[tuple[Conversation, tuple[str, ...]]], source: str) -> Done:
    many = len(rows) > _CHUNK
    with prompt_import.in_bulk(project) if many else project.transaction():
        there = prompts.there_already(project, [conversation for conversation, _ in rows])
        fresh = dict((conversation, tags) for place, (conversation, tags) in enumerate(rows) if place not in there)
        prompt_import.add(project, fresh.items(), source=source)
        added = list(prompts.there_already(project, list(fresh)).values())
    if many:
        settling.write_words(project)  # in short transactions: whoever labels meanwhile hardly waits
    known = len(rows) - len(added)
    away = sum(prompt.archived for prompt in prompts.get_many(project, list(there.values())[:_LOOKED_AT]).values())
    sentence = f"{counted(len(added))} added" if added else "Nothing was added"
    sentence += f"; {known:,} {'was' if known == 1 else 'were'} here already" if known else ""
    sentence += " (archived)." if away and away == known else f", {away:,} of them archived." if away else "."

    undo = {"what": "add", "ids": prompt_undo.ranges(added)} if added else None
    return Done(sentence, undo, came=added or list(there.values())[:1])


def _kept(project: Project, done: Done) -> Done:
    """The same, once it is kept how to take it back."""
    if done.undo is not None:
        try:
            prompt_undo.keep(project, done.undo)
        except UserError:
            return Done(f"{done.sentence} This one cannot be undone.", None, done.gone, done.came)
    return done


def _undo_last(project: Project, send: Callable[[str], None]) -> Done:
    """Take the newest change back that is not taken back yet.

    Raises:
        UserError: it cannot be, any more; the next undo takes back the one before.
    """
    found = prompt_undo.last(project)
    if found is None:
        return Done("")
    number, step = found
    try:
        done = _take_back(project, step, send)
    except BusyError:
        raise
    except UserError:
        prompt_undo.forget(project, number)
        raise
    prompt_undo.forget(project, number)
    return done


def _take_back(project: Project, step: Mapping[str, Any], send: Callable[[str], None]) -> Done:
    """Do the reverse of what a step says was done."""
    if step["what"] == "archive":
        done = _archive(project, array("q", prompt_undo.ids_of(step["ids"])), not step["archived"], send)
        return Done(done.sentence, None, done.gone, done.came)
    if step["what"] == "tags":
        changed = _set_tags(project, {tuple(tags): list(prompt_undo.ids_of(own)) for tags, own in step["before"]})
        return Done(f"{counted(changed)} have their tags of before." if changed != 1 else "Its tags are as before.")
    if step["what"] == "rewrite":
        messages = messages_from_json(step["messages"])
        before = Prompt(PromptId(step["before"]), "", messages, archived=step["archived"])
        after = Prompt(PromptId(step["after"]), "", ())
        prompt_edits.undo_rewrite(project, prompt_edits.Edited(before, after))
        gone = [after.id] if after.id != before.id else []
        return Done("The prompt has its old text again.", gone=gone, came=[before.id])
    kept, gone = 0, array("q")
    for part in _in_parts(prompt_undo.ids_of(step["ids"]), "Taking back", send):
        gone.extend(prompt_edits.take_back(project, part))
        kept += len(prompt_edits.tags_of(project, part))
    stay = "1 stays, since it was asked" if kept == 1 else f"{kept:,} stay, since they were asked"
    said = f"{counted(len(gone))} taken back" + (f"; {stay}." if kept else ".")
    return Done(said, gone=gone)


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
