"""Text that a model wrote, put on screen: Markdown without HTML, images or anything fetched.

Lines stay as the model broke them, backslashes of formulas stay, and each paragraph runs in the
direction of its own script.
"""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontDatabase,
    QFontMetricsF,
    QTextBlock,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextDocumentFragment,
    QTextFormat,
)

from dpo_studio.ui.theme import Theme
from dpo_studio.ui.widgets.nothing_read import UnreadDocument

from . import tables
from .markdown_source import prepared

_FEATURES = QTextDocument.MarkdownFeature.MarkdownDialectGitHub | QTextDocument.MarkdownFeature.MarkdownNoHTML
_LINE_HEIGHT_PERCENT = 120.0
CODE_PADDING, CODE_MARGIN = 10, 6  # around code inside its ground, and outside above and below
QUOTE_INDENT = 16
_MOST_QUOTES = 8
_JOINT = "\N{INVISIBLE SEPARATOR}"
_MOST_HEADING_SIZE = 2
_PICTURE = "\N{FRAME WITH PICTURE}"


def render(document: QTextDocument, text: str, theme: Theme) -> None:
    """Show Markdown in a document, replacing what it held."""
    set_text(document, text)
    finish(document, theme)


def set_text(document: QTextDocument, text: str) -> None:
    """Put Markdown into a document in place of what it held. `finish` the document afterwards."""
    document.setMarkdown(prepared(text), _FEATURES)


def append(document: QTextDocument, text: str, theme: Theme) -> None:
    """Put Markdown after what a document holds, finished.

    It is made in a document that is on no screen, so that only what is new is laid out, and once. What is inserted
    loses the looks of its first block (a heading, an item, code), so that one is a mark which is taken out again.
    """
    made = UnreadDocument()
    made.setMarkdown(f"{_JOINT}\n\n{prepared(text)}", _FEATURES)
    finish(made, theme)
    cursor = QTextCursor(document)
    cursor.movePosition(QTextCursor.MoveOperation.End)
    at, last = cursor.position(), cursor.block()
    cursor.beginEditBlock()
    cursor.insertFragment(QTextDocumentFragment(made))
    cursor.setPosition(at)
    cursor.setPosition(at + len(_JOINT), QTextCursor.MoveMode.KeepAnchor)
    cursor.removeSelectedText()
    if is_code(last) and is_code(last.next()):  # one piece of code, cut in two
        _set_margins(cursor, last, bottom=0)
        _set_margins(cursor, last.next(), top=0)
    cursor.endEditBlock()


def different(theme: Theme) -> QTextCharFormat:
    """The look of words that another answer lacks: a tint, and a line under them for who does not see colours."""
    letters = QTextCharFormat()
    tint = QColor(theme.warn)
    tint.setAlphaF(0.25)
    letters.setBackground(tint)
    letters.setUnderlineStyle(QTextCharFormat.UnderlineStyle.SingleUnderline)
    letters.setUnderlineColor(QColor(theme.warn))
    return letters


def finish(document: QTextDocument, theme: Theme, *, since: int = 0) -> None:
    """Give a document its looks: code set in, ruled tables, calm headings, quotations muted, no pictures.

    Args:
        since: the number of the block to begin with; those before it have their looks.
    """
    block = document.findBlockByNumber(since)
    if not block.isValid():
        return
    _replace_pictures(document, block.position())
    option = document.defaultTextOption()
    if option.textDirection() != Qt.LayoutDirection.LayoutDirectionAuto:
        option.setTextDirection(Qt.LayoutDirection.LayoutDirectionAuto)
        document.setDefaultTextOption(option)
    cursor = QTextCursor(document)
    cursor.beginEditBlock()
    cursor.setPosition(block.position())
    cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
    shape = QTextBlockFormat()
    shape.setLineHeight(_LINE_HEIGHT_PERCENT, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
    cursor.mergeBlockFormat(shape)
    block = document.findBlockByNumber(since)
    while block.isValid():
        if is_code(block):
            block = _finish_code(cursor, block)
        else:
            _finish_text(cursor, block, theme)
        block = block.next()
    tables.finish(document, theme, since=document.findBlockByNumber(since).position())
    cursor.endEditBlock()
    _set_edges(document)
    document.setUndoRedoEnabled(False)


def _set_edges(document: QTextDocument) -> None:
    """Room for the ground of code at the very beginning, where a block's own margin does not count."""
    metrics = QFontMetricsF(document.defaultFont())
    document.setIndentWidth(metrics.horizontalAdvance("000. "))
    frame = tables.root_frame(document)
    shape = frame.frameFormat()
    top = document.documentMargin() + (CODE_PADDING if is_code(document.begin()) else 0)
    if shape.topMargin() != top:
        shape.setTopMargin(top)
        frame.setFrameFormat(shape)


def _finish_code(cursor: QTextCursor, first: QTextBlock) -> QTextBlock:
    """The looks of a stretch of code from its first block to its last, which is returned."""
    last = first
    while is_code(last.next()):
        last = last.next()
    shape, letters = QTextBlockFormat(), QTextCharFormat()
    shape.setNonBreakableLines(False)
    shape.setLineHeight(0, QTextBlockFormat.LineHeightTypes.SingleHeight.value)
    shape.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
    shape.setLeftMargin(first.blockFormat().leftMargin() + CODE_PADDING)
    shape.setRightMargin(CODE_PADDING)
    shape.setTopMargin(0)
    shape.setBottomMargin(0)
    letters.setFontFamilies(_fixed_families())
    letters.setFontFixedPitch(True)
    cursor.setPosition(first.position())
    cursor.setPosition(last.position() + last.length() - 1, QTextCursor.MoveMode.KeepAnchor)
    cursor.mergeBlockFormat(shape)
    cursor.mergeCharFormat(letters)
    cursor.mergeBlockCharFormat(letters)
    _set_margins(cursor, first, top=CODE_PADDING + CODE_MARGIN)
    _set_margins(cursor, last, bottom=CODE_PADDING + CODE_MARGIN)
    return last


def _set_margins(
    cursor: QTextCursor, block: QTextBlock, *, top: float | None = None, bottom: float | None = None
) -> None:
    shape = QTextBlockFormat()
    if top is not None:
        shape.setTopMargin(top)
    if bottom is not None:
        shape.setBottomMargin(bottom)
    cursor.setPosition(block.position())
    cursor.mergeBlockFormat(shape)


def _finish_text(cursor: QTextCursor, block: QTextBlock, theme: Theme) -> None:
    """The looks of a block that is not code, where they are not everybody's."""
    level, depth = block.blockFormat().headingLevel(), quote_depth(block)
    if not level and not depth:
        return
    cursor.setPosition(block.position())
    cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
    letters = QTextCharFormat()
    if level:
        letters.setProperty(QTextFormat.Property.FontSizeAdjustment, max(0, _MOST_HEADING_SIZE - level + 1))
        letters.setFontWeight(QFont.Weight.DemiBold)
    if depth:
        letters.setForeground(QColor(theme.muted))
        shape = QTextBlockFormat()
        shape.setLeftMargin(depth * QUOTE_INDENT)
        shape.setRightMargin(0)
        cursor.mergeBlockFormat(shape)
    cursor.mergeCharFormat(letters)


def quote_depth(block: QTextBlock) -> int:
    """How many quotations a block stands in; no more are told of than can be shown."""
    return min(block.blockFormat().intProperty(QTextFormat.Property.BlockQuoteLevel), _MOST_QUOTES)


def is_code(block: QTextBlock) -> bool:
    """Whether a block is a line of code that stands by itself."""
    shape = block.blockFormat()
    return block.isValid() and (
        shape.hasProperty(QTextFormat.Property.BlockCodeFence)
        or shape.hasProperty(QTextFormat.Property.BlockCodeLanguage)
    )


def _fixed_families() -> list[str]:
    return [QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family(), "DejaVu Sans Mono", "monospace"]


def _replace_pictures(document: QTextDocument, since: int) -> None:
    """Every picture from a position on becomes its description: nothing is fetched and no file is read."""
    found = []
    block = document.findBlock(since)
    while block.isValid():
        fragments = block.begin()
        while not fragments.atEnd():
            fragment = fragments.fragment()
            if fragment.charFormat().isImageFormat():
                image = fragment.charFormat().toImageFormat()
                words = str(image.property(QTextFormat.Property.ImageAltText) or "") or image.name()
                found.append((fragment.position(), fragment.length(), words))
            fragments += 1
        block = block.next()
    cursor = QTextCursor(document)
    for position, length, words in reversed(found):
        cursor.setPosition(position)
        cursor.setPosition(position + length, QTextCursor.MoveMode.KeepAnchor)
        cursor.insertText(f"[{_PICTURE} {words}]", QTextCharFormat())
