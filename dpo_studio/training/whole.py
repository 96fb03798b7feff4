"""Training a whole model instead of an adapter: all its weights, in fp32, kept as an ordinary model folder."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import psutil
import torch
from peft import PeftModel
from safetensors import SafetensorError
from safetensors.torch import load_file

from dpo_studio.core.errors import UserError
from dpo_studio.core.events import Notice
from dpo_studio.models.quiet import quiet

from .disk import whole_folder, write_tensors

WEIGHTS = "model.safetensors"
#: Above this an adapter is the better choice on one machine.
RECOMMENDED_PARAMETERS = 500_000_000
#: AdamW keeps two numbers beside each weight.
_OPTIMISER_COPIES = 2
_SPARE_BYTES = 500_000_000


def prepare(model: Any) -> tuple[Any, list[Notice]]:
    """The model with all weights trainable, in fp32; an adapter that it has is merged into them first.

    Tied weights are one parameter and stay tied. Dropout of the model's own is off throughout.
    """
    if isinstance(model, PeftModel):
        model = model.merge_and_unload()
    if hasattr(model, "peft_config"):
        del model.peft_config  # left behind by the merge; the model is an ordinary one now
    for parameter in model.parameters():
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)
    model.eval()
    count = sum(parameter.numel() for parameter in model.parameters())
    if count <= RECOMMENDED_PARAMETERS:
        return model, []
    return model, [
        Notice(
            "large_for_whole",
            f"All {count / 1e6:,.0f} M weights are trained. Above {RECOMMENDED_PARAMETERS / 1e6:,.0f} M an adapter is"
            " the better choice: it needs far less memory and disk.",
        )
    ]


def write_into(model: Any, folder: Path) -> None:
    """Write all weights into a checkpoint's folder."""
    write_tensors(folder / WEIGHTS, dict(model.named_parameters()))


@torch.no_grad()
def put_back(model: Any, folder: Path) -> None:
    """Give the model the weights that `write_into` wrote."""
    saved = load_file(folder / WEIGHTS)
    for name, parameter in model.named_parameters():
        parameter.copy_(saved.pop(name))
    assert not saved, sorted(saved)


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Save the model as a folder that transformers opens: config, safetensors, tokenizer, generation settings.

    Raises:
        OSError: the disk is full, say; a folder that was there before is still there.
    """
    with whole_folder(folder) as partial:
        try:
            with quiet():
                model.save_pretrained(partial)
                tokenizer.save_pretrained(partial)
        except SafetensorError as error:
            raise OSError(errno.ENOSPC if "os error 28" in str(error) else errno.EIO, str(error)) from error


def check_disk(run_folder: Path, model: Any, *, checkpoints: int) -> None:
    """Refuse a run whose checkpoints and model will not fit on the disk.

    Args:
        checkpoints: how many are kept; one more is there while it is written.

    Raises:
        UserError: how much room it takes and how much there is.
    """
    needed = bytes_of(model) * (1 + (1 + _OPTIMISER_COPIES) * (checkpoints + 1))
    free = shutil.disk_usage(run_folder).free
    if free < needed:
        raise UserError(
            f"Training the whole model needs {needed / 1e9:.1f} GB of disk for its checkpoints and the result, and"
            f" {free / 1e9:.1f} GB are free.",
            "Free some space, move the project to a larger disk, or train an adapter, which needs little.",
        )


def check_memory(model: Any) -> None:
    """Refuse a run whose gradients and optimiser will not fit in memory beside the weights, before there are any.

    Raises:
        UserError: how much memory they take and how much there is.
    """
    needed, free = bytes_of(model) * (1 + _OPTIMISER_COPIES), _free_bytes(model)
    if free < needed:
        raise UserError(
            f"Training the whole model needs {needed / 1e9:.1f} GB of memory beside its weights, for gradients and the"
            f" optimiser, and {free / 1e9:.1f} GB are free.",
            "Train an adapter, which needs little; or close other programs, or choose a smaller model.",
        )


def has_room_for_a_copy(model: Any) -> bool:
    """Whether a frozen copy of the weights fits in memory beside gradients and optimiser, before there are any."""
    return _free_bytes(model) > bytes_of(model) * (2 + _OPTIMISER_COPIES) + _SPARE_BYTES


def _free_bytes(model: Any) -> int:
    device = next(model.parameters()).device
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available


def bytes_of(model: Any) -> int:
    """Bytes of the weights, each counted once."""
    return sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
