"""The adapter that is trained: made, continued, saved in PEFT's format, and put back from a checkpoint."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors.torch import load_file

from dpo_studio.core.errors import UserError
from dpo_studio.core.events import Notice
from dpo_studio.core.settings import TrainingSettings
from dpo_studio.models.quiet import quiet

from . import whole
from .disk import whole_folder, write_tensors
from .targets import targets_of

ADAPTER_NAME = "default"
_EXPERTS_STAY = Notice(
    "experts_not_adapted",
    "This model's experts stay as they are: their weights are not linear layers, on which alone an adapter can be put."
    " What it learns is learnt by the other layers.",
)


def attach(model: Any, settings: TrainingSettings) -> tuple[Any, list[Notice]]:
    """The model with all its weights to train, or with an adapter: a new LoRA on the layers that the settings name, or
    the one it has already.

    The adapter's weights are fp32 whatever the base's are. A continued adapter keeps its own rank, alpha and layers.

    Raises:
        UserError: the adapter it has is not a LoRA, or the model has no such layer to adapt.
    """
    if settings.trains == "full":
        return whole.prepare(model)
    notices: list[Notice] = []
    if hasattr(model, "peft_config"):
        notices = _continue(model, settings)
    else:
        torch.manual_seed(settings.seed)
        config = LoraConfig(
            r=settings.lora_rank,
            lora_alpha=settings.lora_alpha,
            lora_dropout=settings.lora_dropout,
            target_modules=targets_of(model, settings.lora_targets),
            bias="none",
            task_type="CAUSAL_LM",
        )
        try:
            with quiet():
                model = get_peft_model(model, config)
        except ValueError as error:
            raise UserError(
                f"No adapter can be put on this model: {error}", "Choose another model for training."
            ) from error
        if any(weight.dim() == 3 for name, weight in model.named_parameters() if "experts" in name):
            notices = [_EXPERTS_STAY]
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    model.eval()
    _switch_dropout(model)
    return model, notices


def trainable(model: Any) -> list[tuple[str, torch.nn.Parameter]]:
    """Names and parameters that are trained, in the model's order."""
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]


def save(model: Any, folder: Path) -> None:
    """Save the adapter as PEFT reads it; the folder is whole or not there.

    Raises:
        OSError: the disk is full, say.
    """
    with whole_folder(folder) as partial:
        write_into(model, partial)


def write_into(model: Any, folder: Path) -> None:
    """Write what is trained into a folder: the adapter's two files, or all weights."""
    if not isinstance(model, PeftModel):
        whole.write_into(model, folder)
        return
    config = copy.deepcopy(model.peft_config[ADAPTER_NAME])
    config.inference_mode = True
    for name, value in list(vars(config).items()):
        if isinstance(value, set):  # whose order differs from process to process
            setattr(config, name, sorted(value))
    state = get_peft_model_state_dict(model, adapter_name=ADAPTER_NAME, save_embedding_layers=False)
    write_tensors(folder / SAFETENSORS_WEIGHTS_NAME, state)
    config.save_pretrained(str(folder))


def put_back(model: Any, folder: Path) -> None:
    """Give the model the weights that `write_into` wrote."""
    if not isinstance(model, PeftModel):
        whole.put_back(model, folder)
        return
    state = load_file(folder / SAFETENSORS_WEIGHTS_NAME)
    outcome: Any = set_peft_model_state_dict(model, state, adapter_name=ADAPTER_NAME)
    assert not outcome.unexpected_keys, outcome.unexpected_keys


def _continue(model: Any, settings: TrainingSettings) -> list[Notice]:
    config = model.peft_config[ADAPTER_NAME]
    if not isinstance(config, LoraConfig):
        raise UserError(
            f"The starting adapter is of the kind {config.peft_type}, and only LoRA adapters can be trained further.",
            "Start from the base model, or from a LoRA adapter.",
        )
    if (config.r, config.lora_alpha) == (settings.lora_rank, settings.lora_alpha):
        return []
    return [
        Notice(
            "adapter_shape_kept",
            f"Training goes on from an adapter of rank {config.r} and alpha {config.lora_alpha}, which it keeps;"
            f" the settings ask for {settings.lora_rank} and {settings.lora_alpha}.",
        )
    ]


def _switch_dropout(model: Any) -> None:
    """The adapter's own dropout is on, where it has any; the base stays in evaluation mode throughout."""
    for name, module in model.named_modules():
        if "lora_dropout" in name:
            module.train()


def has_dropout(model: Any) -> bool:
    """Whether the adapter leaves something out at random while it trains."""
    return any("lora_dropout" in name and getattr(module, "p", 0.0) for name, module in model.named_modules())


class WithoutDropout:
    """Context: the adapter's dropout is off, for measuring."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __enter__(self) -> None:
        self._model.eval()

    def __exit__(self, *_: object) -> None:
        _switch_dropout(self._model)
