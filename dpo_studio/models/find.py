"""From a model reference to a local folder that can be loaded: the starter, a folder, a GGUF file, a Hub id.

Weights are safetensors or GGUF. Pickled weights and models that bring code of their own are refused:
loading either would run somebody else's program.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dpo_studio.core.errors import UserError

from . import gguf, hub, starter

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tekken.json", "spiece.model")

PICKLE_REASON = (
    "{what} has only pickled weights ({example}), and a pickle can run any code when it is opened.",
    "Use a version of the model with .safetensors weights, or convert it with the tools of its makers.",
)


def find(base: str, *, on_stage: Callable[[str], None] = lambda stage: None) -> Path:
    """The local folder of a model: config, tokenizer and safetensors weights, checked.

    Args:
        base: "starter", a folder, a .gguf file, or a Hub id such as "owner/name".
        on_stage: told what goes on where it takes long, in a few words.

    Raises:
        UserError: there is no such model, or it cannot be used and why.
    """
    reference = base.strip()
    if not reference:
        raise UserError("No model was named.", 'Choose "starter", a folder, a .gguf file or a Hub id.')
    if reference == starter.NAME:
        return starter.ensure(on_stage=on_stage)
    path = Path(reference).expanduser()
    if path.is_file():
        return _from_file(path, on_stage)
    if path.is_dir():
        return _from_folder(path, on_stage)
    if _looks_like_a_path(reference) or not _HUB_ID.fullmatch(reference):
        raise UserError(f"There is no model at {reference}.", "Check the path.")
    folder = hub.download(reference, on_stage=on_stage)
    check(folder, name=reference)
    return folder


def check(folder: Path, *, name: str = "") -> None:
    """Refuse a folder that cannot be loaded, or that would have to be trusted.

    Raises:
        UserError: no weights, pickled or missing weights, an unknown architecture, no tokenizer.
    """
    what = name or folder.name
    config = _config(folder, what)
    _check_weights(folder, what)
    check_architecture(config, what)
    if not any((folder / file).is_file() for file in _TOKENIZER_FILES):
        raise UserError(
            f"{what} has no tokenizer.", "Copy tokenizer.json and tokenizer_config.json from the original model to it."
        )


def check_architecture(config: dict[str, Any], what: str) -> None:
    """Refuse a model whose code is not in transformers itself.

    Raises:
        UserError: an unknown architecture, one that brings its own code, or one that does not write text.
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    kind = str(config.get("model_type") or "")
    if kind not in CONFIG_MAPPING:
        if "auto_map" in config:
            raise UserError(
                f"{what} brings its own program code, and DPO Studio never runs code that comes with a model.",
                "Use a model whose architecture is part of transformers.",
            )
        raise UserError(
            f"{what} is of an architecture that this version of transformers does not know"
            f" ({kind or 'its config.json names none'}).",
            "Update transformers, or choose another model.",
        )
    if type(AutoConfig.for_model(kind)) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise UserError(
            f"{what} is a {kind} model, which does not write text from left to right.",
            "Choose a model for text generation.",
        )


def _from_file(path: Path, on_stage: Callable[[str], None]) -> Path:
    if path.suffix.lower() == ".gguf":
        return gguf.convert(path, on_stage=on_stage)
    if path.suffix.lower() in (".bin", ".pt", ".pth", ".ckpt"):
        reason, hint = PICKLE_REASON
        raise UserError(reason.format(what=path.name, example=path.suffix), hint)
    raise UserError(f"{path.name} is not a model.", "Choose a model's folder, or a .gguf file.")


def _from_folder(folder: Path, on_stage: Callable[[str], None]) -> Path:
    ggufs = sorted(folder.glob("*.gguf"))
    if ggufs and not any(folder.glob("*.safetensors")):
        if len(ggufs) > 1:
            names = ", ".join(file.name for file in ggufs[:4])
            raise UserError(f"{folder.name} holds several GGUF files ({names}).", "Choose one of the files itself.")
        return gguf.convert(ggufs[0], on_stage=on_stage)
    check(folder)
    return folder


def _config(folder: Path, what: str) -> dict[str, Any]:
    path = folder / "config.json"
    if (folder / "adapter_config.json").is_file() and not path.is_file():
        raise UserError(f"{what} is an adapter, not a model.", "Choose the model it belongs to, and it as the adapter.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{what} is not a model: it has no config.json.", "Choose the folder with config.json."
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(f"{what} has a config.json that cannot be read.", "Download the model again.") from error
    if not isinstance(config, dict):
        raise UserError(f"{what} has a config.json that cannot be read.", "Download the model again.")
    return config


def _check_weights(folder: Path, what: str) -> None:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise UserError(f"{what} has a damaged list of weights.", "Download the model again.") from error
        missing = sorted(shard for shard in shards if not (folder / shard).is_file())
        if missing:
            raise UserError(
                f"{what} is incomplete: {len(missing)} of its {len(shards)} weight files are missing"
                f" ({missing[0]}{', …' if len(missing) > 1 else ''}).",
                "Download the model again.",
            )
        return
    if (folder / "model.safetensors").is_file():
        return
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        reason, hint = PICKLE_REASON
        raise UserError(reason.format(what=what, example=pickles[0]), hint)
    raise UserError(
        f"{what} has no weights: there is no model.safetensors in it.", "Copy the weights there, or choose another."
    )


def _looks_like_a_path(reference: str) -> bool:
    return (
        reference.startswith(("/", ".", "~"))
        or "\\" in reference
        or reference.count("/") > 1
        or reference.lower().endswith(".gguf")
        or re.match(r"[A-Za-z]:", reference) is not None
    )
