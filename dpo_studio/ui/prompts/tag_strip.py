"""Tags of the selected prompts, in a strip below the list: added by typing, taken away by a button."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from PySide6.QtCore import QStringListModel, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QCompleter, QFrame, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from dpo_studio.ui import theme
from dpo_studio.ui.widgets.flow import FlowLayout

from .panel import counted

_MOST_BUTTONS = 8


class TagStrip(QFrame):
    """Hidden until it is asked for.

    Signals:
        changed: (tags to add, tags to take away).
        closed: it is done with.
    """

    changed = Signal(object, object)
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "strip")
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.field = QLineEdit()
        self.field.setPlaceholderText("Add tags, with commas between them")
        self.field.setAccessibleName("Tags to add to the selected prompts")
        self._known = QStringListModel(self)
        completer = QCompleter(self._known, self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        self.field.setCompleter(completer)
        self.field.returnPressed.connect(self._on_add)
        self.add_button = QPushButton("Add")
        self.add_button.setAccessibleName("Add these tags")
        self.add_button.clicked.connect(self._on_add)
        close = QPushButton("Done")
        close.setProperty("role", "ghost")
        close.clicked.connect(self._on_close)
        self._row = FlowLayout(spacing=theme.SPACE_S, row_spacing=theme.SPACE_S)
        self.tag_buttons: list[QPushButton] = []
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_S)
        head.addWidget(self.field, 1)
        head.addWidget(self.add_button)
        head.addWidget(close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.SPACE_M, theme.SPACE_S, theme.SPACE_M, theme.SPACE_M)
        layout.setSpacing(theme.SPACE_S)
        layout.addWidget(self.words)
        layout.addLayout(head)
        layout.addLayout(self._row)
        self.hide()

    def begin(self) -> None:
        self.show()
        self.field.setFocus()

    def show_tags(self, selected: int, tags: Mapping[int, Sequence[str]], known: Sequence[str]) -> None:
        """The tags of the selected prompts (of the first of them, where they are very many).

        Args:
            known: the tags of the project, which are offered while one types.
        """
        self._known.setStringList(list(known))
        self.words.setText(f"Tags of {counted(selected)}" if selected else "Select the prompts to tag.")
        self.field.setEnabled(selected > 0)
        self.add_button.setEnabled(selected > 0)
        for button in self.tag_buttons:
            self._row.removeWidget(button)
            button.deleteLater()
        self.tag_buttons = []
        found = Counter(tag for own in tags.values() for tag in own)
        for tag, _count in found.most_common(_MOST_BUTTONS):
            button = QPushButton(f"{tag}  ×".replace("&", "&&"))
            button.setAccessibleName(f"Take the tag {tag} away")
            button.setToolTip("Take this tag away from the selected prompts")
            button.clicked.connect(lambda _checked=False, tag=tag: self.changed.emit((), (tag,)))
            self._row.insert(len(self.tag_buttons), button)
            self.tag_buttons.append(button)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self._on_close()
        else:
            super().keyPressEvent(event)

    def _on_add(self) -> None:
        tags = tuple(tag.strip() for tag in self.field.text().split(",") if tag.strip())
        if tags:
            self.field.clear()
            self.changed.emit(tags, ())

    def _on_close(self) -> None:
        self.hide()
        self.closed.emit()
