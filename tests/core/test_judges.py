"""What a judge is called, what it is asked, and the line that asks it."""

from __future__ import annotations

import dataclasses

import pytest

from dpo_studio.core import commands, judges
from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message

MODEL = judges.Judge("model", base="starter", model_name="small", principles="Be brief.")


def test_the_name_tells_what_judges_and_by_what():
    assert judges.Judge("rules", rules=("finished", "shorter")).name == "rules: finished, shorter"
    assert MODEL.name == f"small, principles {judges.principles_hash('Be brief.')}"


def test_other_principles_are_another_judge_and_blanks_are_not():
    other = dataclasses.replace(MODEL, principles="Be long.")
    same = dataclasses.replace(MODEL, principles="\nBe brief.  \n")
    assert other.name != MODEL.name and same.name == MODEL.name
    assert dataclasses.replace(MODEL, tie_below=0.6).name != MODEL.name


def test_the_question_is_part_of_what_a_judge_is(monkeypatch):
    before = MODEL.name
    monkeypatch.setattr(judges, "QUESTION", judges.QUESTION + "\nThink.")
    assert MODEL.name != before


def test_a_question_shows_the_conversation_and_both_answers_as_they_are():
    turns = (Message("system", "Be kind."), Message("user", "Why {first}?"), Message("assistant", "So."))
    asked = judges.question("P {x}", turns, "one {second}", "two")
    assert asked.role == "user"
    assert "P {x}" in asked.content
    assert "System: Be kind.\n\nUser: Why {first}?\n\nAssistant: So." in asked.content
    assert "Answer A:\n\none {second}\n\nAnswer B:\n\ntwo\n" in asked.content
    assert asked.content.endswith("Reply with one letter only: A or B.")


@pytest.mark.parametrize(
    ("judge", "says"),
    [
        (judges.Judge("rules"), "No rule"),
        (judges.Judge("rules", rules=("nicer",)), "no rule called"),
        (judges.Judge("oracle"), "not a kind of judge"),
        (dataclasses.replace(MODEL, base=" "), "No model is named"),
        (dataclasses.replace(MODEL, principles=" \n"), "needs principles"),
        (dataclasses.replace(MODEL, principles="x" * 20_001), "20,001 characters"),
        (dataclasses.replace(MODEL, tie_below=1.0), "cannot be"),
        (dataclasses.replace(MODEL, tie_below=0.4), "cannot be"),
    ],
)
def test_a_judge_that_cannot_judge_is_refused(judge, says):
    with pytest.raises(UserError) as refused:
        judge.validate()
    assert says in str(refused.value)


def test_a_command_comes_back_from_its_line():
    item = judges.JudgeItem(3, (Message("user", "Why?\n"),), (("a", "stop"), ("b", "length")))
    sent = judges.JudgeGroups("job", MODEL.to_json(), (item,), "cpu")
    back = judges.from_line(commands.to_line(sent))
    assert back == sent and judges.Judge.from_json(back.judge) == MODEL
