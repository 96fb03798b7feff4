"""What there is to know about a run beside its curves: readings, notices, and the settings it ran with."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from dpo_studio.core.methods import METHOD_SETTINGS, METHODS
from dpo_studio.core.types import Run
from dpo_studio.ui import theme

from .advanced_form import FIELDS
from .readings import Reading
from .record import RunRecord

_DEVICES = {"cpu": "the CPU", "cuda": "the GPU", "mps": "the GPU"}


class NotesPanel(QScrollArea):
    """Readings first, then what the run noticed, then its settings."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setAccessibleName("Notes on this run")
        self.count = 0
        self._shown: object = None

    def show_run(self, run: Run, record: RunRecord, found: Sequence[Reading]) -> None:
        """Show a run's notes; the same again changes nothing."""
        shown = (run.id, tuple(found), tuple(record.notices), record.started, record.kept_step)
        if shown == self._shown:
            return
        self._shown = shown
        self.count = len(found) + len(record.notices)
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(0, theme.SPACE_M, theme.SPACE_S, 0)
        layout.setSpacing(theme.SPACE_M)
        if found and record.kept_step:
            about = f"About step {record.kept_step}, which was kept; the curves go on to step {record.step}."
            layout.addWidget(_line(about, "muted"))
        for reading in found:
            layout.addWidget(_card([(reading.sentence, "warning"), (reading.offer, "")]))
        if record.notices:
            layout.addWidget(_card([(notice.message, "") for notice in record.notices], "What the run noticed"))
        layout.addWidget(_card([(line, "") for line in _facts(run, record)], "How it was trained"))
        layout.addStretch(1)
        self.setWidget(inside)


def _facts(run: Run, record: RunRecord) -> list[str]:
    lines = []
    started = record.started
    if started is not None:
        trained, base = started.trainable_parameters / 1e6, started.parameters / 1e6
        lines.append(
            f"{started.groups:,} rankings trained it, {started.held_out_groups:,} measured it; "
            + (
                f"all {base:,.0f} M parameters were trained, "
                if run.settings.get("trains") == "full"
                else f"an adapter of {trained:,.1f} M parameters was trained on a model of {base:,.0f} M, "
            )
            + f"on {_DEVICES.get(started.device, started.device)} in {started.dtype}."
        )
    method = METHODS.get(str(run.settings.get("method")))
    values = [f"{method.title} ({method.paper})"] if method else []
    for field in FIELDS:
        value = run.settings.get(field.name)
        read = field.name not in METHOD_SETTINGS or method is None or field.name in method.uses
        if value is not None and read:
            values.append(f"{field.label}: {value:g}" if isinstance(value, float) else f"{field.label}: {value}")
    return [*lines, "  ·  ".join(values)]


def _card(lines: Sequence[tuple[str, str]], title: str = "") -> QFrame:
    card = QFrame()
    card.setProperty("role", "card")
    layout = QVBoxLayout(card)
    layout.setContentsMargins(theme.SPACE_L, theme.SPACE_M, theme.SPACE_L, theme.SPACE_M)
    layout.setSpacing(theme.SPACE_S)
    for text, role in ([(title, "subheading")] if title else []) + list(lines):
        layout.addWidget(_line(text, role))
    return card


def _line(text: str, role: str) -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setWordWrap(True)
    if role:
        label.setProperty("role", role)
    return label
