"""What a model computes with, as a short text: equal for equal weights and settings, wherever they were loaded from."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch
from torch import Tensor

_WIDTH = 4096
_WHOLE_NUMBERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
#: Of a configuration: where it came from and how it is loaded, which changes no number.
_BESIDE_THE_POINT = (
    "_name_or_path",
    "base_model_name_or_path",
    "transformers_version",
    "peft_version",
    "inference_mode",
)


def fingerprint(model: Any) -> str:
    """32 hex digits of a model's weights, its configuration, and those of the adapter on it, if there is one."""
    digest = hashlib.sha256()
    configs = [model.config, *getattr(model, "peft_config", {}).values()]
    for config in configs:
        values = {name: value for name, value in config.to_dict().items() if name not in _BESIDE_THE_POINT}
        digest.update(json.dumps(values, sort_keys=True, default=_as_text).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        for sums in _sums(tensor):
            digest.update(sums.cpu().numpy().tobytes())
    return digest.hexdigest()[:32]


def _sums(tensor: Tensor) -> list[Tensor]:
    """The tensor's bits, read as whole numbers, added up along rows and along columns, and what is left over.

    As fast as memory is read and where the tensor lies; SHA-256 of everything would take longer than loading it.
    """
    bits = tensor.detach().contiguous().view(-1).view(_WHOLE_NUMBERS[tensor.element_size()])
    whole = bits.numel() // _WIDTH * _WIDTH
    rows = bits[:whole].view(-1, _WIDTH)
    return [rows.sum(1, dtype=torch.int64), rows.sum(0, dtype=torch.int64), bits[whole:]]


def _as_text(value: Any) -> Any:
    return sorted(map(str, value)) if isinstance(value, (set, frozenset)) else str(value)
