r"""Markdown as models write it, made ready for a Markdown reader: no Qt.

Lines stay as the model broke them, and formulas (`$…$`, `$$…$$`, `\(…\)`, `\[…\]`) stay as they were written:
their stars, underscores and backslashes mean nothing to Markdown. Code is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_TABLE_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_INDENTED = re.compile(r"(?: {4}|\t)")
_LIST_LINE = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])\s|\s{2,}\S")
_LIST_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])\s")
_QUOTE = re.compile(r"\s{0,3}(?:>\s?)+")
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_TOKEN = re.compile(r"`+|\\[\[\]()]|\$\$?|\\[{}\\,;:!|]|\\.", re.DOTALL)
#: How many times too long a piece may get while a good place to end it is looked for.
_PATIENCE = 4
#: How many lines of text a row of a table counts for: its cells are laid out one by one.
_ROW_WEIGHT = 3
_CLOSED_BY = {r"\[": r"\]", r"\(": r"\)", "$$": "$$", "$": "$"}
_KEEP_BACKSLASH = frozenset("()[]{}\\,;:!|")


def prepared(text: str) -> str:
    """The Markdown with its line breaks kept and its formulas protected."""
    out: list[str] = []
    for lines, is_code in _stretches(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")):
        out += lines if is_code else _with_breaks(_protected("\n".join(lines)).split("\n"))
    return "\n".join(out)


def chunks(text: str, *, lines: int, characters: int) -> Iterator[str]:
    """A long text in pieces that can be read one after the other, each about this long (a row counts thrice).

    A piece ends between paragraphs, items of a list, rows of a table or lines of code: what is cut in the middle
    begins again in the next piece, code with its fence and a table with its head. Only where nothing of that kind
    comes for long, a piece ends in the middle of a paragraph.
    """
    piece = _Piece()
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        full = max(piece.weight / lines, piece.size / characters)
        if full >= 1 and (piece.may_end_before(line) or full >= _PATIENCE):
            yield piece.text()
            piece = piece.following()
        while len(line) > characters:
            piece.add(line[:characters])
            yield piece.text()
            piece, line = piece.following(), line[characters:]
        piece.add(line)
    yield piece.text()


class _Piece:
    """Lines being gathered, with what they are in the middle of."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.size = 0
        self.weight = 0
        self._fence = ""  # the line that began the code
        self._head: list[str] = []  # the two lines that began the table

    def add(self, line: str) -> None:
        self.lines.append(line)
        self.size += len(line)
        self.weight += _ROW_WEIGHT if self._head else 1
        mark = _FENCE.match(line)
        if self._fence:
            opened = _FENCE.match(self._fence)
            if mark and opened and mark[1].startswith(opened[1]) and not line.strip().strip(opened[1][0]):
                self._fence = ""
        elif mark:
            self._fence, self._head = line, []
        elif not line.strip():
            self._head = []
        elif not self._head and len(self.lines) > 1 and "|" in self.lines[-2] and _TABLE_RULE.match(line):
            self._head = self.lines[-2:]

    def may_end_before(self, line: str) -> bool:
        if self._fence:
            return not _INDENTED.match(self._fence)
        if self._head:
            return True
        begins = bool(line.strip()) and not line[0].isspace()
        return begins and (not self.lines[-1].strip() or bool(_LIST_ITEM.match(line) or _FENCE.match(line)))

    def text(self) -> str:
        closing = [_FENCE.match(self._fence)[0]] if self._fence else []  # type: ignore[index]
        return "\n".join([*self.lines, *closing])

    def following(self) -> _Piece:
        """An empty piece that goes on where this one ends."""
        made = _Piece()
        for line in (self._fence,) if self._fence else self._head:
            made.add(line)
        return made


def _stretches(lines: list[str]) -> Iterator[tuple[list[str], bool]]:
    """The lines as paragraphs and blocks of code, each with whether it is code; blank lines stand alone."""
    at, in_list = 0, False
    while at < len(lines):
        mark = _FENCE.match(lines[at])
        if mark and (in_list or not _INDENTED.match(lines[at])):
            end = _end_of_fence(lines, at, mark[1])
            yield lines[at:end], True
        elif not lines[at].strip():
            end = at + 1
            yield lines[at:end], True
        else:
            end = at + 1
            while end < len(lines) and lines[end].strip() and not _FENCE.match(lines[end]):
                end += 1
            if not _INDENTED.match(lines[at]):
                in_list = any(_LIST_ITEM.match(line) for line in lines[at:end])
            yield lines[at:end], bool(_INDENTED.match(lines[at])) and not in_list
        at = end


def _end_of_fence(lines: list[str], at: int, fence: str) -> int:
    """The line after a fenced block that begins at a line; the end of the text where nothing closes it."""
    for number in range(at + 1, len(lines)):
        mark = _FENCE.match(lines[number])
        if mark and mark[1].startswith(fence) and not lines[number].strip().strip(fence[0]):
            return number + 1
    return len(lines)


def _protected(paragraph: str) -> str:
    """A paragraph whose formulas are text for Markdown, and whose code is left alone."""
    tokens = list(_TOKEN.finditer(paragraph))
    ends = _ends(paragraph, tokens)
    quoted = bool(_QUOTE.match(paragraph))
    out, done, at = [], 0, 0
    while at < len(tokens):
        token, end = tokens[at], ends[at]
        out.append(paragraph[done : token.start()])
        if end is None:
            lone = token[0][0] == "\\" and token[0][1] in _KEEP_BACKSLASH
            out.append("\\" * lone + token[0])
            done, at = token.end(), at + 1
            continue
        whole = paragraph[token.start() : tokens[end].end()]
        lines = (
            [whole] if token[0][0] == "`" else [_escaped(n, quoted and k > 0) for k, n in enumerate(whole.split("\n"))]
        )
        out.append("\n".join(lines))
        done, at = tokens[end].end(), end + 1
    return "".join([*out, paragraph[done:]])


def _ends(paragraph: str, tokens: list[re.Match[str]]) -> list[int | None]:
    """For each token the one that ends the code or the formula that it begins, if it begins one."""
    nearest: dict[str, int] = {}
    ends: list[int | None] = [None] * len(tokens)
    for at in range(len(tokens) - 1, -1, -1):
        token = tokens[at]
        words = token[0]
        wanted = words if words[0] == "`" else _CLOSED_BY.get(words)
        end = nearest.get(wanted) if wanted is not None else None
        if end is not None and (words != "$" or _may_begin(paragraph, token, tokens[end])):
            ends[at] = end
        before, after = paragraph[token.start() - 1 : token.start()], paragraph[token.end() : token.end() + 1]
        if words != "$" or (before.strip() and not after.isdigit()):
            nearest[words] = at
    return ends


def _may_begin(paragraph: str, token: re.Match[str], end: re.Match[str]) -> bool:
    """Whether a dollar sign begins a formula up to another one on its line, rather than a sum of money."""
    before, after = paragraph[token.start() - 1 : token.start()], paragraph[token.end() : token.end() + 1]
    return not before.isalnum() and bool(after.strip()) and paragraph.find("\n", token.end(), end.start()) < 0


def _escaped(line: str, quoted: bool) -> str:
    """A line of a formula, every mark of it escaped, except those that keep it in a quotation."""
    kept = _QUOTE.match(line) if quoted else None
    start = kept.end() if kept else 0
    return line[:start] + _PUNCTUATION.sub(r"\\\g<0>", line[start:])


def _with_breaks(lines: list[str]) -> list[str]:
    out = []
    for number, line in enumerate(lines):
        breaks = number + 1 < len(lines) and not _LIST_LINE.match(line)
        out.append(line.rstrip() + "  " if breaks else line)
    return out
