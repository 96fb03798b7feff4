"""Which model answers: one the project knows, another one that a person names, or one behind a server."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

from dpo_studio.core.types import Policy
from dpo_studio.ui import theme
from dpo_studio.ui.widgets.elided_combo import ElidedComboBox
from dpo_studio.ui.widgets.plain_tip import plain_tip

from .server_row import ServerRow

OTHER, SERVER = "other", "server"


class ModelChoice(ElidedComboBox):
    """The models, and at the end ways to name another; `other_row` and `server_row` are where it is named.

    Signals:
        changed: another model is chosen, or what names it is another text.
    """

    changed = Signal()
    elides = Qt.TextElideMode.ElideMiddle  # a run's name is at the end

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Model that answers")
        self.setMinimumContentsLength(7)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.other_row = OtherModelRow()
        self.server_row = ServerRow()
        self.other_row.edit.textChanged.connect(lambda _text: self.changed.emit())
        self.server_row.changed.connect(self.changed)
        self.show_policies([("", None)])
        self.currentIndexChanged.connect(self._on_chosen)

    def show_policies(self, policies: Sequence[tuple[str, int | None]]) -> None:
        """Offer these (name, policy id); the choice stays where it is still there."""
        before = self.currentData()
        self.blockSignals(True)
        self.clear()
        for name, policy_id in policies:
            self.addItem(name, policy_id)
        self.addItem("Other model…", OTHER)
        self.addItem("A server…", SERVER)
        found = self.findData(before) if before is not None else 0
        # The starter has no id until it is used: then it is the first one still.
        self.setCurrentIndex(max(found, 0))
        self.blockSignals(False)
        self._on_chosen()

    def select_policy(self, policy: Policy) -> None:
        """Choose a policy that is offered."""
        index = self.findData(policy.id)
        if index >= 0:
            self.setCurrentIndex(index)

    @property
    def policy_id(self) -> int | None:
        """The chosen policy; None for the starter that was not used yet, and for another model."""
        data = self.currentData()
        return data if isinstance(data, int) else None

    @property
    def named(self) -> str | None:
        """What names another model, or None when one of the list is chosen."""
        if self.currentData() == SERVER:
            return self.server_row.named
        return self.other_row.edit.text() if self.currentData() == OTHER else None

    def choose_server(self) -> None:
        """Go to where a model behind a server is named."""
        self.setCurrentIndex(self.findData(SERVER))
        self.server_row.focus()

    def _on_chosen(self) -> None:
        chosen = self.currentData()
        self.setToolTip(plain_tip(self.currentText()))
        self.other_row.setVisible(chosen == OTHER)
        self.server_row.setVisible(chosen == SERVER)
        if chosen == OTHER and self.isVisible():
            self.other_row.edit.setFocus()
        elif chosen == SERVER and self.isVisible():
            self.server_row.focus()
        self.changed.emit()


class OtherModelRow(QWidget):
    """Where a model is named: a Hub id, a folder or a GGUF file."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.edit = QLineEdit()
        self.edit.setAccessibleName("Hub id, model folder or .gguf file")
        self.edit.setPlaceholderText("Hub id (owner/name), a model's folder, or a .gguf file")
        folder, file = QPushButton("Folder…"), QPushButton("File…")
        folder.clicked.connect(self._on_folder)
        file.clicked.connect(self._on_file)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_S)
        row.addWidget(self.edit, 1)
        row.addWidget(folder)
        row.addWidget(file)
        self.hide()

    def _on_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "A model's folder")
        if path:
            self.edit.setText(path)

    def _on_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "A GGUF file", "", "GGUF models (*.gguf)")
        if path:
            self.edit.setText(path)
