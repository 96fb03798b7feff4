"""Judgements and completions made elsewhere, into a project: all of them or none, and none twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dpo_studio.core import ranking as weak_orders
from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Group, GroupId, PromptId, Ranks
from dpo_studio.store import Project, completions, prompts, rankings

from . import judged
from .columns import Columns, checked, kind_of
from .judged import Judged
from .readers import Source, open_source
from .refusals import ImportRefused, Refused

SHOWN_FIRST = 5
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
    """What a source holds, from its first readable row: one of `meanings.KINDS`."""
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
) -> Imported:
    """Import the rows of a source of rankings, pairs or completions.

    Args:
        kind: "rankings", "pairs" or "completions".
        said: column names by meaning, where they are not to be guessed.
        annotator: who judged, for rows that do not say; "" is the project's annotator (a judge
            is called "judge").
        annotator_kind: "person" or "judge", for rows that do not say "judge" themselves.
        skip_bad: import the good rows although there are bad ones.

    Raises:
        ImportRefused: there are rows that cannot be used; nothing was imported.
        UserError: the source cannot be read or holds no rows.
    """
    source = given if isinstance(given, Source) else open_source(given)
    with project.transaction():
        done, total = _taken(project, source, kind, said or {}, annotator, annotator_kind)
        if done.refused and (not skip_bad or len(done.refused) == total):
            raise ImportRefused(done.refused, total=total)
    return done


class _TakenBack(Exception):
    """Ends a transaction without a trace."""


def preview(
    project: Project, source: Source, *, kind: str, said: Mapping[str, str] | None = None, annotator: str = ""
) -> Imported:
    """What `judgements` would do with `skip_bad`; the project is left as it was.

    Raises:
        UserError: the source cannot be read, holds no rows, or a column that is needed is not found.
    """
    done = Imported()
    with suppress(_TakenBack), project.transaction():
        done, _ = _taken(project, source, kind, said or {}, annotator, "person")
        raise _TakenBack
    return done


def _taken(
    project: Project, source: Source, kind: str, said: Mapping[str, str], annotator: str, annotator_kind: str
) -> tuple[Imported, int]:
    """Write what can be used, inside the caller's transaction; what came of it and the number of rows."""
    parse = _PARSERS[kind]
    fallback = annotator or ("judge" if annotator_kind == "judge" else project.annotator)
    found: list[tuple[str, Judged]] = []
    done = Imported(columns=Columns(kind, said))
    for place, values, problem in checked(source, done.columns):
        try:
            if values is None:
                raise UserError(problem)
            found.append((place, parse(values)))
        except UserError as error:
            done.refused.append(Refused(place, str(error)))
    total = len(found) + len(done.refused)
    if not total:
        raise UserError(f"{source.name} holds no rows.", "Check the file.")
    before = prompts.count(project)
    groups = _Groups(project, found)
    for place, item in found:
        try:
            whose = "judge" if "judge" in (annotator_kind, item.annotator_kind) else "person"
            new = _take(project, groups, item, done, annotator=item.annotator or fallback, kind=whose)
        except UserError as error:
            done.refused.append(Refused(place, str(error)))
        else:
            if len(done.first) < SHOWN_FIRST:
                done.first.append((place, item, new))
    done.prompts, done.groups = prompts.count(project) - before, groups.added
    done.notes = source.notes
    return done, total


class _Groups:
    """The groups that rows speak of: those of the project by uuid or by content, and new ones.

    Rows of different groups that hold the same answers (a comparison that was asked twice) stay
    different groups, also when the same file is imported again.
    """

    def __init__(self, project: Project, found: Iterable[tuple[str, Judged]]) -> None:
        self._project = project
        self._by_content: dict[tuple[PromptId, tuple[str, ...]], list[Group]] = {}
        self._own: dict[str, Group] = {}
        self._named: dict[str, Group] = {}
        self._claimed: set[GroupId] = set()
        self.added = 0
        if any(item.completions for _, item in found):
            for group in reversed(completions.recent_groups(project, 10**9)):
                self._by_content.setdefault(_content(group), []).append(group)
                self._own[group.uuid] = group

    def of(self, item: Judged) -> Group:
        """The row's group, made when it is new.

        Raises:
            UserError: the row names a group that is not in the project or not complete.
        """
        if item.group and not item.completions:
            group = completions.group_by_uuid(self._project, item.group)
            if not group.ready:
                raise UserError(f"Group {item.group} still waits for answers.")
            return group
        before = prompts.count(self._project)
        prompt = prompts.add(self._project, item.messages, source="imported")
        if item.held_out is not None and prompts.count(self._project) > before:
            prompts.set_held_out(self._project, prompt.id, item.held_out)
        content = (prompt.id, tuple(sorted(item.completions)))
        same = self._by_content.setdefault(content, [])
        if not item.group:
            return same[0] if same else self._added(same, prompt.id, item)
        if item.group not in self._named:
            own = self._own.get(item.group)
            free = [group for group in same if group.id not in self._claimed]
            if own is not None and _content(own) == content:
                group = own
            else:
                group = free[0] if free else self._added(same, prompt.id, item)
            self._named[item.group] = group
            self._claimed.add(group.id)
        return self._named[item.group]

    def _added(self, same: list[Group], prompt_id: PromptId, item: Judged) -> Group:
        group = completions.add_group(self._project, prompt_id, size=len(item.completions))
        finishes = item.finish_reasons or ("imported",) * len(item.completions)
        for text, finish in zip(item.completions, finishes, strict=True):
            completions.add(self._project, group.id, text, finish_reason=finish)
        self.added += 1
        same.append(completions.get_group(self._project, group.id))
        return same[-1]


def _take(project: Project, groups: _Groups, item: Judged, done: Imported, *, annotator: str, kind: str) -> bool:
    """Write one row's group and judgement where they are new; whether they were."""
    added = groups.added
    group = groups.of(item)
    if not item.ranks:
        done.rankings += groups.added - added
        done.duplicates += groups.added == added
        return groups.added > added
    ranks = _in_order_of(group, item)
    standing = rankings.current(project, group.id, annotator, annotator_kind=kind)
    if standing is not None and standing.kind == "ranking":
        same_order = rankings.ranks_of(group, standing.ranks) == ranks
        said = (standing.strength, standing.note, standing.flags, standing.confidence)
        if same_order and said == (item.strength, item.note, item.flags, item.confidence):
            done.duplicates += 1
            return False
    rankings.add(
        project,
        group,
        ranks=ranks,
        annotator=annotator,
        annotator_kind=kind,
        strength=item.strength,
        note=item.note,
        flags=item.flags,
        confidence=item.confidence,
    )
    done.rankings += 1
    return True


def _in_order_of(group: Group, item: Judged) -> Ranks:
    """The row's ranks in the order of the group's completions, which may not be the row's."""
    if not item.completions:
        return weak_orders.validate(item.ranks, len(group.completions))
    waiting: dict[str, list[int | None]] = {}
    for text, rank in zip(item.completions, item.ranks, strict=True):
        waiting.setdefault(text, []).append(rank)
    return tuple(waiting[completion.text].pop(0) for completion in group.completions)


def _content(group: Group) -> tuple[PromptId, tuple[str, ...]]:
    return group.prompt.id, tuple(sorted(completion.text for completion in group.completions))
