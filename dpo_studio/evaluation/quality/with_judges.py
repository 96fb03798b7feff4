"""What judges and people say of the same groups, and how each judge answered."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from scipy import stats

from dpo_studio.core import judge_agreement
from dpo_studio.core.intervals import wilson
from dpo_studio.core.label_bias import binomial_p
from dpo_studio.core.types import Ranking
from dpo_studio.store import Project, judgements

from .labels import Label, Labels
from .significance import Test

#: From this share of pairs on, a judge whose two orders name different answers mostly answers to the order.
MOSTLY_ORDER = 0.5


def compare(project: Project, people: Labels, judges: Labels) -> list[dict[str, Any]]:
    """One entry a judge, those with most rankings first.

    Each holds `judge`, `rankings`, `groups` and `labels` (the ids of those it saw and of what it said), `no_opinion`
    (groups that it saw and did not rank), `answered` (see store.judgements.Answered; None for rules), `disagreement`
    between the two orders of a pair, with `disagreement_interval`, and `people`: for each person `annotator`, `groups`
    (ids), `pairs`, `same`, `opposite`, `alike`, `against`, `share`, `interval` and `tau`, as in core.judge_agreement;
    the last three are None for fewer than 5 groups.
    """
    by_judge: dict[str, dict[int, Ranking]] = defaultdict(dict)
    no_opinion: Counter[str] = Counter()
    seen: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for group, ranking in judges:
        seen[ranking.annotator].append((group.id, ranking.id))
        if ranking.kind == "ranking":
            by_judge[ranking.annotator][group.id] = ranking
        else:
            no_opinion[ranking.annotator] += 1
    by_person: dict[str, list[Label]] = defaultdict(list)
    for group, ranking in people:
        if ranking.kind == "ranking" and group.repeat_of is None:
            by_person[ranking.annotator].append((group, ranking))
    return [
        {
            "judge": name,
            "rankings": len(its),
            "groups": [group for group, _ in seen[name]],
            "labels": [label for _, label in seen[name]],
            "no_opinion": no_opinion[name],
            **_answered(project, name),
            "people": [_of(person, labels, its) for person, labels in sorted(by_person.items())],
        }
        for name in sorted({*by_judge, *no_opinion}, key=lambda name: (-len(by_judge[name]), name))
        for its in (by_judge[name],)
    ]


def lines(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """The same for a person to read."""
    said = []
    for entry in entries:
        without = f", {entry['no_opinion']} without an opinion" if entry["no_opinion"] else ""
        said.append(f"  {entry['judge']}: {entry['rankings']} ranked{without}")
        if entry["disagreement"] is not None:
            low, high = entry["disagreement_interval"]
            said.append(
                f"    Its two orders of a pair named different answers: {entry['disagreement']:.0%}"
                f" (95% interval {low:.0%} to {high:.0%}, {entry['answered']['pairs']} pairs)"
            )
        for person in entry["people"]:
            if person["share"] is None:
                said.append(
                    f"    With {person['annotator']}: {len(person['groups'])} groups in common, too few for a share"
                )
                continue
            low, high = person["interval"]
            tau = "–" if person["tau"] is None else f"{person['tau']:.2f}"
            said.append(
                f"    With {person['annotator']}: {person['share']:.0%} of pairs alike (95% interval {low:.0%} to"
                f" {high:.0%}, {len(person['groups'])} groups), Kendall's tau {tau}"
            )
    return said


def tests(entries: Sequence[Mapping[str, Any]]) -> Iterator[Test]:
    """Whether a judge answers to the order mostly, and whether it says the opposite of a person."""
    for entry in entries:
        if entry["disagreement"] is not None:
            pairs, otherwise = entry["answered"]["pairs"], entry["answered"]["disagreements"]
            p = stats.binomtest(otherwise, pairs, MOSTLY_ORDER, alternative="greater").pvalue
            sentence = (
                f"Judge {entry['judge']}: the order of the two answers decides more often than the answers do"
                f" ({entry['disagreement']:.0%} of pairs come out otherwise when turned round)."
            )
            yield Test("judge_order", float(p), sentence, entry["groups"], entry["labels"])
        for person in entry["people"]:
            against, alike = person["against"], person["alike"]
            if person["share"] is None or not against + alike:
                continue
            sentence = (
                f"Judge {entry['judge']} tends to the opposite of what {person['annotator']} says"
                f" ({against} of {against + alike} groups are mostly the other way round)."
            )
            p = binomial_p(against, against + alike) if against > alike else 1.0
            yield Test("judge_opposite", p, sentence, person["groups"])


def _answered(project: Project, name: str) -> dict[str, Any]:
    answered = judgements.answered(project, name)
    if answered is None or not answered.pairs:
        return {"answered": None, "disagreement": None, "disagreement_interval": None}
    share = wilson(answered.disagreements, answered.pairs)
    return {
        "answered": asdict(answered),
        "disagreement": share.value,
        "disagreement_interval": [share.low, share.high],
    }


def _of(person: str, labels: Labels, its: Mapping[int, Ranking]) -> dict[str, Any]:
    shared = [(group, mine) for group, mine in labels if group.id in its]
    both = []
    for group, mine in shared:
        keys = list(its[group.id].ranks)
        both.append(([mine.ranks.get(key) for key in keys], [its[group.id].ranks[key] for key in keys]))
    said = judge_agreement.measure(both)
    enough = said.groups >= judge_agreement.ENOUGH_GROUPS
    return {
        "annotator": person,
        "groups": [group.id for group, _ in shared],
        "pairs": said.pairs,
        "same": said.same,
        "opposite": said.opposite,
        "alike": said.alike,
        "against": said.against,
        "share": said.share.value if enough else None,
        "interval": [said.share.low, said.share.high] if enough else None,
        "tau": said.tau if enough else None,
    }
