"""What an import would do, as one object for a script or a window; the project is left as it was.

The object of `dpo-studio import PROJECT SOURCE --preview --json` (each key is always there):

    format      "prompts", "completions", "pairs" or "rankings"
    formats     the formats that --format can say instead
    source      the source's name
    reader      how it is read: "text", "CSV", "TSV", "JSON", "JSON lines", "Parquet", "Arrow", "folder of …",
                "Hugging Face data set"
    encoding    of its text, such as "UTF-8"; "" where there is none
    blocks      plain text: "lines" or "paragraphs" (--blocks says it); else ""
    splits      a data set's splits (--split says which); else []
    columns     the names of its columns, in order; [] for plain text
    meanings    {meaning: column} as guessed or said by --column
    choices     the meanings that --column can say for this format
    cells       the first rows as they stand: [[text, …], …], a text for each of `columns`, cut at 300 characters
    rows        the first rows as they would be imported:
                {"place": "line 2", "new": bool, "messages": [{"role", "content"}, …], "tags": [text, …],
                 "completions": [{"text", "rank"}, …], "annotator": text}
                rank: 1 is best; null is unranked, or unjudged where no completion has one. Texts longer than
                4,000 characters are cut and end with "…"
    total       rows in the source
    added       rows that would be imported
    prompts     prompts that would be new
    duplicates  rows that are there already, in the project or further up in the source
    refused     [{"place", "reason"}, …] of rows that cannot be used, the first 1,000; without --skip-bad, one
                of them and nothing is imported
    refused_count   all of them
    notes       sentences on how the source was read
    problem     why nothing can be imported as it is asked (no column is the prompt, or the file breaks off), or "";
                then there are no rows and the counts are 0
    hint        what to do about it, or ""
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from dpo_studio.core.column_meanings import KINDS, KNOWN
from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.store import Project
from dpo_studio.store.matching import Judged
from dpo_studio.store.settling import Told

from . import importing, prompt_importing
from .columns import kind_of
from .prompt_tables import PromptRow
from .readers import Source

SHOWN = 5
_LISTED = 1000
_CELL, _TEXT = 300, 4000


def preview(
    project: Project,
    source: Source,
    *,
    kind: str = "auto",
    said: Mapping[str, str] | None = None,
    tags: Sequence[str] = (),
    annotator: str = "",
    told: Told | None = None,
) -> dict[str, Any]:
    """The object that the module describes.

    Args:
        kind: "auto", or one of `column_meanings.KINDS`.
        said: column names by meaning, where they are not to be guessed.
        tags: for all prompts.
        annotator: who judged, for rows that do not say.
        told: hears how many rows were "read", of 0 since it is not known of how many.

    Raises:
        UserError: the source cannot be read at all, or holds no rows.
    """
    said = said or {}
    kind = kind_of(source, said) if kind == "auto" else kind
    columns, cells = _cells(source)
    answer: dict[str, Any] = {
        "format": kind,
        "formats": list(KINDS),
        "source": source.name,
        "reader": source.reader,
        "encoding": source.encoding,
        "blocks": source.blocks,
        "splits": source.splits,
        "columns": columns,
        "meanings": {},
        "choices": [] if source.only_prompts else list(KNOWN[kind]),
        "cells": cells,
        "rows": [],
        "total": 0,
        "added": 0,
        "prompts": 0,
        "duplicates": 0,
        "refused": [],
        "refused_count": 0,
        "notes": [],
        "problem": "",
        "hint": "",
    }
    try:
        answer.update(_counted(project, source, kind, said, tags, annotator, told))
    except UserError as error:
        if not columns:
            raise
        answer.update(problem=error.message, hint=error.hint, notes=list(source.notes))
    if source.only_prompts:
        answer["meanings"] = {}
    return answer


def _counted(
    project: Project,
    source: Source,
    kind: str,
    said: Mapping[str, str],
    tags: Sequence[str],
    annotator: str,
    told: Told | None,
) -> dict[str, Any]:
    if kind == "prompts":
        asked = prompt_importing.preview(project, source, said, tags=tags, shown=SHOWN, told=told)
        added = new_prompts = asked.added
        rows = [_prompt_row(row, new) for row, new in asked.first]
        found: prompt_importing.PromptImport | importing.Imported = asked
    else:
        done = importing.preview(project, source, kind=kind, said=said, annotator=annotator, told=told)
        added, new_prompts = done.rankings, done.prompts
        rows = [_judged_row(place, item, new) for place, item, new in done.first]
        found = done
    refused = found.refused
    return {
        "meanings": dict(found.columns.meant) if found.columns else {},
        "rows": rows,
        "total": added + found.duplicates + len(refused),
        "added": added,
        "prompts": new_prompts,
        "duplicates": found.duplicates,
        "refused": [one.to_json() for one in refused[:_LISTED]],
        "refused_count": len(refused),
        "notes": list(found.notes),
    }


def _cells(source: Source) -> tuple[list[str], list[list[str]]]:
    """The columns of the first rows, and what stands in them."""
    if source.only_prompts:
        return [], []
    first = [row.values for row in islice(source.rows(), SHOWN) if row.values is not None]
    columns = list(dict.fromkeys(name for values in first for name in values))[:200]
    return columns, [[_cell(values.get(name)) for name in columns] for values in first]


def _cell(value: Any) -> str:
    text = (
        "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    )
    return _cut(text, _CELL)


def _prompt_row(row: PromptRow, new: bool) -> dict[str, Any]:
    return _row(row.place, new, row.messages, tags=row.tags)


def _judged_row(place: str, item: Judged, new: bool) -> dict[str, Any]:
    ranks = item.ranks or (None,) * len(item.completions)
    completions = [{"text": _cut(text), "rank": rank} for text, rank in zip(item.completions, ranks, strict=False)]
    return {**_row(place, new, item.messages, tags=item.tags), "completions": completions, "annotator": item.annotator}


def _row(place: str, new: bool, messages: Sequence[Message], tags: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "place": place,
        "new": new,
        "messages": [{"role": one.role, "content": _cut(one.content)} for one in messages],
        "tags": list(tags),
        "completions": [],
        "annotator": "",
    }


def _cut(text: str, longest: int = _TEXT) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
