"""Finding prompts: filters and a full-text search, read by keyset, never by offset, so that the last page costs what
the first one does; and what there is to filter by.
"""

from __future__ import annotations

import itertools
import json
import re
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from dpo_studio.core.types import Message, Prompt, PromptId

from . import prompt_states, prompts
from .database import Project, in_chunks, storable
from .prompt_states import PromptState

#: How far a prompt has come: "unanswered" was never asked; "unlabelled" has answers that wait for a label.
Progress = Literal["", "unanswered", "answered", "unlabelled", "labelled"]

#: Words shorter than this are not in the index, which holds three letters at a time; they are looked for in each text.
INDEXED_LETTERS = 3
#: Below so many groups, those that were answered or labelled are gathered first; above, each prompt is asked.
_FEW_GROUPS = 20_000
_TITLE_LETTERS = 300
_MOST_NAMES = 500
#: By so many of its longest words a prompt's double is looked for, among so many at most.
_ENOUGH_WORDS, _ENOUGH_ALIKE = 6, 50
#: So many conditions stand beside one another in a query.
_AT_ONCE = 50
_WORDS = re.compile(r'"([^"]*)"?|([^\s"]+)')
#: So many prompts are gone through at once for words that are not in the index.
_LOOKED_THROUGH = 25_000
#: Greater, and smaller, than any id.
_END, _START = 2**63 - 1, -(2**63)


@dataclass(frozen=True, slots=True)
class PromptFilter:
    """Which prompts are wanted; every part narrows it.

    Attributes:
        text: words that all occur, in any turn and whatever their case; "in quotes" they stand together.
        tags: each of them is on the prompt.
        source: where it came from; None is anywhere.
        held_out: whether it is held out of training; None is either.
        archived: the archived prompts instead of the others.
        ids: these prompts and no others; None is any.
    """

    text: str = ""
    tags: tuple[str, ...] = ()
    source: str | None = None
    held_out: bool | None = None
    progress: Progress = ""
    archived: bool = False
    ids: tuple[PromptId, ...] | None = None

    @property
    def narrows(self) -> bool:
        """Whether it leaves out anything but the archived prompts."""
        return self != PromptFilter(archived=self.archived)


@dataclass(frozen=True, slots=True)
class PromptRow:
    """A prompt as a list shows it: cheap to read however long the conversation is.

    Attributes:
        title: the beginning of the last user turn, on one line.
        turns: messages of the person and the model; the system prompt is not counted.
        state: how far its answers are.
    """

    id: PromptId
    title: str
    turns: int
    system: bool
    tags: tuple[str, ...]
    source: str
    held_out: bool
    archived: bool
    state: PromptState = PromptState()


def page(
    project: Project,
    wanted: PromptFilter,
    *,
    after: int | None = None,
    up_to: int | None = None,
    newest_first: bool = False,
    limit: int = 200,
) -> list[PromptId]:
    """The ids of the prompts that come after one, in the order in which they were added (or the reverse).

    Args:
        up_to: the last id that is looked at, where what is found is wanted piece by piece.
    """
    found = _Query(project, wanted)
    first, last = (_END, _START) if newest_first else (_START, _END)
    compare, until, order = ("<", ">=", "DESC") if newest_first else (">", "<=", "ASC")
    rows = project.db.conn.execute(
        f"SELECT {found.key} FROM {found.tables} WHERE {found.where} AND {found.key} {compare} ?"
        f" AND {found.key} {until} ? ORDER BY {found.key} {order} LIMIT ?",
        [*found.values, first if after is None else after, last if up_to is None else up_to, limit],
    )
    return [PromptId(row[0]) for row in rows]


def pages(
    project: Project, wanted: PromptFilter, *, newest_first: bool = False, first: int = 200, largest: int = 20_000
) -> Iterator[list[PromptId]]:
    """All that a filter finds, page by page: a small one at once, then larger ones.

    Where each text has to be gone through, because no word is in the index, a page is what a part of the prompts
    holds, and may be empty: so what is found is seen before all were looked at.
    """
    words = words_of(wanted.text)
    if words and not any(_is_indexed(word) for word in words):
        parts = range(0, last(project), _LOOKED_THROUGH)
        for start in reversed(parts) if newest_first else parts:
            between = (start + _LOOKED_THROUGH + 1, start + 1) if newest_first else (start, start + _LOOKED_THROUGH)
            yield page(project, wanted, after=between[0], up_to=between[1], newest_first=newest_first, limit=_END)
        return
    after, limit = None, first
    while True:
        found = page(project, wanted, after=after, newest_first=newest_first, limit=limit)
        yield found
        if len(found) < limit:
            return
        after, limit = found[-1], min(limit * 10, largest)


def count(project: Project, wanted: PromptFilter, *, at_most: int) -> int:
    """How many prompts a filter finds, counted no further than `at_most`."""
    found = _Query(project, wanted)
    return int(
        project.db.conn.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM {found.tables} WHERE {found.where} LIMIT ?)",
            [*found.values, at_most],
        ).fetchone()[0]
    )


def rows(project: Project, prompt_ids: Iterable[PromptId]) -> dict[PromptId, PromptRow]:
    """What a list shows of these prompts; unknown ones are left out."""
    wanted = list(dict.fromkeys(prompt_ids))
    states = prompt_states.of(project, wanted)
    found = {}
    for ids in in_chunks(wanted):
        marks = ", ".join("?" * len(ids))
        for row in project.db.conn.execute(
            f"""SELECT id, substr(json_extract(messages, '$[#-1].content'), 1, {_TITLE_LETTERS}),
                json_array_length(messages), json_extract(messages, '$[0].role') = 'system', tags, source, held_out,
                archived
            FROM prompts WHERE id IN ({marks})""",
            ids,
        ):
            system = bool(row[3])
            found[PromptId(row[0])] = PromptRow(
                id=PromptId(row[0]),
                title=" ".join(str(row[1]).split()),
                turns=row[2] - system,
                system=system,
                tags=tuple(json.loads(row[4])),
                source=row[5],
                held_out=bool(row[6]),
                archived=bool(row[7]),
                state=states.get(PromptId(row[0]), PromptState()),
            )
    return found


def alike(project: Project, messages: Sequence[Message]) -> Prompt | None:
    """A prompt that says the same but for capitals and spaces; None where there is none."""
    wanted = _plain(messages)
    words = sorted({word for word in wanted[-1][1].split() if len(word) >= INDEXED_LETTERS}, key=len, reverse=True)
    if not words:
        return None
    found = project.db.conn.execute(
        "SELECT rowid FROM prompts_text WHERE prompts_text MATCH ? LIMIT ?",
        [" AND ".join(_literal(word) for word in words[:_ENOUGH_WORDS]), _ENOUGH_ALIKE],
    )
    candidates = prompts.get_many(project, [PromptId(row[0]) for row in found.fetchall()])
    return next((prompt for prompt in candidates.values() if _plain(prompt.messages) == wanted), None)


def all_tags(project: Project, *, limit: int = _MOST_NAMES) -> list[str]:
    """The tags there are, in the alphabet's order; quick however many prompts carry one."""
    return _distinct(project, "tag", "prompt_tags", limit)


def all_sources(project: Project, *, limit: int = _MOST_NAMES) -> list[str]:
    """Where prompts came from, in the alphabet's order; "" is that nobody said."""
    return _distinct(project, "source", "prompts", limit)


def totals(project: Project) -> tuple[int, int]:
    """How many prompts there are that are not archived, and how many that are: kept as they are written."""
    counts = dict(project.db.conn.execute("SELECT archived, prompts FROM prompt_tallies").fetchall())
    return counts.get(0, 0), counts.get(1, 0)


def last(project: Project) -> int:
    """The id of the prompt that was added last; 0 where there is none."""
    return int(project.db.conn.execute("SELECT ifnull(max(id), 0) FROM prompts").fetchone()[0])


def after(project: Project, prompt_id: int) -> array[int]:
    """The ids of all prompts that were added after this one and are not archived."""
    return array("q", page(project, PromptFilter(), after=prompt_id, limit=-1))


def words_of(text: str) -> list[str]:
    """What a person typed into a search field, as the words (or quoted passages) that are looked for."""
    found = (passage or word for passage, word in _WORDS.findall(storable(text.replace("\0", ""))))
    return list(dict.fromkeys(" ".join(words.split()) if words.strip() else "" for words in found if words.strip()))


class _Query:
    """A filter as SQL: what is gone through first is whatever finds the fewest rows.

    Attributes:
        tables, where, values: for `SELECT … FROM tables WHERE where`.
        key: the column that holds the prompt's id and in whose order the rows come.
    """

    def __init__(self, project: Project, wanted: PromptFilter) -> None:
        words = words_of(wanted.text)
        indexed = [word for word in words if _is_indexed(word)]
        short = [word for word in words if not _is_indexed(word)]
        tags = list(wanted.tags)
        conditions: list[str] = []
        self.values: list[str | int] = []
        if words:
            self.tables, self.key = "prompts_text t CROSS JOIN prompts p ON p.id = t.rowid", "t.rowid"
            if indexed:
                conditions.append("t.prompts_text MATCH ?")
                self.values.append(" AND ".join(_literal(word) for word in indexed))
            for word in short:
                cases = sorted({case for form in _forms(word) for case in _cases(form)})
                conditions.append("(" + " OR ".join("+t.text LIKE ? ESCAPE '\\'" for _ in cases) + ")")
                self.values.extend(f"%{_escaped(case)}%" for case in cases)
        elif tags:
            self.tables, self.key = "prompt_tags t CROSS JOIN prompts p ON p.id = t.prompt_id", "t.prompt_id"
            conditions.append("t.tag = ?")
            self.values.append(tags.pop(0))
        else:
            self.tables, self.key = "prompts p", "p.id"
        progress = _progress(project, wanted.progress) if wanted.progress else None
        if progress is not None and self.key == "p.id" and progress.few:
            self.tables = f"({progress.few}) t CROSS JOIN prompts p ON p.id = t.prompt_id"
            self.key = "t.prompt_id"
        elif progress is not None:
            conditions.append(progress.each)
        if progress is not None:
            self.values.extend(progress.values)
        conditions.append("p.archived = ?")
        self.values.append(int(wanted.archived))
        if wanted.ids is not None:
            conditions.append("p.id IN (SELECT value FROM json_each(?))")
            self.values.append(json.dumps(wanted.ids))
        if wanted.source is not None:
            conditions.append("p.source = ?")
            self.values.append(wanted.source)
        if wanted.held_out is not None:
            conditions.append("p.held_out = ?")
            self.values.append(int(wanted.held_out))
        for tag in tags:
            conditions.append("EXISTS (SELECT 1 FROM prompt_tags o WHERE o.tag = ? AND o.prompt_id = p.id)")
            self.values.append(tag)
        self.where = _all_of(conditions)


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far prompts have come, as SQL: a condition on a prompt `p`; and, where they are few, the ids themselves."""

    each: str
    values: Sequence[str] = ()
    few: str = ""


def _progress(project: Project, progress: Progress) -> _Progress:
    if progress == "unanswered":
        return _Progress("NOT EXISTS (SELECT 1 FROM groups g WHERE g.prompt_id = p.id)")
    labelled = (
        "EXISTS (SELECT 1 FROM current_rankings r WHERE r.group_id = g.id AND r.annotator = ?"
        " AND r.annotator_kind = 'person')"
    )
    condition, values = {
        "answered": ("EXISTS (SELECT 1 FROM group_items i WHERE i.group_id = g.id)", ()),
        "unlabelled": (f"g.ready = 1 AND NOT {labelled}", (project.annotator,)),
        "labelled": (labelled, (project.annotator,)),
    }[progress]
    (groups,) = project.db.conn.execute("SELECT ifnull(max(id), 0) FROM groups").fetchone()
    return _Progress(
        f"EXISTS (SELECT 1 FROM groups g WHERE g.prompt_id = p.id AND {condition})",
        values,
        f"SELECT DISTINCT g.prompt_id AS prompt_id FROM groups g WHERE {condition}" if groups < _FEW_GROUPS else "",
    )


def _distinct(project: Project, column: str, table: str, limit: int) -> list[str]:
    """The values of an indexed column, each found by one look into the index."""
    found = project.db.conn.execute(
        f"""WITH RECURSIVE each(value) AS (
            SELECT min({column}) FROM {table}
            UNION ALL
            SELECT (SELECT min({column}) FROM {table} WHERE {column} > value) FROM each WHERE value IS NOT NULL
        )
        SELECT value FROM each WHERE value IS NOT NULL LIMIT ?""",
        [limit],
    )
    return [row[0] for row in found]


def _plain(messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [
        (message.role, unicodedata.normalize("NFC", " ".join(message.content.split()).casefold()))
        for message in messages
    ]


def _forms(word: str) -> list[str]:
    """A word with its accents in letters and beside them: texts hold either, and both look the same."""
    return list(dict.fromkeys([word, *(unicodedata.normalize(form, word) for form in ("NFC", "NFD"))]))


def _is_indexed(word: str) -> bool:
    """Whether a word is found by the index, however it is spelt there."""
    return min(map(len, _forms(word))) >= INDEXED_LETTERS


def _literal(word: str) -> str:
    """A word, in either spelling, as FTS5 takes it literally."""
    quoted = ['"' + form.replace('"', '""') + '"' for form in _forms(word)]
    return quoted[0] if len(quoted) == 1 else f"({' OR '.join(quoted)})"


def _all_of(conditions: Sequence[str]) -> str:
    """Conditions that all hold, in groups: SQLite takes no tree of more than a thousand levels."""
    while len(conditions) > _AT_ONCE:
        parts = (conditions[start : start + _AT_ONCE] for start in range(0, len(conditions), _AT_ONCE))
        conditions = [f"({' AND '.join(part)})" for part in parts]
    return " AND ".join(conditions)


def _escaped(word: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", word)


def _cases(word: str) -> list[str]:
    """A short word in upper and lower case: LIKE knows the case of A to Z only."""
    if word.isascii():
        return [word]
    return sorted({"".join(letters) for letters in itertools.product(*((c.lower(), c.upper()) for c in word))})
