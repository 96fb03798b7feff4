"""Import: a file, a folder or a data set, looked at before anything of it is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QColor, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QTextBrowser,
    QWidget,
)

from dpo_studio.ui import theme
from dpo_studio.ui.widgets.flow import FlowLayout
from dpo_studio.ui.widgets.plain_tip import plain_tip

from .import_table import ImportTable
from .panel import Panel, counted
from .reading import ROLE_WORDS

KINDS = {
    "prompts": "Prompts",
    "completions": "Prompts with answers to compare",
    "pairs": "Pairs: a better and a worse answer",
    "rankings": "Rankings",
}
NOUNS = {"prompts": "prompt", "completions": "group of answers", "pairs": "pair", "rankings": "ranking"}
_BLOCKS = {"lines": "Each line is a prompt", "paragraphs": "Blank lines separate prompts"}
_ENCODINGS = ("UTF-8", "cp1252", "UTF-16", "cp1251", "Shift-JIS", "GB18030", "Big5", "EUC-KR")
_FILES = "Prompts and data (*.txt *.md *.jsonl *.json *.ndjson *.csv *.tsv *.parquet *.arrow *.gz);;All files (*)"
_SHOWN_REFUSALS, _TOLD_REFUSALS = 4, 40
_PAUSE_MS = 150
_ADDRESSES = ("https://huggingface.co/datasets/", "hf://datasets/")
_BAR_STEPS, _BAR_WIDTH = 1_000, 180


class ImportPanel(Panel):
    """Where from, what each column is, what would come of it, and one button that does it.

    Signals:
        look_wanted: `arguments()` is otherwise: look at the source again.
        stop_wanted: give up the look or the import that runs.

    Attributes:
        is_busy: whether an import runs, so that Cancel stops it.
        is_cancelling: whether it was cancelled and has not ended yet.
    """

    look_wanted = Signal()
    stop_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Import", parent)
        self.looked_at = ""
        self.is_busy = self.is_cancelling = False
        self._mapped = False
        self._none: set[str] = set()
        self.answer: Mapping[str, Any] = {}
        self.field = QLineEdit()
        self.field.setPlaceholderText("A file, a folder, or a data set of the Hugging Face Hub: owner/name")
        self.field.setAccessibleName("What to import: a file, a folder or a data set")
        self.field.returnPressed.connect(self.look)
        file_button, folder_button = QPushButton("Choose file…"), QPushButton("Choose folder…")
        file_button.clicked.connect(self.choose_file)
        folder_button.clicked.connect(self.choose_folder)
        self.look_button = QPushButton("Look at it")
        self.look_button.clicked.connect(self.look)
        where = QHBoxLayout()
        where.setSpacing(theme.SPACE_S)
        where.addWidget(self.field, 1)
        for button in (self.look_button, file_button, folder_button):
            where.addWidget(button)
        self._sources = (self.field, self.look_button, file_button, folder_button)
        self.kind = self._choice("Read it as")
        self.split = self._choice("Split of the data set")
        self.blocks = self._choice("Where one prompt ends and the next begins")
        self.encoding = self._choice("Encoding of the text")
        for name in _ENCODINGS:
            self.encoding.addItem(name, name)
        self.config = QLineEdit()
        self.config.setPlaceholderText("Configuration, if it has several")
        self.config.setAccessibleName("Configuration of the data set")
        self.config.returnPressed.connect(self.look)
        self.tags = QLineEdit()
        self.tags.setPlaceholderText("Tags for all of them, with commas")
        self.tags.setAccessibleName("Tags for all imported prompts, with commas between them")
        self.tags.setMinimumWidth(self.fontMetrics().horizontalAdvance(self.tags.placeholderText()) + 28)
        self.config.setMinimumWidth(self.fontMetrics().horizontalAdvance(self.config.placeholderText()) + 28)
        self._options = QWidget()
        row = FlowLayout(self._options, spacing=theme.SPACE_S, row_spacing=theme.SPACE_S)
        for widget in (self.kind, self.split, self.blocks, self.encoding, self.config, self.tags):
            row.addWidget(widget)
        self.table = ImportTable()
        self.table.mapped.connect(self._on_mapped)
        self.told = self._label("What would be imported")
        self.problem = self._label("What is in the way", "warning")
        self.first = QTextBrowser()
        self.first.setOpenLinks(False)
        room = self.first.sizePolicy()
        room.setRetainSizeWhenHidden(True)  # what is above stays above
        self.first.setSizePolicy(room)
        self.first.setAccessibleName("The first rows as they would be imported")
        self.caption = QLabel("The first rows, as they would be imported")
        self.caption.setProperty("role", "muted")
        self.skip_bad = QCheckBox()
        self.skip_bad.toggled.connect(lambda _on: self._show_button())
        self.body.addLayout(where)
        for widget in (self._options, self.table, self.told, self.problem, self.skip_bad, self.caption):
            self.body.addWidget(widget)
        self.body.addWidget(self.first, 1)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setRange(0, _BAR_STEPS)
        self.bar.setFixedWidth(_BAR_WIDTH)
        self.bar.setAccessibleName("How much of the import is done")
        self.bar.hide()
        self.buttons.insertWidget(1, self.bar)
        self._look_later = QTimer(self)
        self._look_later.setSingleShot(True)
        self._look_later.setInterval(_PAUSE_MS)
        self._look_later.timeout.connect(self.look_wanted)
        self.forget()

    # What is asked

    def choose_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Import", "", _FILES)
        if path:
            self.look_at(path)

    def choose_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Import a folder of files, or an export")
        if path:
            self.look_at(path)

    def look_at(self, source: str) -> None:
        """Look at another source, unless an import runs."""
        if not self.is_busy:
            self.field.setText(source)
            self.look()

    def look(self) -> None:
        """Look at what the field names."""
        source = self.field.text().strip()
        if not source:
            self.say("Name a file, a folder or a data set.", "error")
            return
        if source != self.looked_at:
            config = self.config.text() if _may_be_data_set(source) else ""
            self.forget()
            self.looked_at = source
            self.config.setText(config)
        self.look_wanted.emit()

    def arguments(self) -> list[str]:
        """The options of the command `import` for what is chosen; the project and the source come after them."""
        said: list[str] = []
        for option, choice in (
            ("--format", self.kind),
            ("--split", self.split),
            ("--blocks", self.blocks),
            ("--encoding", self.encoding),
        ):
            if choice.property("said"):
                said += [option, str(choice.currentData())]
        if self._mapped:
            said += [] if self.kind.property("said") else ["--format", str(self.answer["format"])]
        if self.config.text().strip():
            said += ["--config", self.config.text().strip()]
        if self._mapped:
            for meaning, column in self.table.mapping().items():
                said += ["--column", f"{meaning}={column}"] if column or meaning in self._none else []
        return said

    def final_arguments(self) -> list[str]:
        """Those of the import itself: also what needs no other look."""
        said = self.arguments()
        if "--format" not in said:
            said += ["--format", str(self.answer.get("format", "auto"))]
        if self.tags.text().strip() and self.answer.get("format") == "prompts":
            said += ["--tags", self.tags.text().strip()]
        return said + (["--skip-bad"] if self.skip_bad.isChecked() else [])

    def cancel(self) -> None:
        self.stop_wanted.emit()
        if not self.is_busy:
            super().cancel()

    # What is shown

    def begin(self) -> None:
        self.field.setFocus()
        self.field.selectAll()

    def done(self) -> None:
        self.field.clear()
        self.tags.clear()
        self.forget()

    def forget(self) -> None:
        """Nothing was looked at yet."""
        self.looked_at, self._mapped, self.answer = "", False, {}
        self._none.clear()
        self.config.clear()
        for choice in (self.kind, self.split, self.blocks, self.encoding):
            choice.setProperty("said", False)
        self.skip_bad.setChecked(False)
        for widget in (self._options, self.table, self.told, self.problem, self.skip_bad, self.caption, self.first):
            widget.hide()
        self._show_button()
        self.say("Nothing is imported before you have seen what would come of it.")

    def show_busy(self, sentence: str) -> None:
        self.is_cancelling = False
        self.accept_button.setEnabled(False)
        self.say(sentence)

    def show_progress(self, doing: str, share: float | None) -> None:
        """How far the look or the import is: in words, and from 0 to 1 where that is known."""
        if self.is_cancelling:
            return
        self.say(f"{'Importing' if self.is_busy else 'Looking at it'}: {doing}…")
        self.bar.setVisible(share is not None)
        self.bar.setValue(round(_BAR_STEPS * (share or 0)))

    def show_cancelling(self) -> None:
        """Cancel was pressed while an import runs."""
        self.is_cancelling = True
        self.cancel_button.setEnabled(False)
        self.bar.hide()
        self.say("Cancelling…")

    def show_cancelled(self) -> None:
        """The import was cancelled; what was looked at can be imported again."""
        self._show_button()
        self.say("Cancelled: nothing was imported.")

    def set_busy(self, busy: bool) -> None:
        """Whether an import runs: then nothing else can be chosen."""
        self.is_busy = busy
        for widget in (*self._sources, self._options, self.table, self.skip_bad):
            widget.setEnabled(not busy)
        self.cancel_button.setEnabled(True)
        self.bar.hide()

    def show_problem(self, sentence: str) -> None:
        """It could not be looked at or imported; what was chosen stays."""
        self._options.setVisible(bool(self.answer) or _may_be_data_set(self.looked_at))
        self.config.setVisible(_may_be_data_set(self.looked_at))
        if not self.answer:
            for choice in (self.kind, self.split, self.blocks, self.encoding, self.tags):
                choice.hide()
        self._show_button()
        self.say(sentence, "error")

    def show_answer(self, answer: Mapping[str, Any]) -> None:
        """What the command said would come of it."""
        self.answer = answer
        self._fill(self.kind, {name: KINDS.get(name, name) for name in answer["formats"]}, answer["format"])
        self.kind.setVisible(bool(answer["columns"]))
        self._fill(self.split, {name: f"Split: {name}" for name in answer["splits"]}, "")
        self._fill(self.blocks, _BLOCKS if answer["blocks"] else {}, answer["blocks"])
        if not self.encoding.property("said"):
            self._fill(self.encoding, {name: name for name in dict.fromkeys((answer["encoding"], *_ENCODINGS))}, "")
        self.encoding.setVisible(bool(answer["encoding"]))
        self.config.setVisible(_may_be_data_set(self.looked_at))
        self.tags.setVisible(answer["format"] == "prompts")
        self._options.show()
        if answer["meanings"] or not self._mapped:
            self.table.show_source(answer["columns"], answer["cells"], answer["choices"], answer["meanings"])
        self.table.setVisible(bool(answer["columns"]))
        self.told.setText(sentence_of(answer))
        self.told.show()
        mend = "Choose above which one it is." if "--column" in answer["hint"] else ""
        problem = " ".join(part for part in (answer["problem"], mend) if part)
        problem = "\n".join(part for part in (problem, _refusals(answer, _SHOWN_REFUSALS)) if part)
        self.problem.setText(problem)
        all_told = answer["refused_count"] <= _SHOWN_REFUSALS
        self.problem.setToolTip("" if all_told else plain_tip(_refusals(answer, _TOLD_REFUSALS)))
        self.problem.setVisible(bool(problem))
        refused = answer["refused_count"]
        self.skip_bad.setText("Leave it out and import the rest" if refused == 1 else "Leave them out, import the rest")
        self.skip_bad.setVisible(bool(refused and answer["added"]))
        self._render(answer["rows"])
        for widget in (self.caption, self.first):
            widget.setVisible(bool(answer["rows"]))
        self._show_button()
        self.say("")

    def _show_button(self) -> None:
        added, refused = self.answer.get("added", 0), self.answer.get("refused_count", 0)
        noun = NOUNS.get(self.answer.get("format", "prompts"), "row")
        words = f"{added:,} groups of answers" if noun == "group of answers" and added != 1 else counted(added, noun)
        self.accept_button.setText(f"Import {words}" if added else "Import")
        self.accept_button.setEnabled(bool(added) and (not refused or self.skip_bad.isChecked()))

    def _render(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.first.clear()
        cursor = QTextCursor(self.first.document())
        muted, usual = QTextCharFormat(), QTextCharFormat()
        muted.setForeground(QColor(theme.current().muted))
        usual.setForeground(QColor(theme.current().text))
        for number, row in enumerate(rows):
            marks = [row["place"], "" if row["new"] else "there already", ", ".join(row["tags"])]
            cursor.insertText("\n\n" * bool(number) + "  ·  ".join(mark for mark in marks if mark), muted)
            for message in row["messages"]:
                who = "" if len(row["messages"]) == 1 else f"{ROLE_WORDS.get(message['role'], message['role'])}: "
                cursor.insertText(f"\n{who}", muted)
                cursor.insertText(message["content"], usual)
            for one in row["completions"]:
                rank = "answer" if one["rank"] is None else f"answer, rank {one['rank']}"
                cursor.insertText(f"\n{rank}: ", muted)
                cursor.insertText(one["text"], usual)
        self.first.moveCursor(QTextCursor.MoveOperation.Start)

    def _on_mapped(self) -> None:
        """What was taken for something and is not any more is said to be none; the rest is guessed on."""
        self._mapped = True
        mapping = self.table.mapping()
        self._none |= {meaning for meaning in self.answer["meanings"] if not mapping.get(meaning)}
        self._none -= {meaning for meaning, column in mapping.items() if column}
        self._look_later.start()

    def _on_said(self) -> None:
        choice = self.sender()
        assert isinstance(choice, QComboBox)
        choice.setProperty("said", True)
        if choice is self.kind:
            self._mapped = False  # another kind has other meanings
            self._none.clear()
        self._look_later.start()

    def _choice(self, name: str) -> QComboBox:
        choice = QComboBox()
        choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        choice.setAccessibleName(name)
        choice.setToolTip(plain_tip(name))
        choice.activated.connect(self._on_said)
        return choice

    @staticmethod
    def _fill(choice: QComboBox, items: Mapping[str, str], current: str) -> None:
        """Offer these; what a person said stays."""
        kept = choice.currentData() if choice.property("said") else current
        choice.clear()
        for value, words in items.items():
            if value:
                choice.addItem(words, value)
        choice.setCurrentIndex(max(choice.findData(kept), 0))
        choice.setMinimumWidth(choice.sizeHint().width())  # a flow gives no more than that
        choice.setVisible(choice.count() > 1)

    def _label(self, name: str, role: str = "") -> QLabel:
        label = QLabel()
        label.setAccessibleName(name)
        label.setWordWrap(True)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        if role:
            label.setProperty("role", role)
        return label


def sentence_of(answer: Mapping[str, Any]) -> str:
    """How a source was read and what it holds."""
    read = f"{answer['source']}: {answer['reader']}"
    if answer["problem"]:
        return read
    parts = [f"{read}, {counted(answer['total'], 'row')}", f"{answer['added']:,} new"]
    parts += [f"{answer['duplicates']:,} there already"] if answer["duplicates"] else []
    parts += [f"{answer['refused_count']:,} cannot be used"] if answer["refused_count"] else []
    return "  ·  ".join(parts) + "." + "".join(f" {note}" for note in answer["notes"])


def _refusals(answer: Mapping[str, Any], at_most: int) -> str:
    """The first rows that cannot be used, and why, a line for each."""
    first = answer["refused"][:at_most]
    more = answer["refused_count"] - len(first)
    said = [f"{one['place']}: {one['reason'].removesuffix('.')}." for one in first]
    return "\n".join(said + ([f"And {more:,} more."] if more else []))


def _may_be_data_set(source: str) -> bool:
    """Whether this looks like owner/name of the Hub rather than a place on this machine."""
    if source.startswith(_ADDRESSES):
        return True
    return source.count("/") == 1 and not source.startswith((".", "~", "/")) and not Path(source).exists()
