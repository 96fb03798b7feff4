"""One run: its progress and numbers while it lives, its curves, its answers before and after, and what to do next."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QTabWidget, QVBoxLayout, QWidget

from dpo_studio.core.errors import UserError
from dpo_studio.core.methods import reward_beta
from dpo_studio.core.types import Run
from dpo_studio.ui import theme
from dpo_studio.ui.widgets.flow import FlowLayout

from . import readings, wording
from .before_after import BeforeAfterPanel, read_prompts
from .curves import CurvesPanel
from .feed import RunFeed
from .notes import NotesPanel
from .numbers import NumbersStrip
from .record import FIRST_STEP
from .runs_list import STATE_WORDS

CURVES, ANSWERS, NOTES = 0, 1, 2
NOTES_EVERY_MS = 300


class RunView(QWidget):
    """Shows a feed, and asks the page for what changes the project.

    Signals:
        resume_asked: start the run's worker again.
        policy_wanted: (page name) go there with the policy this run made.
        round_asked: set up another round from it.
        complained: (UserError) something the person asked for could not be done.
        said: (text) it was done.
    """

    resume_asked = Signal()
    policy_wanted = Signal(str)
    round_asked = Signal()
    slower_asked = Signal()
    complained = Signal(object)
    said = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.feed: RunFeed | None = None
        self._run: Run | None = None
        self._waiting = False
        self._shown_version = -1
        self._was_live = False
        self._notes_timer = QTimer(self)
        self._notes_timer.setSingleShot(True)
        self._notes_timer.setInterval(NOTES_EVERY_MS)
        self._notes_timer.timeout.connect(self.refresh_notes)
        self._build()

    # -- what is shown ---------------------------------------------------------------------------

    def show_run(self, run: Run, feed: RunFeed, *, waiting: bool) -> None:
        """Show this run, from its beginning."""
        if self.feed is not None and self.feed is not feed:
            self.feed.updated.disconnect(self.refresh)
        if self.feed is not feed:
            feed.updated.connect(self.refresh)
        self.feed, self._run, self._waiting = feed, run, waiting
        self._shown_version = -1
        self._was_live = feed.live or waiting
        self.curves.show_run(run.name, feed.record)
        self.answers.show_run(read_prompts(feed.run_folder))
        self.tabs.setCurrentIndex(CURVES)
        self.refresh()

    def show_waiting(self, waiting: bool) -> None:
        """Whether the run waits for the accelerator."""
        if self._waiting != waiting:
            self._waiting = waiting
            self.refresh()

    def refresh(self, _run_id: object = None) -> None:
        """Show what is new in the feed."""
        if self.feed is None or self._run is None:
            return
        self._show_state(self.feed, self._run)
        record = self.feed.record
        if record.version != self._shown_version:
            self._shown_version = record.version
            self.numbers.show_record(record)
            self.curves.refresh()
            self.answers.show_answers(record.answers)
            if not self._notes_timer.isActive():
                self._notes_timer.start()
        if self._was_live and self.feed.outcome is not None:
            self._was_live = False
            if any("after" in phases for phases in record.answers.values()):
                self.tabs.setCurrentIndex(ANSWERS)

    def refresh_notes(self) -> None:
        """Read the curves anew; now and then is often enough."""
        if self.feed is None or self._run is None:
            return
        record = self.feed.record
        settings = self._run.settings
        beta = reward_beta(str(settings.get("method")), float(settings.get("beta", 0.1)))
        found = readings.read(
            record.train,
            record.held_out,
            record.fresh,
            steps=record.steps,
            beta=beta,
            kept=record.kept_step,
            longer=record.started.longer if record.started else (0, 0),
        )
        self.curves.show_readings(found)
        self.notes.show_run(self._run, record, found)
        self.tabs.setTabText(NOTES, f"Notes ({self.notes.count})" if self.notes.count else "Notes")

    @property
    def can_resume(self) -> bool:
        """Whether going on with the run may lead somewhere."""
        outcome = self.feed.outcome if self.feed else None
        return outcome is not None and outcome.state in ("new", "failed", "interrupted") and not outcome.diverged

    # -- what it is told -------------------------------------------------------------------------

    def toggle_pause(self) -> None:
        """Pause a live run, or let it go on."""
        if self.feed is not None and self.feed.live and self.feed.asked != "stop":
            self._ask("run" if self.feed.asked == "pause" else "pause")

    def stop(self) -> None:
        """Stop a live run after its step and keep what it learnt."""
        if self.feed is not None and self.feed.live:
            self._ask("stop")

    def copy_details(self) -> None:
        """Put what is known about the ending on the clipboard."""
        if self.feed is None or self.feed.outcome is None:
            return
        outcome = self.feed.outcome
        QGuiApplication.clipboard().setText(
            f"{self.feed.name}: {outcome.state}\n{outcome.reason}\n\n{outcome.details}".strip() + "\n"
        )
        self.said.emit("The details are on the clipboard.")

    def _ask(self, what: str) -> None:
        assert self.feed is not None
        try:
            self.feed.ask(what)
        except UserError as error:
            self.complained.emit(error)

    # -- building --------------------------------------------------------------------------------

    def _build(self) -> None:
        self.title = QLabel()
        self.title.setProperty("role", "heading")
        self.state_label = QLabel()
        self.state_label.setProperty("role", "badge")
        self.pause_button = self._button("Pause", self.toggle_pause)
        self.stop_button = self._button("Stop and keep", self.stop)
        self.stop_button.setToolTip("Finishes this step and keeps what was learnt so far.")
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_M)
        head.addWidget(self.title)
        head.addWidget(self.state_label, 0, Qt.AlignmentFlag.AlignVCenter)
        head.addStretch(1)
        head.addWidget(self.pause_button)
        head.addWidget(self.stop_button)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Training progress")
        self.progress_label = QLabel()
        self.progress_label.setProperty("role", "muted")
        progress = QHBoxLayout()
        progress.setSpacing(theme.SPACE_M)
        progress.addWidget(self.bar, 1)
        progress.addWidget(self.progress_label)
        self.progress_frame = QWidget()
        progress.setContentsMargins(0, 0, 0, 0)
        self.progress_frame.setLayout(progress)
        self.numbers = NumbersStrip()
        self.curves = CurvesPanel()
        self.curves.complained.connect(self.complained)
        self.curves.saved.connect(lambda name: self.said.emit(f"The curves are saved in {name}."))
        self.answers = BeforeAfterPanel()
        self.notes = NotesPanel()
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setDrawBase(False)
        self.tabs.addTab(self.curves, "Curves")
        self.tabs.addTab(self.answers, "Before and after")
        self.tabs.addTab(self.notes, "Notes")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_L)
        layout.setSpacing(theme.SPACE_M)
        layout.addLayout(head)
        layout.addWidget(self.progress_frame)
        layout.addWidget(self._build_ending())
        layout.addWidget(self.numbers)
        layout.addWidget(self.tabs, 1)

    def _build_ending(self) -> QFrame:
        self.ending_frame = QFrame()
        self.ending_frame.setProperty("role", "banner")
        self.ending_label = QLabel()
        self.ending_label.setWordWrap(True)
        self.ending_label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.resume_button = self._button("Resume", self.resume_asked.emit, "primary")
        self.slower_button = self._button("Train again with a lower rate", self.slower_asked.emit, "primary")
        self.slower_button.setToolTip("Shows the form with this run's settings and a third of its learning rate.")
        self.details_button = self._button("Copy details", self.copy_details)
        self.generate_button = self._button("Generate with it", lambda: self.policy_wanted.emit("generate"), "primary")
        self.export_button = self._button("Export", lambda: self.policy_wanted.emit("export"))
        self.round_button = self._button("Train another round", self.round_asked.emit)
        buttons = FlowLayout(spacing=theme.SPACE_S, row_spacing=theme.SPACE_S)
        for button in (
            self.resume_button,
            self.slower_button,
            self.details_button,
            self.generate_button,
            self.export_button,
            self.round_button,
        ):
            buttons.addWidget(button)
        layout = QVBoxLayout(self.ending_frame)
        layout.setContentsMargins(theme.SPACE_L, theme.SPACE_M, theme.SPACE_L, theme.SPACE_M)
        layout.setSpacing(theme.SPACE_M)
        layout.addWidget(self.ending_label)
        layout.addLayout(buttons)
        return self.ending_frame

    def _button(self, text: str, does: object, role: str = "") -> QPushButton:
        button = QPushButton(text)
        if role:
            button.setProperty("role", role)
        button.clicked.connect(lambda: does())  # type: ignore[operator]
        return button

    # -- the state -------------------------------------------------------------------------------

    def _show_state(self, feed: RunFeed, run: Run) -> None:
        state = state_of(feed, waiting=self._waiting)
        live = feed.live
        self.title.setText(run.name)
        self.state_label.setText(" ".join(STATE_WORDS[state]))
        self.pause_button.setVisible(live)
        self.pause_button.setText("Go on" if feed.asked == "pause" else "Pause")
        self.pause_button.setEnabled(feed.asked != "stop")
        self.stop_button.setVisible(live)
        self.stop_button.setEnabled(feed.asked != "stop")
        self.progress_frame.setVisible(live or self._waiting)
        record = feed.record
        self.bar.setRange(0, record.steps)
        self.bar.setValue(record.step)
        self.progress_label.setText(progress_text(feed, waiting=self._waiting))
        self._show_ending(feed)

    def _show_ending(self, feed: RunFeed) -> None:
        outcome = feed.outcome
        over = outcome is not None and not self._waiting
        self.ending_frame.setVisible(over)
        if outcome is None:
            return
        good = outcome.state in ("finished", "stopped")
        theme.set_role(self.ending_frame, "banner" if good or outcome.state == "new" else "banner-error")
        self.ending_label.setText(wording.ending(feed.name, outcome, feed.record))
        self.resume_button.setVisible(self.can_resume)
        self.resume_button.setText("Start" if outcome.state == "new" else "Resume")
        self.slower_button.setVisible(outcome.diverged)
        self.details_button.setVisible(not good and outcome.state != "new")
        theme.set_role(self.generate_button, "primary" if good else "")
        learnt = good and (feed.record.done is None or bool(feed.record.done.adapter))
        for button in (self.generate_button, self.export_button):
            button.setVisible(learnt or bool(outcome.kept))
        self.round_button.setVisible(learnt)


def state_of(feed: RunFeed, *, waiting: bool) -> str:
    """The key of STATE_WORDS for a run."""
    if waiting:
        return "waiting"
    if feed.outcome is not None:
        return feed.outcome.state
    if not feed.live:
        return "reading"
    return "paused" if feed.asked == "pause" else "running"


def progress_text(feed: RunFeed, *, waiting: bool) -> str:
    """What a live run is doing and how long it will take."""
    record = feed.record
    if waiting:
        return "waits until the other job is done"
    if feed.asked == "stop":
        return "stopping after this step, then answering the sample prompts" if record.step else "stopping"
    if not record.steps or not record.step:
        stage = record.stage or "starting"
        if feed.asked != "pause":
            return stage
        return "paused before the first step" if stage == FIRST_STEP else f"{stage}; pauses before the first step"
    text = f"step {record.step} of {record.steps}"
    if feed.asked == "pause":
        return f"{text} · paused"
    if record.is_ending:
        return f"{text} · saving it and answering the sample prompts"
    left = feed.time_left_s()
    return f"{text} · {wording.duration(left)} left" if left is not None else text
