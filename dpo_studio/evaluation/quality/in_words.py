"""The report as lines for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dpo_studio.core import report_words

from . import with_judges

_KEYS = ("people", "judges")


def text(values: Mapping[str, Any]) -> str:
    """What stands out first, then every number, as `core.report_words` says it; too few data are said to be too few."""
    lines = [finding["sentence"] for finding in values["findings"]] or ["Nothing stands out."]
    for title, key in zip(("People", "Judges"), _KEYS, strict=True):
        if values[key]["labels"]:
            lines += ["", title, *_of(values[key])]
    lines += with_judges.lines(values["each_judge"])
    prompts, answers = values["prompts"], values["answers"]
    return "\n".join(
        [
            *lines,
            "",
            f"Prompts that repeat another but for case and spaces: {_more(prompts['same'])};"
            f" nearly: {_more(prompts['near'])}",
            f"Sets of such prompts on both sides of the held-out split: {len(prompts['across'])}",
            f"Labelled groups that hold the same answer twice: {len(answers['same'])}; nearly: {len(answers['near'])}",
            f"Answers of a line or more that several prompts got word for word: {len(answers['stock'])}",
            *(["", "Ranges in brackets are 95% intervals."] if any(values[key]["labels"] for key in _KEYS) else []),
        ]
    )


def _of(said: Mapping[str, Any]) -> list[str]:
    kinds = ", ".join(f"{kind.replace('_', ' ')} {number}" for kind, number in sorted(said["kinds"].items()))
    lines = [
        f"  Labels: {said['labels']} ({kinds}), and {said['repeats']} asked once more; days: {len(said['a_day'])}",
        *(f"  {row.name}: {row.value}" for row in report_words.rows(said)),
    ]
    lines += [
        f"  {' and '.join(pair['annotators'])}: {pair['same']} of {pair['pairs']} pairs judged alike;"
        f" Cohen's kappa {report_words.kappa_in_words(pair)}"
        for pair in said["between"]["kappas"]
    ]
    lines += [
        f"  {one['name']}: {one['labels']} labels; earlier shown won {report_words.share(one['position'])}"
        for one in said["annotators"]
    ]
    return lines


def _more(sets: list[list[int]]) -> int:
    return sum(len(ids) - 1 for ids in sets)
