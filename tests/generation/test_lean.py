"""Our own forward of a row's next token against the model's own: the same numbers, whatever is switched meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, MistralConfig, PreTrainedConfig, Qwen2Config

from dpo_studio.generation import lean, packed
from dpo_studio.generation.lean import Lean
from dpo_studio.generation.packed import FEWEST_PACKED, Packed
from dpo_studio.generation.row_attention import FEWEST
from dpo_studio.generation.rows import Rows
from dpo_studio.models.load import load
from dpo_studio.models.switching import SharedBase
from tests.tiny_models import VOCABULARY, adapter, gemma2_config, gpt2_config, llama_config, qwen3_config, save

SIZES = dict(
    vocab_size=VOCABULARY,
    hidden_size=128,
    intermediate_size=160,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=512,
)
ROPE = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0}
CONFIGS: dict[str, Callable[[], PreTrainedConfig]] = {
    "llama": lambda: llama_config(**SIZES),
    "llama with scaled positions": lambda: llama_config(
        **SIZES,
        rope_parameters={**ROPE, "high_freq_factor": 4.0, "original_max_position_embeddings": 64},  # type: ignore[arg-type]
    ),
    "llama with biases": lambda: llama_config(**SIZES, attention_bias=True, mlp_bias=True),
    "mistral": lambda: MistralConfig(**SIZES, sliding_window=None),
    "qwen2": lambda: Qwen2Config(**SIZES),
    "qwen3": qwen3_config,
}
FIRST, SECOND = [5, 6, 7, 300, 41], [9, 10, 11, 12, 13, 14, 15, 16]


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(autouse=True, params=["packed", "as they lie"])
def packs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Weights in either way, whatever this machine would choose."""
    wanted = request.param == "packed"
    if wanted and not torch.backends.mkldnn.is_available():
        pytest.skip("PyTorch is built without oneDNN")
    monkeypatch.setattr(lean, "worth_packing", lambda weights: wanted)
    return wanted


def random_model(config: PreTrainedConfig, dtype: torch.dtype = torch.float32) -> Any:
    """Every weight random, biases and norms too."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for weight in model.parameters():
        weight.normal_(0.0, 0.12) if weight.dim() > 1 else weight.uniform_(0.2, 1.2)
    return model.to(dtype).eval()


def whole(model: Any, tokens: list[int]) -> torch.Tensor:
    return model(torch.tensor([tokens])).logits[0, -1].float()


def rows_of(model: Any, *prompts: tuple[list[int], int]) -> Rows:
    rows = Rows(model, next(model.parameters()).device)
    for prompt, count in prompts:
        rows.join(rows.read(prompt), count)
    return rows


@pytest.mark.parametrize("name", CONFIGS)
def test_the_numbers_are_those_of_the_models_own_forward(name: str, packs: bool) -> None:
    model = random_model(CONFIGS[name]())
    found = Lean.of(model)
    assert found is not None and found.fewest == (FEWEST_PACKED if packs else FEWEST)
    rows = rows_of(model, (FIRST, 2), (SECOND, 1))
    said: list[list[int]] = [[*FIRST], [*FIRST], [*SECOND]]
    for step in range(40):  # past the first 32 places
        tokens = [(17 * step + 5 * row) % VOCABULARY for row in range(3)]
        rows.step(tokens)
        for ids, token in zip(said, tokens, strict=True):
            ids.append(token)
    for row, ids in enumerate(said):
        assert torch.allclose(rows.logits[row], whole(model, ids), atol=2e-4)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["llama", "qwen2"])
def test_no_bit_of_a_row_depends_on_its_neighbours(name: str, dtype: torch.dtype, threads: int) -> None:
    model = random_model(CONFIGS[name](), dtype)
    assert Lean.of(model) is not None
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        alone = rows_of(model, (FIRST, 1))
        others = [
            rows_of(model, (FIRST, 2)),
            rows_of(model, (SECOND, 3), (FIRST, 1)),
            rows_of(model, (FIRST, 16)),
            rows_of(model, (SECOND, 5), (FIRST, 30)),
            rows_of(model, (SECOND, 31), (FIRST, 9)),
            rows_of(model, (FIRST, 8), (SECOND, 56)),
        ]
        for step in range(36):
            tokens = [step + 20]
            alone.step(tokens)
            for number, rows in enumerate(others):
                place = (0, 3, 0, 5, 39, 7)[number]
                beside = [(31 * step + row * (number + 3)) % VOCABULARY for row in range(len(rows))]
                beside[place] = tokens[0]
                rows.step(beside)
                assert torch.equal(rows.logits[place], alone.logits[0]), (number, step)
    finally:
        torch.set_num_threads(before)


def test_adapters_are_followed_between_two_steps(tmp_path: Path) -> None:
    base = save(tmp_path / "base", llama_config(**SIZES))
    one, other = adapter(tmp_path / "one", base, seed=1, rank=4), adapter(tmp_path / "other", base, seed=2)
    shared = SharedBase(load(str(base), dtype="float32", device="cpu"))
    model = shared.base.model
    plain = whole(model, [*FIRST, 20])
    found = []
    for folder in (None, one, other, None, one):
        shared.use(folder)
        rows = rows_of(model, (FIRST, 1))
        assert Lean.of(model) is not None
        found.append(rows.step([20])[0])
        assert torch.allclose(found[-1], whole(model, [*FIRST, 20]), atol=2e-4)
    assert torch.equal(found[0], found[3]) and torch.equal(found[1], found[4])
    assert not torch.allclose(found[1], plain, atol=1e-2) and not torch.allclose(found[1], found[2], atol=1e-2)
    # Rows that are there already follow as well.
    rows = rows_of(model, ([20], 1))
    shared.use(None)
    after_the_base = rows.step([21])[0]
    rows = rows_of(model, ([20], 1))
    shared.use(other)
    assert not torch.allclose(rows.step([21])[0], after_the_base, atol=1e-2)


def test_adapters_in_float32_on_a_model_in_bfloat16_are_decoded_by_it(tmp_path: Path) -> None:
    base = save(tmp_path / "base", llama_config(**SIZES))
    folder = adapter(tmp_path / "one", base, seed=1, rank=4)
    exact = load(str(base), adapter=folder, dtype="float32", device="cpu").model.get_base_model()
    plain = load(str(base), dtype="float32", device="cpu").model
    model = load(str(base), adapter=folder, dtype="bfloat16", device="cpu").model.get_base_model()
    kinds = {weight.dtype for name, weight in model.named_parameters() if "lora" in name}
    assert kinds == {torch.float32} and Lean.of(model) is not None
    found = rows_of(model, (FIRST, 1)).step([20])[0]
    expected, without = (whole(one, [*FIRST, 20]) for one in (exact, plain))
    apart = (found - expected).norm() / expected.norm()
    assert apart < 4e-2 and (without - expected).norm() / expected.norm() > 5 * apart


def test_weights_that_change_and_adapters_that_are_merged_count_at_once(tmp_path: Path) -> None:
    base = save(tmp_path / "base", llama_config(**SIZES))
    folder = adapter(tmp_path / "one", base, seed=1, rank=4)
    loaded = load(str(base), adapter=folder, dtype="float32", device="cpu")
    model = loaded.model.get_base_model()  # type: ignore[operator]
    tuner: Any = loaded.model.base_model

    def check() -> torch.Tensor:
        logits = rows_of(model, (FIRST, 1)).step([20])[0]
        assert Lean.of(model) is not None
        assert torch.allclose(logits, whole(model, [*FIRST, 20]), atol=2e-4)
        return logits

    seen = [check()]
    tuner.merge_adapter()
    assert torch.allclose(check(), seen[0], atol=1e-3)
    tuner.unmerge_adapter()
    tuner.merge_adapter(safe_merge=True)  # which puts other tensors into the weights
    assert torch.allclose(check(), seen[0], atol=1e-3)
    tuner.unmerge_adapter()
    for part in (
        "lora_B.default.weight",
        "layers.1.input_layernorm.weight",
        "layers.0.mlp.down_proj.base_layer.weight",
    ):
        for name, weight in model.named_parameters():
            if name.endswith(part):
                weight.mul_(1.5)
        seen.append(check())
        assert not torch.allclose(seen[-1], seen[-2], atol=1e-3)


def test_an_adapter_in_training_mode_with_dropout_is_left_to_peft(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    model = random_model(llama_config(**SIZES))
    adapted = get_peft_model(model, LoraConfig(r=2, lora_dropout=0.5, target_modules=["q_proj"]))
    adapted.eval()
    assert Lean.of(model) is not None
    adapted.train()
    assert Lean.of(model) is None
    adapted.eval()
    assert Lean.of(model) is not None


def test_where_packed_weights_round_by_the_number_of_rows_they_are_taken_as_they_lie(
    packs: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of the weights, which is known at once, or of an adapter that comes later, in the midst of an answer."""
    monkeypatch.setattr(packed, "_FOUND", {})
    base = save(tmp_path / "base", llama_config(**SIZES))
    shared = SharedBase(load(str(base), dtype="float32", device="cpu"))
    folder = adapter(tmp_path / "one", base, seed=1, rank=4)
    model = shared.base.model
    rows = rows_of(model, (FIRST, 3))
    rows.step([20, 21, 22])
    found = Lean.of(model)
    assert found is not None and found.fewest == (FEWEST_PACKED if packs else FEWEST)
    monkeypatch.setattr(Packed, "_rounds_alike", lambda self, size, features: size > 8 * features)
    shared.use(folder)
    rows.step([30, 31, 32])
    found = Lean.of(model)
    assert found is not None and found.fewest == FEWEST
    shared.use(None)
    fresh = rows_of(model, (FIRST, 3))
    fresh.step([20, 21, 22])
    assert torch.allclose(fresh.logits[1], whole(model, [*FIRST, 21]), atol=2e-4)


def test_packed_weights_follow_the_number_of_threads(packs: bool) -> None:
    model = random_model(llama_config(**SIZES))
    rows = rows_of(model, (FIRST, 2))
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            rows.step([20, 21])
            found = Lean.of(model)
            assert found is not None and found.threads == threads
    finally:
        torch.set_num_threads(before)
    assert torch.allclose(rows.logits[1], whole(model, [*FIRST, 21, 21]), atol=2e-4)


@pytest.mark.parametrize("config", [gemma2_config, gpt2_config])
def test_other_families_keep_their_own_forward(config: Callable[[], PreTrainedConfig]) -> None:
    assert Lean.of(random_model(config())) is None


def test_a_model_that_computes_something_else_is_found_out() -> None:
    """It is built of the same parts, and only the comparison can tell."""
    model = random_model(llama_config(**SIZES))
    layer = model.model.layers[1]
    theirs = layer.mlp.forward
    layer.mlp.forward = lambda x: 1.2 * theirs(x)
    assert Lean.of(model) is None
    rows = rows_of(model, (FIRST, 2))
    assert torch.allclose(rows.step([20, 21])[1], whole(model, [*FIRST, 21]), atol=2e-4)


def test_a_hook_is_heeded() -> None:
    model = random_model(llama_config(**SIZES))
    model.model.layers[0].self_attn.q_proj.register_forward_hook(lambda module, args, out: 2 * out)
    assert Lean.of(model) is None
    assert torch.allclose(rows_of(model, (FIRST, 1)).step([20])[0], whole(model, [*FIRST, 20]), atol=2e-4)


@pytest.mark.starter
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_starter_is_decoded_by_it(starter: Path, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(str(starter), dtype=dtype, device="cpu")
    ours = rows_of(loaded.model, (FIRST, 3))
    assert Lean.of(loaded.model) is not None
    theirs = rows_of(loaded.model, (FIRST, 3))
    for step in range(3):
        found = ours.step([step + 100 + row for row in range(3)])
        with monkeypatch.context() as off:
            off.setattr(lean.Lean, "of", classmethod(lambda cls, model: None))
            expected = theirs.step([step + 100 + row for row in range(3)])
        apart = ((found - expected).norm() / expected.norm()).item()
        assert apart < (1e-5 if dtype == "float32" else 4e-2)
