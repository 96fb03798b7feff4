"""What an export would write: counts, what is left out, and the first rows, read from the command's answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QVBoxLayout, QWidget

from dpo_studio.core.methods import METHODS
from dpo_studio.ui import theme

_LONGEST = 280
_SPLITS = {"train": "to train on", "test": "held out, in a test split"}


class Preview(QWidget):
    """Shows one answer of `export --preview` at a time."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.summary = _text("", role="subheading")
        self.left_out = _text("", role="muted")
        self._rows = QVBoxLayout()
        self._rows.setSpacing(theme.SPACE_S)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.SPACE_S)
        layout.addWidget(self.summary)
        layout.addWidget(self.left_out)
        layout.addLayout(self._rows)
        layout.addStretch(1)

    def show_answer(self, answer: Mapping[str, Any]) -> None:
        """Show what the command answered."""
        self._clear()
        if answer["kind"] in ("adapter", "model"):
            self._show_result(answer)
            return
        self.summary.setText(counts_sentence(answer))
        self.left_out.setText(left_out_sentence(answer["left_out"]))
        self.left_out.setVisible(bool(answer["left_out"]))
        if answer["first_rows"]:
            self._rows.addWidget(_text("The first rows", role="muted"))
        for row in answer["first_rows"]:
            self._rows.addWidget(_card(_fields(answer["kind"], row)))

    def say(self, sentence: str) -> None:
        """Show a sentence in the place of rows."""
        self._clear()
        self.summary.setText(sentence)
        self.left_out.hide()

    def cards(self) -> list[QFrame]:
        """The cards that are shown, a row each."""
        widgets = (self._rows.itemAt(index).widget() for index in range(self._rows.count()))
        return [widget for widget in widgets if widget is not None and widget.property("role") == "card"]

    def _show_result(self, answer: Mapping[str, Any]) -> None:
        size = sum(file["bytes"] for file in answer["files"])
        merged = _is_merged(answer)
        files = (
            "its adapter is merged into the base" if merged else f"{len(answer['files'])} files, {size / 1e6:,.1f} MB"
        )
        self.summary.setText(f"{answer['run']}: {files}")
        self.left_out.setText("The base model is not part of it: whoever uses the adapter loads the base too.")
        self.left_out.setVisible(answer["kind"] == "adapter")
        self._rows.addWidget(_card(_adapter_fields(answer)))

    def _clear(self) -> None:
        while (item := self._rows.takeAt(0)) is not None:
            if item.widget() is not None:
                item.widget().deleteLater()


def counts_sentence(answer: Mapping[str, Any]) -> str:
    """How many rows there are, by split."""
    noun = "pair" if answer["kind"] == "preference" else "ranking"
    rows = answer["rows"]
    if not rows:
        return "There is nothing to export this way yet."
    parts = [f"{_counted(count, noun)} {_SPLITS.get(split, split)}" for split, count in rows.items()]
    if answer["kind"] == "preference":
        return f"{' and '.join(parts)}, from {_counted(answer['rankings'], 'ranking')}"
    return " and ".join(parts)


def left_out_sentence(left_out: Sequence[Mapping[str, Any]]) -> str:
    """What is not exported and why; empty when there is nothing."""
    if not left_out:
        return ""
    return "Left out: " + ", ".join(f"{item['count']:,} {item['what']}" for item in left_out) + "."


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def _fields(kind: str, row: Mapping[str, Any]) -> list[tuple[str, str]]:
    fields = [("Prompt", _last_turn(row["prompt"]))]
    if kind == "preference":
        return [*fields, ("Chosen", row["chosen"][0]["content"]), ("Rejected", row["rejected"][0]["content"])]
    answers = zip(row["completions"], row["ranks"], strict=True)
    ranked = sorted(answers, key=lambda item: (item[1] is None, item[1] or 0))
    return [*fields, *((f"Rank {rank}" if rank is not None else "Unranked", text) for text, rank in ranked)]


def _last_turn(messages: Sequence[Mapping[str, str]]) -> str:
    earlier = len(messages) - 1
    turns = "" if not earlier else f"  (after {earlier} earlier message{'' if earlier == 1 else 's'})"
    return _short(messages[-1]["content"]) + turns


def _adapter_fields(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    settings = answer["settings"]
    fields = [
        ("Base model", answer["base"]),
        ("Method", f"{_method(settings)}, β {settings.get('beta', '')}, {_what_was_trained(settings)}"),
        ("Trained on", f"{_counted(answer['rankings'], 'ranking')}, {answer['held_out_rankings']:,} more held out"),
    ]
    if answer["steps"] is not None:
        ends = {"finished": "to the end", "drifted": "until it had drifted past its bound"}
        how = ends.get(answer["reason"], "until it was stopped")
        fields.append(("Steps", f"{answer['steps']:,}, {how}"))
    before, after = answer["held_out_before"].get("accuracy"), answer["held_out_after"].get("accuracy")
    if before is not None and after is not None:
        fields.append(("Held-out accuracy", f"{before:.0%} before, {after:.0%} after"))
    merged = _is_merged(answer)
    names = ["the model's files, made when it is exported"] if merged else [file["name"] for file in answer["files"]]
    fields.append(("Files", ", ".join([*names, "README.md (a model card)"])))
    return fields


def _is_merged(answer: Mapping[str, Any]) -> bool:
    return answer["kind"] == "model" and answer["settings"].get("trains") != "full"


def _method(settings: Mapping[str, Any]) -> str:
    name = str(settings.get("method", ""))
    return METHODS[name].title if name in METHODS else name


def _what_was_trained(settings: Mapping[str, Any]) -> str:
    return "all weights" if settings.get("trains") == "full" else f"rank {settings.get('lora_rank', '')}"


def _card(fields: Sequence[tuple[str, str]]) -> QFrame:
    card = QFrame()
    card.setProperty("role", "card")
    grid = QGridLayout(card)
    grid.setContentsMargins(theme.SPACE_M, theme.SPACE_M, theme.SPACE_M, theme.SPACE_M)
    grid.setHorizontalSpacing(theme.SPACE_L)
    grid.setVerticalSpacing(theme.SPACE_S)
    grid.setColumnStretch(1, 1)
    grid.setColumnMinimumWidth(0, card.fontMetrics().horizontalAdvance("Unranked "))
    for line, (name, value) in enumerate(fields):
        label = _text(name, role="muted")
        label.setWordWrap(False)
        grid.addWidget(label, line, 0, Qt.AlignmentFlag.AlignTop)
        text = _text(_short(value))
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        text.setAccessibleName(name)
        grid.addWidget(text, line, 1)
    return card


def _text(text: str, *, role: str = "") -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    if role:
        label.setProperty("role", role)
    return label


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= _LONGEST else one_line[: _LONGEST - 1].rstrip() + "…"
