"""Training runs: their place in the project, and the frozen snapshot that a run trains on.

A run's metrics live in its folder (`events.jsonl`), never here. A run that left an adapter becomes
a policy with `adopt`.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dpo_studio.core import methods
from dpo_studio.core import ranking as weak_orders
from dpo_studio.core.errors import UserError
from dpo_studio.core.server_reference import refuse_training
from dpo_studio.core.settings import TrainingSettings
from dpo_studio.core.types import Group, Policy, PolicyId, Prompt, PromptId, Ranking, Run, RunId

from . import estimates, policies, prompts, rankings
from .database import Project, new_uuid, now, to_text

SETTINGS_FILE, DATA_FILE, PROMPTS_FILE = "settings.json", "data.jsonl", "sample_prompts.jsonl"
SAMPLE_PROMPTS = 4
#: In the project's folder; may be deleted at any time.
REFERENCE_CACHE = Path("cache") / "reference"
#: In a run's folder: the adapter of the best held-out step, where that was not the last one.
BEST_ADAPTER = "adapter-best"


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a training run would use, and what it leaves out and why.

    Attributes:
        all_tied: rankings that are left out because they order nothing.
        ties: those of them that tell something to a method that reads ties.
        judges: whose rankings are among them beside people's, as of rankings.labelled.
    """

    train: tuple[tuple[Group, Ranking], ...]
    held_out: tuple[tuple[Group, Ranking], ...]
    all_tied: int
    ties: tuple[tuple[Group, Ranking], ...] = ()
    judges: str = ""

    @property
    def largest_k(self) -> int:
        return max((len(group.completions) for group, _ in self.train + self.held_out), default=0)

    def for_method(self, method: str) -> TrainingData:
        """What a run of this method would use: ties are data for some."""
        taken = [item for item in self.ties if methods.is_usable(method, rankings.ranks_of(item[0], item[1].ranks))]
        if not taken:
            return self
        train = [item for item in taken if not item[0].prompt.held_out]
        held_out = [item for item in taken if item[0].prompt.held_out]
        return TrainingData(
            (*self.train, *train), (*self.held_out, *held_out), self.all_tied - len(taken), judges=self.judges
        )

    def check(self, method: str) -> None:
        """Raises UserError where the method can learn nothing from this."""
        if not self.train:
            raise UserError(*_why_no_data(self))
        ranked = [(group.prompt.id, rankings.ranks_of(group, ranking.ranks)) for group, ranking in self.train]
        prompts = {prompt for prompt, ranks in ranked if weak_orders.is_trainable(ranks)}
        methods.check_data(method, [ranks for _, ranks in ranked], prompts=len(prompts))


def training_data(project: Project, *, judges: str = "") -> TrainingData:
    """The standing rankings that order something, split by their prompts; people's only, unless `judges` are asked.

    Args:
        judges: as of rankings.labelled.
    """
    train, held_out, tied = [], [], []
    for group, ranking in rankings.labelled(project, judges=judges):
        if not weak_orders.is_trainable(rankings.ranks_of(group, ranking.ranks)):
            tied.append((group, ranking))
        elif group.prompt.held_out:
            held_out.append((group, ranking))
        else:
            train.append((group, ranking))
    return TrainingData(tuple(train), tuple(held_out), len(tied), tuple(tied), judges)


def create(project: Project, policy: Policy, settings: TrainingSettings, *, name: str = "", judges: str = "") -> Run:
    """Make a run's folder with its settings and data, and its row. Nothing is started.

    The folder gets `settings.json`, `data.jsonl` (a group a line), and `sample_prompts.jsonl` (the
    prompts answered before and after: unlabelled ones first, then held-out ones, then any), and `estimate.json` where
    such a run was measured before.

    Args:
        judges: whose rankings it learns from beside people's, as of rankings.labelled.

    Raises:
        UserError: no rankings yet, or none that the method can learn from; or the model is behind a server.
    """
    refuse_training(policy.base)
    settings.validate()
    data = training_data(project, judges=judges).for_method(settings.method)
    data.check(settings.method)
    run_uuid = new_uuid()
    folder = Path("runs") / f"{datetime.now():%Y%m%d-%H%M%S}-{run_uuid[:8]}"
    path = project.folder / folder
    try:
        _write_folder(path, run_uuid, project, policy, settings, data, judges=judges)
        estimates.write_beside(path, project, policy, settings, data)
        with project.transaction() as db:
            (number,) = db.conn.execute("SELECT count(*) + 1 FROM runs").fetchone()
            cursor = db.conn.execute(
                "INSERT INTO runs (uuid, name, folder, policy_id, settings, created) VALUES (?, ?, ?, ?, ?, ?)",
                [run_uuid, name or f"Run {number}", folder.as_posix(), policy.id, to_text(settings.to_json()), now()],
            )
            return get(project, RunId(cursor.lastrowid or 0))
    except BaseException as error:
        shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, OSError):
            raise UserError(
                f"The run's folder could not be written: {error.strerror}.", "Free some disk space and train again."
            ) from error
        raise


def write_apart(path: Path, project: Project, policy: Policy, settings: TrainingSettings, *, judges: str = "") -> None:
    """Write a run's folder somewhere else, for an estimate: the project does not know of it.

    Raises:
        UserError: as `create`.
    """
    refuse_training(policy.base)
    settings.validate()
    data = training_data(project, judges=judges).for_method(settings.method)
    data.check(settings.method)
    _write_folder(path, new_uuid(), project, policy, settings, data, judges=judges)


def _write_folder(
    path: Path,
    run_uuid: str,
    project: Project,
    policy: Policy,
    settings: TrainingSettings,
    data: TrainingData,
    *,
    judges: str,
) -> None:
    path.mkdir(parents=True)
    body = {
        "run": run_uuid,
        "base": _from(path, project.folder / policy.base) if policies.is_made_here(policy.base) else policy.base,
        "adapter": None if policy.adapter is None else _from(path, project.folder / policy.adapter),
        "reference_cache": _from(path, project.folder / REFERENCE_CACHE),
        "training": settings.to_json(),
    }
    if judges:
        body["judges"] = judges
    _write(path / SETTINGS_FILE, json.dumps(body, indent=2) + "\n")
    lines = [_group_line(g, r) for g, r in data.train + data.held_out]
    _write(path / DATA_FILE, "".join(lines))
    _write(path / PROMPTS_FILE, "".join(_prompt_line(p) for p in _sample_prompts(project)))


def _from(run_folder: Path, place: Path) -> str:
    """A place as seen from the run's folder, so that the project can be moved as a whole."""
    return Path(os.path.relpath(place, run_folder)).as_posix()


def adopt(project: Project, run: Run, adapter: str, *, best_step: int = 0) -> Policy:
    """Make what a run left, an adapter or a whole model, a policy of the project; once, however often it is asked.

    The adapter of the best held-out step becomes a policy too where the run laid one beside the last step's.

    Args:
        adapter: the folder of the adapter or of the model, relative to the run's folder.
        best_step: the step that the adapter of the best held-out loss is of, for its name; 0 where that is unknown.
    """
    left, whole = f"{run.folder}/{adapter}", run.settings.get("trains") == "full"
    with project.transaction() as db:
        parent = policies.get(project, run.policy_id)
        policy = policies.add(
            project,
            left if whole else parent.base,
            name=f"{parent.name.split(' + ')[0]} + {run.name}",
            adapter=None if whole else left,
            parent_id=parent.id,
        )
        db.conn.execute("UPDATE runs SET result_policy_id = ? WHERE id = ?", [policy.id, run.id])
        if not whole and (project.folder / run.folder / BEST_ADAPTER).is_dir():
            policies.add(
                project,
                parent.base,
                name=f"{policy.name} ({f'best, step {best_step}' if best_step else 'best step'})",
                adapter=f"{run.folder}/{BEST_ADAPTER}",
                parent_id=parent.id,
            )
        return policy


def newest_policy(project: Project) -> Policy | None:
    """The policy that came last; of a run's two, what it ended with and not the best step beside it."""
    known = policies.all_policies(project)
    ends = [one for one in known if not (one.adapter or "").endswith(f"/{BEST_ADAPTER}")]
    return ends[-1] if ends else None


def get(project: Project, run_id: RunId) -> Run:
    row = project.db.conn.execute(f"SELECT {_COLUMNS} FROM runs WHERE id = ?", [run_id]).fetchone()
    if row is None:
        raise UserError(f"There is no run {run_id} in this project.")
    return _run(row)


def all_runs(project: Project) -> list[Run]:
    """Every run, oldest first."""
    return [_run(row) for row in project.db.conn.execute(f"SELECT {_COLUMNS} FROM runs ORDER BY id")]


def find(project: Project, name: str) -> Run:
    """A run by its number, name, uuid or folder name.

    Raises:
        UserError: there is none, with the names there are.
    """
    runs = all_runs(project)
    for run in runs:
        if name in (str(run.id), run.name, run.uuid, run.folder, Path(run.folder).name):
            return run
    names = ", ".join(run.name for run in runs) or "none yet"
    raise UserError(f"There is no run called {name!r} in this project.", f"The runs are: {names}.")


_COLUMNS = "id, uuid, name, folder, policy_id, settings, result_policy_id, created"


def _run(row: tuple) -> Run:
    return Run(
        id=RunId(row[0]),
        uuid=row[1],
        name=row[2],
        folder=row[3],
        policy_id=PolicyId(row[4]),
        settings=json.loads(row[5]),
        result_policy_id=row[6],
        created=row[7],
    )


def _why_no_data(data: TrainingData) -> tuple[str, str]:
    if data.held_out:
        return (
            "Every ranking so far is on a held-out prompt, so there is nothing to train on.",
            "Label a few more groups.",
        )
    if data.all_tied:
        return (
            f"All {data.all_tied} rankings are complete ties, and a tie alone teaches nothing.",
            "Label groups in which one answer is better than another.",
        )
    return "There are no rankings yet, so there is nothing to train on.", "Rank some answers in Label first."


def _group_line(group: Group, ranking: Ranking) -> str:
    body: dict[str, Any] = {
        "group": group.uuid,
        "held_out": group.prompt.held_out,
        "prompt": [message.to_json() for message in group.prompt.messages],
        "completions": [
            {
                "text": c.text,
                "token_ids": None if c.token_ids is None else list(c.token_ids),
                "tokenizer_hash": c.tokenizer_hash,
                "finish_reason": c.finish_reason,
            }
            for c in group.completions
        ],
        "ranks": list(rankings.ranks_of(group, ranking.ranks)),
        "strength": ranking.strength,
        "confidence": ranking.confidence,
        "annotator": ranking.annotator,
        "annotator_kind": ranking.annotator_kind,
    }
    return _line(body)


def _sample_prompts(project: Project) -> list[Prompt]:
    """The first few of those that are not labelled, before the others; held-out ones, then those of one turn first.

    Each kind is asked for by itself, so that no more prompts are looked at than it takes to find enough.
    """
    labelled = (
        "EXISTS (SELECT 1 FROM groups g JOIN current_rankings r ON r.group_id = g.id"
        " WHERE g.prompt_id = p.id AND r.annotator_kind = 'person')"
    )
    found: list[PromptId] = []
    for is_labelled, held_out, turns in itertools.product((0, 1), (1, 0), ("<= 1", "> 1")):
        if len(found) < SAMPLE_PROMPTS:
            rows = project.db.conn.execute(
                f"SELECT p.id FROM prompts p WHERE p.held_out = ? AND {labelled} = ?"
                f" AND json_array_length(p.messages) {turns} ORDER BY p.id LIMIT ?",
                [held_out, is_labelled, SAMPLE_PROMPTS - len(found)],
            )
            found += [PromptId(row[0]) for row in rows]
    by_id = prompts.get_many(project, found)
    return [by_id[one] for one in found]


def _prompt_line(prompt: Prompt) -> str:
    body = {"prompt": prompt.id, "messages": [message.to_json() for message in prompt.messages]}
    return _line(body)


def _line(body: dict[str, Any]) -> str:
    """A JSON line in ASCII: some of Unicode's line ends (U+2028, U+0085) are not escaped otherwise."""
    return json.dumps(body) + "\n"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
