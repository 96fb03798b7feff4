"""Many prompts in one batch: the same bits as each alone, whatever joins and leaves, and the models that can do it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch

from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message
from dpo_studio.generation import drawing, room
from dpo_studio.generation.answers import Answer, TextPiece
from dpo_studio.generation.drawing import Ended, Wish, draw
from dpo_studio.generation.lean import Lean
from dpo_studio.generation.rows import Rows
from dpo_studio.generation.shared_attention import UNLIMITED, reach
from dpo_studio.models.load import LoadedModel, load
from tests.tiny_models import adapter, llama_config, save

TEXTS = (
    "Hi",
    "Explain why the sky is blue.",
    "Write a list of three things to bring on a walk. " * 3,
    "Where?",
    "dog " * 40,
)
SAMPLING = SamplingSettings(temperature=0.9, max_new_tokens=36, seed=3)


def wish(key: int, candidates: Iterable[int] = (0, 1), sampling: SamplingSettings = SAMPLING, taken=()) -> Wish:
    return Wish(key, (Message("user", TEXTS[key]),), dict.fromkeys(candidates, sampling), taken)


def drawn(loaded: LoadedModel, wishes: Iterable[Wish], **options) -> dict[tuple[int, int], Answer]:
    return {(key, said.candidate): said for key, said in draw(loaded, wishes, **options) if isinstance(said, Answer)}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_no_bit_depends_on_what_is_drawn_beside_it(tmp_path: Path, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers, and their log-probabilities to the last bit: alone, one by one, as others leave, 41 at once.

    The model is so wide that no product falls below the size from which libraries take their fast path (4,096).
    """
    wide = llama_config(max_position_embeddings=512, hidden_size=128, intermediate_size=128)
    base = save(tmp_path / "model", wide)
    folder = adapter(tmp_path / "adapter", base)
    for loaded in (
        load(str(base), dtype=dtype, device="cpu"),
        load(str(base), adapter=folder, dtype=dtype, device="cpu"),
    ):
        ks = {0: 9, 1: 3, 2: 9, 3: 11, 4: 9}
        alone = {}
        for key, k in ks.items():
            alone.update(drawn(loaded, [wish(key, range(k), taken=None)]))
        one_by_one = {}
        for key, k in ks.items():
            for candidate in (0, k - 1):
                one_by_one.update(drawn(loaded, [wish(key, [candidate], taken=None)]))
        assert one_by_one == {place: alone[place] for place in one_by_one}
        orders = (
            (3, 3, (0, 1, 2, 3, 4)),
            (20, 11, (4, 2, 0, 3, 1)),
            (64, 16, (1, 0, 3, 4, 2)),
            (64, 64, (3, 1, 4, 0, 2)),
        )
        for rows, first, order in orders:
            monkeypatch.setitem(room.MOST_ROWS, "cpu", rows)
            monkeypatch.setitem(room.FIRST_ROWS, "cpu", first)
            assert drawn(loaded, [wish(key, range(ks[key]), taken=None) for key in order]) == alone


@pytest.mark.starter
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_no_bit_depends_on_the_batch_on_the_starter(starter: Path, dtype: str) -> None:
    loaded = load(str(starter), dtype=dtype, device="cpu")
    sampling = SamplingSettings(temperature=1.0, top_p=1.0, max_new_tokens=10, seed=5)
    together = drawn(loaded, [wish(key, range(3), sampling) for key in (0, 1, 2)])
    assert len(together) == 9
    for key in (0, 1):
        for candidate in (0, 2):
            alone = drawn(loaded, [wish(key, [candidate], sampling)])
            assert alone == {(key, candidate): together[key, candidate]}


def test_prompts_join_as_rows_leave(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(str(tiny_llama), dtype="float32", device="cpu")
    monkeypatch.setitem(room.MOST_ROWS, "cpu", 4)
    sizes: list[int] = []
    step = Rows.step

    def counted(self, tokens):
        sizes.append(len(tokens))
        return step(self, tokens)

    monkeypatch.setattr(Rows, "step", counted)
    short, long = (SamplingSettings(temperature=0.9, max_new_tokens=n) for n in (5, 30))
    said = list(draw(loaded, [wish(0, [0, 1], short), wish(1, [0, 1], long), wish(3, [0], short), wish(4, [0], short)]))
    assert max(sizes) == 4 and sizes[5] == 4, "the third and the fourth take the places of the first"
    assert [key for key, each in said if isinstance(each, Ended)][0] == 0
    assert sorted(key for key, each in said if isinstance(each, Ended)) == [0, 1, 3, 4]


def test_rows_are_few_until_a_prompts_answers_are_whole(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And stay so for a model whose own forward is used."""
    sizes: list[int] = []
    step = Rows.step

    def counted(self, tokens):
        sizes.append(len(tokens))
        return step(self, tokens)

    monkeypatch.setattr(Rows, "step", counted)
    short, long = (SamplingSettings(temperature=0.9, max_new_tokens=n) for n in (4, 9))
    wishes = [wish(key, range(8), short if key == 1 else long, taken=None) for key in (0, 1, 2, 3, 4)]
    loaded = load(str(tiny_llama), dtype="float32", device="cpu")
    list(draw(loaded, wishes))
    assert sizes[:5] == [16, 16, 16, 8, 32]
    sizes.clear()
    monkeypatch.setattr(Lean, "of", classmethod(lambda cls, model: None))
    list(draw(loaded, wishes))
    assert sizes[:5] == [16, 16, 16, 8, 16] and max(sizes) == 16


def test_little_memory_makes_small_batches(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(str(tiny_llama), dtype="float32", device="cpu")
    whole = drawn(loaded, [wish(key) for key in range(4)])
    open_at_once: list[int] = []
    step = Rows.step

    def counted(self, tokens):
        open_at_once.append(len(tokens))
        return step(self, tokens)

    monkeypatch.setattr(Rows, "step", counted)
    monkeypatch.setattr(room.Room, "of", classmethod(lambda cls, device, lean: cls(64, 64, 1.0)))
    assert drawn(loaded, [wish(key) for key in range(4)]) == whole
    assert max(open_at_once) == 2, "a prompt is always answered, however little there is, and never beside another"


def test_going_on_after_a_cancel_gives_what_would_have_come(tiny_llama: Path) -> None:
    loaded = load(str(tiny_llama), dtype="float32", device="cpu")
    tight = SamplingSettings(temperature=1.0, top_k=4, top_p=1.0, repetition_penalty=1.0, max_new_tokens=2, seed=1)
    whole = drawn(loaded, [wish(key, range(6), tight) for key in range(3)])
    assert any(each.repeats for each in whole.values()) or len({e.seed for e in whole.values()}) == 18
    for enough in range(1, 18, 4):
        kept: dict[tuple[int, int], Answer] = {}
        for key, said in draw(
            loaded,
            [wish(key, range(6), tight) for key in range(3)],
            cancelled=lambda kept=kept, enough=enough: len(kept) >= enough,
        ):
            if isinstance(said, Answer):
                kept[key, said.candidate] = said
        rest = []
        for key in range(3):
            taken = {said.text.strip() for (of, _), said in kept.items() if of == key}
            left = [candidate for candidate in range(6) if (key, candidate) not in kept]
            rest += [wish(key, left, tight, taken)] if left else []
        assert {**kept, **drawn(loaded, rest)} == whole


def test_a_refused_prompt_leaves_the_others_and_says_why(tmp_path: Path) -> None:
    loaded = load(str(save(tmp_path / "short", llama_config(max_position_embeddings=60))), dtype="float32")
    said = list(draw(loaded, [wish(2), wish(0), wish(2), wish(3)]))
    refused = [(key, each.message) for key, each in said if isinstance(each, UserError)]
    assert [key for key, _ in refused] == [2, 2] and "tokens long" in refused[0][1]
    assert sorted(key for key, each in said if isinstance(each, Ended)) == [0, 3]


def test_text_comes_in_pieces_of_the_first_attempt_only(tiny_llama: Path) -> None:
    loaded = load(str(tiny_llama), dtype="float32", device="cpu")
    first = drawn(loaded, [wish(0, [0])])[0, 0]
    said = list(draw(loaded, [wish(0, [0], taken={first.text.strip()})]))
    again = [each for _, each in said if isinstance(each, Answer)][0]
    assert again.text != first.text and not again.repeats
    assert "".join(each.text for _, each in said if isinstance(each, TextPiece)) == first.text


def test_which_models_can_decode_rows(tiny_model: Callable[[str], Path]) -> None:
    reaches = {}
    for family in ("llama", "qwen3", "gemma2", "gpt2"):
        model = load(str(tiny_model(family)), dtype="float32", device="cpu").model
        before = model.config._attn_implementation
        reaches[family] = reach(model)
        assert model.config._attn_implementation == before, "the model is left as it was"
    assert reaches["llama"] == reaches["qwen3"] == UNLIMITED
    assert reaches["gemma2"] == 16, "its window"


def test_a_window_is_no_hindrance_to_what_fits_into_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gemma 2 with a soft cap on its scores, within its window and past it: the same numbers in both ways."""
    from tests.tiny_models import gemma2_config

    config = gemma2_config()
    config.sliding_window = 200
    loaded = load(str(save(tmp_path / "gemma", config)), dtype="float32", device="cpu")
    assert reach(loaded.model) == 200
    near = drawn(loaded, [wish(key) for key in (0, 1)])
    monkeypatch.setattr(drawing, "reach", lambda model: 0)
    for key, said in drawn(loaded, [wish(key) for key in (0, 1)]).items():
        assert said.token_ids == near[key].token_ids
        assert said.logp == pytest.approx(near[key].logp, abs=1e-4)


def test_the_numbers_are_those_of_the_whole_sequence(tiny_llama: Path) -> None:
    loaded = load(str(tiny_llama), dtype="float32", device="cpu")
    rows = Rows(loaded.model, loaded.device)
    rows.join(rows.read([5, 6, 7]), 1)
    rows.step([8])
    rows.join(rows.read([9, 10, 11, 12, 13]), 2)
    for tokens in ([20, 21, 22], [23, 24, 25]):
        rows.step(tokens)
    rows.keep([0, 2])
    logits = rows.step([30, 31])
    with torch.no_grad():
        for row, ids in enumerate(([5, 6, 7, 8, 20, 23, 30], [9, 10, 11, 12, 13, 22, 25, 31])):
            assert torch.allclose(logits[row], loaded.model(torch.tensor([ids])).logits[0, -1], atol=1e-4)
