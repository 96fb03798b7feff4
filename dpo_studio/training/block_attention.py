"""Attention of a packed row on a CUDA GPU: PyTorch's FlexAttention computes only the blocks in which something is seen.

A place of a row `[prompt | y1 | … | yK | prompt | …]` sees what is not later than itself in its own part and in its
group's prompt. The kernel is compiled when it is first needed, which takes a compiler and some seconds; where that
fails, `works` says so and rows are computed in another way.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from dpo_studio.models.cache import root

_BLOCK = 128
_ALIGNED = 64

#: Lengths that rows are filled up to: a kernel is compiled and a replay recorded for each.
_LENGTHS = (256, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192)
_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 3e-2, torch.float16: 1e-2}


@dataclass(frozen=True, slots=True)
class Blocks:
    """What each place of a row sees.

    Attributes:
        part: (length,) a number for the prompt or completion that a place is in; tokens that only fill have one too.
        prompt: (length,) the number of the place's group's prompt.
        mask: the blocks of 128 by 128 places in which something is seen.
    """

    part: Tensor
    prompt: Tensor
    mask: BlockMask

    def tensors(self) -> list[Tensor]:
        """Everything that differs between rows of one length, in a fixed order."""
        return [self.part, self.prompt, *_tensors_of(self.mask).values()]

    def of_tensors(self, tensors: Sequence[Tensor]) -> Blocks:
        """The same kind of row with other `tensors`."""
        part, prompt, *others = tensors
        mask = copy(self.mask)
        mask.mask_mod = _seen(part, prompt)
        for name, tensor in zip(_tensors_of(self.mask), others, strict=True):
            setattr(mask, name, tensor)
        return Blocks(part, prompt, mask)


def filled_length(tokens: int) -> int:
    """The length of the row that so many tokens are laid in."""
    return next((length for length in _LENGTHS if length >= tokens), -(-tokens // 2048) * 2048)


def blocks_of(parts: Sequence[tuple[range, Sequence[range]]], length: int, *, device: torch.device) -> Blocks:
    """
    Args:
        parts: for each group the places of its prompt and of each of its completions, one after the other.
        length: of the row, a multiple of 128; tokens that nobody else sees may follow the groups.
    """
    used = max((part.stop for prompt, completions in parts for part in (prompt, *completions)), default=0)
    part, prompt_of = np.zeros((2, length), np.int32)
    pairs = np.zeros((length // _BLOCK, length // _BLOCK), np.int64)
    number = 0
    for prompt, completions in [*parts, (range(used, length), ())]:
        number += 1
        own = number
        for places in (prompt, *completions):
            part[places.start : places.stop], prompt_of[places.start : places.stop] = number, own
            _count(pairs, places, prompt if places is not prompt else range(0))
            number += 1
    whole = _BLOCK * _BLOCK
    partial, full = (pairs > 0) & (pairs < whole), pairs == whole
    listed = [array for seen in (partial, full, partial.T, full.T) for array in _listed(seen)]
    parts_of, prompts_of, *of_blocks = _moved([part, prompt_of, *listed], device)
    seen: Any = _seen(parts_of, prompts_of)
    make: Any = BlockMask
    return Blocks(parts_of, prompts_of, make((length, length), *of_blocks, BLOCK_SIZE=(_BLOCK, _BLOCK), mask_mod=seen))


def _count(pairs: np.ndarray, places: range, prompt: range) -> None:
    """Add to each block's number of (query, key) that see each other those of a part's places."""
    for block, queries in _pieces(places):
        for other, keys in _pieces(prompt):
            pairs[block, other] += queries * keys
        for other, keys in _pieces(places):
            if other <= block:
                pairs[block, other] += queries * keys if other < block else queries * (queries + 1) // 2


def _pieces(places: range) -> list[tuple[int, int]]:
    """The blocks that places lie in, and how many lie in each."""
    if not places:
        return []
    blocks = range(places.start // _BLOCK, (places.stop - 1) // _BLOCK + 1)
    return [(n, min(places.stop, (n + 1) * _BLOCK) - max(places.start, n * _BLOCK)) for n in blocks]


def _listed(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many blocks each block sees, (1, 1, blocks), and which, before all others: (1, 1, blocks, blocks)."""
    order = np.argsort(~seen, axis=1, kind="stable")
    return seen.sum(axis=1, dtype=np.int32)[None, None], order.astype(np.int32)[None, None]


def _moved(arrays: Sequence[np.ndarray], device: torch.device) -> list[Tensor]:
    """In one transfer, each array beginning where a kernel may read it."""
    rooms = [-(-array.size // _ALIGNED) * _ALIGNED for array in arrays]
    together = np.zeros(sum(rooms), np.int32)
    starts = np.cumsum([0, *rooms[:-1]])
    for start, array in zip(starts, arrays, strict=True):
        together[start : start + array.size] = array.ravel()
    moved = torch.from_numpy(together).to(device)
    return [moved[s : s + array.size].view(array.shape) for s, array in zip(starts.tolist(), arrays, strict=True)]


def attend_in_blocks(query: Tensor, key: Tensor, value: Tensor, blocks: Blocks, scaling: float) -> Tensor:
    """
    Args:
        query: (1, heads, length, width); key and value with as many or fewer heads.

    Returns:
        (1, length, heads, width)
    """
    grouped = query.shape[1] != key.shape[1]
    out: Any = _compiled()(query, key, value, block_mask=blocks.mask, scale=scaling, enable_gqa=grouped)
    return out.transpose(1, 2).contiguous()


def works(device: torch.device, dtype: torch.dtype, *, heads: int, shared_heads: int, width: int) -> bool:
    """Whether the kernel can be compiled here for heads of this kind and gives what plain attention does."""
    return device.type == "cuda" and _works(device, dtype, heads, shared_heads, width)


@cache
def _works(device: torch.device, dtype: torch.dtype, heads: int, shared_heads: int, width: int) -> bool:
    try:
        return _agrees(device, dtype, heads, shared_heads, width)
    except Exception:  # whatever a compiler may raise: there is another way
        return False


def _agrees(device: torch.device, dtype: torch.dtype, heads: int, shared_heads: int, width: int) -> bool:
    length = _LENGTHS[0]
    blocks = blocks_of([(range(3, 90), [range(90, 140), range(140, 201)])], length, device=device)
    generator = torch.Generator(device).manual_seed(0)
    states = [
        torch.randn(1, count, length, width, device=device, dtype=dtype, generator=generator)
        for count in (heads, shared_heads, shared_heads, heads)
    ]
    seen = _seen(blocks.part, blocks.prompt)
    places = torch.arange(length, device=device)
    mask = seen(0, 0, places[:, None], places[None, :])
    found = []
    for attend in (_plain, None):
        query, key, value = (tensor.clone().requires_grad_() for tensor in states[:3])
        with torch.enable_grad():
            if attend:
                out = attend(query, key, value, mask)
            else:
                out = attend_in_blocks(query, key, value, blocks, width**-0.5).transpose(1, 2)
            gradients = torch.autograd.grad(out, [query, key, value], states[3])
        found.append([out.detach().float(), *(gradient.float() for gradient in gradients)])
    allowed = _TOLERANCE.get(dtype, 3e-2)
    return all((a - b).abs().max() <= allowed * max(1.0, a.abs().max().item()) for a, b in zip(*found, strict=True))


def _plain(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """In fp32, whatever the format."""
    repeats = query.shape[1] // key.shape[1]
    key, value = (states.float().repeat_interleave(repeats, dim=1) for states in (key, value))
    scores = query.float() @ key.mT * query.shape[-1] ** -0.5
    return (scores.masked_fill(~mask, float("-inf")).softmax(-1) @ value).to(query.dtype)


def _tensors_of(mask: BlockMask) -> dict[str, Tensor]:
    return {name: value for name, value in vars(mask).items() if isinstance(value, Tensor)}


def _seen(part: Tensor, prompt: Tensor) -> Any:
    def seen(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (key <= query) & ((part[key] == part[query]) | (part[key] == prompt[query]))

    return seen


@cache
def _compiled() -> Any:
    # By default where a restart clears it, and compiling takes several times as long as reading what was compiled.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(root().parent / "kernels"))
    return torch.compile(flex_attention)
