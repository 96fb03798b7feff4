"""Make sample_data/project afresh: real answers of the starter model, ranked by the guideline.

    python packaging/make_sample.py

Prompts come from sample_data/prompts.jsonl. A fixed shuffle decides, before any answer is known, which
prompts are ranked, which wait in Label and which wait in Generate. The rankings follow the guideline of
`BREVITY` to the letter, ties included, and say so in their notes.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from pathlib import Path

from dpo_studio.core import events
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Group, Message, Prompt, messages_from_json
from dpo_studio.evaluation.stated_preferences import BREVITY
from dpo_studio.generation.sampler import answer
from dpo_studio.models.load import load
from dpo_studio.store import Project, completions, policies, prompts, rankings

ROOT = Path(__file__).resolve().parent.parent
TOGETHER = 4
RANKED, WITHOUT_ANSWERS = 54, 4
SAMPLING = SamplingSettings(k=4, max_new_tokens=200)
NOTE = "Ranked by counting sentences, as the guideline says."


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        project = Project.create(Path(scratch) / "project", guideline=BREVITY.guideline)
        project.set_fact("annotator", "sample")
        found = [
            _add(project, json.loads(line)) for line in (ROOT / "sample_data/prompts.jsonl").open(encoding="utf-8")
        ]
        order = list(found)
        random.Random(20).shuffle(order)
        without = {prompt.id for prompt in order[:WITHOUT_ANSWERS]}
        ranked = {prompt.id for prompt in order[WITHOUT_ANSWERS : WITHOUT_ANSWERS + RANKED]}
        base = policies.add(project, "starter", name="SmolLM2-135M")
        # Groups that are ranked come first, so that the history and the queue are in one order.
        answered = [p for p in found if p.id not in without]
        answered.sort(key=lambda p: p.id not in ranked)
        groups = [
            completions.add_group(project, p.id, size=SAMPLING.k, policy_id=base.id, sampling=SAMPLING.to_json())
            for p in answered
        ]
        _generate(project, groups)
        for group in completions.get_groups(project, [g.id for g in groups]):
            if group.prompt.id in ranked:
                answers = [(c.text, c.finish_reason) for c in group.completions]
                presented = [c.id for c in group.completions]
                random.Random(group.id).shuffle(presented)
                rankings.add(project, group, ranks=BREVITY.ranks(answers), presented=presented, note=NOTE)
        print(rankings.counts(project))
        project.db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        project.db.conn.execute("PRAGMA journal_mode = DELETE")
        project.db.conn.execute("VACUUM")
        project.close()
        target = ROOT / "sample_data" / "project"
        target.mkdir(exist_ok=True)
        shutil.copyfile(Path(scratch) / "project" / "project.db", target / "project.db")


def _add(project: Project, row: dict) -> Prompt:
    messages = row["prompt"]
    conversation = (Message("user", messages),) if isinstance(messages, str) else messages_from_json(messages)
    return prompts.add(project, conversation, source="sample_data/prompts.jsonl", tags=row["tags"])


def _generate(project: Project, groups: list[Group]) -> None:
    loaded = load("starter")
    for begin in range(0, len(groups), TOGETHER):
        some = groups[begin : begin + TOGETHER]
        answers = answer(loaded, [g.prompt.messages for g in some], SAMPLING, range(SAMPLING.k))
        for group, candidates in zip(some, answers, strict=True):
            for found in candidates:
                event = events.CompletionFinished(
                    job="sample",
                    group=group.id,
                    candidate=found.candidate,
                    text=found.text,
                    token_ids=found.token_ids,
                    tokenizer_hash=loaded.tokenizer_hash,
                    logp=found.logp,
                    finish_reason=found.finish_reason,
                    seed=found.seed,
                )
                completions.record(project, event)
        print(f"{begin + len(some)}/{len(groups)}", flush=True)


if __name__ == "__main__":
    main()
