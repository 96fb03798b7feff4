"""A conversation as the tokens a model was trained to read, and a completion as the tokens it would have written."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dpo_studio.core import thinking
from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: For a model without a chat template. It is stated here because what a model reads decides what it writes.
PLAIN_TEMPLATE = (
    "{% if bos_token %}{{ bos_token }}{% endif %}"
    "{% for message in messages %}"
    "{% if message['role'] != 'system' %}{{ '### ' + message['role'] | capitalize + ':\n' }}{% endif %}"
    "{{ message['content'] + '\n\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '### Assistant:\n' }}{% endif %}"
)
_PROBE = "Wednesday"


class ChatFormat:
    """How one tokenizer writes conversations.

    Attributes:
        is_plain: the tokenizer has no chat template, and PLAIN_TEMPLATE is used.
        end_id: the token that ends the assistant's turn.
        end_ids: every token that ends a turn when it is sampled; holds `end_id`.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, extra_end_ids: Iterable[int] = ()) -> None:
        """`extra_end_ids`: what the model's own generation settings call an end, besides."""
        self._tokenizer = tokenizer
        self.is_plain = not getattr(tokenizer, "chat_template", None)
        self._template = PLAIN_TEMPLATE if self.is_plain else None
        self.end_id = self._find_end_id()
        own = () if tokenizer.eos_token_id is None else (int(tokenizer.eos_token_id),)
        self.end_ids = frozenset({self.end_id, *own, *(int(end) for end in extra_end_ids)})
        marks = thinking.control_tokens(map(str, tokenizer.all_special_tokens))
        ids = {self._id_of(mark): mark for mark in marks}
        self._marks = {token: mark for token, mark in ids.items() if token not in self.end_ids}
        self._mark = re.compile("|".join(map(re.escape, self._marks.values()))) if self._marks else None
        self._lead = self._find_lead()

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """The tokens of `apply_chat_template(add_generation_prompt=True)`, nothing added.

        Raises:
            UserError: the model's template refuses the conversation (a system message, say).
        """
        rows = [message.to_json() for message in messages]
        ids = self._apply(rows, tokenize=True)
        return [int(token) for token in ids]

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The text the model reads, control tokens and all.

        Raises:
            UserError: as `prompt_ids`.
        """
        return str(self._apply([message.to_json() for message in messages], tokenize=False))

    def completion_ids(self, text: str, finish_reason: str = "stop") -> list[int]:
        """The tokens of a completion's text, with the end of the turn unless it was cut ("length", "stop_string").

        Control tokens that the text spells out are read as ordinary text, but for the marks of thinking.
        """
        ids, at = [], 0
        for mark in self._mark.finditer(text) if self._mark is not None else ():
            ids += [*self._piece_ids(text, at, mark.start()), self._id_of(mark.group())]
            at = mark.end()
        ids += self._piece_ids(text, at, len(text))
        return [*ids] if finish_reason in ("length", "stop_string") else [*ids, self.end_id]

    def _id_of(self, token: str) -> int:
        found: Any = self._tokenizer.convert_tokens_to_ids(token)
        return int(found)

    def text(self, ids: Sequence[int]) -> str:
        """The text of sampled tokens, control tokens left out but for the marks of thinking."""
        parts: list[str] = []
        between: list[int] = []
        for token in ids:
            if token in self._marks:
                parts += [self._decode(between), self._marks[token]]
                between = []
            else:
                between.append(token)
        return "".join([*parts, self._decode(between)])

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _piece_ids(self, text: str, begin: int, end: int) -> list[int]:
        piece = text[begin:end]
        return self._ids_behind(self._lead, piece) if begin == 0 else self._plain_ids(piece)

    def _ids_behind(self, lead: str, text: str) -> list[int]:
        """The tokens of a text that follows another one; those it has by itself where the two share a token."""
        before, both = self._plain_ids(lead), self._plain_ids(lead + text)
        return both[len(before) :] if both[: len(before)] == before else self._plain_ids(text)

    def _find_lead(self) -> str:
        """What an answer is to be tokenised behind: "" mostly.

        Tokenizers that put a space before every text (TinyLlama's, Zephyr's) give an answer one that the model never
        writes, where the template ends in a new line.
        """
        try:
            prompt = str(self._apply([{"role": "user", "content": "Hello"}], tokenize=False))
        except UserError:
            return ""
        before, both = (
            self._tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, prompt + _PROBE)
        )
        behind = list(both[len(before) :])
        if both[: len(before)] != before or behind == self._plain_ids(_PROBE):
            return ""
        return "\n" if behind == self._ids_behind("\n", _PROBE) else ""

    def _plain_ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])

    def _apply(self, rows: list[dict[str, str]], *, tokenize: bool, ready: bool = True) -> Any:
        """The conversation as token ids, or as text."""
        from jinja2.exceptions import TemplateError

        try:
            return self._tokenizer.apply_chat_template(
                rows,
                chat_template=self._template,
                add_generation_prompt=ready,
                tokenize=tokenize,
                return_dict=False,
            )
        except (TemplateError, TypeError, ValueError, AttributeError, LookupError) as error:  # what templates run into
            roles = ", ".join(row["role"] for row in rows)
            raise UserError(
                f"This model's chat template does not take this conversation ({roles}): {error}.",
                "Move a system message into the first user message, and let user and assistant take turns.",
            ) from error

    def _find_end_id(self) -> int:
        """The first control token that the template writes after an assistant's answer, else the end of text."""
        eos = self._tokenizer.eos_token_id
        if not self.is_plain:
            turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": _PROBE}]
            try:
                tail = str(self._apply(turns, tokenize=False, ready=False)).rpartition(_PROBE)[2]
            except UserError:
                tail = ""
            added = set(self._tokenizer.get_added_vocab().values()) | set(self._tokenizer.all_special_ids)
            for token in self._tokenizer(tail, add_special_tokens=False)["input_ids"]:
                if token in added:
                    return int(token)
        if eos is None:
            raise UserError(
                "This model's tokenizer names no token that ends an answer.", "Choose a model made for conversations."
            )
        return int(eos)


def tokenizer_hash(tokenizer: PreTrainedTokenizerBase) -> str:
    """16 hex digits that are equal where token ids mean the same: a hash of the vocabulary by id.

    It does not depend on the library's version or on how the tokenizer's files are written.
    """
    vocabulary = sorted((int(index), token) for token, index in tokenizer.get_vocab().items())
    text = json.dumps(vocabulary, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
