"""Models from the Hugging Face Hub, into its own cache: safetensors, configuration, tokenizer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dpo_studio.core.errors import UserError

#: Nothing that is code or a pickle; only the top folder, since others hold the model in other formats.
ALLOWED = ("*.safetensors", "*.json", "*.jinja", "*.model", "merges.txt", "vocab.txt")
IGNORED = ("*/*", "consolidated*")


def download(repository: str, *, on_stage: Callable[[str], None] = lambda stage: None) -> Path:
    """A Hub model's folder, downloaded now unless the Hub's cache holds it already.

    Without a network, what the cache holds is used.

    Raises:
        UserError: there is no such model, it is gated, it has no safetensors, no network, or a full disk.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        HTTPError,  # of whichever library it speaks through
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        on_stage(f"asking the Hub for {repository}")
        size = _check_files(repository)
        on_stage(f"downloading {repository} ({_words(size)})" if size else f"downloading {repository}")
        return Path(snapshot_download(repository, allow_patterns=list(ALLOWED), ignore_patterns=list(IGNORED)))
    except GatedRepoError as error:
        raise UserError(
            f"{repository} asks for its terms to be accepted first.",
            f'Accept them at https://huggingface.co/{repository}, then type "hf auth login".',
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise UserError(
            f"There is no model called {repository} on the Hub, and no such folder or file here.",
            'Check the name; a private model needs "hf auth login" first.',
        ) from error
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, HfHubHTTPError, HTTPError, ConnectionError) as error:
        return _cached(repository, error)
    except OSError as error:
        raise UserError(
            f"{repository} could not be kept on this disk: {error.strerror or error}.", "Free some space and try again."
        ) from error


def _check_files(repository: str) -> int:
    """The bytes a download will take, or a UserError where there is nothing to be had."""
    from huggingface_hub import HfApi

    siblings = HfApi().model_info(repository, files_metadata=True).siblings or []
    names = [file.rfilename for file in siblings if "/" not in file.rfilename]
    if not any(name.endswith(".safetensors") for name in names):
        pickles = [name for name in names if name.endswith((".bin", ".pt", ".pth", ".ckpt"))]
        if pickles:
            raise UserError(
                f"{repository} has only pickled weights ({pickles[0]}), and a pickle can run any code when it is"
                " opened.",
                "Look for a version of the model with .safetensors weights.",
            )
        if any(name.endswith(".gguf") for name in names):
            raise UserError(
                f"{repository} holds GGUF files.", "Download one of them and give its path, or use the original model."
            )
        raise UserError(f"{repository} holds no weights.", "Choose another model.")
    wanted = [file for file in siblings if file.rfilename in names and file.rfilename.endswith(".safetensors")]
    return sum(file.size or 0 for file in wanted if not file.rfilename.startswith("consolidated"))


def _cached(repository: str, error: Exception) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                repository, allow_patterns=list(ALLOWED), ignore_patterns=list(IGNORED), local_files_only=True
            )
        )
    except LocalEntryNotFoundError:
        raise UserError(
            f"{repository} is not on this machine, and the Hub could not be reached.",
            'Check the network, or choose a local model or "starter".',
        ) from error


def _words(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"
