"""The report as a person reads it: what stands out, the pictures, then every number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from dpo_studio.core import report_words as wording
from dpo_studio.ui import theme

from .agreement_table import AgreementTable
from .evidence import Evidence
from .findings_list import FindingsList
from .numbers import Numbers

#: Narrower than this many characters, the pictures stand one below another.
_TWO_COLUMNS = 100
_BAR_WIDTH = 160
ONE = "The comparison of that dot: how long its best and its worst answer are"


class ReportView(QScrollArea):
    """Shows a report. It knows no project.

    Signals:
        read_asked: the labels are to be read again.
        wanted: (Evidence) what is behind something is to be shown.
        stop_asked: reading is to end.
        label_asked: there are no labels, and the person wants to give some.
    """

    read_asked = Signal()
    stop_asked = Signal()
    wanted = Signal(object)
    label_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setAccessibleName("What the labels are worth")
        self._pictures: list[QWidget] = []
        self._empty: list[QWidget] = []
        self._columns = 0
        self._busy = False
        self._build()

    def show_state(self, text: str, *, busy: bool, problem: str, progress: float = 0.0) -> None:
        """What was read and when, whether it is being read again and how far, and why that failed."""
        self.state.setText(text)
        self._busy = busy
        self.bar.setVisible(busy)
        self.bar.setValue(round(1000 * progress))
        self.again.setText("Stop" if busy else "Read again")
        self.again.setToolTip("Stop reading; what is shown stays" if busy else "Read the labels again now (F5)")
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))

    def show_report(self, report: Mapping[str, Any]) -> None:
        """Show another report, or what is known of one so far."""
        people, judges = report["people"], report["judges"]
        labels = people["labels"] + judges["labels"]
        nothing = f"Nothing stands out in {wording.headline(report)}." if labels and "prompts" in report else ""
        self.findings.show_findings(report.get("findings", ()), nothing)
        self.no_labels.setVisible(not labels)
        self.label_button.setVisible(not labels)
        self._show_pictures(people if people["labels"] else judges)
        for numbers, said, more in (
            (self.people, people, []),
            (self.judges, judges, wording.judge_rows(report.get("each_judge", ()))),
        ):
            numbers.setVisible(bool(said["labels"]))
            numbers.show_rows([*wording.rows(said), *more] if said["labels"] else ())

    def minimumSizeHint(self) -> QSize:
        return QSize(320, 200)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _show_pictures(self, said: Mapping[str, Any]) -> None:
        if said["labels"] and not self._pictures:
            self._make_pictures()
        if self._pictures:
            self.lengths.show_points(said["length"]["points"] if "length" in said else ())
            self.places.show_places(said["position"]["places"])
            self.days.show_days(said["a_day"])
            self.agreement.show_pairs(said["between"]["kappas"])
            self._empty = [] if len(said["a_day"]) > 1 else [self.days]
            self._empty += [] if said["between"]["kappas"] else [self.agreement]
            self._empty += [] if "length" in said and said["length"]["points"] else [self.lengths]
            self._empty += [] if said["position"]["places"] else [self.places]
        self._arrange(anew=True)

    def _make_pictures(self) -> None:
        from .pictures import DaysPicture, LengthPicture, PlacesPicture

        self.lengths, self.places, self.days = LengthPicture(), PlacesPicture(), DaysPicture()
        self.lengths.group_wanted.connect(lambda key: self.wanted.emit(Evidence(ONE, (key,))))
        self.agreement = AgreementTable()
        self.agreement.wanted.connect(self.wanted)
        self._pictures = [self.lengths, self.places, self.days, self.agreement]

    def _arrange(self, *, anew: bool = False) -> None:
        columns = 2 if self.viewport().width() > self.fontMetrics().averageCharWidth() * _TWO_COLUMNS else 1
        if columns == self._columns and not anew:
            return
        self._columns = columns
        shown = [one for one in self._pictures if one not in self._empty]
        for picture in self._pictures:
            self._grid.removeWidget(picture)
            if picture not in shown:
                picture.hide()
        for number, picture in enumerate(shown):
            last_alone = number == len(shown) - 1 and number % columns == 0
            self._grid.addWidget(picture, number // columns, number % columns, 1, columns if last_alone else 1)
            picture.show()  # not before it has a place: without one it would be a window of its own

    def _build(self) -> None:
        heading = QLabel("Quality")
        heading.setProperty("role", "heading")
        self.state = QLabel()
        self.state.setProperty("role", "muted")
        self.state.setAccessibleName("What was read")
        self.again = QPushButton("Read again")
        self.again.setProperty("role", "ghost")
        self.again.clicked.connect(lambda: (self.stop_asked if self._busy else self.read_asked).emit())
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(_BAR_WIDTH)
        self.bar.setAccessibleName("How far the labels are read")
        self.problem = QLabel()
        self.problem.setProperty("role", "error")
        self.problem.setWordWrap(True)
        self.no_labels = QLabel("There are no labels yet: what they are worth is shown here once answers are ranked.")
        self.no_labels.setWordWrap(True)
        self.label_button = QPushButton("Go to Label")
        self.label_button.setProperty("role", "primary")
        self.label_button.clicked.connect(self.label_asked)
        self.findings = FindingsList()
        self.findings.wanted.connect(self.wanted)
        self.people, self.judges = Numbers("People"), Numbers("Judges")
        top = QHBoxLayout()
        top.setSpacing(theme.SPACE_L)
        top.addWidget(heading)
        top.addWidget(self.state, 1)
        top.addWidget(self.bar)
        top.addWidget(self.again)
        self._grid = QGridLayout()
        self._grid.setSpacing(theme.SPACE_M)
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_XL)
        layout.setSpacing(theme.SPACE_M)
        layout.addLayout(top)
        layout.addWidget(self.problem)
        layout.addWidget(self.no_labels)
        layout.addWidget(self.label_button)
        layout.addWidget(self.findings)
        layout.addLayout(self._grid)
        for numbers in (self.people, self.judges):
            numbers.wanted.connect(self.wanted)
            layout.addWidget(numbers)
        layout.addStretch(1)
        self.setWidget(inside)
        for widget in (self.bar, self.problem, self.no_labels, self.label_button, self.people, self.judges):
            widget.hide()
