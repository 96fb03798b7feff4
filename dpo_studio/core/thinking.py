"""Tells a model's thinking from its answer in the text of a completion. The text itself is never changed.

Models that think aloud wrap it in marks: `<think>…</think>` (Qwen, DeepSeek), `[THINK]…[/THINK]` (Magistral),
`<|channel>thought…<channel|>` (Gemma) and so on. Where the chat format already opened the mark, a completion holds
only its end; where the token limit cut it, only its beginning. A mark in code, in quotation marks or in the middle of
a sentence is something the answer talks about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dpo_studio.core import word_count


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a completion.

    Attributes:
        text: what was written, without the marks and without blank lines around it.
        raw: the stretch as it stands in the completion; the sections' raws joined are the completion.
        is_thinking: whether it is thinking rather than answer.
        closed: thinking that came to its end; False where the completion ends in the middle of it.
    """

    text: str
    raw: str
    is_thinking: bool = False
    closed: bool = True


@dataclass(frozen=True, slots=True)
class _Marks:
    begin: str
    end: str


_NAMES = ("think", "thinking", "thought", "thoughts", "reasoning", "seed:think")
_MARKS = (
    *(_Marks(rf"<{name}>", rf"</{name}>") for name in _NAMES),
    *(_Marks(rf"<\|{name}\|>", rf"(?:<\|/{name}\|>|<\|end_{name}\|>|</\|{name}\|>)") for name in _NAMES[:5]),
    _Marks(r"<\|start_thinking\|>", r"<\|end_thinking\|>"),
    _Marks(r"\[THINK\]", r"\[/THINK\]"),
    _Marks(r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    _Marks(r"<\|channel>thought\n?", r"<channel\|>"),
    # Last, for its end alone says nothing: other models end every turn with it.
    _Marks(
        r"(?:<\|start\|>assistant)?<\|channel\|>analysis<\|message\|>",
        r"(?:<\|end\|>(?:<\|start\|>assistant)?(?:<\|channel\|>final<\|message\|>)?|<\|channel\|>final<\|message\|>)",
    ),
)
_BEGIN = re.compile("|".join(f"({marks.begin})" for marks in _MARKS), re.IGNORECASE)
_ENDS = tuple(re.compile(rf"(?<!`)(?:{marks.end})", re.IGNORECASE) for marks in _MARKS)
_ANY_END = re.compile("|".join(f"(?<!`)(?:{marks.end})" for marks in _MARKS[:-1]), re.IGNORECASE)
_COULD_BEGIN = re.compile(r"[<\[](?=[|/A-Za-z])")
_CODE = re.compile(r"^ {0,3}(?P<fence>`{3,}|~{3,})[^\n]*\n.*?(?:^ {0,3}(?P=fence)[`~]*[ \t]*$|\Z)", re.M | re.S)
_LOOK_BACK = 200
_BLANK_LINES = re.compile(r"\A(?:[ \t]*\n)+")
_ENDS_OF_SENTENCES = ".!?:;…。！？:؟।»)]”"
_BEFORE_A_QUOTED_MARK = "\"'`“‘«([{*_"


#: Around the thinking of a server that gives it apart from the answer: as most models write it themselves.
BEGIN, END = "<think>\n", "\n</think>\n\n"
_PARTS_OF_MARKS = ("<|channel>", "<channel|>")
_HARMONY = ("<|channel|>", "<|message|>", "<|start|>", "<|end|>")


def control_tokens(tokens: Iterable[str]) -> set[str]:
    """Which of a tokenizer's control tokens are marks of thinking, or parts of such: they belong to a completion."""
    known = set(tokens)
    marks = re.compile("|".join(f"{each.begin}|{each.end}" for each in _MARKS[:-1]), re.IGNORECASE)
    found = {token for token in known if marks.fullmatch(token) or token in _PARTS_OF_MARKS}
    return found | (known.intersection(_HARMONY) if _HARMONY[0] in known else set())


def split(text: str) -> tuple[Section, ...]:
    """The completion as sections of thinking and of answer, in their order.

    Thinking without a word and answers of nothing but blanks are not told of: their text goes to a neighbour's `raw`.
    A completion that is empty has no sections.
    """
    found: list[Section] = []
    at = 0
    finder = _Finder(text)
    if (orphan := finder.end_without_beginning()) is not None:
        found.append(Section(text[: orphan.start()].strip(), text[: orphan.end()], is_thinking=True))
        at = orphan.end()
    while at < len(text):
        opening = finder.beginning(at)
        if opening is None:
            found.append(_answer(text[at:]))
            break
        if opening.start() > at:
            found.append(_answer(text[at : opening.start()]))
        end = finder.end_of(opening)
        stop, after = (end.start(), end.end()) if end else (len(text), len(text))
        inside = text[opening.end() : stop].strip()
        found.append(Section(inside, text[opening.start() : after], is_thinking=True, closed=end is not None))
        at = after
    return _merged(found)


def answer(text: str) -> str:
    """What is left of a completion without its thinking; the whole completion where it has none."""
    sections = split(text)
    if len(sections) == 1 and sections[0].text == _answer(text).text:
        return text  # there was no mark: not even the blanks around it are touched
    return "\n\n".join(section.text for section in sections if not section.is_thinking)


def words(sections: Sequence[Section]) -> int:
    """How many words of thinking there are."""
    return sum(word_count.count(section.text) for section in sections if section.is_thinking)


def title(sections: Sequence[Section], *, writing: bool = False) -> str:
    """What stands in the thinking's place: "Thinking, 214 words".

    Args:
        writing: more is being written, so thinking that has no end yet is not cut off.
    """
    thoughts = [section for section in sections if section.is_thinking]
    parts = [f"Thinking, {word_count.counted(words(thoughts), 'word')}"]
    if len(thoughts) > 1:
        parts.append(f"in {len(thoughts)} parts")
    if thoughts and not thoughts[-1].closed:
        parts.append("not done yet" if writing else "cut off")
    return ", ".join(parts)


def _found(pattern: re.Pattern[str], text: str, at: int) -> Iterator[re.Match[str]]:
    """Where marks stand from a place on. Only where one could begin is looked closely: most texts hold none."""
    for place in _COULD_BEGIN.finditer(text, at):
        found = pattern.match(text, place.start()) if place.start() >= at else None
        if found is not None:
            at = found.end()
            yield found


def _answer(raw: str) -> Section:
    return Section(_BLANK_LINES.sub("", raw).rstrip(), raw)


class _Finder:
    """Finds marks in a text from front to back; no stretch is searched twice, however the text is made."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._code_until = 0
        self._endless: set[int] = set()

    def beginning(self, at: int) -> re.Match[str] | None:
        """The next mark that begins thinking, from a place in the answer."""
        self._code_until = at
        for opening in _found(_BEGIN, self._text, at):
            if self._in_code(opening.start()):
                continue
            before = self._before(opening.start(), at)
            if not before.strip():
                return opening
            if _may_follow(before) and self.end_of(opening) is not None:
                return opening
        return None

    def end_of(self, opening: re.Match[str]) -> re.Match[str] | None:
        """The mark that ends the thinking that this one began."""
        number = (opening.lastindex or 1) - 1
        end = None if number in self._endless else next(_found(_ENDS[number], self._text, opening.end()), None)
        if end is None:
            self._endless.add(number)
        return end

    def end_without_beginning(self) -> re.Match[str] | None:
        """The end of thinking that the chat format began: it stands before every other mark."""
        end = next(_found(_ANY_END, self._text, 0), None)
        if end is None or next(_found(_BEGIN, self._text[: end.start()], 0), None) or self._in_code(end.start()):
            return None
        before = self._before(end.start(), 0)
        return end if not before.strip() or _may_follow(before) else None

    def _before(self, place: int, at: int) -> str:
        """What stands before a place on its line, as far as it matters."""
        line = self._text.rfind("\n", max(at, place - _LOOK_BACK), place) + 1
        return self._text[max(line, at, place - _LOOK_BACK) : place]

    def _in_code(self, place: int) -> bool:
        """Whether a fence is open at a place; places come in rising order."""
        while self._code_until <= place:
            line = self._text.rfind("\n", self._code_until, place) + 1
            block = _CODE.search(self._text, self._code_until, place) if line else None
            if block is None:
                self._code_until = max(line, self._code_until)
                return False
            if block.end() == place:  # it was only the place that ended it: where does it really end?
                block = _CODE.search(self._text, block.start())
            self._code_until = block.end() if block else place
        return True


def _may_follow(line: str) -> bool:
    """Whether thinking may begin or end after these words: after a sentence's end, or glued to what it follows."""
    bare = line.rstrip()
    return bare[-1] in _ENDS_OF_SENTENCES if bare != line else bare[-1] not in _BEFORE_A_QUOTED_MARK


def _merged(found: Sequence[Section]) -> tuple[Section, ...]:
    """The sections that say something; the others' text stands in the raw of what came before, or after, them."""
    out: list[Section] = []
    before = ""
    for section in found:
        if section.text:
            out.append(
                Section(section.text, before + section.raw, is_thinking=section.is_thinking, closed=section.closed)
            )
            before = ""
        elif out:
            last = out[-1]
            out[-1] = Section(last.text, last.raw + section.raw, is_thinking=last.is_thinking, closed=last.closed)
        else:
            before += section.raw
    return tuple(out) if out or not before else (Section("", before),)
