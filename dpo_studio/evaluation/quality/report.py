"""The whole report on a project's labels: numbers for a script, sentences for a person.

Judges are kept apart from people. Beside each number are the groups or prompts behind it, by their ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from dpo_studio.store import Project, prompts, rankings
from dpo_studio.store.labelled_texts import labelled_texts

from . import duplicates, measures, with_judges
from .findings import findings
from .labels import Labels, Stock, measure


def make(project: Project) -> dict[str, Any]:
    """All that can be said, by "people", "judges", "each_judge", "prompts" and "answers"; "findings" is a list."""
    compared, stock = measure(labelled_texts(project))
    found = rankings.all_current(project, annotator_kind=None)
    people = [(compared[r.group_id], r) for r in found if r.annotator_kind == "person" and r.group_id in compared]
    judges = [(compared[r.group_id], r) for r in found if r.annotator_kind == "judge" and r.group_id in compared]
    values: dict[str, Any] = {
        "people": of_labels(people),
        "judges": of_labels(judges),
        "each_judge": with_judges.compare(project, people, judges),
        "prompts": duplicates.of_prompts(prompts.all_prompts(project)),
        "answers": _answers([*people, *judges], stock),
    }
    values["findings"] = findings(values)
    return values


def of_labels(labels: Labels) -> dict[str, Any]:
    """The numbers of one kind of annotator, and in "annotators" those of each where there are several."""
    names = sorted({label.annotator for _, label in labels})
    each = [{"name": name, **_of_one([item for item in labels if item[1].annotator == name])} for name in names]
    first, ranked = _first(labels), _ranked(labels)
    return {
        "labels": len(first),
        "repeats": len(labels) - len(first),
        "kinds": dict(Counter(label.kind for _, label in first)),
        "ties": measures.share(sum(_has_tie(label.ranks.values()) for _, label in ranked), len(ranked)),
        "skips": measures.share(sum(label.kind == "skip" for _, label in first), len(first)),
        "a_day": dict(sorted(Counter(label.created[:10] for _, label in first).items())),
        "length": measures.length(ranked),
        "position": measures.position(ranked),
        "hasty": measures.hasty(first),
        "with_oneself": measures.with_oneself(labels),
        "between": measures.between(ranked),
        "cycles": measures.circles(ranked),
        "annotators": each if len(names) > 1 else [],
    }


def _of_one(labels: Labels) -> dict[str, Any]:
    ranked = _ranked(labels)
    length = measures.length(ranked)
    del length["points"]
    return {
        "labels": len(_first(labels)),
        "length": length,
        "position": measures.position(ranked),
        "hasty": measures.hasty(_first(labels)),
        "with_oneself": measures.with_oneself(labels),
    }


def _first(labels: Labels) -> Labels:
    """Those that are no repeats."""
    return [(group, label) for group, label in labels if group.repeat_of is None]


def _ranked(labels: Labels) -> Labels:
    return [(group, label) for group, label in _first(labels) if label.kind == "ranking"]


def _answers(labels: Labels, stock: Sequence[Stock]) -> dict[str, Any]:
    """The groups whose answers are alike, and answers that several prompts got."""
    by_likeness = {
        likeness: list(dict.fromkeys(group.id for group, _ in labels if group.likeness == likeness))
        for likeness in ("same", "near")
    }
    return {**by_likeness, "stock": [{"prompts": list(one.prompts), "groups": list(one.groups)} for one in stock]}


def _has_tie(ranks: Any) -> bool:
    ranked = [rank for rank in ranks if rank is not None]
    return len(set(ranked)) < len(ranked)
