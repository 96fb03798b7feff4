"""Writes an answer into a document: the beginning at once, the rest of a long one slice by slice."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from PySide6.QtGui import QTextCharFormat, QTextCursor, QTextDocument

from dpo_studio.ui.theme import Theme

from . import markdown, word_diff
from .highlighting import colour
from .markdown_source import chunks

_LINES, _CHARACTERS = 60, 6_000
_RUN_COST = 20  # characters that could be written in the time that another run takes

Prelude = Callable[[], None]


def is_long(text: str) -> bool:
    """Whether the text is written in more than one piece: it is higher than any card then."""
    return len(text) > _CHARACTERS or text.count("\n") >= _LINES


def write(document: QTextDocument, text: str, theme: Theme, prelude: Prelude | None = None) -> Iterator[None]:
    """Write Markdown, with its code coloured; a step of the iterator is a slice of that work.

    Args:
        prelude: called once the first piece is there, to write something before it.
    """
    for number, piece in enumerate(chunks(text, lines=_LINES, characters=_CHARACTERS)):
        since = document.blockCount() if number else 0
        if number:
            markdown.append(document, piece, theme)
        else:
            markdown.set_text(document, piece)
            if not document.toPlainText().strip():
                document.setPlainText(piece)  # such as quotations of nothing: better raw than unseen
            if prelude is not None:
                prelude()
            markdown.finish(document, theme)
        yield from colour(document, theme, since=since)
        yield


def write_differences(
    document: QTextDocument, text: str, other: str, theme: Theme, prelude: Prelude | None = None
) -> Iterator[None]:
    """Write plain text with the words marked that another text lacks; a step is a slice of that work."""
    document.clear()
    if is_long(text) or is_long(other):
        yield  # comparing takes a moment: after the key is answered
    same, different = QTextCharFormat(), markdown.different(theme)
    cursor = QTextCursor(document)
    for number, batch in enumerate(_batches(word_diff.differing(text, other))):
        since = document.blockCount() - 1
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.beginEditBlock()
        for words, differs in batch:
            cursor.insertText(words, different if differs and words.strip() else same)
        cursor.endEditBlock()
        if prelude is not None and not number:
            prelude()
            since = 0
        markdown.finish(document, theme, since=since)
        yield


def _batches(runs: word_diff.Runs) -> Iterator[word_diff.Runs]:
    """The runs in portions of about as many characters as a piece has, long ones cut."""
    batch: word_diff.Runs = []
    room = _CHARACTERS
    for words, differs in runs:
        for start in range(0, len(words), _CHARACTERS):
            batch.append((words[start : start + _CHARACTERS], differs))
            room -= len(batch[-1][0]) + _RUN_COST
            if room <= 0:
                yield batch
                batch, room = [], _CHARACTERS
    if batch:
        yield batch
