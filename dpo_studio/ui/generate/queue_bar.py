"""What is going on in Generate, in one strip: progress, Pause and Cancel, or what waits and how to go on."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QApplication, QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from dpo_studio.store.prompt_states import Waiting
from dpo_studio.ui import theme
from dpo_studio.ui.job_board import Job

from .job import GenerationJob

_STEPS = 1000


class QueueBar(QFrame):
    """Hidden while nothing runs and nothing waits.

    Signals:
        pause_wanted, cancel_wanted, continue_wanted, accept_wanted, give_up_wanted: a button was pressed;
            `pause_wanted` is to hold what runs, or to let it go on.
    """

    pause_wanted = Signal()
    cancel_wanted = Signal()
    continue_wanted = Signal()
    accept_wanted = Signal()
    give_up_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "strip")
        self.problem = QLabel()
        self.problem.setProperty("role", "error")
        self.problem.setWordWrap(True)
        self.problem.setAccessibleName("What went wrong")
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setAccessibleName("What is going on")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the answers")
        self.copy_button = self._button("Copy details", self._on_copy)
        self.pause_button = self._button("Pause", self.pause_wanted)
        self.pause_button.setToolTip("Hold the answers where they are, or let them go on (Ctrl+Shift+P)")
        self.cancel_button = self._button("Cancel", self.cancel_wanted)
        self.cancel_button.setToolTip("End here; finished answers are kept, and Continue asks for the rest (Ctrl+.)")
        self.continue_button = self._button("Continue", self.continue_wanted)
        self.accept_button = self._button("Label what is there", self.accept_wanted)
        self.accept_button.setToolTip("Prompts with two or more finished answers go to Label without the missing ones.")
        self.give_up_button = self._button("Stop waiting", self.give_up_wanted)
        self.give_up_button.setToolTip("Take every unfinished prompt out of the queue; finished answers are kept.")
        self.give_up_button.setProperty("role", "ghost")
        self._details = ""

        words = QVBoxLayout()
        words.setSpacing(theme.SPACE_S)
        words.addWidget(self.words)
        words.addWidget(self.bar)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_S)
        row.addLayout(words, 1)
        for button in self._buttons:
            if button is not self.copy_button:
                row.addWidget(button)
        trouble = QHBoxLayout()
        trouble.setSpacing(theme.SPACE_S)
        trouble.addWidget(self.problem, 1)
        trouble.addWidget(self.copy_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.SPACE_L, theme.SPACE_M, theme.SPACE_L, theme.SPACE_M)
        layout.setSpacing(theme.SPACE_S)
        layout.addLayout(trouble)
        layout.addLayout(row)
        self.show_nothing()

    def show_job(self, job: GenerationJob, running: Job | None) -> None:
        """How a generation stands; `running` is the job that has the machine."""
        if job.state == "waiting" and running is not None:
            self.show_running(f"Waits until {running.title} is done.", None)
        elif job.cancelled:
            self.show_running("Stopping; finished answers are kept.", None, cancelling=True)
        elif job.paused:
            known = job.progress_of
            words = (
                f"Paused at {known.done:,} of {known.total:,} answers; nothing is lost, and the model stays in memory."
            )
            self.show_running(words, known.fraction, can_pause=True, paused=True)
        elif job.stage:
            self.show_running(f"{job.stage[:1].upper()}{job.stage[1:]}…", None, can_pause=job.can_pause)
        else:
            known = job.progress_of
            parts = [f"{known.done:,} of {known.total:,} answers"]
            if known.tokens_per_s:
                parts.append(f"{known.tokens_per_s:.0f} tokens/s")
            if known.time_left_s is not None:
                parts.append(f"{in_words(known.time_left_s)} left")
            self.show_running("  ·  ".join(parts), known.fraction, can_pause=job.can_pause)

    def show_queue(self, waiting: Waiting, problem: tuple[str, str]) -> None:
        """No job: what is unfinished, and what went wrong last."""
        sentence, details = problem
        self.show_waiting(waiting.groups, some_usable=waiting.some_usable, problem=sentence, details=details)

    def show_running(
        self,
        words: str,
        fraction: float | None,
        *,
        cancelling: bool = False,
        can_pause: bool = False,
        paused: bool = False,
    ) -> None:
        """A job runs or waits its turn; `fraction` from 0 to 1, None while it cannot be told."""
        self.problem.hide()
        self.words.setText(words)
        self.words.show()
        self.bar.setRange(0, 0 if fraction is None else _STEPS)
        self.bar.setValue(int((fraction or 0.0) * _STEPS))
        self.bar.show()
        self._show_buttons(self.pause_button, self.cancel_button)
        self.pause_button.setText("Go on" if paused else "Pause")
        self.pause_button.setEnabled(can_pause)
        self.cancel_button.setEnabled(not cancelling)
        self.show()

    def show_waiting(self, groups: int, *, some_usable: bool, problem: str = "", details: str = "") -> None:
        """Nothing runs; this many groups are unfinished, and this went wrong last."""
        if not groups and not problem:
            self.show_nothing()
            return
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        self._details = details
        self.words.setText("1 prompt waits for answers." if groups == 1 else f"{groups:,} prompts wait for answers.")
        self.words.setVisible(groups > 0)
        self.bar.hide()
        waiting = (self.continue_button, self.accept_button, self.give_up_button) if groups else ()
        self._show_buttons(*waiting, *([self.copy_button] if details else []))
        self.accept_button.setEnabled(some_usable)
        self.show()

    def show_nothing(self) -> None:
        self.problem.setText("")
        self.words.setText("")
        self.hide()

    @property
    def _buttons(self) -> tuple[QPushButton, ...]:
        return (
            self.copy_button,
            self.pause_button,
            self.cancel_button,
            self.continue_button,
            self.accept_button,
            self.give_up_button,
        )

    def _show_buttons(self, *shown: QPushButton) -> None:
        for button in self._buttons:
            button.setVisible(button in shown)

    def _button(self, words: str, does: object) -> QPushButton:
        button = QPushButton(words)
        button.clicked.connect(does)
        return button

    def _on_copy(self) -> None:
        QApplication.clipboard().setText(f"{self.problem.text()}\n\n{self._details}")


def in_words(seconds: float) -> str:
    """A time left, as coarse as it is known."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 55:
        return f"{round(seconds / 5) * 5} s"
    minutes = seconds / 60
    if minutes < 59.5:
        return f"{max(1, round(minutes))} min"
    return f"{minutes / 60:.1f} h"
