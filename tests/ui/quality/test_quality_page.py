"""The Quality page with the real command behind it: when it reads, what it shows meanwhile, and where it leads."""

from __future__ import annotations

from itertools import groupby

from dpo_studio.core.types import Message
from dpo_studio.store import prompt_edits, prompts, rankings
from dpo_studio.ui.quality.reader import Reader
from tests.ui.quality.labelled import WAIT_MS, add_group, fill, label, show


def test_labels_that_change_are_read_again_after_a_pause_and_once(qtbot, context, project, page):
    group = add_group(project, "only")
    show(page, qtbot)
    qtbot.waitUntil(lambda: page.reader.whole, timeout=WAIT_MS)
    assert page.view.no_labels.isVisible() and page.view.label_button.isVisible()
    started = []
    page.reader.changed.connect(lambda: started.append(page.reader.busy))
    for ranks in ((1, 2), (2, 1), (1, 1)):
        label(project, group, ranks)
        context.rankings_changed.emit()
    assert started == []
    qtbot.waitUntil(lambda: page.reader.report["people"]["labels"] == 1 and not page.reader.busy, timeout=WAIT_MS)
    assert [one for one, _ in groupby(started)] == [True, False]
    assert not page.view.no_labels.isVisible()
    page.hide()
    context.rankings_changed.emit()
    assert page.reader.stale and not page.reader._later.isActive()


def test_an_empty_project_says_what_to_do(qtbot, context, page):
    show(page, qtbot)
    assert page.empty.isVisible() and not page.reader.busy
    wanted = []
    context.page_wanted.connect(wanted.append)
    page.empty_button.click()
    prompts.add(context.project, [Message("user", "Hello?")])
    context.prompts_changed.emit()
    assert page.empty.isVisible() and "answered first" in page.empty_label.text()
    page.empty_button.click()
    assert wanted == ["prompts", "generate"]
    rankings.add(context.project, add_group(context.project, "only"), kind="skip", annotator="Ben")
    prompt_edits.archive(context.project, [one.id for one in prompts.all_prompts(context.project)])
    context.rankings_changed.emit()
    assert page.view.isVisible(), "there is a label, though nothing waits for one"


def test_a_report_that_fails_is_a_sentence_in_place(qtbot, context, project, page, tmp_path):
    add_group(project, "only")
    page.reader.open(tmp_path / "elsewhere")
    show(page, qtbot)
    qtbot.waitUntil(lambda: bool(page.reader.problem), timeout=WAIT_MS)
    assert "is not a DPO Studio project" in page.view.problem.text() and page.view.problem.isVisible()
    assert page.view.again.isEnabled()


def test_another_project_forgets_the_report(qtbot):
    reader = Reader()
    reader.report, reader.stale = {"findings": []}, False
    reader.open(None)
    assert reader.report is None and reader.stale
    reader.read()
    assert not reader.busy


def test_the_first_report_is_there_part_by_part_and_can_be_stopped(qtbot, context, project, page):
    fill(project)
    seen = []
    page.reader.changed.connect(lambda: seen.append(sorted(page.reader.report or ())))
    show(page, qtbot)
    qtbot.waitUntil(lambda: page.reader.whole, timeout=WAIT_MS)
    parts = [one for one, _ in groupby(seen)]
    assert parts[:2] == [[], ["judges", "people"]] and "prompts" in parts[-1] and len(parts) == 4
    assert page.view.bar.isHidden() and page.view.again.text() == "Read again"
    before = page.reader.report
    page.view.again.click()
    assert page.view.bar.isVisible() and page.view.again.text() == "Stop"
    page.view.again.click()
    assert not page.reader.busy and page.reader.stale and page.reader.report is before and page.reader.problem == ""


def test_a_first_report_that_was_stopped_says_that_it_is_not_whole(qtbot, context, project, page):
    add_group(project, "only")
    show(page, qtbot)
    page.reader.stop()
    assert "not all of it" in page.view.problem.text() and page.view.problem.isVisible()
    page.view.again.click()
    qtbot.waitUntil(lambda: page.reader.whole, timeout=WAIT_MS)
    assert page.view.problem.isHidden()
