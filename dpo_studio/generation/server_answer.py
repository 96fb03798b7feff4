"""An answer as a server streams it: its text up to a stop string, and the thinking that comes apart from it.

Servers that know a model's marks give its thinking in a field of its own: `reasoning_content` (DeepSeek, llama.cpp,
older vLLM) or `reasoning` (newer vLLM, Ollama, OpenRouter). It is put before the answer in marks, as a local model
writes it; stop strings are looked for in the answer alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dpo_studio.core import thinking
from dpo_studio.core.surrogates import Joiner

from .stops import StoppableText


class ServerAnswer:
    """An answer as its parts come, with the thinking before it where the server gives that apart.

    Attributes:
        pieces: parts that said something, mostly one a token.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._answer = StoppableText(_Pieces(), stops)
        self._thought = ""
        self._thinks = False
        self._thought_halves, self._answer_halves = Joiner(), Joiner()
        self.pieces = 0

    @property
    def cut(self) -> bool:
        return self._answer.cut

    @property
    def text(self) -> str:
        return self._thought + self._answer.text

    def push(self, part: Mapping[str, Any]) -> str:
        """Take in a delta, or a whole message; what is new of the text."""
        thought, answer = part.get("reasoning_content") or part.get("reasoning"), part.get("content")
        if isinstance(answer, list):  # Mistral's servers give parts, each with its kind
            thought, answer = thought or _words(answer, "thinking"), _words(answer, "text")
        new = ""
        if isinstance(thought, str) and thought and not self._answer.text:
            self.pieces += 1
            thought = self._thought_halves.push(thought)
            new = thought if self._thinks else thinking.BEGIN + thought
            self._thinks = True
        if isinstance(answer, str) and answer:
            self.pieces += 1
            new += self._end_thought()
            self._thought += new
            return new + self._answer.push(self._answer_halves.push(answer))
        self._thought += new
        return new

    def finish(self, *, is_cut: bool) -> str:
        """The rest; thinking that the token limit cut stays open."""
        end = self._thought_halves.finish() + ("" if is_cut else self._end_thought())
        self._thought += end
        return end + self._answer.push(self._answer_halves.finish()) + self._answer.finish()

    def _end_thought(self) -> str:
        end = self._thought_halves.finish() + thinking.END if self._thinks else ""
        self._thinks = False
        return end


def _words(parts: Sequence[Any], kind: str) -> str:
    """What the parts of this kind say; a part holds words, or parts again."""
    said = [part.get(kind) for part in parts if isinstance(part, Mapping) and part.get("type") == kind]
    return "".join(
        words if isinstance(words, str) else _words(words, "text") for words in said if isinstance(words, str | list)
    )


class _Pieces:
    """Text that comes as text: what StoppableText reads from where a model would give tokens."""

    def push(self, piece: str) -> str:
        return piece

    def finish(self) -> str:
        return ""
