"""What judges say, in the project: which groups wait for one, its rankings as they come, and how it answered.

A judge's rankings are rows of `rankings` whose annotator kind is "judge"; they never count as a person's.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from dpo_studio.core.events import GroupJudged, GroupNotJudged
from dpo_studio.core.judge_order import sentence as order_sentence
from dpo_studio.core.judges import Judge, JudgeGroups, JudgeItem
from dpo_studio.core.types import GroupId, Ranking

from . import completions, rankings
from .database import Project, in_chunks

#: The written list of principles of this project.
PRINCIPLES_FACT = "judge_principles"
_ANSWERED_FACT = "judge_answered: "


@dataclass(frozen=True, slots=True)
class Answered:
    """How a model answered as a judge, over all groups it was asked about. Counts as in core.events.GroupJudged."""

    pairs: int = 0
    disagreements: int = 0
    first_shown: int = 0
    asked: int = 0
    unanswered: int = 0


def principles(project: Project) -> str:
    """The project's principles for judges; its guideline where none were written."""
    return project.fact(PRINCIPLES_FACT).strip() or project.guideline.strip()


_WAITING = (
    "FROM groups g JOIN prompts p ON p.id = g.prompt_id WHERE g.ready = 1 AND g.repeat_of IS NULL AND p.archived = 0"
    " AND NOT EXISTS (SELECT 1 FROM current_rankings r WHERE r.group_id = g.id AND r.annotator = ?"
    " AND r.annotator_kind = 'judge')"
)


def waiting(project: Project, judge: Judge, *, limit: int | None = None) -> list[GroupId]:
    """The complete groups that this judge has not ranked, in order; none of prompts that were put away.

    Comparisons that are there to be asked twice of a person are not asked of a judge.
    """
    asked = [judge.name, -1 if limit is None else limit]
    rows = project.db.conn.execute(f"SELECT g.id {_WAITING} ORDER BY g.id LIMIT ?", asked)
    return [GroupId(row[0]) for row in rows]


def count_waiting(project: Project, judge: Judge) -> int:
    """How many groups wait for this judge."""
    (number,) = project.db.conn.execute(f"SELECT count(*) {_WAITING}", [judge.name]).fetchone()
    return int(number)


def why_nothing(project: Project, judge: Judge) -> tuple[str, str]:
    """Why nothing waits for a judge, and what can be done: a sentence and a hint."""
    if not rankings.counts(project).ready:
        return "There are no answers to compare yet.", "Generate some first."
    return f"{judge.name} has ranked everything there is.", "Generate more answers, or ask another judge."


def command_for(project: Project, judge: Judge, groups: Sequence[GroupId], *, device: str = "auto") -> JudgeGroups:
    """The command that has a judge rank these groups."""
    items = tuple(
        JudgeItem(
            group.id,
            group.prompt.messages,
            tuple((completion.text, completion.finish_reason) for completion in group.completions),
        )
        for group in completions.get_groups(project, groups)
    )
    return JudgeGroups(uuid.uuid4().hex, judge.to_json(), items, device)


def record(project: Project, judge: Judge, event: GroupJudged | GroupNotJudged) -> Ranking | None:
    """Keep what a judge said of one group; None where it could say nothing. Durable on return.

    An answer that the group got meanwhile has no place in it. Where it has no opinion it skips. No time is kept: it is
    no reading time.
    """
    with project.transaction():
        if judge.kind == "model":
            _add_up(project, judge.name, event)
        if isinstance(event, GroupNotJudged):
            return None
        group = completions.get_group(project, GroupId(event.group))
        if not event.ranks:
            return rankings.add(
                project, group, kind="skip", annotator=judge.name, annotator_kind="judge", note=event.note
            )
        asked = replace(group, completions=group.completions[: len(event.ranks)])
        return rankings.add(
            project,
            asked,
            ranks=event.ranks,
            annotator=judge.name,
            annotator_kind="judge",
            note=event.note,
            confidence=event.confidence,
        )


def answered(project: Project, name: str) -> Answered | None:
    """How the judge of this name answered; None for one that asks no questions, or was not asked here."""
    try:
        values = json.loads(project.fact(_ANSWERED_FACT + name))
        return Answered(**{key: int(values[key]) for key in Answered.__dataclass_fields__})
    except (ValueError, KeyError, TypeError):
        return None


def names(project: Project) -> list[str]:
    """The judges that have said something of a group here, if only that they have no opinion."""
    rows = project.db.conn.execute(
        "SELECT annotator FROM ranking_tallies WHERE annotator_kind = 'judge' AND standing > 0"
        " GROUP BY annotator ORDER BY sum(standing) DESC, annotator"
    )
    return [row[0] for row in rows]


def by_order(project: Project, name: str) -> str:
    """What to tell of a judge that goes by the order of the answers; empty for another one."""
    its = answered(project, name)
    return "" if its is None else order_sentence(its.pairs, its.disagreements, its.first_shown)


def beside(project: Project, group_ids: Sequence[GroupId], *, kind: str = "ranking") -> dict[GroupId, Ranking]:
    """The newest standing judgement of a kind by a judge of each of these groups that has one."""
    found: list[int] = []
    for ids in in_chunks(group_ids):
        marks = ", ".join("?" * len(ids))
        found += [
            row[0]
            for row in project.db.conn.execute(
                "SELECT max(id) FROM current_rankings WHERE annotator_kind = 'judge' AND kind = ?"
                f" AND group_id IN ({marks}) GROUP BY group_id",
                [kind, *ids],
            )
        ]
    return {ranking.group_id: ranking for ranking in rankings.get_many(project, found)}


def latest(project: Project, group_id: GroupId) -> Ranking | None:
    """The newest standing ranking of a group by a judge; where there is none, that one had no opinion of it."""
    return beside(project, [group_id]).get(group_id) or beside(project, [group_id], kind="skip").get(group_id)


def _add_up(project: Project, name: str, event: GroupJudged | GroupNotJudged) -> None:
    before = asdict(answered(project, name) or Answered())
    after = {key: count + int(getattr(event, key, 0)) for key, count in before.items()}
    project.set_fact(_ANSWERED_FACT + name, json.dumps(after))
