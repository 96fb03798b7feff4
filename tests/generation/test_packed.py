"""Packed weights: the same products, bits of a row that no other row changes, and where packing is not worth it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from dpo_studio.generation import packed
from dpo_studio.generation.packed import FEWEST_PACKED, Packed, RoundsOtherwise, worth_packing

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="PyTorch is built without oneDNN")

#: Of the starter model, of its adapters, and of a model of a test's size.
SHAPES = [(960, 576), (576, 576), (3072, 576), (576, 1536), (48, 576), (3072, 32), (64, 64), (24, 8)]


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    monkeypatch.setattr(packed, "_FOUND", {})
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_no_bit_of_a_row_depends_on_how_many_there_are(
    shape: tuple[int, int], dtype: torch.dtype, threads: int
) -> None:
    generator = torch.Generator().manual_seed(threads)
    weight = torch.randn(shape, generator=generator).to(dtype)
    product = Packed(weight)
    for count in (4, 12, 16, 24, 52, 64):
        # As norms leave them: beside something else.
        x = torch.randn(count, 2 * shape[1], generator=generator).to(dtype)[:, : shape[1]]
        before = torch.randn(count, shape[0], generator=generator).to(dtype)
        found, added = product(x), product.added(before, x)
        for place in range(0, count, FEWEST_PACKED):
            some = slice(place, place + FEWEST_PACKED)
            assert torch.equal(found[some], product(x[some].clone()))
            assert torch.equal(added[some], product.added(before[some].clone(), x[some].clone()))
        exact = x.double() @ weight.double().t()
        close = 1e-5 if dtype == torch.float32 else 1e-2
        assert (found - exact).abs().max() <= close * exact.abs().max()
        assert (added - before - exact).abs().max() <= 2 * close * exact.abs().max()


def test_what_is_multiplied_with_the_same_rows_is_packed_as_one(threads: int) -> None:
    weights = [torch.randn(size, 96) for size in (64, 16, 16)]
    x = torch.randn(8, 96)
    parts = Packed(*weights)(x).split([64, 16, 16], 1)
    for part, weight in zip(parts, weights, strict=True):
        assert torch.allclose(part, x @ weight.t(), atol=1e-4)


def test_it_is_refused_where_rows_round_by_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the product of more than 8 rows were rounded in another way."""
    monkeypatch.setattr(packed, "_FOUND", {})
    product = Packed.__call__
    monkeypatch.setattr(Packed, "__call__", lambda self, x: product(self, x) * (1 + 1e-6 * (len(x) > 8)))
    for _ in range(2):  # the second time from memory
        with pytest.raises(RoundsOtherwise):
            Packed(torch.randn(96, 64))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A processor with AVX-512 BF16, AVX2 and 1 GB of memory, and no AMX."""
    has = SimpleNamespace(amx=False, bf16=True, avx2=True, total=1 << 30)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: has.amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has.bf16)
    monkeypatch.setattr(torch.cpu, "_is_avx2_supported", lambda: has.avx2)
    monkeypatch.setattr(packed.psutil, "virtual_memory", lambda: SimpleNamespace(total=has.total))
    return has


def test_what_is_packed_and_where(machine: SimpleNamespace) -> None:
    exact, half = [torch.zeros(64, 32)], [torch.zeros(64, 32, dtype=torch.bfloat16)]
    assert worth_packing(exact) and worth_packing(half)
    assert not worth_packing([torch.zeros(64, 32, dtype=torch.float16)])
    assert not worth_packing([torch.zeros(64, 32, device="meta")])
    machine.amx = True
    assert worth_packing(exact) and not worth_packing(half)
    machine.amx, machine.bf16, machine.avx2 = False, False, False
    assert not worth_packing(exact) and not worth_packing(half)


def test_copies_take_an_eighth_of_the_memory_at_most(machine: SimpleNamespace) -> None:
    weights = [torch.zeros(64, 32)] * 4
    machine.total = 8 * 4 * 64 * 32 * 4
    assert worth_packing(weights)
    machine.total -= 1
    assert not worth_packing(weights)
