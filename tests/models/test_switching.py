"""Adapters that share one base in memory: the numbers are those of each loaded alone, to the last bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dpo_studio.core.errors import UserError
from dpo_studio.models import adapters, switching
from dpo_studio.models.load import LoadedModel, load
from dpo_studio.models.switching import SharedBase, can_share
from tests.tiny_models import adapter, llama_config, save

IDS = torch.tensor([[5, 6, 7, 8, 9]])


def logits(loaded: LoadedModel) -> torch.Tensor:
    with torch.no_grad():
        return loaded.model(IDS).logits


def test_each_adapter_gives_the_numbers_it_gives_alone(tiny_llama: Path, tmp_path: Path) -> None:
    one = adapter(tmp_path / "one", tiny_llama, seed=1)
    other = adapter(tmp_path / "other", tiny_llama, seed=2, rank=3, targets=["q_proj", "down_proj"])
    alone = {
        path: logits(load(str(tiny_llama), adapter=path, dtype="float32", device="cpu")) for path in (None, one, other)
    }
    assert not torch.equal(alone[None], alone[one]) and not torch.equal(alone[one], alone[other])
    shared = SharedBase(load(str(tiny_llama), dtype="float32", device="cpu"))
    for path in (None, one, other, None, other, one, None):
        loaded = shared.use(path)
        assert loaded.adapter == path
        assert torch.equal(logits(loaded), alone[path])
        assert not loaded.model.training and not any(p.requires_grad for p in loaded.model.parameters() if path)


def test_an_adapter_that_was_written_again_is_read_again(tiny_llama: Path, tmp_path: Path) -> None:
    folder = adapter(tmp_path / "one", tiny_llama, seed=1)
    shared = SharedBase(load(str(tiny_llama), dtype="float32", device="cpu"))
    before = logits(shared.use(folder))
    assert shared.has(folder)
    newer = adapter(tmp_path / "newer", tiny_llama, seed=2)
    (newer / adapters.WEIGHTS).replace(folder / adapters.WEIGHTS)
    assert not shared.has(folder)
    assert not torch.equal(logits(shared.use(folder)), before)


def test_the_adapter_used_longest_ago_goes_first(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switching, "MOST", 2)
    folders = [adapter(tmp_path / str(seed), tiny_llama, seed=seed) for seed in range(3)]
    shared = SharedBase(load(str(tiny_llama), dtype="float32", device="cpu"))
    first = logits(shared.use(folders[0]))
    for folder in (folders[1], folders[0], folders[2]):
        shared.use(folder)
    assert [shared.has(folder) for folder in folders] == [True, False, True]
    assert torch.equal(logits(shared.use(folders[0])), first)
    shared.use(folders[1])
    assert [shared.has(folder) for folder in folders] == [True, True, False]


def test_an_adapter_of_another_model_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    wide = save(tmp_path / "wide", llama_config(hidden_size=48, num_attention_heads=6))
    shared = SharedBase(load(str(tiny_llama), dtype="float32", device="cpu"))
    shared.use(adapter(tmp_path / "one", tiny_llama))
    with pytest.raises(UserError, match="does not fit this model"):
        shared.use(adapter(tmp_path / "other", wide))


def test_only_plain_lora_shares(tiny_llama: Path, tmp_path: Path) -> None:
    folder = adapter(tmp_path / "one", tiny_llama)
    assert can_share(folder)
    config = json.loads((folder / adapters.CONFIG).read_text())
    for change in ({"bias": "all"}, {"use_dora": True}, {"peft_type": "LOHA"}):
        (folder / adapters.CONFIG).write_text(json.dumps({**config, **change}))
        assert not can_share(folder)
