"""Products of weights and columns, each a row of the batch, in which no bit of a column depends on the others.

Libraries choose their way by the size of a product and the number of threads, and some ways round differently. Which
do so on this machine is found by trying each size once; those are multiplied in parts.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .row_attention import FEWEST

#: Columns that are tried at once, each a whole number of FEWEST.
_WIDTHS = (64, 48, 32)
#: Results of products that a trial compares at least: in bfloat16, sums that differ are mostly rounded to the same.
_TRIED_NUMBERS = 1 << 17
_FOUND: dict[object, int] = {}


def multiply(weight: Tensor, x: Tensor, out: Tensor) -> None:
    """Write weight · x, shape (out, columns), of (in, columns): a whole number of FEWEST columns."""
    count = columns_at_once(weight, x.shape[1])
    if count == x.shape[1]:
        torch.mm(weight, x, out=out)
        return
    for some, columns in zip(out.split(count, 1), x.split(count, 1), strict=True):
        some.copy_(weight.mm(columns))


def add_product(out: Tensor, weight: Tensor, x: Tensor) -> None:
    """Add weight · x to what there is."""
    count = columns_at_once(weight, x.shape[1])
    if count == x.shape[1]:
        out.addmm_(weight, x)
        return
    for some, columns in zip(out.split(count, 1), x.split(count, 1), strict=True):
        some.copy_(torch.addmm(some, weight, columns))


def columns_at_once(weight: Tensor, columns: int) -> int:
    """In how many columns to multiply so many: all of them, or FEWEST at a time, or some number between.

    Args:
        weight: (out, in).
        columns: a whole number of FEWEST.
    """
    if columns == FEWEST or weight.device.type != "cpu":
        return columns
    asked = (weight.shape, weight.dtype, torch.get_num_threads(), columns)
    count = _FOUND.get(asked)
    if count is None:
        widths = (columns, *(width for width in _WIDTHS if width < columns and columns % width == 0))
        count = next((width for width in widths if _same_bits(weight, width)), FEWEST)
        _FOUND[asked] = count
    return count


def _same_bits(weight: Tensor, width: int) -> bool:
    """Whether products of so many random columns have the bits of those of FEWEST, with and without something added.

    The columns lie in memory in either way, and parts of them in the batch or by themselves.
    """
    generator = torch.Generator().manual_seed(0)
    size, features = weight.shape
    for _ in range(-(-_TRIED_NUMBERS // (size * width))):
        columns = torch.randn(features, width, generator=generator).to(weight.dtype)
        before = torch.randn(size, width, generator=generator).to(weight.dtype)
        for x in (columns, columns.t().contiguous().t()):
            whole, added = weight.mm(x), torch.addmm(before, weight, x)
            for place in range(0, width, FEWEST):
                some = slice(place, place + FEWEST)
                for part in (x[:, some], x[:, some].clone()):
                    if not torch.equal(weight.mm(part), whole[:, some]):
                        return False
                    if not torch.equal(torch.addmm(before[:, some], weight, part), added[:, some]):
                        return False
    return True
