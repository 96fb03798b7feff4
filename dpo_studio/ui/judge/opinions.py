"""A judge's opinion beside a person's label, read from the store. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dpo_studio.core import judge_agreement
from dpo_studio.core import ranking as weak_orders
from dpo_studio.core.judge_agreement import Agreement
from dpo_studio.core.types import CompletionId, Ranking
from dpo_studio.store import Project, judgements, rankings

#: Labels that the agreement looks back on.
LOOK_BACK = 200
SHOWN_FACT = "judge_shown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge says of a group that a person has labelled.

    Attributes:
        order: in the numbers that were on the person's screen, such as "2 ≻ 1 = 3"; empty where it has no opinion.
        same, pairs: pairs of answers that both say alike, of how many; 0 of 0 where the person gave no order.
    """

    judge: str
    order: str
    why: str
    same: int
    pairs: int


def wanted(project: Project) -> bool:
    """Whether the person wants to see what judges say after each label."""
    return project.fact(SHOWN_FACT, "yes") == "yes"


def set_wanted(project: Project, wanted_now: bool) -> None:
    project.set_fact(SHOWN_FACT, "yes" if wanted_now else "no")


def judges(project: Project) -> dict[str, str]:
    """The judges that have looked at groups here, and of each what to tell if it goes by the order of the answers."""
    return {name: judgements.by_order(project, name) for name in judgements.names(project)}


def of(project: Project, label: Ranking) -> Verdict | None:
    """The newest judge's opinion on the group of a label that stands; None where no judge was asked about it."""
    its = judgements.latest(project, label.group_id)
    if its is None:
        return None
    shown = [*label.presented, *(one for one in its.ranks if one not in label.presented)]
    agreement = judge_agreement.measure([_both(label, its)]) if label.kind == its.kind == "ranking" else None
    return Verdict(
        judge=its.annotator,
        order="" if its.kind != "ranking" else order_in_numbers([its.ranks.get(completion) for completion in shown]),
        why=its.note,
        same=agreement.same if agreement else 0,
        pairs=agreement.pairs if agreement else 0,
    )


def agreement(project: Project) -> Agreement | None:
    """How far the project's annotator and the judges agree on the last labels; None without any in common."""
    last = [label for label in rankings.recent(project, limit=LOOK_BACK) if label.kind == "ranking"]
    its = judgements.beside(project, [label.group_id for label in last])
    both = [_both(label, its[label.group_id]) for label in last if label.group_id in its]
    return judge_agreement.measure(both) if both else None


def order_in_numbers(ranks: Sequence[int | None]) -> str:
    """Ranks by place on screen, in words: "2 ≻ 1 = 3"."""
    ranked = [bucket for bucket in weak_orders.buckets(ranks) if ranks[bucket[0]] is not None]
    words = " ≻ ".join(" = ".join(str(place + 1) for place in bucket) for bucket in ranked)
    return f"{words} ≻ …" if None in ranks else words


def _both(label: Ranking, its: Ranking) -> tuple[list[int | None], list[int | None]]:
    keys: list[CompletionId] = list(its.ranks)
    return [label.ranks.get(key) for key in keys], [its.ranks.get(key) for key in keys]
