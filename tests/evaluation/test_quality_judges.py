"""The report tells each judge apart: how it agrees with a person, and how its two orders agree."""

from __future__ import annotations

import pytest

from dpo_studio.core import events
from dpo_studio.core.judges import Judge
from dpo_studio.core.types import Message
from dpo_studio.evaluation.quality import in_words, report
from dpo_studio.store import Project, completions, judgements, prompts, rankings

RULES = Judge("rules", rules=("shorter",))
MODEL = Judge("model", base="starter", model_name="small", principles="Be brief.")


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "project") as made:
        yield made


def group(project, number):
    prompt = prompts.add(project, [Message("user", f"Question {number}?")])
    made = completions.add_group(project, prompt.id, size=2)
    for text in ("a", "b"):
        completions.add(project, made.id, f"{text} {number}")
    return completions.get_group(project, made.id)


def test_each_judge_is_compared_with_each_person(project):
    groups = [group(project, number) for number in range(6)]
    for number, one in enumerate(groups):
        rankings.add(project, one, ranks=[1, 2])
        its = (1, 2) if number else (2, 1)
        judgements.record(project, RULES, events.GroupJudged("j", one.id, its, "", 0.0))
    judgements.record(
        project, MODEL, events.GroupJudged("j", groups[0].id, (1, 1), "", 0.0, pairs=40, disagreements=32, asked=80)
    )
    values = report.make(project)
    rules, model = values["each_judge"]
    assert (rules["judge"], rules["rankings"], rules["answered"]) == (RULES.name, 6, None)
    (me,) = rules["people"]
    assert (me["annotator"], len(me["groups"]), me["same"], me["opposite"]) == ("me", 6, 5, 1)
    assert me["share"] == pytest.approx(5 / 6) and me["tau"] == pytest.approx(4 / 6)
    assert model["disagreement"] == pytest.approx(0.8) and model["people"][0]["share"] is None
    (by_order,) = (finding for finding in values["findings"] if finding["reading"] == "judge_order")
    its = rankings.current(project, groups[0].id, MODEL.name, annotator_kind="judge")
    assert (by_order["groups"], by_order["rankings"]) == ([groups[0].id], [its.id]), "there is something to click at"
    said = [finding["sentence"] for finding in values["findings"]]
    assert any(f"Judge {MODEL.name}: the order" in sentence for sentence in said)
    assert not any("faster than their answers" in sentence for sentence in said)
    text = in_words.text(values)
    assert f"{RULES.name}: 6 ranked" in text and "83% of pairs alike" in text
    assert "too few for a share" in text and "different answers: 80%" in text


@pytest.mark.parametrize(("groups", "told"), [(7, False), (8, True)])
def test_a_judge_that_says_the_opposite_is_a_finding_where_chance_does_not_explain_it(project, groups, told):
    """Two-sided, all of 7 by chance is 2 / 2 ** 7 = 0.016, all of 8 is 0.008."""
    for number in range(groups):
        one = group(project, number)
        rankings.add(project, one, ranks=[1, 2])
        judgements.record(project, RULES, events.GroupJudged("j", one.id, (2, 1), "", 0.0))
    found = [one for one in report.make(project)["findings"] if one["reading"] == "judge_opposite"]
    assert len(found) == told
    if told:
        assert "opposite of what me says (8 of 8" in found[0]["sentence"] and len(found[0]["groups"]) == 8


def test_without_judges_nothing_is_said_of_them(project):
    rankings.add(project, group(project, 1), ranks=[1, 2])
    values = report.make(project)
    assert values["each_judge"] == [] and "\nJudges" not in in_words.text(values)
