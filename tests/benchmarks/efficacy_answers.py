"""Prompts, answers and rankings of the efficacy benchmark: who labels what, and who is asked afterwards."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message, Policy
from dpo_studio.evaluation.stated_preferences import StatedPreference
from dpo_studio.generation.sampler import Answer, answer
from dpo_studio.models.load import LoadedModel
from dpo_studio.store import Project, completions, policies, prompts, rankings

PROMPTS_FILE = Path(__file__).with_name("efficacy_prompts.txt")
SAMPLING = SamplingSettings(k=4, max_new_tokens=96)
RANKED, UNSEEN = 30, 100


@dataclass(frozen=True, slots=True)
class Round:
    """The starting model's answers of one seed: four to each prompt that is ranked, one to each unseen one.

    The seed decides the split of the prompts, the answers, and later the training.
    """

    seed: int
    ranked: tuple[tuple[str, tuple[Answer, ...]], ...]
    unseen: tuple[tuple[str, Answer], ...]


def conversation(prompt: str) -> tuple[Message, ...]:
    return (Message("user", prompt),)


def split(seed: int) -> tuple[list[str], list[str]]:
    """The prompts that are ranked and the unseen ones."""
    found = [line for line in PROMPTS_FILE.read_text(encoding="utf-8").split("\n") if line]
    random.Random(seed).shuffle(found)
    return found[:RANKED], found[RANKED : RANKED + UNSEEN]


def fresh_answers(loaded: LoadedModel, asked: Sequence[str], *, seed: int) -> list[Answer]:
    """One answer to each unseen prompt: a random stream that no ranked answer had."""
    sampling = replace(SAMPLING, seed=1000 + seed)
    return [some[0] for some in answer(loaded, [conversation(prompt) for prompt in asked], sampling, (0,))]


def draw(loaded: LoadedModel, seed: int, *, unseen: int, kept_in: Path) -> Round:
    """The starting model's answers, from files when they were drawn before."""
    ranked, rest = split(seed)
    asked = rest[:unseen]

    def four() -> list[list[Answer]]:
        return answer(
            loaded, [conversation(prompt) for prompt in ranked], replace(SAMPLING, seed=seed), range(SAMPLING.k)
        )

    def one() -> list[list[Answer]]:
        return [[found] for found in fresh_answers(loaded, asked, seed=seed)]

    candidates = _kept(kept_in, loaded, [seed, *ranked], four)
    singles = _kept(kept_in, loaded, [1000 + seed, *asked], one)
    return Round(
        seed,
        tuple((prompt, tuple(some)) for prompt, some in zip(ranked, candidates, strict=True)),
        tuple((prompt, found) for prompt, (found,) in zip(asked, singles, strict=True)),
    )


def _kept(
    folder: Path, loaded: LoadedModel, asked: Sequence[str | int], make: Callable[[], list[list[Answer]]]
) -> list[list[Answer]]:
    identity = json.dumps([asked, SAMPLING.to_json(), loaded.tokenizer_hash, loaded.base, str(loaded.dtype)])
    path = folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:24]}.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([[asdict(found) for found in some] for some in make()]), encoding="utf-8")
    return [[_answer(row) for row in some] for some in json.loads(path.read_text(encoding="utf-8"))]


def _answer(row: dict) -> Answer:
    return Answer(**{**row, "token_ids": tuple(row["token_ids"])})


def label(
    folder: Path,
    drawn: Round,
    preference: StatedPreference,
    *,
    tokenizer_hash: str,
    best_against_worst: bool,
    model: str = "starter",
) -> tuple[Project, Policy]:
    """A project in which a labeller who means the preference ranked every prompt; nothing is held out.

    Args:
        best_against_worst: keep of each ranking only its first best and its last worst answer.
    """
    project = Project.create(folder, guideline=preference.guideline)
    base = policies.add(project, model, name="start")
    for text, found in drawn.ranked:
        ranks = preference.ranks([(a.text, a.finish_reason) for a in found])
        if best_against_worst:
            worst = max(range(len(ranks)), key=lambda i: (ranks[i], i))
            found, ranks = [found[ranks.index(1)], found[worst]], (1, 2 if ranks[worst] > 1 else 1)
        prompt = prompts.add(project, conversation(text))
        prompts.set_held_out(project, prompt.id, False)
        group = completions.add_group(project, prompt.id, size=len(found), policy_id=base.id)
        for place, a in enumerate(found):
            completions.add(
                project,
                group.id,
                a.text,
                candidate=place,
                policy_id=base.id,
                token_ids=a.token_ids,
                tokenizer_hash=tokenizer_hash,
                finish_reason=a.finish_reason,
            )
        rankings.add(project, completions.get_group(project, group.id), ranks=ranks, annotator="simulated")
    return project, base
