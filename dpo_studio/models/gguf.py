"""A .gguf file as a model folder: converted once to safetensors, then loaded like any other."""

from __future__ import annotations

import copy
import errno
import struct
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from dpo_studio.core.errors import UserError

from . import cache
from .quiet import quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Stage = Callable[[str], None]


def convert(file: Path, *, kind: str = "gguf", what: str = "", on_stage: Stage = lambda stage: None) -> Path:
    """The folder of a .gguf file's model, converted now if it was not before.

    Args:
        kind: begins the folder's name in the cache.
        what: what to call the model while it is converted; the file's name when empty.
        on_stage: told what goes on, in a few words.

    Raises:
        UserError: not a GGUF file, an architecture that cannot be read, a full disk.
    """
    _check_is_gguf(file)
    source_hash = cache.known_hash(file)
    if source_hash is None:
        on_stage(f"reading {file.name}")
        source_hash = cache.sha256(file)
    name = f"{kind}-{source_hash[:12]}"
    folder = cache.root() / name
    if cache.is_intact(folder):
        return folder
    with ExitStack() as stack:
        _enter_lock(stack, name, on_stage)
        if not cache.is_intact(folder):  # another process may have made it meanwhile
            on_stage(f"converting {what or file.name} (once)")
            _convert(file, name, source_hash)
    return folder


def _enter_lock(stack: ExitStack, name: str, on_stage: Stage) -> None:
    try:
        cache.root().mkdir(parents=True, exist_ok=True)
        lock = FileLock(cache.root() / f".{name}.lock")
        try:
            stack.enter_context(lock.acquire(timeout=0))
        except Timeout:
            on_stage("waiting for another process that is converting this model")
            stack.enter_context(lock.acquire())
    except OSError as error:
        raise _cannot_write(error) from error


def _convert(file: Path, name: str, source_hash: str) -> None:
    try:
        model, tokenizer = _read(file)
        with cache.new_folder(name, source=file, source_hash=source_hash) as folder:
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    except UserError:
        raise
    except OSError as error:
        raise _cannot_write(error) from error
    except Exception as error:
        # safetensors reports a full disk as an error of its own kind.
        if "No space left" in str(error):
            raise _cannot_write(OSError(errno.ENOSPC, "No space left on device")) from error
        raise UserError(
            f"{file.name} could not be read as a model: {_first_line(error)}",
            "Use a GGUF file of a Llama, Qwen, Gemma, Mistral, Phi or GPT-2 model, or the model's safetensors folder.",
        ) from error


def _read(file: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    import torch
    import transformers

    extra: dict[str, Any] = {}
    if hasattr(transformers, "GgufConfig"):
        extra["quantization_config"] = transformers.GgufConfig(dequantize=True)
    with quiet():
        tokenizer = transformers.AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        packed = transformers.AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, dtype=torch.bfloat16, **extra
        )
    _mend_pre_tokenizer(tokenizer, file)
    return _plain(packed), tokenizer


def _plain(packed: PreTrainedModel) -> PreTrainedModel:
    """The same weights in a model that does not call itself quantised, which could not be saved."""
    import torch

    config = copy.deepcopy(packed.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        model = type(packed)(config)
    model.load_state_dict(packed.state_dict(), assign=True)
    model.tie_weights()
    model.generation_config = packed.generation_config
    return model


def _mend_pre_tokenizer(tokenizer: PreTrainedTokenizerBase, file: Path) -> None:
    """Cut text as the model's own tokenizer does where the GGUF reader of transformers does not know how.

    SmolLM cuts off every digit before anything else; without it two spaces before a number come out
    as tokens that the model has not seen there.
    """
    from gguf import GGUFReader
    from tokenizers import pre_tokenizers

    field = GGUFReader(file).get_field("tokenizer.ggml.pre")
    if field is not None and field.contents() == "smollm":
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )


def _check_is_gguf(file: Path) -> None:
    try:
        with file.open("rb") as stream:
            head = stream.read(8)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.", "Check the path and its permissions.") from error
    if len(head) < 8 or head[:4] != b"GGUF" or not 2 <= struct.unpack("<I", head[4:])[0] <= 3:
        raise UserError(f"{file.name} is not a GGUF file.", "Download it again, or choose another file.")


def _cannot_write(error: OSError) -> UserError:
    if error.errno == errno.ENOSPC:
        return UserError(
            "The disk is full, so the model could not be converted.",
            f"Free some space, or set DPO_STUDIO_CACHE to a folder on another disk (now {cache.root()}).",
        )
    return UserError(
        f"The converted model could not be kept in {cache.root()}: {error.strerror or error}.",
        "Make that folder writable, or set DPO_STUDIO_CACHE to another one.",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
