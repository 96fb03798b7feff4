"""Weights in the order in which the CPU's library multiplies them: a copy, beside the model's own.

Without it oneDNN puts a weight into that order at every product, or reads it as it lies, which is slower on most
processors; where a few rows are multiplied at a time, that is what takes the time (see tests/benchmarks/LOG.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import psutil
import torch
from torch import Tensor

#: Rows of a product at least. No bit of a row depends on how many others there are, from two on.
FEWEST_PACKED = 4
#: The share of the memory that copies of a model's weights may take. Of all of it, not of what is free now: in
#: float32 a packed weight rounds otherwise, and the same settings are to give the same text on another day.
_SHARE = 1 / 8
#: Numbers of rows that are tried against FEWEST_PACKED, and results that a trial compares at least.
_TRIED_ROWS = (8, 64)
_TRIED_NUMBERS = 1 << 15
_FOUND: dict[object, bool] = {}


class RoundsOtherwise(Exception):
    """On this machine the bits of a row depend on how many others there are."""


def worth_packing(weights: Sequence[Tensor]) -> bool:
    """Whether copies of a model's weights, all of one format and device, make products faster, and have room.

    Processors with AMX multiply bfloat16 weights as fast as they lie.
    """
    first = weights[0]
    if first.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if first.dtype == torch.bfloat16:
        able = torch.cpu._is_avx512_bf16_supported() and not torch.cpu._is_amx_tile_supported()
    else:
        able = first.dtype == torch.float32 and torch.cpu._is_avx2_supported()
    return able and sum(weight.nbytes for weight in weights) <= psutil.virtual_memory().total * _SHARE


class Packed:
    """Weights that are multiplied with the same rows, one below the other.

    Raises:
        RoundsOtherwise: see there.
    """

    def __init__(self, *weights: Tensor) -> None:
        """Of weights of shape (out, in)."""
        joined = weights[0] if len(weights) == 1 else torch.cat(weights)
        self._weight = torch.ops.mkldnn._reorder_linear_weight(joined.detach().contiguous(), FEWEST_PACKED)
        asked = (joined.shape, joined.dtype, torch.get_num_threads())
        if asked not in _FOUND:
            _FOUND[asked] = self._rounds_alike(*joined.shape)
        if not _FOUND[asked]:
            raise RoundsOtherwise

    def __call__(self, x: Tensor) -> Tensor:
        """The product x · weightᵀ, shape (rows, out), of (rows, in)."""
        made: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, None, "none", [], "")
        return made

    def added(self, to: Tensor, x: Tensor) -> Tensor:
        """The same, and something of that shape added to it."""
        made: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, to, self._weight, None, "add")
        return made

    def _rounds_alike(self, size: int, features: int) -> bool:
        """Whether random rows give the bits that FEWEST_PACKED of them give, with and without something added."""
        generator = torch.Generator().manual_seed(0)
        dtype = self._weight.dtype
        for rows in _TRIED_ROWS:
            for _ in range(-(-_TRIED_NUMBERS // (size * rows))):
                x = torch.randn(rows, features, generator=generator).to(dtype)
                before = torch.randn(rows, size, generator=generator).to(dtype)
                whole, added = self(x), self.added(before, x)
                for some in (slice(place, place + FEWEST_PACKED) for place in range(0, rows, FEWEST_PACKED)):
                    for part in (x[some], x[some].clone()):
                        if not torch.equal(self(part), whole[some]):
                            return False
                        if not torch.equal(self.added(before[some], part), added[some]):
                            return False
        return True
