"""Prompts, answers and rankings of the efficacy benchmark: who labels what, and who is asked afterwards."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
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


def draw(loaded: LoadedModel, seed: int, *, kept_in: Path) -> Round:
    """The starting model's answers, from a file when they were drawn before."""
    ranked, unseen = split(seed)
    identity = json.dumps([ranked, unseen, SAMPLING.to_json(), loaded.tokenizer_hash, loaded.base, str(loaded.dtype)])
    path = kept_in / f"answers-{seed}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.json"
    if not path.exists():
        four = answer(
            loaded, [conversation(prompt) for prompt in ranked], replace(SAMPLING, seed=seed), range(SAMPLING.k)
        )
        one = fresh_answers(loaded, unseen, seed=seed)
        rows = {"ranked": [[asdict(a) for a in some] for some in four], "unseen": [asdict(a) for a in one]}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(rows), encoding="utf-8")
    rows = json.loads(path.read_text(encoding="utf-8"))
    candidates = [tuple(_answer(row) for row in some) for some in rows["ranked"]]
    return Round(
        seed,
        tuple(zip(ranked, candidates, strict=True)),
        tuple(zip(unseen, [_answer(row) for row in rows["unseen"]], strict=True)),
    )


def _answer(row: dict) -> Answer:
    return Answer(**{**row, "token_ids": tuple(row["token_ids"])})


def label(
    folder: Path, drawn: Round, preference: StatedPreference, *, tokenizer_hash: str, best_against_worst: bool
) -> tuple[Project, Policy]:
    """A project in which a labeller who means the preference ranked every prompt; nothing is held out.

    Args:
        best_against_worst: keep of each ranking only its first best and its last worst answer.
    """
    project = Project.create(folder, guideline=preference.guideline)
    base = policies.add(project, "starter", name="starter")
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
