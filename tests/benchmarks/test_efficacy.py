"""The efficacy benchmark's own arithmetic, and its round on a tiny model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from dpo_studio.core import events
from dpo_studio.evaluation.stated_preferences import PERSONAL
from dpo_studio.generation.sampler import Answer
from dpo_studio.models.load import load
from dpo_studio.store import runs
from dpo_studio.training import engine
from tests.benchmarks import efficacy, efficacy_answers
from tests.benchmarks.efficacy_answers import PROMPTS_FILE, RANKED, UNSEEN, Round, label, split


def test_the_ranked_and_the_unseen_prompts_are_apart() -> None:
    written = PROMPTS_FILE.read_text(encoding="utf-8").split("\n")
    for seed in (0, 1):
        ranked, unseen = split(seed)
        assert (len(ranked), len(unseen), len({*ranked, *unseen})) == (RANKED, UNSEEN, RANKED + UNSEEN)
        assert {*ranked, *unseen} <= set(written)
    assert split(0) != split(1)


def test_distinct_pairs_by_hand() -> None:
    # a b, b a, a b, b c: three of the four differ.
    assert efficacy.distinct_2("A b a b c") == pytest.approx(3 / 4)
    assert efficacy.distinct_2("one") == 1.0


def _answers(*texts: str) -> tuple[Answer, ...]:
    return tuple(
        Answer(candidate=i, text=text, token_ids=(5 + i, 6), logp=-1.0, finish_reason="length", seed=i)
        for i, text in enumerate(texts)
    )


def _drawn() -> Round:
    # Twenty different words each, so that only the words to the reader differ.
    plain = " ".join(f"x{a}{b}" for a in "cdefg" for b in "hijk")
    four = _answers(f"{plain} you", f"{plain}", f"{plain} you your", f"{plain}")
    return Round(0, (("What now?", four), ("And then?", four)), ())


@pytest.mark.parametrize(("best_against_worst", "kept"), [(False, ["1", "0", "2", "0"]), (True, ["2", "0"])])
def test_the_labeller_ranks_by_the_preference(tmp_path: Path, best_against_worst: bool, kept: list[str]) -> None:
    project, _ = label(tmp_path / "p", _drawn(), PERSONAL, tokenizer_hash="h", best_against_worst=best_against_worst)
    with project:
        data = runs.training_data(project)
        assert (len(data.train), len(data.held_out)) == (2, 0)
        for group, ranking in data.train:
            assert [str(c.text.count("yo")) for c in group.completions] == kept
            places = [ranking.ranks[c.id] for c in group.completions]
            assert places == ([1, 2] if best_against_worst else [2, 3, 1, 3])


def test_the_divergence_is_the_sum_over_places_and_tokens(tiny_llama: Path, tmp_path: Path) -> None:
    """Against float64 sums over the vocabulary, token by token, of a tuned tiny model and its base."""
    base = load(str(tiny_llama), device="cpu", dtype="float32")
    drawn = _drawn()
    project, policy = label(
        tmp_path / "p",
        drawn,
        PERSONAL,
        tokenizer_hash=base.tokenizer_hash,
        best_against_worst=False,
        model=str(tiny_llama),
    )
    with project:
        settings = efficacy.settings_of(
            "pl_dpo", 2, 0, ["max_steps=3", "learning_rate=0.05", "device=cpu", "dtype=float32"]
        )
        run = runs.create(project, policy, settings)
        done = list(engine.train(project.folder / run.folder))[-1]
        assert isinstance(done, events.RunDone)
        tuned = load(str(tiny_llama), adapter=project.folder / run.folder / done.adapter, device="cpu", dtype="float32")
    found = dataclasses.replace(drawn.ranked[0][1][0], token_ids=(40, 41, 42))
    asked = tuned.chat.prompt_ids(efficacy_answers.conversation("What now?"))
    expected = 0.0
    for place in range(3):
        ids = torch.tensor([[*asked, *found.token_ids[:place]]])
        with torch.no_grad():
            new = tuned.model(ids).logits[0, -1].double().softmax(-1).tolist()
            old = base.model(ids).logits[0, -1].double().softmax(-1).tolist()
        expected += sum(p * torch.tensor(p / q).log().item() for p, q in zip(new, old, strict=True))
    assert expected > 0.01
    assert efficacy.divergence(tuned, "What now?", found) == pytest.approx(expected, rel=1e-3)
