"""A line that says why the chosen order cannot be given yet, and offers what can be done about it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QWidget

from dpo_studio.core.types import Policy
from dpo_studio.store.scores import Progress

from .panels import button, label
from .scoring import AT_ONCE, ScoringJob

NO_POLICY = (
    "No model was trained yet. To an untrained model all answers are worth the same (its implicit rewards are zero),"
    " so nothing is more informative than the rest: it goes on as imported."
)
NO_DISPUTE = (
    "Nobody else's rankings of what waits differ, so there is no disagreement to settle: it goes on as imported."
)


class QueueNotice(QFrame):
    """What stands in the way of the order.

    Signals:
        wanted: (what) "score", "stop" or "random".
    """

    wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "banner")
        self.text = label("")
        self.text.setWordWrap(True)
        self.buttons = {
            "score": button("Compute scores"),
            "stop": button("Stop", role="ghost", tip="What was scored is kept"),
            "random": button("Random order instead", role="ghost"),
        }
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 8, 8, 8)
        layout.setSpacing(8)
        layout.addWidget(self.text, 1)
        for name, one in self.buttons.items():
            one.clicked.connect(lambda _checked, what=name: self.wanted.emit(what))
            layout.addWidget(one)
        self.hide()

    def say(self, text: str, *offers: str) -> None:
        """Show a sentence and these buttons; an empty text hides the line."""
        self.text.setText(text)
        for name, one in self.buttons.items():
            one.setVisible(name in offers)
        self.setVisible(bool(text))

    def show_scores(self, policy: Policy | None, progress: Progress | None, job: ScoringJob | None) -> None:
        """Say how far the scores of the order "most informative first" are."""
        if policy is None or progress is None:
            self.say(NO_POLICY, "random")
        elif job is not None and job.state == "waiting":
            self.say("Scoring begins when the job before it is done.", "stop")
        elif job is not None and job.stage and not job.scored:
            self.say(f"Scoring with {policy.name}: {job.stage}… You can go on labelling.", "stop")
        elif job is not None:
            self.say(f"Scoring with {policy.name}: {job.scored} of {job.wanted}. You can go on labelling.", "stop")
        elif progress.scored >= progress.waiting:
            self.say("")
        else:
            rest = progress.waiting - progress.scored
            more = "" if rest <= AT_ONCE else f" {AT_ONCE} are scored at one go."
            if progress.scored:
                words = f"{progress.scored:,} of {progress.waiting:,} are scored under {policy.name} and come first."
            else:
                words = f"What waits has no score under {policy.name} yet, so it goes on as imported."
            self.buttons["score"].setText("Score more" if progress.scored else "Compute scores")
            self.say(words + more, "score", *(() if progress.scored else ("random",)))
