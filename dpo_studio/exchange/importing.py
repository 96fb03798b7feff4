"""Judgements and completions made elsewhere, into a project: all of them or none, and none twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from dpo_studio.core.errors import UserError
from dpo_studio.store import Project, settling, staging
from dpo_studio.store.bulk_writing import Writer
from dpo_studio.store.database import storable
from dpo_studio.store.matching import Judged, Matching

from . import judged
from .columns import Columns, checked, kind_of
from .gathering import Gathered
from .readers import Source, open_source
from .refusals import ImportRefused, Refused

SHOWN_FIRST = 5
_AT_ONCE = 500
_PARSERS: Mapping[str, Callable[[Mapping[str, Any]], Judged]] = {
    "rankings": judged.from_ranking,
    "pairs": judged.from_pair,
    "completions": judged.from_completions,
}


@dataclass(slots=True)
class Imported:
    """What an import did.

    Attributes:
        rankings: rows taken: judgements that were written, or groups where there is nothing but completions.
        duplicates: rows that say what stands already.
        prompts, groups: those that were new to the project.
        notes: sentences on how the source was read.
        first: the first rows that can be used, and whether each is new.
    """

    rankings: int = 0
    duplicates: int = 0
    prompts: int = 0
    groups: int = 0
    refused: list[Refused] = field(default_factory=list)
    columns: Columns | None = None
    notes: list[str] = field(default_factory=list)
    first: list[tuple[str, Judged, bool]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            "imported": self.rankings,
            "duplicates": self.duplicates,
            "prompts": self.prompts,
            "groups": self.groups,
            "refused": [r.to_json() for r in self.refused],
        }


def detect(given: Path) -> str:
    """What a source holds, from its first readable row: one of `column_meanings.KINDS`."""
    return kind_of(open_source(given), {})


def judgements(
    project: Project,
    given: Path | Source,
    *,
    kind: str,
    said: Mapping[str, str] | None = None,
    annotator: str = "",
    annotator_kind: str = "person",
    skip_bad: bool = False,
    told: settling.Told | None = None,
) -> Imported:
    """Import the rows of a source of rankings, pairs or completions.

    Args:
        kind: "rankings", "pairs" or "completions".
        said: column names by meaning, where they are not to be guessed.
        annotator: who judged, for rows that do not say; "" is the project's annotator (a judge
            is called "judge").
        annotator_kind: "person" or "judge", for rows that do not say "judge" themselves.
        skip_bad: import the good rows although there are bad ones.
        told: hears how far it is; "read" rows come first, of 0 since it is not known of how many.

    Raises:
        ImportRefused: there are rows that cannot be used; nothing was imported.
        UserError: the source cannot be read or holds no rows, or the import was cancelled.
    """
    source = given if isinstance(given, Source) else open_source(given)
    name = annotator or ("judge" if annotator_kind == "judge" else project.annotator)
    done = Imported(columns=Columns(kind, said or {}))
    with staging.stage(project.folder, settling.about(kind, source.name)) as staged:
        used = 0
        for place, item, whose, _ in _looked_at(
            project, source, kind, done, (storable(name), annotator_kind), only_named=True, told=told
        ):
            staged.add(settling.judged_row(place, item, whose))
            used += 1
        if done.refused and (not skip_bad or not used):
            raise ImportRefused(done.refused, total=used + len(done.refused))
        written = settling.take(project, staged, told=told)
    done.rankings, done.prompts, done.groups = written.rows, written.prompts, written.groups
    done.duplicates += written.duplicates
    done.refused += [Refused(place, reason) for place, reason in written.refused]
    return done


def preview(
    project: Project,
    source: Source,
    *,
    kind: str,
    said: Mapping[str, str] | None = None,
    annotator: str = "",
    told: settling.Told | None = None,
) -> Imported:
    """What `judgements` would do with `skip_bad`; the project is only read.

    Raises:
        UserError: the source cannot be read, holds no rows, or a column that is needed is not found.
    """
    done = Imported(columns=Columns(kind, said or {}))
    whose = (annotator or project.annotator, "person")
    for place, item, _, new in _looked_at(project, source, kind, done, whose, told=told):
        done.rankings += new
        done.duplicates += not new
        if len(done.first) < SHOWN_FIRST:
            done.first.append((place, item, new))
    return done


def _looked_at(
    project: Project,
    source: Source,
    kind: str,
    done: Imported,
    annotator: tuple[str, str],
    *,
    only_named: bool = False,
    told: settling.Told | None = None,
) -> Iterator[tuple[str, Judged, tuple[str, str], bool]]:
    """(place, what a row says, whose it is, whether it is new) of each row that can be used; `done` learns the others.

    Args:
        only_named: look into the project only for rows that name a group: no others can be refused because of what
            the project holds. Whether a row is new is then not known.
    """
    matching, used = Matching(project, Writer(project, only_count=True)), 0
    rows = _parsed(source, kind, done)
    while batch := list(islice(rows, _AT_ONCE)):
        sure = [item for _, item in batch if isinstance(item, Judged)]
        matching.look_up([item for item in sure if item.group] if only_named else sure)
        for place, item in batch:
            try:
                if isinstance(item, UserError):
                    raise item
                kind_of_annotator = "judge" if "judge" in (annotator[1], item.annotator_kind) else "person"
                whose = (item.annotator or annotator[0], kind_of_annotator)
                new = True if only_named and not item.group else matching.take(item, whose)
            except UserError as error:
                done.refused.append(Refused(place, str(error)))
                continue
            used += 1
            yield place, item, whose, new
        matching.writer.flush()
        if told is not None:
            told("read", used + len(done.refused), 0)
    if not used and not done.refused:
        raise UserError(f"{source.name} holds no rows.", "Check the file.")
    done.prompts, done.groups, done.notes = matching.prompts, matching.groups, source.notes


def _parsed(source: Source, kind: str, done: Imported) -> Iterator[tuple[str, Judged | UserError]]:
    """(place, what a row says or why it cannot be used, whatever the project holds), in order."""
    parse = _PARSERS[kind]
    assert done.columns is not None
    gathered = Gathered()
    for place, values, problem in checked(source, done.columns):
        try:
            if values is None:
                raise UserError(problem)
            if kind == "completions" and values.get("completions") is None:
                done.duplicates += not gathered.add(place, *judged.single(values))
            else:
                yield place, parse(values)
        except UserError as error:
            yield place, error
    for place, item, reason in gathered.groups():
        yield place, UserError(reason) if item is None else item
