"""Summed log-probabilities of the completions of several groups, with gradients.

The fast way lays groups in one row, `[prompt | y1 | … | yK | prompt | …]`, without padding: positions restart at
each prompt's end, and each completion sees its own prompt and itself (arXiv 2410.20305). Where a model does not
allow that, every completion gets a row of its own. Both give the log-probabilities of the naive forward.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from dpo_studio.core.events import Notice

from . import attention, fast_layers, fast_lora
from .attention import Segments, segments_of
from .batches import Example
from .families import head_of, why_not_shared
from .head import target_logps
from .recompute import recomputed, worth_it

#: With attention in groups, a row is filled up to a multiple of this many tokens. Products of a new size are compiled
#: when they are first met, which takes longer than one product, so there should be few sizes.
_STEP = 32
#: Goes up whenever the way of computing changes such that last digits may: numbers in caches are then computed anew.
_DIGITS = 2
#: Tokens of a row above which its layers are computed again in the backward pass, by device. On the starter model in
#: bf16 a token's activations take 0.6 MB.
RECOMPUTE_ABOVE = {"cpu": 1536, "cuda": 16384, "mps": 4096}


@dataclass(frozen=True, slots=True)
class Row:
    """Groups laid in one row; all tensors on the model's device.

    Attributes:
        tokens, positions: (1, length).
        segments: which places attend to one another, for `attention.attend`; or else
        mask: (1, 1, length, length), added to the attention scores: 0 or -inf.
        predicting: (targets,) the position whose hidden state predicts each target.
        targets: (targets,) completion tokens, group by group, completion by completion.
        lengths: tokens of each completion, in the same order.
    """

    tokens: Tensor
    positions: Tensor
    segments: Segments | None
    mask: Tensor
    predicting: Tensor
    targets: Tensor
    lengths: tuple[int, ...]


def lay_row(examples: Sequence[Example], *, device: torch.device, dtype: torch.dtype, segmented: bool = False) -> Row:
    """Lay groups in one row. A completion's last token predicts nothing, so it is a target only.

    Args:
        dtype: of the mask: that of the model's weights.
        segmented: with segments, and a mask of shape (1, 1, 1, 1) that nothing reads; on devices whose attention is
            in groups, tokens that nobody sees fill the row up to a whole number of steps.
    """
    tokens: list[int] = []
    positions: list[int] = []
    parts: list[tuple[range, list[range]]] = []
    predicting: list[int] = []
    targets: list[int] = []
    lengths: list[int] = []
    for example in examples:
        prompt = range(len(tokens), len(tokens) + len(example.prompt))
        tokens += example.prompt
        positions += range(len(prompt))
        completions: list[range] = []
        for ids in example.completions:
            lengths.append(len(ids))
            if not ids:
                continue
            place = range(len(tokens), len(tokens) + len(ids) - 1)
            predicting += [prompt.stop - 1, *place]
            targets += ids
            tokens += ids[:-1]
            positions += range(len(prompt), len(prompt) + len(place))
            completions.append(place)
        parts.append((prompt, completions))
    if segmented and device.type in attention.IN_GROUPS_ON:
        filling = -len(tokens) % _STEP
        tokens += [0] * filling
        positions += [0] * filling
    segments = segments_of(parts, len(tokens), device=device) if segmented else None
    mask = torch.zeros(1, 1) if segmented else _mask(parts, len(tokens), dtype)
    return Row(
        tokens=torch.tensor([tokens], device=device),
        positions=torch.tensor([positions], device=device),
        segments=segments,
        mask=mask[None, None].to(device),
        predicting=torch.tensor(predicting, device=device),
        targets=torch.tensor(targets, device=device),
        lengths=tuple(lengths),
    )


def _mask(parts: Sequence[tuple[range, Sequence[range]]], length: int, dtype: torch.dtype) -> Tensor:
    """(length, length): 0 where a place sees another one of its own part or its prompt, not later than itself."""
    sees = torch.zeros(length, length, dtype=torch.bool)
    for prompt, completions in parts:
        for part in (prompt, *completions):
            sees[part.start : part.stop, prompt.start : prompt.stop] = True
            sees[part.start : part.stop, part.start : part.stop] = True
    return torch.zeros(sees.shape, dtype=dtype).masked_fill_(~sees.tril_(), float("-inf"))


class Scorer:
    """Computes completion log-probabilities of one model.

    Attributes:
        shared: whether completions share their prompt's row.
        recompute_above: tokens of a row above which memory is saved at the cost of time; 0 for always.
        exact_in_company: whether a group's numbers are the same to the last bit whatever lies beside it in a row.
    """

    def __init__(self, model: Any, *, shared: bool) -> None:
        self._peft = model
        self._model = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._device = next(self._model.parameters()).device
        self._takes_index = "logits_to_keep" in inspect.signature(self._model.forward).parameters
        self.shared = shared
        self.recompute_above = RECOMPUTE_ABOVE.get(self._device.type, 1536)
        self._segmented = shared and attention.takes_segments(self._model)
        # Every operation but attention works row by row, and attention in groups sees nothing but the group.
        self.exact_in_company = self._segmented and self._device.type in attention.IN_GROUPS_ON

    @property
    def path(self) -> str:
        """A name for the way of computing, for caches: numbers of another way differ in their last digits."""
        rows = "shared" if self.shared else "alone"
        return f"{rows}/{self._model.config._attn_implementation}/{fast_layers.taken(self._model)}/{_DIGITS}"

    def logps(self, examples: Sequence[Example]) -> list[Tensor]:
        """For each group the (k,) fp32 sums of log-probabilities, in nats, of its completions' tokens."""
        sums = [tokens.sum() for tokens in self._tokens(examples)]
        return list(torch.stack(sums).split([len(example.completions) for example in examples]))

    def token_logps(self, examples: Sequence[Example]) -> list[Tensor]:
        """For each group the (k, longest) fp32 log-probabilities of its completions' tokens, 0 past their ends."""
        tokens = iter(self._tokens(examples))
        return [pad_sequence([next(tokens) for _ in example.completions], batch_first=True) for example in examples]

    def _tokens(self, examples: Sequence[Example]) -> list[Tensor]:
        return self._shared(examples) if self.shared else self._alone(examples)

    def _shared(self, examples: Sequence[Example]) -> list[Tensor]:
        head = head_of(self._model)
        assert head is not None
        row = lay_row(examples, device=self._device, dtype=self._model.dtype, segmented=self._segmented)
        extra = {"segments": row.segments} if self._segmented else {}
        with recomputed(self._model, when=worth_it(row.tokens.shape[1], above=self.recompute_above)):
            hidden = self._model.base_model(
                input_ids=row.tokens, attention_mask=row.mask, position_ids=row.positions, use_cache=False, **extra
            ).last_hidden_state[0]
        # index_select and not hidden[index]: the prompt's end is read several times, and the gradient of fancy
        # indexing adds those up in an order that differs from run to run.
        logps = target_logps(head, hidden.index_select(0, row.predicting), row.targets)
        return list(logps.split(row.lengths))

    def _alone(self, examples: Sequence[Example]) -> list[Tensor]:
        return [self._one_row(example.prompt, ids) for example in examples for ids in example.completions]

    def _one_row(self, prompt: Sequence[int], completion: Sequence[int]) -> Tensor:
        if not completion:
            return torch.zeros(0, device=self._device)
        tokens = torch.tensor([[*prompt, *completion[:-1]]], device=self._device)
        keep = {"logits_to_keep": len(completion)} if self._takes_index else {}
        with recomputed(self._model, when=worth_it(tokens.shape[1], above=self.recompute_above)):
            logits = self._model(input_ids=tokens, use_cache=False, **keep).logits[0, -len(completion) :].float()
        targets = torch.tensor(completion, device=self._device)
        return logits.gather(1, targets.unsqueeze(1)).squeeze(1) - logits.logsumexp(dim=1)


#: Most that a summed log-probability may differ between the two ways, in nats, times the root of its tokens. On the
#: starter model in bf16 rounding alone makes it 0.08; a mask that hides the prompt makes it several nats a token.
_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.2, torch.float16: 0.05}


def choose_scorer(model: Any, examples: Sequence[Example]) -> tuple[Scorer, list[Notice]]:
    """The fastest way of scoring that is right for this model, checked on the run's longest group.

    The model's layers are given faster forwards where they have the same values; the check compares everything at
    once with the model as it came.
    """
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    longest = max(examples, key=lambda example: example.longest)
    naive = _logps(Scorer(model, shared=False), longest)
    reason = why_not_shared(plain, longest.longest)
    fast_lora.install(model)
    fast_layers.install(model)
    if not reason and not _agree(naive, _logps(Scorer(model, shared=True), longest), model, longest):
        reason = "the two ways of computing gave different numbers"
    if not reason:
        return Scorer(model, shared=True), []
    alone = Scorer(model, shared=False)
    if not _agree(naive, _logps(alone, longest), model, longest):
        fast_layers.remove_all(model)
    message = f"Every answer is computed with a prompt of its own, which is slower: {reason}."
    return alone, [Notice("prompt_not_shared", message)]


@torch.no_grad()
def _logps(scorer: Scorer, example: Example) -> Tensor:
    return scorer.logps([example])[0]


def _agree(naive: Tensor, found: Tensor, model: Any, example: Example) -> bool:
    lengths = torch.tensor([max(1, len(ids)) for ids in example.completions], device=naive.device)
    allowed = _TOLERANCE.get(next(model.parameters()).dtype, 0.2)
    return bool(((found - naive).abs() <= allowed * lengths.sqrt() + allowed).all())
