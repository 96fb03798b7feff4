"""What a generation is to answer: written into the project in a thread, a part at a time, and taken from there.

A million prompts are asked as one is: the first few are in the project at once and are answered while the others are
being written.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from PySide6.QtCore import QObject, Signal

from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import GroupId, Policy, PromptId
from dpo_studio.store import Project, completions, prompt_search, prompt_states, requests
from dpo_studio.store.database import in_chunks
from dpo_studio.store.prompt_search import PromptFilter
from dpo_studio.ui.prompt_list.store_thread import Answer, StoreThread

#: So many prompts are written first, and then in one transaction; between two, others may write.
_FIRST, _PART = 32, 200
_BREATH_S = 0.005
_NOT_ANSWERABLE = (
    "None of the waiting prompts says which model is to answer it: they were imported."
    " Label what is there, or stop waiting for them."
)
UNANSWERED = PromptFilter(progress="unanswered")


@dataclass(frozen=True, slots=True)
class Wish:
    """Answers that are wanted.

    Attributes:
        prompts: to these; None to all that have none.
        count: how many prompts that is.
        policies: who answers; several take turns over each prompt's answers.
        spread: a key of core.recipes.SPREADS.
    """

    prompts: Sequence[int] | None
    count: int
    settings: SamplingSettings
    policies: Sequence[Policy]
    spread: str = "none"


class Source(Protocol):
    """Where a job gets its groups from.

    Attributes:
        is_open: whether there may be more later than can be taken now.
        answers: how many there are to write in all, as far as that is known.
    """

    is_open: bool
    answers: int

    def take(self, project: Project, limit: int) -> Sequence[GroupId]:
        """The next groups, in order; none twice."""


class Asked:
    """The groups of a wish, as they are written."""

    def __init__(self, answers: int) -> None:
        self.is_open, self.answers = True, answers
        self._ids = array("q")
        self._taken = 0

    def extend(self, group_ids: Iterable[int]) -> None:
        self._ids.extend(group_ids)

    @property
    def written(self) -> int:
        """How many there are by now."""
        return len(self._ids)

    def take(self, project: Project, limit: int) -> Sequence[GroupId]:
        taken = self._ids[self._taken : self._taken + limit]
        self._taken += len(taken)
        return [GroupId(one) for one in taken]


class Unfinished:
    """The groups that wait in the project, but for those that are asked for from now on."""

    def __init__(self) -> None:
        self.is_open, self.answers = True, 0
        self._after = self._up_to = 0

    def begin(self, found: requests.Answerable) -> None:
        """It is known now how many there are."""
        self.is_open, self.answers, self._up_to = False, found.answers, found.last

    def take(self, project: Project, limit: int) -> Sequence[GroupId]:
        found = requests.answerable_ids(project, after=self._after, up_to=self._up_to, limit=limit)
        self._after = found[-1] if found else self._up_to
        return found


class Asking(QObject):
    """Writes wishes and looks at the queue, over a connection of its own.

    Signals:
        came: there is more in the source than before, or it is known that no more comes.
        failed: a sentence why what was wanted could not be done.
        stopped: how many prompts of a wish were not asked, because it was stopped.
        left: the queue was emptied.
    """

    came = Signal()
    failed = Signal(str)
    stopped = Signal(int)
    left = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread: StoreThread | None = None
        self._then: dict[int, Callable[[Answer], None]] = {}
        self._enough = threading.Event()

    def open(self, project: Project | None) -> None:
        """Write into another project; what was being written into the one before ends with its present part."""
        if self._thread is not None:
            self._thread.close()
            self._thread.deleteLater()
            self._thread = None
        self._then.clear()
        self.stop()
        if project is not None:
            self._thread = StoreThread(project, self)
            self._thread.answered.connect(self._on_answered)
            self._thread.failed.connect(self._on_failed)

    def ask(self, wish: Wish) -> Asked:
        """Write a wish into the project."""
        asked = Asked(wish.count * wish.settings.k)
        enough = self._enough = threading.Event()

        def write(project: Project, send: Callable[[Any], None]) -> None:
            for part in _parts(project, wish.prompts):
                if enough.is_set():
                    return
                send(array("q", requests.ask(project, part, wish.policies, wish.settings, spread=wish.spread)))
                time.sleep(_BREATH_S)

        def take(answer: Answer) -> None:
            if not answer.last:
                asked.extend(answer.value)
                return
            asked.is_open, asked.answers = False, asked.written * wish.settings.k
            if enough.is_set() and asked.written < wish.count:
                self.stopped.emit(wish.count - asked.written)

        self._do(write, take)
        return asked

    def go_on(self) -> Unfinished:
        """Look at what is unfinished."""
        waiting = Unfinished()

        def begin(answer: Answer) -> None:
            waiting.begin(answer.value)
            if not answer.value.answers:
                self.failed.emit(_NOT_ANSWERABLE)

        self._do(lambda project, _send: requests.answerable(project), begin)
        return waiting

    def stop(self) -> None:
        """Write no more of the wish than is there by now."""
        self._enough.set()

    def leave_queue(self, *, at_least: int) -> None:
        """Stop waiting for unfinished groups with so many answers; see store.prompt_states. `left` follows."""

        def leave(project: Project, _send: Callable[[Any], None]) -> None:
            last = 0
            while ids := completions.unfinished_ids(project, after=last, at_least=at_least, limit=_PART):
                prompt_states.take_out_of_queue(project, ids)
                last = ids[-1]
                time.sleep(_BREATH_S)

        self._do(leave, lambda _answer: self.left.emit())

    def _do(self, work: Callable[[Project, Callable[[Any], None]], Any], then: Callable[[Answer], None]) -> None:
        assert self._thread is not None, "no project is open"
        self._then[self._thread.do("ask", work)] = then

    def _on_answered(self, answer: Answer) -> None:
        then = self._then.get(answer.number)
        if self.sender() is not self._thread or then is None:
            return
        then(answer)
        if answer.last:
            del self._then[answer.number]
        self.came.emit()

    def _on_failed(self, _kind: str, number: int, error: Exception | None) -> None:
        if self.sender() is not self._thread or self._then.pop(number, None) is None or error is None:
            return
        self.failed.emit(str(error))
        if not isinstance(error, UserError):
            raise error


def _parts(project: Project, wanted: Sequence[int] | None) -> Iterable[list[PromptId]]:
    """The prompts in parts, each to be one transaction: a small one first, so that answering begins at once."""
    if wanted is None:
        yield from prompt_search.pages(project, UNANSWERED, first=_FIRST, largest=_PART)
        return
    yield [PromptId(one) for one in wanted[:_FIRST]]
    for part in in_chunks(wanted[_FIRST:], _PART):
        yield [PromptId(one) for one in part]
