"""The form of the Export page: what, how, where to, with the preview between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from dpo_studio.ui import theme
from dpo_studio.ui.judge.choice import JudgesChoice
from dpo_studio.ui.widgets.flow import FlowLayout

from .choices import ChoiceCard
from .preview import Preview

_KINDS = (
    ("preference", "Preference pairs", "One better and one worse answer a row: what TRL’s DPOTrainer takes."),
    ("ranking", "Whole rankings", "Every answer with its rank, ties included; another project can import them."),
    ("adapter", "Adapter", "What a run learned, for PEFT and the Hub, with a model card."),
    ("model", "Whole model", "What a run learned as a model of its own, an adapter merged in, with a card."),
)
#: Kinds of which a run is chosen, and what is said where no run left one.
_NONE_YET = {
    "adapter": "No run has left an adapter yet: train one first.",
    "model": "No run has left a model or an adapter yet: train one first.",
}
_PAIRS = (("all", "Every ordered pair"), ("best_worst", "Best against worst"))
_HELD_OUT = (
    ("split", "As a test split"),
    ("leave-out", "Left out"),
    ("together", "Among the others"),
)
_FORMATS = (("jsonl", "JSONL"), ("parquet", "Parquet"))
_SUFFIXES = {"preference": "preference", "ranking": "rankings", "adapter": "adapter", "model": "model"}


class ExportForm(QWidget):
    """What the person chooses, as arguments of the command line.

    Signals:
        changed: another export is chosen; the preview is out of date.
        browse_wanted, export_wanted, open_wanted: their buttons were pressed.
    """

    changed = Signal()
    browse_wanted = Signal()
    export_wanted = Signal()
    open_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._proposed = ""
        self._runs: list[tuple[str, str, bool]] = []
        self._judges: dict[str, int] = {}
        self.cards = {value: ChoiceCard(value, title, sentence) for value, title, sentence in _KINDS}
        self._kinds = QButtonGroup(self)
        self.preview = Preview()
        self.pairs = _combo("Pairs", _PAIRS)
        self.held_out = _combo("Held-out prompts", _HELD_OUT)
        self.file_format = _combo("Format", _FORMATS)
        self.run = _combo("Run", ())
        self.judges = JudgesChoice("Rankings")
        content = QWidget()
        inside = QVBoxLayout(content)
        inside.setContentsMargins(theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_L)
        inside.setSpacing(theme.SPACE_L)
        heading = QLabel("Export")
        heading.setProperty("role", "heading")
        inside.addWidget(heading)
        inside.addLayout(self._build_cards())
        inside.addLayout(self._build_options())
        inside.addWidget(self.judges)
        inside.addWidget(self.preview, 1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(scroll, 1)
        layout.addWidget(self._build_destination())
        for combo in (self.pairs, self.held_out, self.run):
            combo.currentIndexChanged.connect(self.changed)
        self.judges.changed.connect(self.changed)
        self._kinds.buttonToggled.connect(self._on_kind_toggled)
        self.cards["preference"].radio.setChecked(True)

    # What is chosen

    @property
    def kind(self) -> str:
        return next(value for value, card in self.cards.items() if card.radio.isChecked())

    def arguments(self) -> list[str]:
        """The options of `dpo-studio export` for what is chosen."""
        chosen = ["--as", self.kind]
        if self.kind in _NONE_YET:
            chosen += ["--run", str(self.run.currentData())]
        else:
            chosen += ["--format", self.file_format.currentData(), "--held-out", self.held_out.currentData()]
            chosen += ["--pairs", self.pairs.currentData()]
            chosen += ["--judges", self.judges.value] if self.judges.value else []
        return [*chosen, "--overwrite"] if self.overwrite.isChecked() else chosen

    def destination(self) -> Path | None:
        text = self.target.text().strip()
        return Path(text).expanduser() if text else None

    def set_judges(self, judges: Mapping[str, int]) -> None:
        """The judges whose rankings can be taken along, with how many each has."""
        self._judges = dict(judges)
        self.judges.show_judges(judges)
        self.judges.setVisible(bool(judges) and self.kind not in _NONE_YET)

    def set_runs(self, choices: Sequence[tuple[str, str, bool]]) -> None:
        """The runs that left something, newest first, as (uuid, name, whether it is an adapter)."""
        self._runs = list(choices)
        for value, _, sentence in _KINDS:
            if value in _NONE_YET:
                some = bool(self._runs_of(value))
                self.cards[value].set_available(some)
                self.cards[value].describe(sentence if some else _NONE_YET[value])
                if not some and self.kind == value:
                    self.cards["preference"].radio.setChecked(True)
        self._fill_runs()

    def choose_run(self, uuid: str) -> None:
        """What this run left is to be exported: its adapter, or else its model. Nothing where it left neither."""
        kind = next((kind for kind in _NONE_YET if uuid in dict(self._runs_of(kind))), None)
        if kind is not None:
            self.cards[kind].radio.setChecked(True)
            self.run.setCurrentIndex(self.run.findData(uuid))

    def _runs_of(self, kind: str) -> list[tuple[str, str]]:
        """A run that trained a whole model has no adapter to export; any run's result can be a whole model."""
        return [(uuid, name) for uuid, name, is_adapter in self._runs if is_adapter or kind == "model"]

    def _fill_runs(self) -> None:
        before, choices = self.run.currentData(), self._runs_of(self.kind)
        self.run.blockSignals(True)
        self.run.clear()
        for uuid, name in choices:
            self.run.addItem(name, uuid)
        self.run.setCurrentIndex(max(self.run.findData(before), 0) if choices else -1)
        self.run.blockSignals(False)

    def propose(self, project: Path) -> None:
        """Fill in a folder beside the project that is not taken, unless the person named one."""
        if self.target.text().strip() not in ("", self._proposed):
            return
        name = f"{project.name}-{_SUFFIXES[self.kind]}"
        names = (name if number == 1 else f"{name}-{number}" for number in range(1, 10_000))
        self._proposed = str(next(project.parent / name for name in names if not (project.parent / name).exists()))
        self.target.setText(self._proposed)

    def put_into(self, folder: Path) -> None:
        """Write to the folder that was picked, or to a new one in it when it holds something."""
        taken = any(folder.iterdir())
        name = Path(self.target.text()).name or _SUFFIXES[self.kind]
        self.target.setText(str(folder / name if taken else folder))

    def forget(self) -> None:
        """Another project: what was said and named belongs to the one before."""
        self.target.clear()
        self.overwrite.setChecked(False)
        self._say("")
        self.preview.say("")

    # How it goes

    def show_busy(self, sentence: str) -> None:
        self.export_button.setEnabled(False)
        self._say(sentence)

    def show_done(self, sentence: str) -> None:
        self.export_button.setEnabled(True)
        self._say(sentence, role="good", can_open=True)

    def show_problem(self, sentence: str) -> None:
        self.export_button.setEnabled(True)
        self._say(sentence, role="error")

    def _say(self, sentence: str, *, role: str = "muted", can_open: bool = False) -> None:
        theme.set_role(self.result, role)
        self.result.setText(sentence)
        self.result.setVisible(bool(sentence))
        self.open_button.setVisible(can_open)

    def _on_kind_toggled(self, _button: object, checked: bool) -> None:
        if not checked:
            return
        of_a_run = self.kind in _NONE_YET
        if of_a_run:
            self._fill_runs()
        for combo, shown in (
            (self.run, of_a_run),
            (self.pairs, self.kind == "preference"),
            (self.held_out, not of_a_run),
            (self.file_format, not of_a_run),
        ):
            combo.parentWidget().setVisible(shown)
        self.judges.setVisible(bool(self._judges) and not of_a_run)
        self._say("")
        self.changed.emit()

    # Building

    def _build_cards(self) -> FlowLayout:
        row = FlowLayout(spacing=theme.SPACE_M, row_spacing=theme.SPACE_M, even=True)
        for card in self.cards.values():
            self._kinds.addButton(card.radio)
            row.add(card)
        return row

    def _build_options(self) -> FlowLayout:
        row = FlowLayout(spacing=theme.SPACE_L, row_spacing=theme.SPACE_S)
        for combo in (self.run, self.pairs, self.held_out, self.file_format):
            row.add(_labelled(combo))
        return row

    def _build_destination(self) -> QFrame:
        strip = QFrame()
        strip.setProperty("role", "status")
        label = QLabel("Folder")
        self.target = QLineEdit()
        self.target.setAccessibleName("Folder to write to")
        self.target.setPlaceholderText("A new folder for the export")
        self.target.returnPressed.connect(self.export_wanted)
        label.setBuddy(self.target)
        browse = _button("Choose…", self.browse_wanted)
        self.export_button = _button("Export", self.export_wanted, role="primary")
        self.overwrite = QCheckBox("Replace an earlier export there")
        self.overwrite.setAccessibleName("Replace an earlier export in this folder")
        self.result = QLabel()
        self.result.setTextFormat(Qt.TextFormat.PlainText)
        self.result.setWordWrap(True)
        self.result.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.result.setAccessibleName("Result of the export")
        self.open_button = _button("Open folder", self.open_wanted)
        outcome = QHBoxLayout()
        outcome.setSpacing(theme.SPACE_M)
        outcome.addWidget(self.result, 1)
        outcome.addWidget(self.open_button)
        grid = QGridLayout(strip)
        grid.setContentsMargins(theme.SPACE_XL, theme.SPACE_M, theme.SPACE_XL, theme.SPACE_M)
        grid.setHorizontalSpacing(theme.SPACE_M)
        grid.setVerticalSpacing(theme.SPACE_S)
        for column, widget in enumerate((label, self.target, browse, self.export_button)):
            grid.addWidget(widget, 0, column)
        grid.addWidget(self.overwrite, 1, 1, 1, 3)
        grid.addLayout(outcome, 2, 1, 1, 3)
        grid.setColumnStretch(1, 1)
        self._say("")
        return strip


def _combo(name: str, choices: Sequence[tuple[str, str]]) -> QComboBox:
    combo = QComboBox()
    combo.setAccessibleName(name)
    for value, text in choices:
        combo.addItem(text, value)
    return combo


def _labelled(combo: QComboBox) -> QWidget:
    box = QWidget()
    layout = QVBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    label = QLabel(combo.accessibleName())
    label.setBuddy(combo)
    layout.addWidget(label)
    layout.addWidget(combo)
    return box


def _button(text: str, pressed: Signal, *, role: str = "") -> QPushButton:
    button = QPushButton(text)
    button.setAccessibleName(text.rstrip("…"))
    if role:
        button.setProperty("role", role)
    button.clicked.connect(pressed)
    return button
