"""The adapter of a run, as a folder that PEFT and the Hub open, with a card of how it came about."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Run
from dpo_studio.store import Project, policies, runs

from .writing import destination

#: Where the weights of the bundled starter model come from, for tools that do not know "starter".
STARTER_HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"

_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PICKLED = (".bin", ".pt", ".pth", ".pkl")


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a run's folder says about it.

    Attributes:
        base: the reference of the base model, for others: a Hub id where one is known.
        settings: the training settings.
        groups, held_out_groups: rankings it trained on and measured on.
        ending: its last word, or None while it has not ended.
        before, after: metrics on the held-out groups at the start and at the end; empty when there are none.
    """

    run: Run
    base: str
    settings: Mapping[str, Any]
    groups: int
    held_out_groups: int
    ending: events.RunDone | None
    before: Mapping[str, float | None]
    after: Mapping[str, float | None]
    device: str = ""
    dtype: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.run.name,
            "base": self.base,
            "settings": dict(self.settings),
            "rankings": self.groups,
            "held_out_rankings": self.held_out_groups,
            "steps": self.ending.steps if self.ending else None,
            "reason": self.ending.reason if self.ending else None,
            "metrics": dict(self.ending.metrics) if self.ending else {},
            "held_out_before": dict(self.before),
            "held_out_after": dict(self.after),
        }


def facts(project: Project, run: Run) -> RunFacts:
    """What the run's folder says, for the card and for the preview."""
    folder = project.folder / run.folder
    settings = _read_json(folder / runs.SETTINGS_FILE)
    base = str(settings.get("base", ""))
    if base.startswith("../"):  # a model that another run made: what that began as is what others know
        base = policies.original_base(project, policies.get(project, run.policy_id))
    said = _events(folder)
    measured = [event.metrics for event in said if isinstance(event, events.Evaluated)]
    measured = [metrics for metrics in measured if any(value is not None for value in metrics.values())]
    started = next((event for event in reversed(said) if isinstance(event, events.RunStarted)), None)
    held_out = [bool(json.loads(line).get("held_out")) for line in _lines(folder / runs.DATA_FILE)]
    return RunFacts(
        run=run,
        base=public_base(base),
        settings=settings.get("training") or run.settings,
        groups=held_out.count(False),
        held_out_groups=held_out.count(True),
        ending=next((event for event in reversed(said) if isinstance(event, events.RunDone)), None),
        before=measured[0] if measured else {},
        after=measured[-1] if measured else {},
        device=started.device if started else "",
        dtype=started.dtype if started else "",
    )


def folder_of(project: Project, run: Run) -> Path:
    """The folder of the adapter that the run left.

    Raises:
        UserError: it left none, or one with pickled weights.
    """
    folder = project.folder / run.folder / "adapter"
    if run.settings.get("trains") == "full":
        raise UserError(f"{run.name} trained the whole model, so it has no adapter.", "Export it as a whole model.")
    if not (folder / _CONFIG).is_file() or not (folder / _WEIGHTS).is_file():
        raise UserError(
            f"{run.name} has left no adapter yet.",
            "Let it finish or stop it in Train, which keeps the adapter, or choose another run.",
        )
    return folder


def files(project: Project, run: Run) -> list[Path]:
    """The files of the adapter that an export copies; never pickled ones, never a card of another tool."""
    return [
        path
        for path in sorted(folder_of(project, run).iterdir())
        if path.is_file() and path.suffix not in _PICKLED and path.name != "README.md"
    ]


def write(project: Project, run: Run, target: Path, *, overwrite: bool = False) -> Path:
    """Copy the run's adapter to a new folder, whole or not at all, and return the folder.

    Raises:
        UserError: the run left no adapter, or the folder holds something else.
    """
    from . import cards

    copied = files(project, run)
    known = facts(project, run)
    with destination(target, overwrite=overwrite) as folder:
        for path in copied:
            shutil.copyfile(path, folder / path.name)
        config = _read_json(folder / _CONFIG)
        config["base_model_name_or_path"] = known.base or config.get("base_model_name_or_path")
        (folder / _CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        card = cards.model_card(known, guideline=project.guideline)
        (folder / "README.md").write_text(card, encoding="utf-8")
    return target.expanduser().resolve()


def public_base(base: str) -> str:
    """How others name this base model."""
    return STARTER_HUB_ID if base == "starter" else base


def _events(folder: Path) -> list[events.Event]:
    found = (events.from_line(line) for line in _lines(folder / "events.jsonl"))
    return [event for event in found if event is not None]


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except FileNotFoundError:
        return []


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read: {error}.", "The run's folder is incomplete; choose another run."
        ) from error
    return values if isinstance(values, dict) else {}
