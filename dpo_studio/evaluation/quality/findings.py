"""What stands out, in plain sentences, each with the groups or prompts to look at.

What chance could do is told from what is there by one rule for the whole report: all its tests together warn about
fair labels once in a hundred reports (`significance.FALSE_ALARM`, Holm's adjustment). What is a plain fact, such as two
equal answers, is told as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dpo_studio.core import label_bias

from .significance import FALSE_ALARM, holm

#: An answer that fewer prompts than this got is not told as a stock answer.
STOCK_PROMPTS = 3


@dataclass(frozen=True, slots=True)
class _Test:
    """A question that chance may answer, and the sentence for when it does not."""

    reading: str
    p: float
    sentence: str
    groups: Sequence[int]


def findings(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The findings of a report.

    Each is {"reading": its name, "sentence": str, "groups": [id, …], "prompts": [[id, …], …], "p": adjusted or None}.
    """
    tests = [test for key in ("people", "judges") for test in _tests(values[key], judge=key == "judges")]
    adjusted = holm([test.p for test in tests])
    found = [
        _finding(test.reading, test.sentence, groups=test.groups, p=p)
        for test, p in zip(tests, adjusted, strict=True)
        if p <= FALSE_ALARM
    ]
    for key in ("people", "judges"):
        found += _circles(values[key], judge=key == "judges")
    return [*found, *_of_prompts(values["prompts"]), *_of_answers(values["answers"])]


def _tests(said: Mapping[str, Any], *, judge: bool) -> Iterator[_Test]:
    """Every test of one kind of annotator that has data enough."""
    who = "Judges: " if judge else ""
    yield from _leans(said, who)
    for one in said["annotators"]:
        yield from _leans(one, f"{one['name']}: ", length=False)
    for pair in said["between"]["kappas"]:
        if pair["p"] is not None:
            yield _Test(
                "between",
                pair["p"],
                f"{who}{' and '.join(pair['annotators'])} agree little beyond chance (kappa {pair['kappa']:.2f}):"
                " talk about the guideline.",
                pair["groups"],
            )


def _leans(said: Mapping[str, Any], who: str, *, length: bool = True) -> Iterator[_Test]:
    position, hasty, own = said["position"], said["hasty"], said["with_oneself"]
    if position["p"] is not None:
        lean = label_bias.Lean(position["count"], position["of"])
        yield _Test("position", position["p"], who + label_bias.position_sentence(lean), position["groups"])
    if length and said["length"]["p"] is not None:
        lean = label_bias.Lean(said["length"]["count"], said["length"]["of"])
        yield _Test("length", said["length"]["p"], who + label_bias.length_sentence(lean), said["length"]["groups"])
    if hasty["p"] is not None:
        yield _Test(
            "hasty",
            hasty["p"],
            f"{who}{hasty['count']:,} of {hasty['of']:,} labels were made faster than their answers can be read:"
            " look at them again.",
            hasty["groups"],
        )
    if own["p"] is not None:
        yield _Test(
            "with_oneself",
            own["p"],
            f"{who}Comparisons asked twice are often answered differently (kappa {own['kappa']:.2f}):"
            " slow down, or make the guideline clearer.",
            own["groups"],
        )


def _circles(said: Mapping[str, Any], *, judge: bool) -> Iterator[dict[str, Any]]:
    number = len(said["cycles"])
    if number:
        goes = "One set of answers goes" if number == 1 else f"{number:,} sets of answers go"
        groups = list(dict.fromkeys(key for circle in said["cycles"] for key in circle["groups"]))
        text = f"{goes} round in a circle, A before B before C before A: no order fits all those labels."
        yield _finding("cycles", ("Judges: " if judge else "") + text, groups=groups)


def _of_prompts(same: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if same["across"]:
        yield _finding(
            "across",
            f"{_number(len(same['across']), 'held-out prompt is', 'held-out prompts are')} nearly the same as one for"
            " training: what is measured on held-out prompts will look better than it is.",
            prompts=same["across"],
        )
    for key, how in (("same", "but for capitals and spaces the same as"), ("near", "nearly the same as")):
        more = sum(len(ids) - 1 for ids in same[key])
        if more:
            yield _finding(
                f"{key}_prompts",
                f"{_number(more, 'prompt is', 'prompts are')} {how} an earlier one: what is preferred there counts more"
                " than once.",
                prompts=same[key],
            )


def _of_answers(answers: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for key, what in (("same", "the same answer twice"), ("near", "two answers that are nearly the same")):
        number = len(answers[key])
        if number:
            yield _finding(
                f"{key}_answers",
                f"{_number(number, 'labelled comparison holds', 'labelled comparisons hold')} {what}:"
                " a preference between those teaches little.",
                groups=answers[key],
            )
    stock = [one for one in answers["stock"] if len(one["prompts"]) >= STOCK_PROMPTS]
    if stock:
        most = len(stock[0]["prompts"])
        yield _finding(
            "stock",
            f"{_number(len(stock), 'answer was', 'answers were')} given word for word to {STOCK_PROMPTS} or more"
            f" prompts, the most frequent to {most:,}: ranking it high or low teaches more than one label seems to.",
            groups=list(dict.fromkeys(key for one in stock for key in one["groups"])),
        )


def _finding(
    reading: str,
    sentence: str,
    *,
    groups: Sequence[int] = (),
    prompts: Sequence[Sequence[int]] = (),
    p: float | None = None,
) -> dict[str, Any]:
    return {"reading": reading, "sentence": sentence, "groups": list(groups), "prompts": list(prompts), "p": p}


def _number(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
