"""The report on a project, and the command that prints it."""

from __future__ import annotations

import json

import pytest

from dpo_studio import cli
from dpo_studio.cli_output import run
from dpo_studio.core.types import Message
from dpo_studio.evaluation.quality import in_words, report
from dpo_studio.store import Project, completions, prompts, rankings
from dpo_studio.store.labelled_texts import labelled_texts

STOCK = "I am sorry, but as a language model I have no opinion on that."


def compare(project, question, answers, *, ranks=None, presented=None, kind="person"):
    """A group with answers, ranked where ranks are given."""
    group = completions.add_group(project, prompts.add(project, [Message("user", question)]).id, size=len(answers))
    for text in answers:
        completions.add(project, group.id, text)
    group = completions.get_group(project, group.id)
    if ranks:
        shown = [group.completions[place].id for place in presented or range(len(answers))]
        rankings.add(project, group, ranks=ranks, presented=shown, annotator_kind=kind)
    return group


@pytest.fixture
def folder(tmp_path):
    with Project.create(tmp_path / "project") as project:
        for n in range(30):
            texts = ("Same  answer", "same answer") if n == 0 else ("short", "a much longer answer")
            shown = (0, 1) if n % 2 else (1, 0)
            group = compare(project, f"question {n}", texts, ranks=(1, 2), presented=shown)
            ids = [group.completions[place].id for place in shown]
            rankings.add(project, group, ranks=(2, 1), presented=ids)
            rankings.add(project, group, ranks=(1, 2), annotator="judge", annotator_kind="judge", presented=ids)
    return tmp_path / "project"


def test_the_command_says_what_stands_out_and_keeps_judges_apart(folder, capfd):
    assert run(cli.cli, ["report", str(folder), "--json"]) == 0
    values = json.loads(capfd.readouterr().out)
    assert values["people"]["labels"] == 30 and values["people"]["repeats"] == 0
    assert values["people"]["length"]["count"] == 29
    assert values["judges"]["labels"] == 30 and values["judges"]["length"]["count"] <= 1
    by_reading = {(one["reading"], one["sentence"].startswith("Judges: ")): one for one in values["findings"]}
    assert set(by_reading) == {("length", False), ("length", True), ("same_answers", False), ("judge_opposite", False)}
    assert by_reading["same_answers", False]["groups"] == values["answers"]["same"]
    assert len(by_reading["length", False]["groups"]) == 29
    assert run(cli.cli, ["report", str(folder)]) == 0
    out = capfd.readouterr().out
    assert (
        "The longer answer won: 29 of 30: 97% (" in out
        and "Circles: 0 sets of answers" in out
        and "95% intervals" in out
    )


def test_an_empty_project_is_no_error(tmp_path):
    with Project.create(tmp_path / "empty") as project:
        values = report.make(project)
    assert values["findings"] == [] and "Nothing stands out" in in_words.text(values)


def test_answers_and_prompts_that_are_alike(tmp_path):
    long = "The tide follows the moon, which pulls the water nearest to it a little more than it pulls the ground. " * 3
    with Project.create(tmp_path / "project") as project:
        close = compare(project, "why are there tides", (long, long.replace("little", "bit", 1)), ranks=(1, 2))
        compare(project, "what is the tide", (long, "No idea."), ranks=(1, 2))
        compare(project, "never labelled", ("Same.", "Same."))
        for question in ("may I", "can I", "should I"):
            compare(project, question, (STOCK, question), ranks=(2, 1))
        first = prompts.add(project, [Message("user", "Write four lines about a harbour in the early morning, please")])
        again = prompts.add(
            project, [Message("user", "write four lines about a  harbour in the early morning, please")]
        )
        values = report.make(project)
        texts = list(labelled_texts(project))
    assert [len(group.answers) for group in texts] == [2] * 5
    assert texts[0].answers[0][1] == long
    assert values["answers"]["near"] == [close.id] and values["answers"]["same"] == []
    assert sorted(len(one["prompts"]) for one in values["answers"]["stock"]) == [2, 3]
    assert values["prompts"]["same"] == [[first.id, again.id]] and values["prompts"]["near"] == []
    readings = {one["reading"]: one for one in values["findings"]}
    assert set(readings) == {"near_answers", "same_prompts", "stock"}
    assert len(readings["stock"]["groups"]) == 3
    assert readings["same_prompts"]["prompts"] == [[first.id, again.id]]


def test_its_parts_together_are_the_whole_and_it_tells_how_far_it_is(folder):
    told = []
    with Project.open(folder) as project:
        parts = list(report.parts(project, lambda share, doing: told.append((share, doing))))
        whole = report.make(project)
    together = {}
    for part in parts:
        together |= part
    assert together == whole and len(parts) == 3
    assert set(parts[0]) == {"people", "judges"} and "length" not in parts[0]["people"]
    assert "prompts" not in parts[1] and {one["reading"] for one in parts[1]["findings"]} >= {"length"}
    shares = [share for share, _ in told]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] <= 1
    assert "reading answers, 30 of 30 comparisons" in [doing for _, doing in told]


def test_who_follows_hears_the_parts_before_the_last(folder, capfd):
    assert run(cli.cli, ["report", "--json", "--follow", str(folder)]) == 0
    *lines, last = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    together = {}
    for line in [one for one in lines if "progress" not in one]:
        together |= line
    with Project.open(folder) as project:
        assert together == json.loads(json.dumps(report.make(project)))
    assert last == {}
