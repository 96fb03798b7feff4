"""What stands out, in plain sentences, each with the groups or prompts to look at.

What chance could do is told from what is there by one rule for the whole report: all its tests together warn about
fair labels once in a hundred reports (`significance.FALSE_ALARM`, Holm's adjustment). What is a plain fact, such as two
equal answers, is told as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dpo_studio.core import label_bias

from . import with_judges
from .significance import FALSE_ALARM, Test, holm

#: An answer that fewer prompts than this got is not told as a stock answer.
STOCK_PROMPTS = 3
_EACH = " By annotator: "


def findings(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The findings of a report.

    Each is {"reading": its name, "sentence": str, "groups": [id, …], "rankings": [id, …], "prompts": [[id, …], …],
    "p": adjusted or None}. `rankings` says which of the groups' labels are meant, where not all of them are.
    """
    tests = [test for key in ("people", "judges") for test in _tests(values[key], judge=key == "judges")]
    tests += with_judges.tests(values["each_judge"])
    adjusted = holm([test.p for test in tests])
    found: list[dict[str, Any]] = []
    of_all: tuple[str, dict[str, Any]] = ("", {})
    for test, p in zip(tests, adjusted, strict=True):
        if p > FALSE_ALARM:
            continue
        if test.part_of and test.part_of == of_all[0]:
            said = of_all[1]["sentence"]
            of_all[1]["sentence"] = (
                f"{said[:-1]}, {test.in_short}." if _EACH in said else f"{said}{_EACH}{test.in_short}."
            )
            continue
        found.append(_finding(test.reading, test.sentence, groups=test.groups, rankings=test.rankings, p=p))
        if not test.part_of:
            of_all = (test.key, found[-1])
    for key in ("people", "judges"):
        found += _circles(values[key], judge=key == "judges")
    return [*found, *_of_prompts(values["prompts"]), *_of_answers(values["answers"])]


def _tests(said: Mapping[str, Any], *, judge: bool) -> Iterator[Test]:
    """Every test of one kind of annotator that has data enough."""
    who = "Judges: " if judge else ""
    for lean in _LEANS:
        of_all = lean(said, who)
        if of_all is None:
            continue
        yield replace(of_all, key=who + of_all.key)
        for one in said["annotators"] if of_all.reading != "length" else ():
            of_one = lean(one, f"{one['name']}: ")
            if of_one is not None:
                yield replace(of_one, part_of=who + of_one.key)
    for pair in said["between"]["kappas"]:
        if pair["p"] is not None:
            yield Test(
                "between",
                pair["p"],
                f"{who}{' and '.join(pair['annotators'])} agree little beyond chance (kappa {pair['kappa']:.2f}):"
                " talk about the guideline.",
                pair["groups"],
            )


def _position(said: Mapping[str, Any], who: str) -> Test | None:
    values = said["position"]
    lean = label_bias.Lean(values["count"], values["of"])
    return _lean("position", values, who, label_bias.position_sentence(lean))


def _length(said: Mapping[str, Any], who: str) -> Test | None:
    values = said["length"]
    return _lean("length", values, who, label_bias.length_sentence(label_bias.Lean(values["count"], values["of"])))


def _hasty(said: Mapping[str, Any], who: str) -> Test | None:
    values = said["hasty"]
    return _lean(
        "hasty",
        values,
        who,
        f"{values['count']:,} of {values['of']:,} labels were made faster than their answers can be read:"
        " look at them again.",
    )


def _with_oneself(said: Mapping[str, Any], who: str) -> Test | None:
    values = said["with_oneself"]
    kappa = values["kappa"] or 0.0
    return _lean(
        "with_oneself",
        values,
        who,
        f"Comparisons asked twice are often answered differently (kappa {kappa:.2f}):"
        " slow down, or make the guideline clearer.",
    )


_LEANS = (_position, _length, _hasty, _with_oneself)


def _lean(reading: str, values: Mapping[str, Any], who: str, sentence: str) -> Test | None:
    if values["p"] is None:
        return None
    count, whole = values["count"], values["of"]
    key = reading
    if reading in ("position", "length") and count * 2 <= whole:
        key, count = f"{reading}, the other way", whole - count
    return Test(
        reading,
        values["p"],
        who + sentence,
        values["groups"],
        values.get("rankings", ()),
        key=key,
        in_short=f"{who.removesuffix(': ')} {count:,} of {whole:,}",
    )


def _circles(said: Mapping[str, Any], *, judge: bool) -> Iterator[dict[str, Any]]:
    number = len(said["cycles"])
    if number:
        goes = "One set of answers goes" if number == 1 else f"{number:,} sets of answers go"
        groups = list(dict.fromkeys(key for circle in said["cycles"] for key in circle["groups"]))
        text = (
            f"{goes} round in a circle, A before B before C before A: no order fits all those labels;"
            " look at them again."
        )
        yield _finding("cycles", ("Judges: " if judge else "") + text, groups=groups)


def _of_prompts(same: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if same["across"]:
        yield _finding(
            "across",
            f"{_number(same['held_out'], 'held-out prompt is', 'held-out prompts are')} nearly the same as one for"
            " training: what is measured on held-out prompts will look better than it is. Use them for training, too.",
            prompts=same["across"],
        )
    for key, how in (
        ("same", "the same as an earlier one but for case and spaces"),
        ("near", "nearly the same as another"),
    ):
        more = sum(len(ids) - 1 for ids in same[key])
        if more:
            yield _finding(
                f"{key}_prompts",
                f"{_number(more, 'prompt is', 'prompts are')} {how}: what is preferred there counts more"
                " than once. Archive the repeats, or leave them where that is meant.",
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
    rankings: Sequence[int] = (),
    prompts: Sequence[Sequence[int]] = (),
    p: float | None = None,
) -> dict[str, Any]:
    return {
        "reading": reading,
        "sentence": sentence,
        "groups": list(groups),
        "rankings": list(rankings),
        "prompts": list(prompts),
        "p": p,
    }


def _number(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
