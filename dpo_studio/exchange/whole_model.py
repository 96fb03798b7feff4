"""What a run learned as a whole model: the one it trained, or its base with the adapter merged in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Run
from dpo_studio.store import Project, policies, runs

from . import adapter, cards
from .writing import destination

_HALF_FORMATS = ("bfloat16", "float16")
_PICKLED = (".bin", ".pt", ".pth", ".pkl")


def is_whole(run: Run) -> bool:
    """Whether the run trained all weights, and so left a model and no adapter."""
    return run.settings.get("trains") == "full"


def folder_of(project: Project, run: Run) -> Path:
    """The folder of the model, or of the adapter, that the run left.

    Raises:
        UserError: it left none.
    """
    if not is_whole(run):
        return adapter.folder_of(project, run)
    folder = project.folder / run.folder / "model"
    if not (folder / "config.json").is_file():
        raise UserError(
            f"{run.name} has left no model yet.",
            "Let it finish or stop it in Train, which keeps what it learnt, or choose another run.",
        )
    return folder


def write(project: Project, run: Run, target: Path, *, overwrite: bool = False) -> Path:
    """Write the model to a new folder that transformers opens, whole or not at all, and return the folder.

    An adapter is merged in float32; the result is kept in the format that the base's weights have.

    Raises:
        UserError: the run left nothing, its base cannot be loaded, or the folder holds something else.
    """
    left, known = folder_of(project, run), adapter.facts(project, run)
    with destination(target, overwrite=overwrite) as folder:
        if is_whole(run):
            for path in sorted(left.iterdir()):
                if path.is_file() and path.suffix not in _PICKLED:
                    shutil.copyfile(path, folder / path.name)
        else:
            base = policies.model_reference(project, policies.get(project, run.policy_id))
            _merge(base, left, folder)
        card = cards.model_card(known, guideline=project.guideline, whole=True)
        (folder / "README.md").write_text(card, encoding="utf-8")
    return target.expanduser().resolve()


def _merge(base: str, adapter_folder: Path, folder: Path) -> None:
    import torch

    from dpo_studio.models import find
    from dpo_studio.models.load import load
    from dpo_studio.models.quiet import quiet

    loaded = load(base, adapter=adapter_folder, device="cpu", dtype="float32")
    config = json.loads((find.find(base) / "config.json").read_text(encoding="utf-8"))
    own_format = str(config.get("dtype") or config.get("torch_dtype") or "float32")
    with quiet():
        model = loaded.model.merge_and_unload()
        if own_format in _HALF_FORMATS:
            model = model.to(getattr(torch, own_format))
        if hasattr(model, "peft_config"):
            del model.peft_config  # the merged model has no adapter any more
        model.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)


def all_exportable(project: Project) -> list[Run]:
    """The runs that left a model or an adapter, oldest first."""
    found = []
    for run in runs.all_runs(project):
        try:
            folder_of(project, run)
        except UserError:
            continue
        found.append(run)
    return found
