"""Train and Export in the window take people's labels, and a judge's only where that is chosen."""

from __future__ import annotations

import json

import pytest

from dpo_studio.core import events
from dpo_studio.core.judges import Judge
from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, judgements, policies, prompts, rankings
from dpo_studio.ui.context import Context
from dpo_studio.ui.exchange.form import ExportForm
from dpo_studio.ui.judge.choice import JudgesChoice
from dpo_studio.ui.train.page import TrainPage

SHORTER, LONGER = Judge("rules", rules=("shorter",)), Judge("rules", rules=("longer",))


@pytest.fixture
def context(qtbot, tmp_path):
    made = Context()
    project = Project.create(tmp_path / "p")
    policies.add(project, "starter")
    made.open(project)
    yield made
    made.open(None)


def group(project, number):
    prompt = prompts.add(project, [Message("user", f"Question {number}?")])
    prompts.set_held_out(project, prompt.id, False)
    made = completions.add_group(project, prompt.id, size=2)
    for text in ("a", "b"):
        completions.add(project, made.id, text)
    return completions.get_group(project, made.id)


def judged(project, one, judge=SHORTER):
    judgements.record(project, judge, events.GroupJudged("job", one.id, (1, 2), "", 0.0))


def test_a_run_of_the_window_learns_from_a_judge_only_where_that_is_chosen(qtbot, context, monkeypatch):
    project = context.project
    rankings.add(project, group(project, 0), ranks=[1, 2])
    judged(project, group(project, 1))
    page = TrainPage(context)
    qtbot.addWidget(page)
    page.ensure_built()
    page.show()
    monkeypatch.setattr(page.follower, "follow", lambda run, **_: None)

    def kinds():
        run = page.train()
        lines = (project.folder / run.folder / "data.jsonl").read_text().splitlines()
        page.show_run(None)
        return sorted(json.loads(line)["annotator_kind"] for line in lines)

    choice = page.setup.judges
    assert choice.isVisible() and choice.value == ""
    assert kinds() == ["person"]
    choice.box.setCurrentIndex(choice.box.findData(SHORTER.name))
    assert len(page.setup.plan[2].train) == 2 and page.setup.plan[2].judges == SHORTER.name
    assert kinds() == ["judge", "person"]


def test_with_a_judges_rankings_alone_train_says_there_are_none_until_it_is_chosen(qtbot, context):
    judged(context.project, group(context.project, 0))
    page = TrainPage(context)
    qtbot.addWidget(page)
    page.ensure_built()
    page.show()
    assert page.setup.empty_frame.isVisible()
    page.setup.judges.box.setCurrentIndex(1)
    assert not page.setup.empty_frame.isVisible() and page.setup.form_frame.isVisible()


def test_export_names_the_judge_that_is_chosen(qtbot):
    form = ExportForm()
    qtbot.addWidget(form)
    form.show()
    form.set_judges({})
    assert form.judges.isHidden() and "--judges" not in form.arguments()
    form.set_judges({SHORTER.name: 3, LONGER.name: 2})
    assert form.judges.isVisible() and "--judges" not in form.arguments()
    form.judges.box.setCurrentIndex(form.judges.box.findData("all"))
    assert form.arguments()[-2:] == ["--judges", "all"]


def test_a_judge_that_is_gone_is_no_longer_chosen(qtbot):
    choice = JudgesChoice("Learn from")
    qtbot.addWidget(choice)
    choice.show_judges({SHORTER.name: 3})
    choice.box.setCurrentIndex(1)
    with qtbot.waitSignal(choice.changed):
        choice.show_judges({LONGER.name: 1})
    assert choice.value == ""
    choice.show_judges({})
    assert choice.isHidden()
