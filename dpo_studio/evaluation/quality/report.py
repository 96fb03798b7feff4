"""The whole report on a project's labels: numbers for a script, sentences for a person.

Judges are kept apart from people. Beside each number are the groups or prompts behind it, by their ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dpo_studio.core.local_day import local_day
from dpo_studio.core.types import GroupId, Ranking
from dpo_studio.store import Project, prompts, rankings
from dpo_studio.store.labelled_texts import labelled_texts

from . import duplicates, measures, with_judges
from .findings import findings
from .labels import Comparison, Labels, Stock, bare, measure

#: Told how far it is (0 to 1) and what is being done; it may raise to give up.
Told = Callable[[float, str], None]
#: How far it is when labels are read, when answers are, and when prompts begin to be compared.
_LABELS, _ANSWERS, _PROMPTS = 0.05, 0.2, 0.7
_NO_PROMPTS: dict[str, Any] = {"same": [], "near": [], "across": [], "held_out": 0}


def make(project: Project, told: Told = lambda _share, _doing: None) -> dict[str, Any]:
    """All that can be said, by "people", "judges", "each_judge", "prompts" and "answers"; "findings" is a list."""
    values: dict[str, Any] = {}
    for part in parts(project, told):
        values |= part
    return values


def parts(project: Project, told: Told = lambda _share, _doing: None) -> Iterator[dict[str, Any]]:
    """The same part by part, each as soon as it is known; a later one takes the place of an earlier one of its name.

    First what the labels alone tell ("people" and "judges" without "length" and "hasty"), then what the answers tell
    and all findings but those on prompts, then the prompts.
    """
    told(0.0, "reading the labels")
    found = rankings.all_current(project, annotator_kind=None)
    told(_LABELS, "comparing the labels")
    groups = {group.id: bare(group) for group in labelled_texts(project, texts=False)}
    first = {key: without_texts(labels) for key, labels in _by_kind(found, groups).items()}
    yield dict(first)
    compared, stock = measure(
        labelled_texts(project),
        lambda done: told(
            _ANSWERS + (_PROMPTS - _ANSWERS) * done / max(1, len(groups)), _counted("answers", done, groups)
        ),
    )
    labels = _by_kind(found, compared)
    people, judges = labels["people"], labels["judges"]
    values: dict[str, Any] = {
        **{key: _joined(first[key], of_texts(labels[key])) for key in labels},
        "each_judge": with_judges.compare(project, people, judges),
        "answers": _answers([*people, *judges], stock),
    }
    yield {**values, "findings": findings({**values, "prompts": _NO_PROMPTS})}
    told(_PROMPTS, "comparing the prompts")
    values["prompts"] = duplicates.of_prompts(
        prompts.all_prompts(project),
        lambda done, of: told(_PROMPTS + (1 - _PROMPTS) * done / of, "comparing the prompts"),
    )
    yield {"prompts": values["prompts"], "findings": findings(values)}


def of_labels(labels: Labels) -> dict[str, Any]:
    """The numbers of one kind of annotator, and in "annotators" those of each where there are several."""
    return _joined(without_texts(labels), of_texts(labels))


def without_texts(labels: Labels) -> dict[str, Any]:
    """Those numbers for which no answer has to be read."""
    first, ranked = _first(labels), _ranked(labels)
    return {
        "labels": len(first),
        "repeats": len(labels) - len(first),
        "kinds": dict(Counter(label.kind for _, label in first)),
        "ties": measures.share(sum(_has_tie(label.ranks.values()) for _, label in ranked), len(ranked)),
        "skips": measures.share(sum(label.kind == "skip" for _, label in first), len(first)),
        "a_day": dict(sorted(Counter(local_day(label.created) for _, label in first).items())),
        "position": measures.position(ranked),
        "with_oneself": measures.with_oneself(labels),
        "between": measures.between(ranked),
        "cycles": measures.circles(ranked),
        "annotators": [
            {
                "name": name,
                "labels": len(_first(its)),
                "position": measures.position(_ranked(its)),
                "with_oneself": measures.with_oneself(its),
            }
            for name, its in _by_annotator(labels)
        ],
    }


def of_texts(labels: Labels) -> dict[str, Any]:
    """The other numbers, of the same annotators."""
    annotators = []
    for name, its in _by_annotator(labels):
        length = measures.length(_ranked(its))
        del length["points"]
        annotators.append({"name": name, "length": length, "hasty": measures.hasty(_first(its))})
    return {
        "length": measures.length(_ranked(labels)),
        "hasty": measures.hasty(_first(labels)),
        "annotators": annotators,
    }


def _joined(first: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    each = [{**one, **more} for one, more in zip(first["annotators"], then["annotators"], strict=True)]
    return {**first, **then, "annotators": each}


def _by_kind(found: Sequence[Ranking], groups: Mapping[GroupId, Comparison]) -> dict[str, Labels]:
    """The labels of people and of judges, each with its group."""
    return {
        key: [(groups[one.group_id], one) for one in found if one.annotator_kind == kind and one.group_id in groups]
        for key, kind in (("people", "person"), ("judges", "judge"))
    }


def _by_annotator(labels: Labels) -> list[tuple[str, Labels]]:
    """Each annotator's labels by name, where there are several."""
    by_name: dict[str, list[Any]] = {}
    for item in labels:
        by_name.setdefault(item[1].annotator, []).append(item)
    return sorted(by_name.items()) if len(by_name) > 1 else []


def _counted(what: str, done: int, of: Mapping[GroupId, Any]) -> str:
    return f"reading {what}, {done:,} of {len(of):,} comparisons"


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
