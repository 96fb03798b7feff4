"""The store in threads of their own: what may take longer than a frame is asked here, over another connection.

One thread reads (a search is given up when another is asked for), one writes, so that a change of many prompts does not
keep a search waiting.
"""

from __future__ import annotations

import queue
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, QThread, Signal

from dpo_studio.core.errors import UserError
from dpo_studio.store import Project
from dpo_studio.store.interrupting import Interrupted, until

_PATIENCE_MS = 60_000

#: What is done with the project: it may send parts of its answer before the last.
Work = Callable[[Project, Callable[[Any], None]], Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question.

    Attributes:
        number: what `ask` returned.
        value: what the work returned, or sent before its end.
        last: whether nothing more comes.
    """

    kind: str
    number: int
    value: Any
    last: bool


class StoreThread(QThread):
    """Asks the store one question after the other. A newer question of a kind takes the place of the older ones.

    Signals:
        answered: an Answer.
        failed: (kind, number, exception) a UserError, a bug, or None where it was given up.
    """

    answered = Signal(object)
    failed = Signal(str, int, object)

    def __init__(self, project: Project, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._project = project
        self._questions: queue.Queue[tuple[str, int, Work, bool] | None] = queue.Queue()
        self._latest: dict[str, int] = {}
        self._number = 0
        self._open = 0
        self._closing = False
        self.answered.connect(self._on_answered)
        self.failed.connect(self._on_ended)

    def ask(self, kind: str, work: Work) -> int:
        """Ask for something to be read; an older question of this kind is given up."""
        return self._put(kind, work, may_be_given_up=True)

    def do(self, kind: str, work: Work) -> int:
        """Have something written: it is done whatever comes after it."""
        return self._put(kind, work, may_be_given_up=False)

    def drop(self, kind: str) -> None:
        """Give up what was asked of this kind."""
        self._latest.pop(kind, None)

    def is_latest(self, answer: Answer) -> bool:
        """Whether no newer question of its kind was asked since."""
        return self._latest.get(answer.kind) == answer.number

    @property
    def is_idle(self) -> bool:
        return self._open == 0

    def close(self) -> None:
        """Give up what is read, end what is written at its next part, and end."""
        self._closing = True
        self._questions.put(None)
        self.wait(_PATIENCE_MS)

    def run(self) -> None:
        try:
            project = self._project.beside()
        except UserError as error:
            self._refuse_all(error)
            return
        with project:
            while (question := self._questions.get()) is not None:
                self._answer(project, *question)

    def _put(self, kind: str, work: Work, *, may_be_given_up: bool) -> int:
        self._number += 1
        self._latest[kind] = self._number
        self._open += 1
        self._questions.put((kind, self._number, work, may_be_given_up))
        if not self.isRunning():
            self.start()
        return self._number

    def _refuse_all(self, error: UserError) -> None:
        """The project cannot be opened any more."""
        while (question := self._questions.get()) is not None:
            self.failed.emit(question[0], question[1], error)

    def _answer(self, project: Project, kind: str, number: int, work: Work, may_be_given_up: bool) -> None:
        def over() -> bool:
            return may_be_given_up and (self._closing or self._latest.get(kind) != number)

        def send(value: Any) -> None:
            if over() or self._closing:
                raise Interrupted
            self.answered.emit(Answer(kind, number, value, last=False))

        try:
            if over():
                raise Interrupted
            with until(project, over):
                value = work(project, send)
        except Interrupted:
            self.failed.emit(kind, number, None)
        except UserError as error:
            self.failed.emit(kind, number, error)
        except Exception as error:  # a bug: told to the window's thread, where it is shown
            error.add_note(traceback.format_exc())
            self.failed.emit(kind, number, error)
        else:
            self.answered.emit(Answer(kind, number, value, last=True))

    def _on_answered(self, answer: Answer) -> None:
        if answer.last:
            self._on_ended()

    def _on_ended(self, *_what: object) -> None:
        self._open -= 1
