"""What a run's folder says about a run: what it was asked to do, and how far it came. Nothing here needs torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from dpo_studio.core.errors import UserError
from dpo_studio.core.events import CheckpointSaved
from dpo_studio.core.settings import TrainingSettings

SETTINGS_FILE, DATA_FILE, PROMPTS_FILE = "settings.json", "data.jsonl", "sample_prompts.jsonl"
FINAL_LOGPS_FILE, ADAPTER_FOLDER, MODEL_FOLDER, CHECKPOINTS_FOLDER = (
    "final_logps.json",
    "adapter",
    "model",
    "checkpoints",
)
#: The adapter of the best step, where another one is kept.
BEST_ADAPTER_FOLDER = "adapter-best"

CHECKPOINT_ADAPTER, OPTIMIZER, RANDOM, STATE = "adapter", "optimizer.safetensors", "random.safetensors", "state.json"


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a run was asked to do.

    Attributes:
        base: a model reference.
        adapter: the adapter to go on from, or None for a first round.
        cache: where the project's runs keep what they know of reference models, if they share it.
    """

    base: str
    adapter: Path | None
    settings: TrainingSettings
    cache: Path | None = None


def read_spec(run_folder: Path) -> RunSpec:
    """The run's `settings.json`, validated again.

    Raises:
        UserError: it is missing, damaged, or holds a value that cannot be used.
    """
    try:
        body = json.loads((run_folder / SETTINGS_FILE).read_text(encoding="utf-8"))
        base, given, values = str(body["base"]), body.get("adapter"), dict(body["training"])
    except FileNotFoundError as error:
        raise UserError(f"{run_folder} is not a training run.", "Start a new run.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"The run's settings are damaged ({error}).", "Start a new run.") from error
    adapter = None if given is None else (run_folder.absolute() / given).resolve()
    if base.startswith("../"):  # a model that another run of the project made
        base = str((run_folder.absolute() / base).resolve())
    cache = body.get("reference_cache")
    shared = None if cache is None else run_folder.absolute() / str(cache)
    return RunSpec(base, adapter, TrainingSettings.from_json(values).validate(), shared)


@dataclass(frozen=True, slots=True)
class State:
    """What a checkpoint knows besides its tensors.

    Attributes:
        step: optimiser steps done, which is also the run's place in its data.
        events_bytes: length of events.jsonl when the checkpoint was made; a resumed run cuts it there.
        dtype: of the frozen weights, as measured at the start.
        threads: CPU threads; another number rounds differently.
        shared, token_budget: how groups are laid in rows.
        skipped: steps left out because a number was not finite.
        seconds: time the run had taken.
        held_out_loss: where the held-out groups were measured at this step.
        fresh_kl: of fresh answers at this step, in nats, where the run has a bound on it; then it is within the bound.
    """

    step: int
    events_bytes: int
    dtype: str
    threads: int
    shared: bool
    token_budget: int
    skipped: int
    seconds: float
    held_out_loss: float | None = None
    fresh_kl: float | None = None


def checkpoint_folders(run_folder: Path) -> list[Path]:
    """The run's whole checkpoints, oldest first."""
    found = (run_folder / CHECKPOINTS_FOLDER).glob("step-*")
    return sorted(path for path in found if path.is_dir() and path.name.removeprefix("step-").isdigit())


def checkpoint_saved(run_folder: Path, folder: Path, state: State) -> CheckpointSaved:
    """What is said of a checkpoint; the same whenever it is said."""
    return CheckpointSaved(state.step, folder.relative_to(run_folder).as_posix())


def latest_checkpoint(run_folder: Path, *, by_step: int | None = None) -> tuple[Path, State] | None:
    """The newest checkpoint that can be read, or None; of those up to a step if one is given."""
    found = _readable(reversed(checkpoint_folders(run_folder)))
    return next((one for one in found if by_step is None or one[1].step <= by_step), None)


def best_checkpoint(run_folder: Path) -> tuple[Path, State, float] | None:
    """The checkpoint with the lowest loss on the held-out groups, and that loss; None where none was measured.

    A run that goes on from its newest checkpoint finds no later one here, so what is best never depends on steps that
    were done and lost.
    """
    found = _readable(checkpoint_folders(run_folder))
    measured = [(folder, state, state.held_out_loss) for folder, state in found if state.held_out_loss is not None]
    return min(measured, key=lambda one: one[2], default=None)


def checkpoint_within_bound(run_folder: Path) -> tuple[Path, State] | None:
    """The newest checkpoint whose fresh answers were measured and within the bound, or None."""
    found = _readable(reversed(checkpoint_folders(run_folder)))
    return next((one for one in found if one[1].fresh_kl is not None), None)


def _readable(folders: Iterable[Path]) -> Iterator[tuple[Path, State]]:
    for folder in folders:
        try:
            state = State(**json.loads((folder / STATE).read_text(encoding="utf-8")))
            weights = [folder / OPTIMIZER, folder / RANDOM, *(folder / CHECKPOINT_ADAPTER).glob("*.safetensors")]
            for path in weights:
                with safe_open(path, framework="numpy"):
                    pass
            if len(weights) > 2:
                yield folder, state
        except (OSError, ValueError, TypeError, SafetensorError):
            continue
