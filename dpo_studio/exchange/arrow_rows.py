"""Rows of Parquet and Arrow files, and of the folders that `save_to_disk` of the `datasets` library makes.

Columns that can hold neither a text nor a mark (pictures, sound, vectors) are not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpo_studio.core.errors import UserError

from . import files

if TYPE_CHECKING:
    import pyarrow

SUFFIXES = (".parquet", ".arrow")
_BATCH = 256


def read(path: Path, *, notes: list[str]) -> Iterator[tuple[int, dict[str, Any] | None, str]]:
    """(row number from 1, its columns or None, what is wrong with it, or "").

    Raises:
        UserError: the file cannot be opened, or is not what its name says.
    """
    with _worded(path):
        yield from rows_of(_parquet(path, notes) if path.suffix.lower() == ".parquet" else _arrow(path, notes))


def rows_of(batches: Iterable[pyarrow.RecordBatch | pyarrow.Table]) -> Iterator[tuple[int, dict[str, Any] | None, str]]:
    """The rows of batches; one that is not text though its column is comes alone as a bad row."""
    number = 0
    for batch in batches:
        try:
            values: list[dict[str, Any]] = batch.to_pylist()
        except (ValueError, OverflowError):
            for at in range(batch.num_rows):
                number += 1
                try:
                    (value,) = batch.slice(at, 1).to_pylist()
                    yield number, value, ""
                except (ValueError, OverflowError) as error:
                    yield number, None, f"it holds a value that cannot be read ({error})"
            continue
        for value in values:
            number += 1
            yield number, value, ""


def readable(schema: pyarrow.Schema, notes: list[str]) -> list[str]:
    """The columns of a schema that can say something here; a note names the others.

    Raises:
        UserError: two columns have one name.
    """
    names = [field.name for field in schema]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"The column {twice[0]!r} is there twice.", "Give each column a name of its own.")
    kept = [field.name for field in schema if _can_say(field.type)]
    left = [name for name in names if name not in kept]
    if left:
        notes.append(f"Columns that hold no text were not read: {', '.join(left)}.")
    return kept


def saved_files(folder: Path, split: str) -> tuple[list[Path], list[str]]:
    """The files of a folder made by `save_to_disk`, in order, and its splits; nothing where it is not one.

    Args:
        split: the one that is wanted; "" takes "train", or the first.

    Raises:
        UserError: there is no such split, or the folder is not whole.
    """
    splits: list[str] = []
    try:
        if (folder / "dataset_dict.json").is_file():
            splits = [str(name) for name in json.loads((folder / "dataset_dict.json").read_bytes())["splits"]]
            wanted = split or files.default_split(splits)
            if wanted not in splits:
                raise UserError(f"There is no split {split!r}.", f"The splits are: {', '.join(splits) or 'none'}.")
            folder = folder / wanted
        if not (folder / "state.json").is_file():
            return [], splits
        listed = json.loads((folder / "state.json").read_bytes())["_data_files"]
        paths = [folder / Path(entry["filename"]).name for entry in listed]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{folder} is not a whole data set: {error}.", "Save or copy it again.") from error
    return paths, splits


def _can_say(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        return _can_say(kind.value_type)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return not types.is_floating(kind.value_type) and _can_say(kind.value_type)
    if types.is_struct(kind):
        return any(_can_say(kind.field(at).type) for at in range(kind.num_fields))
    simple = (types.is_string, types.is_large_string, types.is_boolean, types.is_integer, types.is_floating)
    return types.is_null(kind) or types.is_string_view(kind) or any(known(kind) for known in simple)


def _parquet(path: Path, notes: list[str]) -> Iterator[pyarrow.RecordBatch]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        columns = readable(file.schema_arrow, notes)
        yield from file.iter_batches(batch_size=_BATCH, columns=columns)


def _arrow(path: Path, notes: list[str]) -> Iterator[pyarrow.RecordBatch]:
    import pyarrow

    with pyarrow.memory_map(str(path)) as source:
        try:
            reader = pyarrow.ipc.open_stream(source)
            batches: Iterable[pyarrow.RecordBatch] = reader
        except pyarrow.ArrowInvalid:
            source.seek(0)
            reader = pyarrow.ipc.open_file(source)
            batches = (reader.get_batch(at) for at in range(reader.num_record_batches))
        columns = readable(reader.schema, notes)
        for batch in batches:
            batch.validate(full=True)
            yield from (batch.select(columns).slice(at, _BATCH) for at in range(0, batch.num_rows, _BATCH))


@contextmanager
def _worded(path: Path) -> Iterator[None]:
    import pyarrow

    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"There is no file {path}.", "Check its name.") from error
    except (OSError, pyarrow.ArrowException, ValueError, MemoryError) as error:
        what = "Parquet" if path.suffix.lower() == ".parquet" else "Arrow"
        said = " ".join(str(error).split())[:200]
        raise UserError(f"{path} cannot be read as {what}: {said}.", "Check the file, or export it again.") from error
