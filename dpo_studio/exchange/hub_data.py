"""Data sets of the Hugging Face Hub: which files a split of one is, downloaded into the Hub's own cache.

Only files of rows are fetched, so nothing of a data set is ever run. Which files are which configuration and split is
read from the data set's card, and where it says nothing from their names, as the Hub itself does. Without a network,
what was downloaded before is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpo_studio.core.errors import UserError

from . import files

if TYPE_CHECKING:
    from collections.abc import Iterator

_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
#: What a browser or the Hub's own tools write before it.
_ADDRESS = re.compile(
    r"(?:https?://huggingface\.co/datasets|https?://hf\.co/datasets|hf://datasets)/([^/?#]+/[^/?#@]+).*"
)
#: A name that ends like a file is one that is not there, not a data set.
_FILE = re.compile(r"\.(jsonl?|ndjson|csv|tsv|parquet|arrow|txt|text|md|gz|xlsx?|zip)$", re.IGNORECASE)
_SPLITS = {
    "train": ("train", "training"),
    "test": ("test", "testing", "eval", "evaluation"),
    "validation": ("validation", "valid", "val", "dev"),
}
#: Where the Hub keeps its own copy in Parquet of data sets that come in other forms.
_MAIN, _CONVERTED = "main", "refs/convert/parquet"
_OF_THE_HUB = re.compile(r"[^/]+/[^/]+/\d{4}\.parquet")
_CARD = "README.md"


@dataclass(frozen=True, slots=True)
class Found:
    """A split of a data set, on this machine now.

    Attributes:
        name: its id with the split.
        splits: all that the configuration has.
    """

    name: str
    folder: Path
    files: list[Path]
    splits: list[str]


@dataclass(frozen=True, slots=True)
class _Source:
    """A revision of a data set and its files; `from_cache` where the Hub could not be asked."""

    revision: str
    names: list[str]
    from_cache: bool = False


@dataclass(slots=True)
class _Layout:
    """Files by configuration and split."""

    configs: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    default: str = ""


def id_of(text: str) -> str:
    """The id that an address of a data set names, such as that of its page; any other text stays as it is."""
    address = _ADDRESS.fullmatch(text.strip())
    return address[1] if address else text


def is_id(text: str) -> bool:
    """Whether this can be the id of a data set, owner/name."""
    return bool(_ID.fullmatch(text)) and not _FILE.search(text)


def find(name: str, *, config: str = "", split: str = "", readable: Callable[[str], bool]) -> Found:
    """A split of a data set, downloaded unless it is here already.

    Args:
        config: which of several configurations; "" where there is one, or one that is the default.
        split: "" takes "train", or the first.
        readable: whether a file of this name holds rows.

    Raises:
        UserError: there is no such data set, configuration or split, its terms were not accepted, it holds no
            rows, or the Hub cannot be reached and it was not downloaded before.
    """
    with _worded(name):
        source = _listed(name, readable)
    names = source.names
    card = _card(_fetched(name, source, [_CARD]) / _CARD) if _CARD in names else []
    layout = _layout(card, [one for one in names if readable(one)])
    splits = _chosen_config(name, layout, config)
    wanted = split or files.default_split(splits)
    if wanted not in splits:
        raise UserError(f"{name} has no split {wanted!r}.", f"The splits are: {', '.join(splits)}.")
    folder = _fetched(name, source, splits[wanted])
    return Found(f"{name} ({wanted})", folder, [folder / one for one in splits[wanted]], list(splits))


def _listed(name: str, readable: Callable[[str], bool]) -> _Source:
    """What there is to fetch; what the cache has where the Hub cannot be asked."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    api, revision = HfApi(), _MAIN
    try:
        info = api.dataset_info(name)
        names = [file.rfilename for file in info.siblings or []]
        if not any(readable(one) for one in names):
            try:
                info = api.dataset_info(name, revision=_CONVERTED)
            except (RevisionNotFoundError, HfHubHTTPError):
                pass
            else:
                names, revision = [file.rfilename for file in info.siblings or []], _CONVERTED
    except (GatedRepoError, RepositoryNotFoundError):
        raise
    except (OfflineModeIsEnabled, HfHubHTTPError, HTTPError, ConnectionError):
        return _cached(name)
    if not any(readable(one) for one in names):
        raise UserError(f"{name} holds no JSON, CSV, Parquet or Arrow file.", "Choose another data set.")
    return _Source(revision, sorted(names))


def _fetched(name: str, source: _Source, files: Sequence[str]) -> Path:
    """The folder of the cache that holds these files.

    Where the Hub could not be asked it is not tried again: its client would wait long before it gave up.
    """
    from huggingface_hub import snapshot_download

    patterns = [re.sub(r"([*?[])", r"[\1]", file) for file in files]
    with _worded(name):
        folder = Path(
            snapshot_download(
                name,
                repo_type="dataset",
                revision=source.revision,
                allow_patterns=patterns,
                local_files_only=source.from_cache,
            )
        )
        if not all((folder / file).exists() for file in files):
            raise ConnectionError("some files are not in the cache")
        return folder


def _cached(name: str) -> _Source:
    """As `_listed`, of what was downloaded before."""
    from huggingface_hub import get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    missing: Exception | None = None
    for revision in (_CONVERTED, _MAIN):
        try:
            tree = get_cached_repo_tree(name, repo_type="dataset", revision=revision)
            return _Source(revision, sorted(file.path for file in tree), from_cache=True)
        except CachedRepoTreeNotFoundError as error:
            missing = error
    raise UserError(
        f"{name} is not on this machine, and the Hub could not be reached.",
        "Check the network, or name a file or folder of this machine.",
    ) from missing


@contextmanager
def _worded(name: str) -> Iterator[None]:
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        HTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise UserError(
            f"{name} asks for its terms to be accepted first.",
            f'Accept them at https://huggingface.co/datasets/{name}, then type "hf auth login".',
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise UserError(
            f"There is no data set called {name} on the Hub, and no such folder or file here.",
            'Check the name; a private one needs "hf auth login" first.',
        ) from error
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, HfHubHTTPError, HTTPError, ConnectionError) as error:
        raise UserError(
            f"{name} is not all here, and the Hub could not be reached for the rest.",
            "Check the network and do it again; it goes on from there.",
        ) from error
    except OSError as error:
        raise UserError(
            f"{name} could not be kept on this disk: {error.strerror or error}.", "Free some space and try again."
        ) from error


def _card(path: Path) -> list[Mapping[str, Any]]:
    """The configurations that a data set's card lists."""
    from huggingface_hub import DatasetCard

    try:
        listed = DatasetCard.load(path, ignore_metadata_errors=True).data.to_dict().get("configs")
    except (OSError, ValueError, TypeError):
        return []
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []


def _layout(card: Sequence[Mapping[str, Any]], names: Sequence[str]) -> _Layout:
    layout = _Layout()
    for entry in card:
        config = str(entry.get("config_name") or "default")
        splits = {split: found for split, found in _splits(entry, names).items() if found}
        if splits:
            layout.configs[config] = splits
            if entry.get("default") is True:
                layout.default = config
    if not layout.configs and names and all(_OF_THE_HUB.fullmatch(name) for name in names):
        for name in names:
            config, split, _ = name.split("/")
            layout.configs.setdefault(config, {}).setdefault(split.removeprefix("partial-"), []).append(name)
    if not layout.configs:
        layout.configs["default"] = _by_name(names)
    return layout


def _splits(entry: Mapping[str, Any], names: Sequence[str]) -> dict[str, list[str]]:
    """The files of a configuration by split; what its card says of them is about its folder, where it names one."""
    folder, given = str(entry.get("data_dir") or "").strip("./"), entry.get("data_files")
    before = f"{folder}/" if folder else ""
    inside = [name for name in names if name.startswith(before)]
    if given is None:
        return _by_name(inside) if folder else {}
    return {
        split: _matching([before + pattern.removeprefix("./") for pattern in patterns], inside)
        for split, patterns in _patterns(given)
    }


def _patterns(given: Any) -> Iterator[tuple[str, list[str]]]:
    """(split, patterns) of what a card says of data files: a text, a list of texts, or of split and path."""
    if isinstance(given, Mapping):
        given = [{"split": split, "path": path} for split, path in given.items()]
    entries = given if isinstance(given, list) else [given]
    bare = [one for one in entries if isinstance(one, str)]
    if bare:
        yield "train", bare
    for entry in entries:
        if isinstance(entry, Mapping):
            path = entry.get("path")
            yield str(entry.get("split") or "train"), [str(one) for one in (path if isinstance(path, list) else [path])]


def _matching(patterns: Iterable[str], names: Sequence[str]) -> list[str]:
    return [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]


def _by_name(names: Sequence[str]) -> dict[str, list[str]]:
    """Files by the split that their name or a folder's says, all "train" where none says any."""
    found: dict[str, list[str]] = {}
    for name in names:
        words = set(re.split(r"[^a-z]+", name.lower()))
        split = next((split for split, known in _SPLITS.items() if words & set(known)), "")
        found.setdefault(split, []).append(name)
    rest = found.pop("", [])
    if rest and not found:
        return {"train": rest}
    return {split: found[split] for split in _SPLITS if split in found}


def _chosen_config(name: str, layout: _Layout, config: str) -> dict[str, list[str]]:
    configs = layout.configs
    wanted = config or layout.default or (next(iter(configs)) if len(configs) == 1 else "default")
    if wanted not in configs or not configs[wanted]:
        which = f"has no configuration {wanted!r}" if config else "has several configurations"
        raise UserError(f"{name} {which}.", f"Name one with --config: {', '.join(list(configs)[:20])}.")
    return configs[wanted]
