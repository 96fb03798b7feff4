"""Products of many columns against the same columns by FEWEST, on the shapes of the starter model and its adapters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from dpo_studio.generation import products
from dpo_studio.generation.products import add_product, columns_at_once, multiply
from dpo_studio.generation.row_attention import FEWEST

SHAPES = [(576, 576), (192, 576), (1536, 576), (576, 1536), (48, 576), (960, 48)]


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    monkeypatch.setattr(products, "_FOUND", {})
    yield request.param
    torch.set_num_threads(before)


def check(weight: torch.Tensor, count: int, seed: int) -> None:
    """That each part of the columns gives the bits that it gives by itself, either way the columns lie in memory."""
    generator = torch.Generator().manual_seed(seed)
    columns = torch.randn(weight.shape[1], count, generator=generator).to(weight.dtype)
    before = torch.randn(weight.shape[0], count, generator=generator).to(weight.dtype)
    for x in (columns, columns.t().contiguous().t()):
        found, added = torch.empty_like(before), before.clone()
        multiply(weight, x, found)
        add_product(added, weight, x)
        for place in range(0, count, FEWEST):
            some = slice(place, place + FEWEST)
            alone, more = torch.empty(weight.shape[0], FEWEST, dtype=weight.dtype), before[:, some].clone()
            multiply(weight, x[:, some].clone(), alone)
            add_product(more, weight, x[:, some].clone())
            assert torch.equal(found[:, some], alone)
            assert torch.equal(added[:, some], more)
        exact = weight.double() @ x.double()
        assert (found - exact).abs().max() <= 1e-2 * exact.abs().max()
        assert (added - before - exact).abs().max() <= 2e-2 * exact.abs().max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_no_bit_of_a_column_depends_on_how_many_there_are(
    shape: tuple[int, int], dtype: torch.dtype, threads: int
) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(threads)).to(dtype)
    for seed, count in enumerate((16, 32, 48, 64, 80, 112)):
        check(weight, count, seed)


@pytest.mark.parametrize("most", [16, 32])
def test_where_more_columns_round_differently_they_are_taken_in_parts(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_FOUND", {})
    monkeypatch.setattr(products, "_same_bits", lambda weight, width: width <= most)
    weight = torch.randn(96, 64, generator=torch.Generator().manual_seed(1))
    assert [columns_at_once(weight, count) for count in (16, 32, 48, 64)] == [16, most, 16, most]
    for count in (16, 32, 48, 64):
        check(weight, count, count)


def test_each_size_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    monkeypatch.setattr(products, "_FOUND", {})
    monkeypatch.setattr(products, "_same_bits", lambda weight, width: tried.append(width) is None and width == 32)
    for _ in range(3):
        assert columns_at_once(torch.zeros(96, 64), 64) == 32
    assert tried == [64, 32]
