"""Write `released/schema-N/project.db`, a small project of the schema of today.

Run it once when a schema is released (`python tests/store/make_released.py`), never again for that
schema: the file stands for the projects that people have. It holds 5 prompts (1 held out), 2
policies, 4 groups (1 unfinished) with 10 completions, 6 rows of rankings that leave 1 ranking and 1
skip standing, and 1 run.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from dpo_studio.core.settings import TrainingSettings
from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, policies, prompts, rankings, runs
from dpo_studio.store.migrations import SCHEMA_VERSION

RELEASED = Path(__file__).parent / "released"


def fill(project: Project) -> None:
    policy = policies.add(project, "starter", name="Starter")
    texts = ["Why is the sky blue?", "¿Qué es un eclipse?", "Write a haiku.", "你好吗？", "Never answered"]
    made = [prompts.add(project, [Message("user", text)], source="typed") for text in texts]
    for number, prompt in enumerate(made):
        prompts.set_held_out(project, prompt.id, number == 3)
    groups = []
    for prompt, answers in zip(made, (4, 2, 3, 1), strict=False):
        group = completions.add_group(
            project, prompt.id, size=max(answers, 2), policy_id=policy.id, sampling={"temperature": 0.9, "seed": 1}
        )
        for candidate in range(answers):
            completions.add(
                project,
                group.id,
                f"Answer {candidate} to {prompt.title}",
                policy_id=policy.id,
                token_ids=[candidate, 2],
                tokenizer_hash="0123abcd",
                logp=-1.5 * (candidate + 1),
                sampling={"temperature": 0.9, "seed": 1},
                seed=candidate,
                finish_reason="stop",
            )
        groups.append(completions.get_group(project, group.id))
    shown = [c.id for c in reversed(groups[0].completions)]
    rankings.add(project, groups[0], ranks=[2, 1, 2, None], presented=shown, strength=2, note="short", seconds=3.5)
    rankings.add(project, groups[1], kind="skip", flags=["unclear"])
    rankings.add(project, groups[2], ranks=[1, 2, 3])
    rankings.undo(project)
    rankings.add(project, groups[0], ranks=[3, 1, 2, 4], presented=shown)
    rankings.undo(project)
    run = runs.create(project, policy, TrainingSettings())
    runs.adopt(project, run, "adapter")


if __name__ == "__main__":
    target = RELEASED / f"schema-{SCHEMA_VERSION}" / "project.db"
    if target.exists():
        raise SystemExit(f"{target} is there already, and what was released is not written again.")
    with tempfile.TemporaryDirectory() as scratch:
        with Project.create(Path(scratch) / "project", guideline="Shorter is better.") as project:
            fill(project)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(scratch) / "project" / "project.db", target)
