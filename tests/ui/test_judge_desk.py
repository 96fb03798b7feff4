"""Judges on the real Label page: asked by the form, seen only after the person's own label, with a real process."""

from __future__ import annotations

import random

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from dpo_studio.core import events
from dpo_studio.core.judges import Judge
from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, judgements, prompts, rankings
from dpo_studio.ui.context import Context
from dpo_studio.ui.judge import job as judge_job
from dpo_studio.ui.judge import opinions
from dpo_studio.ui.label.page import LabelPage

SHORTER = Judge("rules", rules=("shorter",))
KEY = Qt.Key
LONG_MS = 60_000


@pytest.fixture
def context(qtbot, tmp_path):
    made = Context()
    made.open(Project.create(tmp_path / "p", guideline="Shorter is better."))
    yield made
    made.open(None)


def add_group(project, size, name):
    prompt = prompts.add(project, [Message("user", name)])
    group = completions.add_group(project, prompt.id, size=size)
    for number in range(size):
        completions.add(project, group.id, " ".join([f"{name}:"] + ["word"] * number))
    return completions.get_group(project, group.id)


def judged(project, group, ranks, why="Because."):
    return judgements.record(project, SHORTER, events.GroupJudged("job", group.id, ranks, why, 0.0))


@pytest.fixture
def open_page(qtbot, context):
    pages = []

    def opened():
        page = LabelPage(context)
        pages.append(page)
        qtbot.addWidget(page)
        page.ensure_built()
        page.resize(1280, 760)
        page.show()
        page.activateWindow()
        qtbot.waitUntil(page.hasFocus, timeout=LONG_MS)
        return page

    yield opened
    for page in pages:
        page.judges.shut_down()


def press(page, *keys):
    for key in keys:
        QTest.keyClick(QApplication.focusWidget() or page, key)


def order_on_screen(item, ranks_by_id):
    """Ranks in words, in the numbers of the screen; written without the code under test, for strict orders."""
    places = sorted(range(len(item.shown)), key=lambda place: ranks_by_id[item.shown[place].id])
    return " ≻ ".join(str(place + 1) for place in places)


def test_the_judges_order_shows_after_the_label_and_not_before(qtbot, context, open_page):
    groups = [add_group(context.project, 3, f"prompt {number}") for number in range(2)]
    its = [judged(context.project, group, (1, 2, 3), f"Why {group.id}.") for group in groups]
    page = open_page()
    line = page.judges.line
    assert line.isVisible() and "Why" not in line.said.text() and "≻" not in line.said.text()
    before = page.item
    expected = order_on_screen(before, its[0].ranks)
    press(page, *[getattr(KEY, f"Key_{place}") for place in expected.split(" ≻ ")[:2]])
    qtbot.waitUntil(lambda: "Why" in line.said.text(), timeout=LONG_MS)
    assert line.said.text() == f"The judge agreed: {expected}. Why {groups[0].id}."
    assert page.item.group.id == groups[1].id, "the next item is on screen, of which nothing is said"
    assert "rules: shorter" in line.said.toolTip()


def test_where_they_differ_the_pairs_are_counted(qtbot, context, open_page):
    group = add_group(context.project, 3, "prompt")
    its = judged(context.project, group, (1, 2, 3))
    page = open_page()
    right = order_on_screen(page.item, its.ranks).split(" ≻ ")
    press(page, *[getattr(KEY, f"Key_{place}") for place in (right[1], right[0])])  # its second before its first
    line = page.judges.line
    qtbot.waitUntil(lambda: "pairs as you" in line.said.text(), timeout=LONG_MS)
    assert f"The judge: {' ≻ '.join(right)} (2 of 3 pairs as you)" in line.said.text()


def test_an_undo_hides_it_until_the_label_is_given_again(qtbot, context, open_page):
    judged(context.project, add_group(context.project, 2, "prompt"), (1, 2))
    page = open_page()
    line = page.judges.line
    press(page, KEY.Key_1)
    qtbot.waitUntil(lambda: "Because" in line.said.text(), timeout=LONG_MS)
    press(page, KEY.Key_Z)
    qtbot.waitUntil(lambda: "Because" not in line.said.text(), timeout=LONG_MS)
    assert page.item is not None


def test_it_can_be_switched_off_and_the_project_remembers(qtbot, context, open_page):
    for number in range(2):
        judged(context.project, add_group(context.project, 2, f"prompt {number}"), (1, 2))
    page = open_page()
    page.judges.show_it.trigger()
    assert page.judges.line.isHidden() and not opinions.wanted(context.project)
    press(page, KEY.Key_1)
    qtbot.waitUntil(lambda: rankings.counts(context.project).done == 1, timeout=LONG_MS)
    page._catch_up()
    assert page.judges.line.isHidden()
    assert open_page().judges.show_it.isChecked() is False


def test_without_a_judge_nothing_is_in_the_way(context, open_page):
    add_group(context.project, 2, "prompt")
    assert open_page().judges.line.isHidden()


def test_the_agreement_is_told_with_its_interval(context, open_page):
    for number in range(6):
        group = add_group(context.project, 2, f"prompt {number}")
        rankings.add(context.project, group, ranks=[1, 2])
        judged(context.project, group, (1, 2) if number else (2, 1))
    numbers = open_page().judges.line.numbers
    assert numbers.text() == "83% of pairs as you  ·  τ 0.67"
    assert "between 44% and 97%" in numbers.toolTip()  # Wilson's interval of 5 in 6


def test_an_answer_of_ones_own_is_no_disagreement(context):
    group = add_group(context.project, 2, "prompt")
    judged(context.project, group, (1, 2))
    completions.add(context.project, group.id, "mine", finish_reason="written")
    group = completions.get_group(context.project, group.id)
    label = rankings.add(context.project, group, ranks=[2, 3, 1], presented=[c.id for c in group.completions[:2]])
    verdict = opinions.of(context.project, label)
    assert (verdict.order, verdict.same, verdict.pairs) == ("1 ≻ 2", 1, 1)


@pytest.mark.parametrize(
    ("ranks", "words"),
    [([2, 1, 3], "2 ≻ 1 ≻ 3"), ([1, 2, 2], "1 ≻ 2 = 3"), ([1, 1], "1 = 2"), ([2, 1, None], "2 ≻ 1 ≻ …")],
)
def test_an_order_in_words(ranks, words):
    assert opinions.order_in_numbers(ranks) == words


def test_the_form_starts_a_judge_that_ranks_in_a_process_of_its_own(qtbot, context, open_page):
    shuffled = random.Random(3)
    for number in range(5):
        add_group(context.project, shuffled.choice((2, 3)), f"prompt {number}")
    page = open_page()
    said = []
    context.message.connect(lambda text, level: said.append((text, level)))
    page.judges.ask.trigger()
    form = page.judges.form
    form.rules.boxes["longer"].setChecked(True)
    qtbot.waitUntil(lambda: form.waiting.text() == "5 comparisons wait for it", timeout=LONG_MS)
    form.limit.setValue(4)
    form.start_button.click()
    assert form.isHidden() and page.judges.job in context.jobs.jobs
    qtbot.waitUntil(lambda: page.judges.job is None, timeout=LONG_MS)
    assert said == [("The judge (rules: longer) ranked 4 of 4 comparisons.", "info")]
    its = rankings.all_current(context.project, annotator_kind="judge")
    assert [list(one.ranks.values()) for one in its] == [list(range(len(one.ranks), 0, -1)) for one in its]
    assert len(its) == 4 and rankings.counts(context.project).left == 5
    assert page.judges.line.isVisible() and not page.judges.stop.isEnabled()
    page.judges.ask.trigger()
    assert form.rules.chosen() == ("longer",) and form.limit.value() == 4


def test_what_cannot_judge_is_said_in_the_form(context, open_page):
    add_group(context.project, 2, "prompt")
    page = open_page()
    page.judges.ask.trigger()
    form = page.judges.form
    form.start_button.click()
    assert form.isVisible() and "No rule is given" in form.problem.text()
    form.rules.boxes["max-words"].setChecked(True)
    assert form.problem.isHidden()
    form.start_button.click()
    assert "number of words" in form.problem.text()
    form.kinds.button(1).setChecked(True)
    form.principles.clear()
    form.start_button.click()
    assert "needs principles" in form.problem.text() and page.judges.job is None


def test_principles_are_kept_in_the_project_and_keys_stay_in_the_form(context, open_page):
    add_group(context.project, 2, "prompt")
    page = open_page()
    page.judges.ask.trigger()
    form = page.judges.form
    form.kinds.button(1).setChecked(True)
    assert form.principles.toPlainText() == "Shorter is better."
    form.principles.setPlainText("Be kind.")
    QTest.keyClick(form, KEY.Key_1)
    assert rankings.counts(context.project).done == 0
    QTest.keyClick(form, KEY.Key_Escape)
    assert form.isHidden() and page.hasFocus()
    assert judgements.principles(context.project) == "Be kind."
    assert context.project.guideline == "Shorter is better."


def test_the_judge_is_the_model_that_is_chosen(context, open_page, tmp_path):
    add_group(context.project, 2, "prompt")
    page = open_page()
    page.judges.ask.trigger()
    form = page.judges.form
    form.kinds.button(1).setChecked(True)
    judge = page.judges.judge(context.project)
    assert (judge.base, judge.principles) == ("starter", "Shorter is better.") and judge.name.startswith("SmolLM2-135M")
    form.model.setCurrentIndex(form.model.findData("other"))
    form.model.other_row.edit.setText(str(tmp_path))
    assert page.judges.judge(context.project).base == str(tmp_path)
    form.model.setCurrentIndex(form.model.findData("server"))
    form.model.server_row.address.setEditText("http://localhost:9/v1")
    form.model.server_row.model.setEditText("small")
    judge = page.judges.judge(context.project)
    assert judge.base == "openai:http://localhost:9/v1#small" and judge.remote


def test_why_the_process_refuses_is_told_and_nothing_is_written(qtbot, context, open_page, monkeypatch):
    add_group(context.project, 2, "prompt")
    page = open_page()
    said = []
    context.message.connect(lambda text, level: said.append((text, level)))
    unknown = Judge("rules", rules=("nicer",))
    real = judgements.command_for
    monkeypatch.setattr(judgements, "command_for", lambda project, _judge, groups: real(project, unknown, groups))
    page.judges.ask.trigger()
    page.judges.form.rules.boxes["shorter"].setChecked(True)
    page.judges.form.start_button.click()
    qtbot.waitUntil(lambda: page.judges.job is None, timeout=LONG_MS)
    ((text, level),) = said
    assert level == "error" and "no rule called 'nicer'" in text
    assert rankings.judge_names(context.project) == {}


def test_stopped_it_keeps_what_it_ranked_and_goes_on_later(qtbot, context, open_page, monkeypatch):
    """The process gets one group at a time, so that it can be stopped between two."""
    monkeypatch.setattr(judge_job, "BATCH", 1)
    for number in range(30):
        add_group(context.project, 2, f"prompt {number}")
    page = open_page()
    page.judges.ask.trigger()
    page.judges.form.rules.boxes["shorter"].setChecked(True)
    page.judges.form.start_button.click()
    job = page.judges.job
    job.changed.connect(lambda: page.judges.cancel() if job.judged else None)
    qtbot.waitUntil(lambda: page.judges.job is None, timeout=LONG_MS)
    done = rankings.judge_names(context.project)["rules: shorter"]
    assert 1 <= done < 30 and job.problem == ("", "")
    page.judges.ask.trigger()
    page.judges.form.start_button.click()
    qtbot.waitUntil(lambda: page.judges.job is None, timeout=LONG_MS)
    assert rankings.judge_names(context.project) == {"rules: shorter": 30}


def test_a_process_that_dies_is_told_with_its_signal(qtbot, context, open_page):
    add_group(context.project, 2, "prompt")
    page = open_page()
    said = []
    context.message.connect(lambda text, level: said.append(text))
    page.judges.ask.trigger()
    page.judges.form.rules.boxes["shorter"].setChecked(True)
    page.judges.form.start_button.click()
    job = page.judges.job
    job.process.started.connect(job.process.kill)
    qtbot.waitUntil(lambda: page.judges.job is None, timeout=LONG_MS)
    assert "ended before its work was done" in job.problem[0] and said == [job.problem[0]]


def test_a_judge_that_goes_by_the_order_is_said_to_be_of_no_use(qtbot, context, open_page):
    model = Judge("model", base="starter", model_name="starter", principles="Shorter is better.")
    groups = [add_group(context.project, 2, f"prompt {number}") for number in range(5)]
    for group in groups:
        event = events.GroupJudged("job", group.id, (), "No opinion.", 0.0, pairs=1, disagreements=1, first_shown=2)
        judgements.record(context.project, model, event)
    page = open_page()
    line = page.judges.line
    assert line.isVisible() and "goes by the order" in line.said.text() and "of no use here" in line.said.text()
    press(page, KEY.Key_1)
    qtbot.waitUntil(lambda: rankings.counts(context.project).done == 1, timeout=LONG_MS)
    page._catch_up()
    assert "of no use here" in line.said.text()


def test_a_group_without_an_opinion_says_so_after_the_label(qtbot, context, open_page):
    group = add_group(context.project, 2, "prompt")
    model = Judge("model", base="starter", model_name="starter", principles="Shorter is better.")
    event = events.GroupJudged("job", group.id, (), "No opinion: the pair.", 0.0, pairs=1, disagreements=1)
    judgements.record(context.project, model, event)
    page = open_page()
    line = page.judges.line
    assert "No opinion" not in line.said.text()
    press(page, KEY.Key_1)
    qtbot.waitUntil(lambda: line.said.text() == "No opinion: the pair.", timeout=LONG_MS)
