"""Loading with and without adapters, the device's choice, and log-probabilities against hand-made ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

from dpo_studio.core.errors import UserError
from dpo_studio.models import device
from dpo_studio.models import load as load_module
from dpo_studio.models.chat import tokenizer_hash
from dpo_studio.models.load import DoesNotFitError, load, load_where_it_fits
from dpo_studio.models.logprobs import token_logps
from tests.tiny_models import FAMILIES, llama_config, save, tokenizer

PROMPT, COMPLETION = [5, 90, 17, 33], [201, 40, 2]


@pytest.fixture
def adapter(tiny_llama: Path, tmp_path: Path) -> Path:
    """An adapter that changes something."""
    base = load(str(tiny_llama), dtype="float32", device="cpu").model
    model = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
    model.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_loads_with_what_belongs_to_it(tiny_model: Callable[[str], Path], family: str) -> None:
    loaded = load(str(tiny_model(family)), dtype="float32", device="cpu")
    assert not loaded.model.training
    assert {weight.dtype for weight in loaded.model.parameters()} == {torch.float32}
    assert loaded.context_length == 256
    assert loaded.device == torch.device("cpu")
    # Independent count: the numbers in the file. A tied head is kept once in both.
    assert loaded.parameters == sum(w.numel() for w in load_file(tiny_model(family) / "model.safetensors").values())


def test_log_probabilities_are_those_of_each_prefix_read_alone(tiny_llama: Path) -> None:
    model = load(str(tiny_llama), dtype="float32", device="cpu").model
    with torch.no_grad():
        got = token_logps(model, PROMPT, COMPLETION)
        for place, token in enumerate(COMPLETION):
            prefix = torch.tensor([PROMPT + COMPLETION[:place]])
            scores = model(input_ids=prefix).logits[0, -1].double()
            assert got[place].item() == pytest.approx((scores[token] - scores.logsumexp(0)).item(), abs=1e-5)
        assert token_logps(model, PROMPT, []).shape == (0,)
    assert token_logps(model, PROMPT, COMPLETION).requires_grad
    assert got.dtype == torch.float32


def test_an_adapter_acts_and_can_be_switched_off(tiny_llama: Path, adapter: Path) -> None:
    plain = load(str(tiny_llama), dtype="float32", device="cpu").model
    adapted = load(str(tiny_llama), adapter=adapter, dtype="float32", device="cpu")
    assert isinstance(adapted.model, PeftModel)
    assert list(adapted.model.peft_config) == ["default"]
    assert adapted.parameters == sum(weight.numel() for weight in plain.parameters())
    with torch.no_grad():
        base = token_logps(plain, PROMPT, COMPLETION)
        assert (token_logps(adapted.model, PROMPT, COMPLETION) - base).abs().max() > 1e-2
        with adapted.model.disable_adapter():
            assert torch.equal(token_logps(adapted.model, PROMPT, COMPLETION), base)


def test_an_adapter_of_another_shape_is_refused(adapter: Path, tmp_path: Path) -> None:
    other = save(tmp_path / "wider", llama_config(hidden_size=48, num_attention_heads=6))
    with pytest.raises(UserError, match="does not fit this model"):
        load(str(other), adapter=adapter, dtype="float32", device="cpu")


def test_an_adapter_of_another_family_is_refused(adapter: Path, tiny_gpt2: Path) -> None:
    with pytest.raises(UserError, match="does not fit this model"):
        load(str(tiny_gpt2), adapter=adapter, dtype="float32", device="cpu")


def test_an_adapter_of_a_deeper_model_is_refused(tiny_llama: Path, adapter: Path, tmp_path: Path) -> None:
    """Its extra layers find no place, which would otherwise pass in silence."""
    weights = load_file(adapter / "adapter_model.safetensors")
    extra = {name.replace("layers.1.", "layers.7."): w.clone() for name, w in weights.items() if "layers.1." in name}
    save_file({**weights, **extra}, adapter / "adapter_model.safetensors")
    with pytest.raises(UserError, match="does not fit this model"):
        load(str(tiny_llama), adapter=adapter, dtype="float32", device="cpu")


def test_a_pickled_adapter_is_refused(tiny_llama: Path, adapter: Path) -> None:
    torch.save(load_file(adapter / "adapter_model.safetensors"), adapter / "adapter_model.bin")
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(UserError, match="pickle can run any code"):
        load(str(tiny_llama), adapter=adapter)


@pytest.mark.parametrize("spoil", ["folder", "config", "weights", "truncated"])
def test_a_damaged_adapter_is_refused(tiny_llama: Path, adapter: Path, spoil: str) -> None:
    weights = adapter / "adapter_model.safetensors"
    if spoil == "folder":
        adapter.rename(adapter.with_name("moved"))
    elif spoil == "config":
        (adapter / "adapter_config.json").unlink()
    elif spoil == "weights":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:300])
    with pytest.raises(UserError) as caught:
        load(str(tiny_llama), adapter=adapter, dtype="float32")
    assert caught.value.hint


@pytest.mark.parametrize(("ends", "known"), [([7, 9], {7, 9}), (11, {11}), (None, set())])
def test_every_end_that_the_generation_settings_name_ends_an_answer(
    ends: object, known: set[int], tiny_llama: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_llama, folder)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
    chat = load(str(folder), device="cpu", dtype="float32").chat
    assert known <= chat.end_ids and chat.end_ids - known == load(str(tiny_llama), device="cpu").chat.end_ids - known


def test_the_tokenizers_hash_is_that_of_its_vocabulary(tiny_llama: Path, tiny_gpt2: Path, tmp_path: Path) -> None:
    one, other = load(str(tiny_llama), dtype="float32"), load(str(tiny_gpt2), dtype="float32")
    assert one.tokenizer_hash == other.tokenizer_hash  # the same tokenizer, saved twice
    assert len(one.tokenizer_hash) == 16 and int(one.tokenizer_hash, 16) >= 0
    path = tmp_path / "tok"
    tokenizer().save_pretrained(path)
    body = json.loads((path / "tokenizer.json").read_text())
    (path / "tokenizer.json").write_text(json.dumps(body))  # the same in another layout
    from transformers import AutoTokenizer

    again = AutoTokenizer.from_pretrained(path)
    assert tokenizer_hash(again) == one.tokenizer_hash
    again.add_tokens(["brand-new"])
    assert tokenizer_hash(again) != one.tokenizer_hash


def test_the_number_format_follows_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for speed, wanted in (
        (device.Speed(1.0, 0.2), torch.bfloat16),
        (device.Speed(1.0, 0.95), torch.float32),
        (device.Speed(1.0, None), torch.float32),
    ):
        monkeypatch.setattr(device, "measure", lambda where, speed=speed: speed)
        assert device.choose_dtype(cpu) == wanted
    monkeypatch.setattr(device, "measure", lambda where: device.Speed(1.0, 0.2))
    assert "measured 5.0x faster" in device.describe(cpu, torch.bfloat16)
    assert "CPU" in device.describe(cpu, torch.bfloat16)


def test_the_measurement_is_of_real_products() -> None:
    speed = device.measure(torch.device("cpu"))
    assert speed.float32_s > 0
    assert speed.bfloat16_s is None or speed.bfloat16_s > 0


#: What PyTorch says on a GPU, and on the CPU, whose allocator has no error of its own.
OUT_OF_MEMORY = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] data. DefaultCPUAllocator: can't allocate memory: you tried"),
)


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_a_model_that_does_not_fit_is_told_in_a_sentence(
    error: Exception, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", Mock(side_effect=error))
    with pytest.raises(DoesNotFitError, match="does not fit into the memory"):
        load(str(tiny_llama), device="cpu")


def test_what_does_not_fit_on_the_gpu_is_loaded_for_the_cpu_unless_a_device_was_named(
    tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_cpu, gpu = load_module.choose, torch.device("cuda")
    monkeypatch.setattr(load_module, "choose", lambda name: gpu if name in ("auto", "cuda") else on_cpu(name))
    monkeypatch.setattr(load_module, "choose_dtype", lambda where, name: torch.float32)
    whole = load_module._load

    def on_a_full_gpu(folder: Path, name: str, where: torch.device, dtype: torch.dtype) -> object:
        if where == gpu:
            raise DoesNotFitError("It does not fit.", "Choose a smaller one.")
        return whole(folder, name, where, dtype)

    monkeypatch.setattr(load_module, "_load", on_a_full_gpu)
    stages: list[str] = []
    assert load_where_it_fits(str(tiny_llama), on_stage=stages.append).device.type == "cpu"
    assert any("too little memory" in stage for stage in stages)
    with pytest.raises(DoesNotFitError):
        load_where_it_fits(str(tiny_llama), device="cuda")


def test_devices_that_are_not_there_are_refused() -> None:
    assert device.choose("cpu") == torch.device("cpu")
    for name in {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}.items():
        if not name[1]:
            with pytest.raises(UserError, match=name[0].upper()):
                device.choose(name[0])
    with pytest.raises(UserError, match="not a device"):
        device.choose("abacus")
    with pytest.raises(UserError, match="not a number format"):
        device.choose_dtype(torch.device("cpu"), "float7")
