"""Adapters in PEFT's folder format, put onto the model they belong to."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpo_studio.core.errors import UserError

from .quiet import quiet

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PICKLES = ("adapter_model.bin", "adapter_model.pt", "adapter_model.pth")


def check(folder: Path) -> dict[str, Any]:
    """The adapter's configuration.

    Raises:
        UserError: there is no adapter there, or its weights are missing or pickled.
    """
    if not folder.is_dir():
        raise UserError(f"There is no adapter at {folder}.", "Check the path; the run's folder may have been moved.")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder.name} is not an adapter: it has no {CONFIG}.", "Choose a PEFT folder.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"The adapter's {CONFIG} cannot be read.", "Train it again, or restore the folder.") from error
    if not (folder / WEIGHTS).is_file():
        pickle = next((name for name in _PICKLES if (folder / name).is_file()), None)
        if pickle:
            raise UserError(
                f"The adapter has only pickled weights ({pickle}), and a pickle can run any code when it is opened.",
                "Save it again as safetensors.",
            )
        raise UserError(f"The adapter in {folder} has no weights.", f"It needs {WEIGHTS}.")
    return config


def apply(model: PreTrainedModel, folder: Path, *, trainable: bool = False, name: str = "default") -> PeftModel:
    """The model with the adapter on it.

    The adapter's own weights are float32, whatever the model's are.

    Raises:
        UserError: as `check`, or it was made for another model.
    """
    from peft import PeftModel

    check(folder)
    device = str(next(model.parameters()).device)
    with _in_words(folder):
        adapted = PeftModel.from_pretrained(
            model, str(folder), adapter_name=name, is_trainable=trainable, torch_device=device, local_files_only=True
        )
    _check_names(adapted, folder, name)
    return adapted


def add(adapted: PeftModel, folder: Path, *, name: str) -> None:
    """Put one more adapter beside those a model has; it does not work until it is set.

    Raises:
        UserError: as `apply`.
    """
    check(folder)
    device = str(next(adapted.parameters()).device)
    with _in_words(folder):
        adapted.load_adapter(str(folder), adapter_name=name, torch_device=device, local_files_only=True)
    _check_names(adapted, folder, name)


@contextlib.contextmanager
def _in_words(folder: Path) -> Iterator[None]:
    """Turn what PEFT raises for files that cannot be used into a sentence."""
    from safetensors import SafetensorError

    try:
        with quiet():
            yield
    except SafetensorError as error:
        raise UserError(f"The adapter in {folder} is damaged.", "Train it again, or restore the folder.") from error
    except (RuntimeError, ValueError, KeyError) as error:
        raise _other_model(folder) from error


def _check_names(adapted: PeftModel, folder: Path, name: str) -> None:
    """Refuse an adapter some of whose weights found no place, which PEFT only warns about."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(str(folder / WEIGHTS), framework="pt") as file:
        saved = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}
    state = get_peft_model_state_dict(adapted, adapter_name=name)
    placed = {key: tuple(tensor.shape) for key, tensor in state.items()}
    if {key: shape for key, shape in placed.items() if key in saved} != saved:
        raise _other_model(folder)


def _other_model(folder: Path) -> UserError:
    try:
        made_for = json.loads((folder / CONFIG).read_text(encoding="utf-8")).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError):
        made_for = None
    return UserError(
        "The adapter does not fit this model: its weights have other names or shapes.",
        f"It was made for {made_for}." if made_for else "Choose the model that it was trained on.",
    )
