"""Rows of files made elsewhere: text, JSON, CSV, Parquet, Arrow, a folder of them, or a data set of the Hub.

Covers reading only: which column means what is in `core.column_meanings`, what a row says in `core.prompt_rows` and
`judged`.
Everything is read as a stream, so that the size of a source is no matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from dpo_studio.core import column_meanings, turns
from dpo_studio.core.errors import UserError

from . import arrow_rows, csv_rows, encodings, files, hub_data, json_rows, text_rows

_COLUMNED = (*json_rows.SUFFIXES, *csv_rows.SUFFIXES, *arrow_rows.SUFFIXES)
#: What describes a data set beside its rows.
_ABOUT = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}
_NAMES = {
    ".jsonl": "JSON lines",
    ".ndjson": "JSON lines",
    ".json": "JSON",
    ".csv": "CSV",
    ".tsv": "TSV",
    ".parquet": "Parquet",
    ".arrow": "Arrow",
}
_NOT_READ = (
    *(
        ".xlsx",
        ".xls",
        ".ods",
        ".docx",
        ".odt",
        ".rtf",
        ".pdf",
        ".html",
        ".db",
        ".sqlite",
        ".zip",
        ".tar",
        ".7z",
        ".bz2",
    ),
    *(".xz", ".zst", ".pkl", ".npy", ".npz", ".pt", ".bin", ".safetensors", ".gguf", ".png", ".jpg", ".jpeg"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a source: where it stands, for messages, and its columns; or why it cannot be read.

    Attributes:
        bare: what stands in the place of an object in JSON: a text, or a list of messages.
        is_text: its values are the texts of cells, whatever they mean.
    """

    place: str
    values: dict[str, Any] | None
    problem: str = ""
    bare: Any = None
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """How a person wants a source read, where it is not to be worked out.

    Attributes:
        encoding: of text files, such as "cp1252".
        split: of a data set, such as "test"; of a folder, the files that are called so.
        config: of a data set of the Hub that has several.
        blocks: of plain text, "lines" or "paragraphs".
    """

    encoding: str = ""
    split: str = ""
    config: str = ""
    blocks: str = ""


@dataclass(slots=True)
class Source:
    """A source that was looked at; `rows` reads it, each time from its start.

    Attributes:
        name: as it is kept with each prompt.
        reader: how it is read, in words, such as "CSV".
        encoding: that of its text as a person knows it, or "".
        blocks: how plain text is split, or "".
        splits: the splits of a data set.
        notes: sentences on how it was read; complete once the rows were read.
    """

    name: str
    paths: list[Path]
    reader: str
    encoding: str = ""
    blocks: str = ""
    splits: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    asked: Asked = Asked()
    root: Path | None = None

    @property
    def only_prompts(self) -> bool:
        """Plain text has no columns."""
        return bool(self.blocks)

    def rows(self) -> Iterator[Row]:
        """Its rows in order.

        Raises:
            UserError: a file that cannot be read on.
        """
        for path in self.paths:
            before = f"{path.relative_to(self.root).as_posix()}, " if self.root and len(self.paths) > 1 else ""
            for row in self._file_rows(path):
                yield replace(row, place=before + row.place) if before else row

    def _file_rows(self, path: Path) -> Iterator[Row]:
        kind, notes = files.suffix(path), self._note_taker()
        if kind in arrow_rows.SUFFIXES:
            for number, values, problem in arrow_rows.read(path, notes=notes):
                yield Row(f"row {number}", values, problem)
            return
        encoding = _encoding(path, self.asked)
        if encoding.note:
            notes.append(encoding.note)
        if kind in csv_rows.SUFFIXES:
            for number, values, problem in csv_rows.read(path, encoding, notes=notes):
                yield Row(f"line {number}", values, problem, is_text=True)
        elif kind in json_rows.SUFFIXES:
            for place, value, problem in _unwrapped(json_rows.read(path, encoding), notes):
                yield _row_of_json(place, value, problem)
        else:
            for number, text, problem in text_rows.read(path, encoding, split=self.blocks or "lines"):
                yield Row(f"line {number}", None if problem else {"prompt": text}, problem)

    def _note_taker(self) -> list[str]:
        return _Notes(self.notes)


class _Notes(list):
    """Takes each sentence once, however often the source is read."""

    def __init__(self, kept: list[str]) -> None:
        super().__init__()
        self._kept = kept

    def append(self, note: str) -> None:
        if note not in self._kept:
            self._kept.append(note)


def open_source(given: str | Path, asked: Asked = Asked()) -> Source:
    """Look at a source: a file, a folder, or the id of a data set on the Hub where there is neither.

    Raises:
        UserError: there is nothing of that name, an unknown kind of file, or the Hub cannot be asked.
    """
    given = hub_data.id_of(str(given))
    path = Path(given).expanduser()
    if path.is_dir():
        return _folder(path, asked)
    if not path.exists() and hub_data.is_id(given):
        found = hub_data.find(given, config=asked.config, split=asked.split, readable=_is_columned)
        return _of_data_set(found.name, found.files, found.splits, asked, found.folder)
    if not path.exists() and path.name == given and not path.suffix:
        raise UserError(
            f"There is no file or folder {given} here.",
            "Check its name; a data set of the Hub is written with its owner: owner/name.",
        )
    kind = files.suffix(path)
    if asked.split or asked.config:
        raise UserError("Only data sets have splits and configurations.", "Leave --split and --config out.")
    if kind in arrow_rows.SUFFIXES:
        if not path.exists():
            raise UserError(f"There is no file {path}.", "Check its name.")
        return Source(path.name, [path], _NAMES[kind], asked=asked)
    if kind in _NOT_READ:
        raise UserError(f"{path.name} is a {kind} file, which is not read.", "Save it as CSV, JSON lines or text.")
    encoding = _encoding(path, asked)
    source = Source(path.name, [path], _NAMES.get(kind, "text"), encoding.name, asked=asked)
    if kind not in _COLUMNED:
        source.blocks = asked.blocks or text_rows.split_of(path, encoding)
        if note := text_rows.note_of(source.blocks):
            source.notes.append(note)
    return source


def _encoding(path: Path, asked: Asked) -> encodings.Encoding:
    with files.reading(path):
        return encodings.find(lambda: files.open_bytes(path), asked.encoding)


def _folder(folder: Path, asked: Asked) -> Source:
    paths, splits = arrow_rows.saved_files(folder, asked.split)
    if paths:
        return _of_data_set(folder.resolve().name, paths, splits, asked, folder)
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and _is_columned(str(path.relative_to(folder))))
    if not paths:
        raise UserError(f"{folder} holds no JSON, CSV, Parquet or Arrow file.", "Name the file, or the right folder.")
    if asked.split:
        there = paths
        paths = [path for path in there if _split_of(path.relative_to(folder)) == asked.split]
        if not paths:
            names = ", ".join(sorted({_split_of(path.relative_to(folder)) for path in there})[:20])
            raise UserError(f"{folder} has no file of a split {asked.split!r}.", f"There are: {names}.")
    kinds = list(dict.fromkeys(_NAMES[files.suffix(path)] for path in paths))
    return Source(folder.resolve().name, paths, f"folder of {' and '.join(kinds)}", asked=asked, root=folder)


def _of_data_set(name: str, paths: list[Path], splits: list[str], asked: Asked, root: Path) -> Source:
    source = Source(name, paths, "Hugging Face data set", splits=splits, asked=asked, root=root)
    if len(splits) > 1 and not asked.split:
        which = files.default_split(splits)
        source.notes.append(
            f"It has the splits {', '.join(splits)}; {which} is read (in a terminal: --split says which)."
        )
    return source


def _is_columned(inside: str) -> bool:
    """Whether a file of a folder, by its path there, holds rows with columns."""
    path = Path(inside)
    hidden = any(part.startswith(".") for part in path.parts)
    return files.suffix(path) in _COLUMNED and not hidden and path.name not in _ABOUT


def _split_of(inside: Path) -> str:
    """The split a file belongs to, by its name (train-00000-of-00002.parquet) or its folder (train/rows.jsonl)."""
    name = inside.name.split(".")[0]
    return inside.parts[-2] if len(inside.parts) > 1 and inside.parts[-2] != "data" else name.split("-")[0]


def _unwrapped(entries: Iterator[tuple[str, Any, str]], notes: list[str]) -> Iterator[tuple[str, Any, str]]:
    """Entries as they are; of a file that is one object around its only list of rows, the rows."""
    start = list(islice(entries, 2))
    name = _only_list_of(start[0][1]) if len(start) == 1 else ""
    if name:
        notes.append(f"Its rows stand under {name!r}.")
        yield from ((f"row {number}", row, "") for number, row in enumerate(start[0][1][name], 1))
    else:
        yield from start
        yield from entries


def _only_list_of(value: Any) -> str:
    """Under which name an object that is no row itself holds rows, or ""."""
    if not isinstance(value, dict):
        return ""
    lists = [
        name
        for name, rows in value.items()
        if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows) and not turns.are_turns(rows)
    ]
    return lists[0] if len(lists) == 1 and not column_meanings.is_prompt(value) else ""


def _row_of_json(place: str, value: Any, problem: str) -> Row:
    if problem or isinstance(value, dict):
        return Row(place, None if problem else value, problem)
    bare = value if isinstance(value, str | list) else None
    return Row(place, None, "it is not an object with columns", bare)
