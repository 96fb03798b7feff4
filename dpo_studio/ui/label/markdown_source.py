r"""Markdown as models write it, made ready for a Markdown reader: no Qt.

Lines stay as the model broke them, and formulas (`$…$`, `$$…$$`, `\(…\)`, `\[…\]`) stay as they were written:
their stars, underscores and backslashes mean nothing to Markdown. Code is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_INDENTED = re.compile(r"(?: {4}|\t)")
_LIST_LINE = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])\s|\s{2,}\S")
_LIST_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])\s")
_QUOTE = re.compile(r"\s{0,3}(?:>\s?)+")
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_TOKEN = re.compile(r"`+|\\[\[\]()]|\$\$?|\\[{}\\,;:!|]|\\.", re.DOTALL)
_CLOSED_BY = {r"\[": r"\]", r"\(": r"\)", "$$": "$$", "$": "$"}
_KEEP_BACKSLASH = frozenset("()[]{}\\,;:!|")


def prepared(text: str) -> str:
    """The Markdown with its line breaks kept and its formulas protected."""
    out: list[str] = []
    for lines, is_code in _stretches(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")):
        out += lines if is_code else _with_breaks(_protected("\n".join(lines)).split("\n"))
    return "\n".join(out)


def _stretches(lines: list[str]) -> Iterator[tuple[list[str], bool]]:
    """The lines as paragraphs and blocks of code, each with whether it is code; blank lines stand alone."""
    at, in_list = 0, False
    while at < len(lines):
        mark = _FENCE.match(lines[at])
        if mark:
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
