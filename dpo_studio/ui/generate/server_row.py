"""Where a model behind a server is named: its address, one of its models, and the key that is kept for it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from dpo_studio.core.errors import UserError
from dpo_studio.core.server_reference import PREFIX, parse_address
from dpo_studio.ui import theme
from dpo_studio.ui.exchange.commands import Commands, CommandThread
from dpo_studio.ui.widgets.flow import Cell, FlowLayout

#: Where programs that serve models listen unless they are told otherwise.
_USUAL = (
    ("http://localhost:11434/v1", "Ollama"),
    ("http://localhost:1234/v1", "LM Studio"),
    ("http://localhost:8080/v1", "llama.cpp"),
    ("http://localhost:8000/v1", "vLLM"),
)
_LOCAL = ("localhost", "127.0.0.1", "::1")
_KEYS = {
    "keyring": "A key for this address is kept in the system's keyring.",
    "environment": "The key for this address comes from the environment.",
}


class _AddressBox(QComboBox):
    """An address to type, with the usual ones to choose from. Leaving it `commits` it.

    Signals:
        committed: the address is as it is meant to be.
    """

    committed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setEditable(True)
        self.setMinimumContentsLength(8)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setAccessibleName("Address of the server")
        for address, program in _USUAL:
            self.addItem(f"{address}  ({program})", address)
        self.setCurrentIndex(-1)
        edit = self.lineEdit()
        edit.setPlaceholderText("http://localhost:8000/v1")
        edit.setAccessibleName("Address of the server")
        edit.editingFinished.connect(self.committed)
        self.activated.connect(self._on_activated)

    def _on_activated(self, index: int) -> None:
        self.setEditText(self.itemData(index))
        self.committed.emit()


class ServerRow(QWidget):
    """Names a server's model. What asks the server or the keyring is done in child processes.

    Signals:
        changed: it names another model, or none.
        asked: the server or the keyring is asked something; what was said of it elsewhere is old.
    """

    changed = Signal()
    asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._commands = Commands(self)
        self._asking: CommandThread | None = None
        self._asked = ""
        self.address = _AddressBox()
        self.model = QComboBox()
        self.model.setEditable(True)
        self.model.setMinimumContentsLength(8)
        self.model.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.model.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.model.setAccessibleName("Model of the server")
        self.model.lineEdit().setAccessibleName("Model of the server")
        self.model.lineEdit().setPlaceholderText("which of its models")
        self.list_button = QPushButton("List models")
        self.list_button.setToolTip("Ask the server which models it has")
        self.key_button = QPushButton("Key…")
        self.key_button.setCheckable(True)
        self.key_button.setProperty("role", "ghost")
        self.key_button.setToolTip("Give the server's key, or forget it")
        self.state = QLabel()
        self.state.setProperty("role", "muted")
        self.state.setWordWrap(True)
        self.state.setAccessibleName("What the server says")
        self.problem = QLabel()
        self.problem.setProperty("role", "error")
        self.problem.setWordWrap(True)
        self.problem.setAccessibleName("What is wrong with the server")
        self._lay_out()
        self._say("")
        self.hide()
        self.address.editTextChanged.connect(self._on_address_edited)
        self.address.committed.connect(self._on_committed)
        self.model.editTextChanged.connect(lambda _text: self.changed.emit())
        self.list_button.clicked.connect(self.list_models)
        self.key_button.toggled.connect(self._on_key_wanted)
        self.keep_button.clicked.connect(self.keep_key)
        self.key.returnPressed.connect(self.keep_key)
        self.forget_button.clicked.connect(self.forget_key)

    @property
    def named(self) -> str:
        """The model reference as it stands; what is missing in it is said when it is used."""
        return f"{PREFIX}{self.address.currentText().strip()}#{self.model.currentText().strip()}"

    def list_models(self) -> None:
        """Ask the server for its models."""
        self._start()

    def keep_key(self) -> None:
        """Put the key that was typed into the keyring; then ask the server with it."""
        self._start("--keep-key", "--no-models", told=f"{self.key.text()}\n")

    def forget_key(self) -> None:
        """Take the key of this address out of the keyring."""
        self.key.clear()
        self._start("--forget-key", "--no-models")

    def forget_problem(self) -> None:
        """Say no more what was wrong: what comes next says it where it happens."""
        self._say(self.state.text())

    def close_commands(self) -> None:
        """End what is being asked, and wait for it: before this widget goes."""
        self._commands.close()

    def focus(self) -> None:
        """Go to where it is named."""
        self.address.setFocus()
        self.address.lineEdit().selectAll()

    def _lay_out(self) -> None:
        row = FlowLayout(spacing=theme.SPACE_S, row_spacing=theme.SPACE_S)
        row.add(Cell("Address", self.address, characters=30), stretch=1)
        row.add(Cell("Its model", self.model, characters=24), stretch=1)
        row.add(Cell("", self.list_button))
        row.add(Cell("", self.key_button))
        self.key = QLineEdit()
        self.key.setEchoMode(QLineEdit.EchoMode.Password)
        self.key.setAccessibleName("Key of the server")
        self.key.setPlaceholderText("paste the key; it is sent to this address and to no other")
        self.keep_button = QPushButton("Keep in the keyring")
        self.forget_button = QPushButton("Forget")
        self.forget_button.setAccessibleName("Forget the key of this address")
        self._key_row = QWidget()
        keys = QHBoxLayout(self._key_row)
        keys.setContentsMargins(0, 0, 0, 0)
        keys.setSpacing(theme.SPACE_S)
        keys.addWidget(self.key, 1)
        keys.addWidget(self.keep_button)
        keys.addWidget(self.forget_button)
        self._key_row.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_S)
        column.addLayout(row)
        column.addWidget(self._key_row)
        column.addWidget(self.state)
        column.addWidget(self.problem)

    def _start(self, *options: str, told: str | None = None) -> None:
        try:
            url = parse_address(self.address.currentText())
        except UserError as error:
            self._say("", str(error))
            return
        self._stop()
        self._asked = url
        self._say("One moment…" if options else f"Asking {url}…")
        self._asking = self._commands.start(["server", url, *options], told=told)
        self._asking.answered.connect(self._on_answered)
        self._asking.refused.connect(self._on_refused)
        self._asking.start()
        self.asked.emit()

    def _stop(self) -> None:
        """Listen no more to what was asked before."""
        if self._asking is not None:
            self._asking.answered.disconnect(self._on_answered)
            self._asking.refused.disconnect(self._on_refused)
            self._asking.stop()
            self._asking = None

    def _on_answered(self, answer: dict[str, Any]) -> None:
        self._asking = None
        models = answer.get("models")
        if models is None:  # it was about the key
            self.key_button.setChecked(False)
            if answer["key"]:
                self.list_models()
                return
            words = ["No key is kept for this address."]
        else:
            words = [self._offer(models), _KEYS.get(answer["key"], "")]
        if answer["key"] and _is_in_the_open(answer["address"]):
            words.append("It travels unencrypted: the address is http, not https.")
        self._say(" ".join(word for word in words if word))

    def _offer(self, models: list[str]) -> str:
        """Put the server's models into the list; a sentence about them."""
        typed = self.model.currentText().strip()
        self.model.blockSignals(True)
        self.model.clear()
        self.model.addItems(models)
        self.model.setEditText(typed or (models[0] if models else ""))
        self.model.blockSignals(False)
        self.changed.emit()
        if not models:
            return "The server answers, but does not list its models: type the name of one."
        found = "It has 1 model." if len(models) == 1 else f"It has {len(models)} models."
        return found if not typed or typed in models else f"{found} {typed} is none of them."

    def _on_refused(self, error: Exception) -> None:
        self._asking = None
        if not isinstance(error, UserError):
            self._say("")
            raise error
        self._say("", str(error))

    def _on_committed(self) -> None:
        """Ask without being told to, once for an address."""
        text = self.address.currentText().strip()
        if text and text.rstrip("/") != self._asked:
            self.list_models()

    def _on_address_edited(self, text: str) -> None:
        if self._asked and text.strip().rstrip("/") != self._asked:
            self._asked = ""
            self._stop()
            self._say("")
        self.changed.emit()

    def _on_key_wanted(self, wanted: bool) -> None:
        self._key_row.setVisible(wanted)
        if wanted:
            self.key.setFocus()
        else:
            self.key.clear()

    def _say(self, words: str, problem: str = "") -> None:
        for label, text in ((self.state, words), (self.problem, problem)):
            label.setText(text)
            label.setVisible(bool(text))


def _is_in_the_open(address: str) -> bool:
    """Whether what is sent there can be read on its way."""
    parts = urlsplit(address)
    return parts.scheme == "http" and parts.hostname not in _LOCAL
