"""Load a model, with an adapter or without, ready to be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from dpo_studio.core.errors import UserError

from . import adapters, find
from .chat import ChatFormat, tokenizer_hash
from .device import choose, choose_dtype
from .out_of_memory import is_out_of_memory
from .quiet import quiet

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_NO_LIMIT = 1_000_000


class DoesNotFitError(UserError):
    """There is too little memory for the model, on a GPU or in the machine."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in eval mode and what belongs to it.

    Attributes:
        model: with an adapter, a PeftModel whose adapter is called "default".
        parameters: weights of the base, the adapter not counted.
        context_length: tokens of prompt and completion together, at most.
        base, adapter: what it was loaded from.
    """

    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase
    chat: ChatFormat
    device: torch.device
    dtype: torch.dtype
    tokenizer_hash: str
    parameters: int
    context_length: int
    base: str
    adapter: Path | None

    def check_fits(self, prompt_ids: list[int]) -> int:
        """How many tokens are left for an answer.

        Raises:
            UserError: none, saying how long the prompt and the context are.
        """
        left = self.context_length - len(prompt_ids)
        if left < 1:
            raise UserError(
                f"The prompt is {len(prompt_ids):,} tokens long, and this model reads at most"
                f" {self.context_length:,} tokens of prompt and answer together.",
                "Shorten the prompt, or use a model with a longer context.",
            )
        return left


@dataclass(frozen=True, slots=True)
class Reading:
    """How a model reads texts: what is known of it without its weights. Attributes as of LoadedModel."""

    chat: ChatFormat
    tokenizer_hash: str
    context_length: int


def how_it_reads(base: str) -> Reading:
    """Find a model, and load its tokenizer alone.

    Raises:
        UserError: as `load`.
    """
    from transformers import AutoConfig, AutoTokenizer

    folder = find.find(base)
    with _in_words(base), quiet():
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    return Reading(ChatFormat(tokenizer), tokenizer_hash(tokenizer), _context_length(config))


def load(
    base: str,
    *,
    adapter: Path | None = None,
    device: str = "auto",
    dtype: str = "auto",
    on_stage: Callable[[str], None] = lambda stage: None,
) -> LoadedModel:
    """Find and load a model.

    Args:
        base: "starter", a folder, a .gguf file or a Hub id.
        adapter: an adapter's folder.
        device: "auto", "cpu", "cuda" or "mps".
        dtype: "auto" (measured), "float32" or "bfloat16".
        on_stage: told what goes on, in a few words.

    Raises:
        UserError: it cannot be found or used, and what to do; DoesNotFitError where there is too little memory.
    """
    if adapter is not None:
        adapters.check(adapter)
    where = choose(device)
    folder = find.find(base, on_stage=on_stage)
    on_stage("loading the model")
    number_format = choose_dtype(where, dtype)
    model, tokenizer = _load(folder, base, where, number_format)
    parameters = sum(weight.numel() for weight in model.parameters())
    context_length = _context_length(model.config)
    ends = _end_ids(model)
    whole: PreTrainedModel | PeftModel = model
    if adapter is not None:
        on_stage("loading the adapter")
        whole = adapters.apply(model, adapter)
    whole.eval()
    return LoadedModel(
        model=whole,
        tokenizer=tokenizer,
        chat=ChatFormat(tokenizer, extra_end_ids=ends),
        device=where,
        dtype=number_format,
        tokenizer_hash=tokenizer_hash(tokenizer),
        parameters=parameters,
        context_length=context_length,
        base=base,
        adapter=adapter,
    )


def load_where_it_fits(
    base: str,
    *,
    adapter: Path | None = None,
    device: str = "auto",
    on_stage: Callable[[str], None] = lambda stage: None,
) -> LoadedModel:
    """As `load`, but on the CPU where the device is "auto" and the GPU has too little memory for the model."""
    try:
        return load(base, adapter=adapter, device=device, on_stage=on_stage)
    except DoesNotFitError:
        if device != "auto" or choose(device).type == "cpu":
            raise
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    on_stage("the GPU has too little memory for it: loading it for the CPU")
    return load(base, adapter=adapter, device="cpu", on_stage=on_stage)


def _load(
    folder: Path, name: str, where: torch.device, dtype: torch.dtype
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with _in_words(name):
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
        model, report = loaded
        missing = report.get("missing_keys") or ()
        if missing:
            raise UserError(
                f"{name} is incomplete: {len(missing)} of its weights are missing, {sorted(missing)[0]} among them.",
                "Download the model again.",
            )
        return model.to(where), tokenizer


@contextmanager
def _in_words(name: str) -> Iterator[None]:
    """Context: what goes wrong in loading a model is said so that a person can mend it."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        raise UserError(f"The weights of {name} are damaged: {error}.", "Download the model again.") from error
    except (OSError, ValueError, RuntimeError, ImportError, KeyError, AttributeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise DoesNotFitError(
                f"{name} does not fit into the memory that is free.", "Choose a smaller model, or close other programs."
            ) from error
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"{name} could not be loaded: {line}", "Check the model's files, or choose another.") from error


def _context_length(config: Any) -> int:
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    for name in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "n_ctx"):
        length = getattr(text, name, None)
        if isinstance(length, int) and 0 < length < _NO_LIMIT * 100:
            return length
    return _NO_LIMIT  # recurrent models have no limit of their own


def _end_ids(model: PreTrainedModel) -> Iterable[int]:
    ends = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    if ends is None:
        return ()
    return (ends,) if isinstance(ends, int) else tuple(ends)
