"""Tiny random models of several families with a small real tokenizer, saved as ordinary model folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GPT2Config,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

SENTENCES = [
    "The quick brown fox jumps over the lazy dog, and the dog does not mind at all.",
    "Pack my box with five dozen liquor jugs; how vexingly quick daft zebras jump!",
    "To sleep well, go to bed at the same time every night and keep the room dark.",
    "Explain why the sky is blue in two short sentences for a child of seven years.",
    "Write a list of three things to bring on a walk: water, bread and a warm coat.",
    "Où est la bibliothèque ? Elle est à côté de la gare, près du marché.",
    "Die Katze schläft auf dem Sofa und träumt von Mäusen, Käse und Sonnenschein.",
]
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
END = "<|im_end|>"
VOCABULARY = 400


def tokenizer(*, chat: bool = True) -> PreTrainedTokenizerFast:
    """Byte-level BPE trained on a few sentences: any text comes back, characters of several tokens included."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[AddedToken(t, special=True) for t in ("<|endoftext|>", "<|im_start|>", END)],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    core.train_from_iterator(SENTENCES, trainer)
    made = PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token=END if chat else "<|endoftext|>",
        pad_token=END if chat else "<|endoftext|>",
        clean_up_tokenization_spaces=False,
    )
    if chat:
        made.chat_template = CHAT_TEMPLATE
    return made


def llama_config(**changes: int) -> LlamaConfig:
    values = dict(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
    )
    return LlamaConfig(**{**values, **changes})


def qwen3_config() -> Qwen3Config:
    return Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=256,
        tie_word_embeddings=False,
    )


def gemma2_config() -> Gemma2Config:
    """With both of its peculiarities in play: soft-capped logits and a window shorter than the tests' texts."""
    return Gemma2Config(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=256,
        sliding_window=16,
        final_logit_softcapping=2.0,
        attn_logit_softcapping=5.0,
    )


def gpt2_config() -> GPT2Config:
    return GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=256)


FAMILIES: dict[str, Callable[[], PreTrainedConfig]] = {
    "llama": llama_config,
    "qwen3": qwen3_config,
    "gemma2": gemma2_config,
    "gpt2": gpt2_config,
}


def save(folder: Path, config: PreTrainedConfig, *, chat: bool = True, seed: int = 0) -> Path:
    """Save a random float32 model and the tokenizer; weights large enough that choices are far apart."""
    tok = tokenizer(chat=chat)
    config.eos_token_id = config.pad_token_id = tok.eos_token_id
    config.bos_token_id = None
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.normal_(0.0, 0.25 if "embed" in name or "wte" in name else 0.15)
    model.save_pretrained(folder)
    tok.save_pretrained(folder)
    return folder


def build(family: str, folder: Path, *, chat: bool = True, seed: int = 0) -> Path:
    """Save a tiny model of a family; returns the folder."""
    return save(folder, FAMILIES[family](), chat=chat, seed=seed)


def adapter(folder: Path, base: Path, *, seed: int = 0, rank: int = 2, targets: object = "all-linear") -> Path:
    """Save a random LoRA adapter of a model, strong enough to change what it says; returns the folder."""
    from peft import LoraConfig, get_peft_model

    from dpo_studio.models.quiet import quiet

    torch.manual_seed(seed)
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(base)
        adapted = get_peft_model(model, LoraConfig(r=rank, target_modules=targets, init_lora_weights=False))
        adapted.save_pretrained(folder)
    return folder
