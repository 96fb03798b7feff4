"""Text that a model wrote, put on screen: Markdown without HTML, images or anything fetched.

Lines stay as the model broke them, backslashes of formulas stay, and each paragraph runs in the
direction of its own script.
"""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFont,
    QFontDatabase,
    QTextBlock,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextFrameFormat,
    QTextTable,
)

from dpo_studio.ui.theme import Theme

from .markdown_source import prepared

_FEATURES = QTextDocument.MarkdownFeature.MarkdownDialectGitHub | QTextDocument.MarkdownFeature.MarkdownNoHTML
_LINE_HEIGHT_PERCENT = 120.0
_CODE_MARGIN = 6
_MOST_HEADING_SIZE = 2
_PICTURE = "\N{FRAME WITH PICTURE}"


def render(document: QTextDocument, text: str, theme: Theme) -> None:
    """Show Markdown in a document, replacing what it held."""
    set_text(document, text)
    finish(document, theme)


def set_text(document: QTextDocument, text: str) -> None:
    """Put Markdown into a document in place of what it held. `finish` the document afterwards."""
    document.setMarkdown(prepared(text), _FEATURES)


def append(cursor: QTextCursor, text: str) -> None:
    """Insert Markdown where the cursor is. `finish` the document afterwards."""
    cursor.insertMarkdown(prepared(text), _FEATURES)


def set_differences(document: QTextDocument, runs: Iterable[tuple[str, bool]], theme: Theme) -> None:
    """Put runs of plain text into a document; those that differ are marked by colour and by a line under them.

    `finish` the document afterwards.
    """
    document.clear()
    cursor = QTextCursor(document)
    same, different = QTextCharFormat(), QTextCharFormat()
    tint = QColor(theme.warn)
    tint.setAlphaF(0.25)
    different.setBackground(tint)
    different.setUnderlineStyle(QTextCharFormat.UnderlineStyle.SingleUnderline)
    different.setUnderlineColor(QColor(theme.warn))
    for text, differs in runs:
        cursor.insertText(text, different if differs and text.strip() else same)


def finish(document: QTextDocument, theme: Theme) -> None:
    """Give a document its looks: code on a ground of its own, ruled tables, calm headings, no pictures."""
    _replace_pictures(document)
    option = document.defaultTextOption()
    option.setTextDirection(Qt.LayoutDirection.LayoutDirectionAuto)
    document.setDefaultTextOption(option)
    cursor = QTextCursor(document)
    cursor.beginEditBlock()
    block = document.begin()
    while block.isValid():
        _finish_block(cursor, block, theme)
        block = block.next()
    cursor.endEditBlock()
    _rule_tables(document, theme)
    document.setUndoRedoEnabled(False)


def _finish_block(cursor: QTextCursor, block: QTextBlock, theme: Theme) -> None:
    cursor.setPosition(block.position())
    cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
    shape = QTextBlockFormat()
    if _is_code(block):
        shape.setBackground(QColor(theme.hover))
        shape.setNonBreakableLines(False)
        shape.setLeftMargin(_CODE_MARGIN)
        shape.setRightMargin(_CODE_MARGIN)
        shape.setTopMargin(0 if _is_code(block.previous()) else _CODE_MARGIN)
        shape.setBottomMargin(0 if _is_code(block.next()) else _CODE_MARGIN)
        letters = QTextCharFormat()
        letters.setFontFamilies(_fixed_families())
        letters.setFontFixedPitch(True)
        cursor.mergeCharFormat(letters)
        cursor.mergeBlockCharFormat(letters)
    else:
        shape.setLineHeight(_LINE_HEIGHT_PERCENT, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
        level = block.blockFormat().headingLevel()
        if level:
            letters = QTextCharFormat()
            letters.setProperty(QTextFormat.Property.FontSizeAdjustment, max(0, _MOST_HEADING_SIZE - level + 1))
            letters.setFontWeight(QFont.Weight.DemiBold)
            cursor.mergeCharFormat(letters)
    cursor.mergeBlockFormat(shape)


def _is_code(block: QTextBlock) -> bool:
    shape = block.blockFormat()
    return block.isValid() and (
        shape.hasProperty(QTextFormat.Property.BlockCodeFence)
        or shape.hasProperty(QTextFormat.Property.BlockCodeLanguage)
    )


def _fixed_families() -> list[str]:
    return [QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family(), "DejaVu Sans Mono", "monospace"]


def _replace_pictures(document: QTextDocument) -> None:
    """Every picture becomes its description: nothing is fetched and no file is read."""
    found = []
    block = document.begin()
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


def _rule_tables(document: QTextDocument, theme: Theme) -> None:
    for frame in document.rootFrame().childFrames():
        if isinstance(frame, QTextTable):
            shape = frame.format()
            shape.setBorder(1)
            shape.setBorderBrush(QBrush(QColor(theme.outline)))
            shape.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
            shape.setBorderCollapse(True)
            shape.setCellPadding(5)
            shape.setCellSpacing(0)
            frame.setFormat(shape)
