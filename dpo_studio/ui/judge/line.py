"""What a judge says of the label that was just given: one line, never before the label."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QWidget

from dpo_studio.core import judge_agreement
from dpo_studio.core.judge_agreement import Agreement
from dpo_studio.ui.widgets.plain_tip import plain_tip

from .opinions import Verdict


class _Elided(QLabel):
    """A label that ends in "…" where there is no room; the whole text is its tool tip."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(60)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.contentsRect().width())
        painter.drawText(self.contentsRect(), self.alignment() | Qt.AlignmentFlag.AlignVCenter, shown)


class JudgeLine(QFrame):
    """The judge's order of the last label and why, and how often it says what the person says."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "strip")
        self.setAccessibleName("What the judge says")
        self.said = _Elided()
        self.said.setAccessibleName("The judge on your last label")
        self.numbers = QLabel()
        self.numbers.setProperty("role", "muted")
        self.numbers.setAccessibleName("Agreement with the judge")
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 4, 12, 4)
        row.setSpacing(16)
        row.addWidget(self.said, 1)
        row.addWidget(self.numbers)
        self.hide()

    def wait(self, judges: Mapping[str, str]) -> None:
        """There are judges, and nothing of them is to be seen yet.

        Args:
            judges: by name what is wrong with one that goes by the order of the answers; empty where nothing is.
        """
        wrong = [said for said in judges.values() if said]
        if len(wrong) == len(judges):
            self._say(wrong[0], "; ".join(judges))
        else:
            self._say(
                "The judge's order shows here after each of your labels.",
                "; ".join(
                    f"{name} (goes by the order of the answers)" if said else name for name, said in judges.items()
                ),
            )

    def show_verdict(self, verdict: Verdict) -> None:
        """Show its order of the last label, in the numbers that were on screen, and why."""
        if not verdict.order:
            self._say(verdict.why, verdict.judge)
            return
        if not verdict.pairs:
            begin = f"The judge: {verdict.order}."
        elif verdict.same == verdict.pairs:
            begin = f"The judge agreed: {verdict.order}."
        elif verdict.pairs == 1:
            begin = f"The judge saw it otherwise: {verdict.order}."
        else:
            begin = f"The judge: {verdict.order} ({verdict.same} of {verdict.pairs} pairs as you)."
        self._say(f"{begin}  {verdict.why}", verdict.judge)

    def show_agreement(self, agreement: Agreement | None) -> None:
        """Show the numbers, where there are enough labels for them."""
        enough = agreement is not None and agreement.groups >= judge_agreement.ENOUGH_GROUPS
        self.numbers.setVisible(enough)
        if agreement is None or not enough:
            return
        share, tau = agreement.share, agreement.tau
        self.numbers.setText(f"{share.value:.0%} of pairs as you" + ("" if tau is None else f"  ·  τ {tau:.2f}"))
        told = f"Over your last {agreement.groups} labels that it ranked too: {share.value:.0%} of pairs alike, "
        told += f"with 95% certainty between {share.low:.0%} and {share.high:.0%}."
        if tau is not None:
            told += f" Kendall's tau {tau:.2f}: 1 is the same order, 0 none in common, −1 the reverse."
        self.numbers.setToolTip(told)
        self.numbers.setAccessibleDescription(told)

    def _say(self, text: str, judge: str) -> None:
        self.said.setText(" ".join(text.split()))
        self.said.setToolTip(plain_tip(f"{judge}\n{text}"))
        self.said.setAccessibleDescription(f"{judge}: {text}")
        self.show()
