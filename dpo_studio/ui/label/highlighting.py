"""Colours for the code in answers, laid over text that is already shown, a few milliseconds at a time.

The text itself is not touched: what is copied, compared or measured stays as the model wrote it. Only code whose
language is named is coloured; nothing is guessed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

from PySide6.QtGui import QColor, QTextBlock, QTextCharFormat, QTextDocument, QTextFormat, QTextLayout

from dpo_studio.ui.theme import Theme

if TYPE_CHECKING:
    from pygments.lexer import Lexer

_SLICE_S = 0.004
#: Past these the code stays uncoloured: a lexer's patterns can be slow on lines that no person wrote.
_MOST_CHARACTERS, _LONGEST_LINE = 400_000, 2_000
_TOKENS_A_LOOK = 32  # how many tokens are read between two looks at the clock


def colour(document: QTextDocument, theme: Theme, *, since: int = 0) -> Iterator[None]:
    """Colour the code of a document; a step of the iterator is a slice of that work.

    The document's text must not change while there is more to do, except by what is added after its end.

    Args:
        since: the number of the block to begin with.
    """
    colours = palette(theme)
    formats: dict[Any, QTextCharFormat | None] = {}
    for language, first, last in list(stretches(document, since=since)):
        lines = []
        block = first
        while block.isValid() and block.blockNumber() <= last.blockNumber():
            lines.append(block.text())
            block = block.next()
        lexer = _lexer(language)
        if lexer is None or sum(map(len, lines)) > _MOST_CHARACTERS or max(map(len, lines)) > _LONGEST_LINE:
            continue
        yield from _colour_stretch(document, first, lines, lexer, colours, formats)


def stretches(document: QTextDocument, *, since: int = 0) -> Iterator[tuple[str, QTextBlock, QTextBlock]]:
    """The code of a document whose language is named: (language, first block, last block)."""
    block = document.findBlockByNumber(since)
    while block.isValid():
        language = language_of(block)
        last = block
        if language:
            while last.next().isValid() and language_of(last.next()) == language:
                last = last.next()
            yield language, block, last
        block = last.next()


def language_of(block: QTextBlock) -> str:
    """The language that the fence around a block of code names, or ""."""
    return str(block.blockFormat().property(QTextFormat.Property.BlockCodeLanguage) or "").strip()


def palette(theme: Theme) -> dict[str, str]:
    """The colour of each kind of token that has one, by the kind's name in Pygments."""
    name = theme.series[3]
    return {
        "Token.Comment": theme.muted,
        "Token.Keyword": theme.accent,
        "Token.Literal.String": theme.good,
        "Token.Literal.Number": theme.warn,
        "Token.Name.Function": name,
        "Token.Name.Class": name,
        "Token.Name.Decorator": name,
        "Token.Name.Builtin": name,
        "Token.Name.Tag": theme.accent,
        "Token.Name.Attribute": name,
        "Token.Operator.Word": theme.accent,
        "Token.Generic.Deleted": theme.bad,
        "Token.Generic.Inserted": theme.good,
        "Token.Generic.Heading": theme.accent,
        "Token.Generic.Subheading": theme.accent,
    }


def _colour_stretch(
    document: QTextDocument,
    first: QTextBlock,
    lines: list[str],
    lexer: Lexer,
    colours: dict[str, str],
    formats: dict[Any, QTextCharFormat | None],
) -> Iterator[None]:
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    block, number = first, 0
    ranges: list[QTextLayout.FormatRange] = []
    dirty_from = first.position()
    until = perf_counter() + _SLICE_S
    for count, (at, kind, value) in enumerate(lexer.get_tokens_unprocessed("\n".join(lines))):
        if kind not in formats:
            formats[kind] = _format(kind, colours)
        letters = formats[kind]
        end = at + len(value)
        line = bisect_right(starts, at) - 1
        while letters is not None and at < end and line < len(lines):
            while number < line:
                block.layout().setFormats(ranges)
                block, number, ranges = block.next(), number + 1, []
            stop = min(end, starts[line + 1] - 1)
            if stop > at:
                ranges.append(_range(at - starts[line], stop - at, letters))
            at, line = starts[line + 1], line + 1
        if count % _TOKENS_A_LOOK == 0 and perf_counter() > until:
            block.layout().setFormats(ranges)
            _show(document, dirty_from, block)
            dirty_from = block.position()
            yield
            until = perf_counter() + _SLICE_S
    block.layout().setFormats(ranges)
    _show(document, dirty_from, block)


def _show(document: QTextDocument, position: int, last: QTextBlock) -> None:
    document.markContentsDirty(position, last.position() + last.length() - position)


def _range(start: int, length: int, letters: QTextCharFormat) -> QTextLayout.FormatRange:
    made = QTextLayout.FormatRange()
    made.start, made.length, made.format = start, length, letters
    return made


def _format(kind: Any, colours: dict[str, str]) -> QTextCharFormat | None:
    """The look of a kind of token, or of the nearest kind above it that has one."""
    while kind is not None:
        colour = colours.get(str(kind))
        if colour is not None:
            letters = QTextCharFormat()
            letters.setForeground(QColor(colour))
            return letters
        kind = kind.parent
    return None


def _lexer(language: str) -> Lexer | None:
    """Pygments' lexer for a language as models name it, or None where there is none."""
    from pygments.lexers import get_lexer_by_name  # takes a tenth of a second, and few answers hold code
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language.split()[0].strip("{}.").lower())
    except (ClassNotFound, IndexError):
        return None
