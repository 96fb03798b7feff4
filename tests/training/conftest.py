"""Tiny real models, a tiny tokenizer, and run folders to train in."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from dpo_studio.training.batches import Example

VOCABULARY = 64
_TEMPLATE = (
    "{% for m in messages %}<start>{{ m['role'] }} {{ m['content'] }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<start>assistant{% endif %}"
)
_SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 0,
    "eos_token_id": 1,
}


def build(family: str, **changes):
    """A small model of a family with weights large enough to matter, fp32, in eval mode."""
    config_class = transformers.CONFIG_MAPPING[family]
    if family == "gpt2":
        sizes = {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}
    elif family == "mamba":
        sizes = {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 4}
    else:
        sizes = _SIZES
    config = config_class(**{**sizes, **changes})
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.25)
    return model.eval()


def tokenizer():
    words = ["<start>", "<end>", "<unk>", "system", "user", "assistant"]
    words += [f"w{n}" for n in range(VOCABULARY - len(words))]
    raw = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<start>", eos_token="<end>", unk_token="<unk>", pad_token="<end>"
    )
    fast.chat_template = _TEMPLATE
    return fast


def example(rng: random.Random, name: str = "g", *, k: int = 3, prompt: int = 7, longest: int = 9) -> Example:
    def draw(n: int) -> tuple[int, ...]:
        return tuple(rng.randrange(2, VOCABULARY) for _ in range(n))

    ranks = list(range(1, k + 1))
    rng.shuffle(ranks)
    completions = tuple((*draw(rng.randint(1, longest - 1)), 1) for _ in range(k))
    return Example(name, False, draw(prompt), completions, tuple(ranks))


@pytest.fixture(scope="session")
def build_model():
    return build


@pytest.fixture
def make_example():
    return example


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """A folder with a Llama of two layers and its tokenizer."""
    folder = tmp_path_factory.mktemp("tiny") / "llama"
    build("llama").save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def group_line(rng: random.Random, number: int, *, k: int = 3, held_out: bool = False, **changes) -> dict:
    """A group whose better answers say w1 more often and whose worse ones say w2."""
    ranks = list(range(1, k + 1))
    rng.shuffle(ranks)
    completions = []
    for rank in ranks:
        favourite = ["w1", "w3", "w2"][min(rank - 1, 2)]
        words = [rng.choice([favourite, f"w{rng.randrange(4, 40)}"]) for _ in range(rng.randint(4, 10))]
        completions.append(
            {"text": " ".join(words), "token_ids": None, "tokenizer_hash": None, "finish_reason": "written"}
        )
    prompt = " ".join(f"w{rng.randrange(4, 40)}" for _ in range(rng.randint(3, 6)))
    return {
        "group": f"group-{number:03d}",
        "held_out": held_out,
        "prompt": [{"role": "user", "content": prompt}],
        "completions": completions,
        "ranks": ranks,
        "strength": 1,
        "annotator": "test",
        **changes,
    }


@pytest.fixture
def make_run(tmp_path, tiny_model):
    """Writes a run folder: 10 training groups, 4 held out, 2 sample prompts; settings by keyword."""

    def make(name: str = "run", *, groups=None, adapter=None, base=None, **settings) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        rng = random.Random(7)
        if groups is None:
            groups = [group_line(rng, n, held_out=n >= 10) for n in range(14)]
        training = {
            "lora_rank": 4,
            "lora_alpha": 8,
            "learning_rate": 1e-2,
            "epochs": 4,
            "batch_groups": 4,
            "dtype": "float32",
            "device": "cpu",
            "evaluate_every": 3,
            "checkpoint_every": 2,
            "fresh_tokens": 6,
            **settings,
        }
        body = {"run": name, "base": str(base or tiny_model), "adapter": adapter, "training": training}
        (folder / "settings.json").write_text(json.dumps(body))
        (folder / "data.jsonl").write_text("".join(json.dumps(group) + "\n" for group in groups))
        prompts = [{"prompt": n, "messages": [{"role": "user", "content": f"w{n + 5} w9"}]} for n in range(2)]
        (folder / "sample_prompts.jsonl").write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
        return folder

    make.group = group_line
    return make
