"""A local model's choice between two letters: read off its log-probabilities, no prose is parsed.

The questions about one group begin alike, so what several share is read once: the rows form a tree, and each branch
goes on from a copy of the cache of what is before it.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.models.load import LoadedModel

from .comparer import ADVICE, LETTERS, QuestionRefused

#: Less probability than this on the two letters together, and the question was not answered.
LEAST_MASS = 0.01
_Row = tuple[int, ...]


class LocalComparer:
    """Asks a loaded model. For one thread.

    Raises:
        UserError: its tokenizer has no token for one of the letters.
    """

    graded = True
    advice = ADVICE

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        self._letters = [_tokens_of(loaded.tokenizer, letter) for letter in LETTERS]
        if not all(self._letters):
            raise UserError(
                "This model's tokenizer has no token for the letter A or B.", "Choose another model as the judge."
            )

    def log_odds(self, questions: Sequence[Message], cancelled: Callable[[], bool]) -> list[float | None] | None:
        """For each question log p(A) − log p(B) of the next token, in nats; None for one that was not answered.

        Returns:
            one value a question; None altogether when it was cancelled.

        Raises:
            QuestionRefused: a question is longer than the model reads.
        """
        rows = [tuple(self._loaded.chat.prompt_ids([question])) for question in questions]
        for row in rows:
            try:
                self._loaded.check_fits(list(row))
            except UserError as error:
                raise QuestionRefused(
                    f"A question is {len(row):,} tokens long, and this model reads {self._loaded.context_length:,}.",
                    "Shorten the principles, or choose a judge with a longer context.",
                ) from error
        found: dict[_Row, float | None] = {}
        model = self._loaded.model
        inner = model.get_base_model() if hasattr(model, "get_base_model") else model  # PEFT's layers stay in it
        for row, logits in last_logits(inner, rows, self._loaded.device):
            found[row] = self._read(logits)
            if cancelled():
                return None
        return [found[row] for row in rows]

    def _read(self, logits: torch.Tensor) -> float | None:
        logps = logits.double().log_softmax(-1)
        first, second = (float(logps[ids].logsumexp(-1)) for ids in self._letters)
        mass = float(torch.tensor([first, second], dtype=torch.float64).logsumexp(-1).exp())
        return first - second if mass >= LEAST_MASS else None


def last_logits(
    model: torch.nn.Module, rows: Sequence[_Row], device: torch.device
) -> Iterator[tuple[_Row, torch.Tensor]]:
    """The logits after the last token of each different row, in any order; shape (vocabulary,), float32, on the CPU.

    Args:
        rows: token ids, none empty.
    """
    parameters = inspect.signature(model.forward).parameters
    extra = {"logits_to_keep": 1} if "logits_to_keep" in parameters else {}
    yield from _branch(model, sorted(set(rows)), 0, None, device, extra)


def _branch(
    model: torch.nn.Module, rows: list[_Row], read: int, cache: Any, device: torch.device, extra: dict[str, Any]
) -> Iterator[tuple[_Row, torch.Tensor]]:
    """Go on with sorted rows that are alike in their first `read` tokens, which the cache holds."""
    common, alone = _common(rows[0], rows[-1]), len(rows) == 1
    begin = 0 if cache is None else read
    with torch.no_grad():
        ids = torch.tensor([rows[0][begin:common]], device=device)
        out = model(
            input_ids=ids, use_cache=not alone, **({} if cache is None else {"past_key_values": cache}), **extra
        )
    if len(rows[0]) == common:
        yield rows[0], out.logits[0, -1].float().cpu()
        rows = rows[1:]
    cache = None if alone else getattr(out, "past_key_values", None)
    del out
    if not rows:
        return
    begins = [n for n in range(len(rows)) if n == 0 or rows[n][common] != rows[n - 1][common]]
    for start, stop in zip(begins, [*begins[1:], len(rows)], strict=True):
        own = cache if stop == len(rows) else copy.deepcopy(cache)
        yield from _branch(model, rows[start:stop], common, own, device, extra)


def _common(first: _Row, last: _Row) -> int:
    """How many tokens sorted rows share: as many as the first and the last do."""
    return next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))


def _tokens_of(tokenizer: Any, letter: str) -> list[int]:
    """The tokens that are this letter, with a blank or a line break before it or without."""
    vocabulary = tokenizer.get_vocab()
    candidates = {
        vocabulary[token] for token in (letter, f"▁{letter}", f"Ġ{letter}", f"Ċ{letter}") if token in vocabulary
    }
    for text in (letter, f" {letter}", f"\n{letter}"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        candidates.update(ids[-1:])
    return sorted(token for token in candidates if tokenizer.decode([token]).strip() == letter)
