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
from peft import PeftModel
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from dpo_studio.core.events import Notice

from . import attention, block_attention, fast_layers, fast_lora
from .adapter import has_dropout, trainable
from .attention import Segments, segments_of
from .batches import Example
from .block_attention import Blocks, blocks_of, filled_length
from .families import head_of, why_not_shared
from .head import target_logps
from .recompute import recomputed, worth_it
from .replay import Replays

#: With attention in groups, a row is filled up to a multiple of this many tokens. Products of a new size are compiled
#: when they are first met, which takes longer than one product, so there should be few sizes.
_STEP = 32
#: Goes up whenever the way of computing changes such that last digits may: numbers in caches are then computed anew.
_DIGITS = 4
#: Tokens of a row above which its layers are computed again in the backward pass, by device. On the starter model in
#: bf16 a token's activations take 0.6 MB.
RECOMPUTE_ABOVE = {"cpu": 1536, "cuda": 16384, "mps": 4096}


@dataclass(frozen=True, slots=True)
class Row:
    """Groups laid in one row; all tensors on the model's device.

    Attributes:
        tokens, positions: (1, length).
        segments: which places attend to one another, for `attention.attend`, in one of its ways; or else
        mask: (1, 1, length, length), added to the attention scores: 0 or -inf.
        predicting: (targets,) the position whose hidden state predicts each target.
        targets: (targets,) completion tokens, group by group, completion by completion.
        lengths: tokens of each completion, in the same order.
    """

    tokens: Tensor
    positions: Tensor
    segments: Segments | Blocks | None
    mask: Tensor
    predicting: Tensor
    targets: Tensor
    lengths: tuple[int, ...]


def lay_row(
    examples: Sequence[Example],
    *,
    device: torch.device,
    dtype: torch.dtype,
    segmented: bool = False,
    in_blocks: bool = False,
) -> Row:
    """Lay groups in one row. A completion's last token predicts nothing, so it is a target only.

    Args:
        dtype: of the mask: that of the model's weights.
        segmented: with segments, and a mask of shape (1, 1, 1, 1) that nothing reads; on devices whose attention is
            in groups, tokens that nobody sees fill the row up to a whole number of steps.
        in_blocks: the segments are blocks, and tokens that nobody sees fill the row up to one of few lengths.
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
    if segmented and (in_blocks or device.type in attention.IN_GROUPS_ON):
        filling = (filled_length(len(tokens)) if in_blocks else -(-len(tokens) // _STEP) * _STEP) - len(tokens)
        tokens += [0] * filling
        positions += [0] * filling
    segments: Segments | Blocks | None = None
    if segmented:
        segments = (blocks_of if in_blocks else segments_of)(parts, len(tokens), device=device)
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
        probe = attention.takes_segments(self._model) if shared else None
        self._segmented = probe is not None
        self._in_blocks = probe is not None and self._works_in_blocks(probe)
        self._replays = self._make_replays() if self._in_blocks else None
        # Every operation but attention works row by row, and attention in groups sees nothing but the group.
        self.exact_in_company = self._segmented and self._device.type in attention.IN_GROUPS_ON

    def _works_in_blocks(self, probe: attention.Probe) -> bool:
        if not probe.plain or len(probe.heads) != 1:
            return False
        ((heads, shared_heads, width),) = probe.heads
        return block_attention.works(
            self._device, self._model.dtype, heads=heads, shared_heads=shared_heads, width=width
        )

    def _make_replays(self) -> Replays | None:
        """Only for an adapter without dropout: a whole model's gradients would be there twice."""
        if not isinstance(self._peft, PeftModel) or has_dropout(self._peft):
            return None
        trained = [parameter for _, parameter in trainable(self._peft)]
        return Replays(trained, weights=sum(weight.numel() for weight in self._model.parameters()))

    def save_memory(self) -> None:
        """Give back what is kept only to be faster."""
        if self._replays:
            self._replays.forget()

    @property
    def path(self) -> str:
        """A name for the way of computing, for caches: numbers of another way differ in their last digits."""
        rows = "shared" if self.shared else "alone"
        attending = f"{self._model.config._attn_implementation}{'/blocks' if self._in_blocks else ''}"
        return f"{rows}/{attending}/{fast_layers.taken(self._model)}/{_DIGITS}"

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
        row = lay_row(
            examples,
            device=self._device,
            dtype=self._model.dtype,
            segmented=self._segmented,
            in_blocks=self._in_blocks,
        )
        hidden = self._replayed(row)
        if hidden is None:
            with recomputed(self._model, when=worth_it(row.tokens.shape[1], above=self.recompute_above)):
                hidden = self._layers(row.tokens, row.positions, row.mask, row.segments)
        # index_select and not hidden[index]: the prompt's end is read several times, and the gradient of fancy
        # indexing adds those up in an order that differs from run to run.
        logps = target_logps(head, hidden.index_select(0, row.predicting), row.targets)
        return list(logps.split(row.lengths))

    def _layers(self, tokens: Tensor, positions: Tensor, mask: Tensor, segments: Segments | Blocks | None) -> Tensor:
        """(length, hidden)"""
        extra = {"segments": segments} if segments else {}
        out = self._model.base_model(
            input_ids=tokens, attention_mask=mask, position_ids=positions, use_cache=False, **extra
        )
        return out.last_hidden_state[0]

    def _replayed(self, row: Row) -> Tensor | None:
        """(length, hidden), where the layers were recorded for rows of this length."""
        length = row.tokens.shape[1]
        if not self._replays or not torch.is_grad_enabled() or length > self.recompute_above:
            return None
        blocks = row.segments
        assert isinstance(blocks, Blocks)

        def layers(inputs: Sequence[Tensor]) -> Tensor:
            tokens, positions, *others = inputs
            return self._layers(tokens, positions, row.mask, blocks.of_tensors(others))

        return self._replays.hidden(length, [row.tokens, row.positions, *blocks.tensors()], layers)

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
    return alone, [not_shared(reason)]


def not_shared(reason: str) -> Notice:
    """What is told of a run whose answers have a row each."""
    return Notice("prompt_not_shared", f"Every answer is computed with a prompt of its own, which is slower: {reason}.")


@torch.no_grad()
def _logps(scorer: Scorer, example: Example) -> Tensor:
    return scorer.logps([example])[0]


def _agree(naive: Tensor, found: Tensor, model: Any, example: Example) -> bool:
    lengths = torch.tensor([max(1, len(ids)) for ids in example.completions], device=naive.device)
    allowed = _TOLERANCE.get(next(model.parameters()).dtype, 0.2)
    return bool(((found - naive).abs() <= allowed * lengths.sqrt() + allowed).all())
