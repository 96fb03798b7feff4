"""Checkpoints of a run: everything needed to go on as if nothing had happened. Safetensors and JSON only.

A checkpoint is a folder `checkpoints/step-000020`: `adapter/` (as PEFT reads it), `optimizer.safetensors`,
`random.safetensors`, `state.json`. It is written beside its place and renamed, so one that has a name is whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from . import adapter
from .disk import whole_folder, write_bytes, write_json, write_tensors
from .saved import (
    CHECKPOINT_ADAPTER,
    CHECKPOINTS_FOLDER,
    OPTIMIZER,
    RANDOM,
    STATE,
    State,
    best_checkpoint,
    checkpoint_folders,
    checkpoint_within_bound,
)

KEEP = 2


def save(run_folder: Path, state: State, model: Any, optimizer: torch.optim.Optimizer) -> Path:
    """Write a checkpoint and drop all but the last KEEP, the best on held-out groups and the last within the bound.

    Raises:
        OSError: the disk is full, say; the earlier checkpoints are untouched.
    """
    folder = run_folder / CHECKPOINTS_FOLDER / f"step-{state.step:06d}"
    with whole_folder(folder) as partial:
        (partial / CHECKPOINT_ADAPTER).mkdir()
        adapter.write_into(model, partial / CHECKPOINT_ADAPTER)
        write_tensors(partial / OPTIMIZER, _optimizer_tensors(model, optimizer))
        write_tensors(partial / RANDOM, _random_tensors())
        write_json(partial / STATE, asdict(state))
    best, within = best_checkpoint(run_folder), checkpoint_within_bound(run_folder)
    needed = [found[0] for found in (best, within) if found]
    for old in checkpoint_folders(run_folder)[:-KEEP]:
        if old in needed:
            continue
        shutil.rmtree(old, ignore_errors=True)
    return folder


def copy_adapter(checkpoint: Path, target: Path) -> None:
    """Copy a checkpoint's adapter to a folder of its own, whole or not at all."""
    with whole_folder(target) as partial:
        for path in sorted((checkpoint / CHECKPOINT_ADAPTER).iterdir()):
            write_bytes(partial / path.name, path.read_bytes())


def restore(folder: Path, model: Any, optimizer: torch.optim.Optimizer) -> None:
    """Put adapter, optimiser and random streams back as they were when the checkpoint was made."""
    adapter.put_back(model, folder / CHECKPOINT_ADAPTER)
    _restore_optimizer(load_file(folder / OPTIMIZER), model, optimizer)
    _restore_random(load_file(folder / RANDOM))


def _optimizer_tensors(model: Any, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{kind}/{name}": torch.as_tensor(value)
        for name, parameter in adapter.trainable(model)
        for kind, value in optimizer.state.get(parameter, {}).items()
    }


def _restore_optimizer(tensors: Mapping[str, Tensor], model: Any, optimizer: torch.optim.Optimizer) -> None:
    parameters = dict(adapter.trainable(model))
    for key, tensor in tensors.items():
        kind, _, name = key.partition("/")
        parameter = parameters[name]
        # AdamW keeps its step counts on the CPU and its moments beside the parameters.
        optimizer.state[parameter][kind] = tensor if kind == "step" else tensor.to(parameter.device)


def _random_tensors() -> dict[str, Tensor]:
    tensors = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors |= {f"cuda/{number}": state for number, state in enumerate(torch.cuda.get_rng_state_all())}
    return tensors


def _restore_random(tensors: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(tensors["cpu"])
    states = [tensors[f"cuda/{n}"] for n in range(torch.cuda.device_count()) if f"cuda/{n}" in tensors]
    if torch.cuda.is_available() and len(states) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states)
