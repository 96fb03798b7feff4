"""The Quality page with the real command behind it, and its parts on a real project's report."""

from __future__ import annotations

from itertools import groupby

import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel

from dpo_studio.core import report_words as wording
from dpo_studio.core.types import Message
from dpo_studio.evaluation.quality import report as quality
from dpo_studio.store import Project, completions, prompts, rankings
from dpo_studio.ui.context import Context
from dpo_studio.ui.label.page import LabelPage
from dpo_studio.ui.quality.evidence import Evidence
from dpo_studio.ui.quality.label_list import LabelList, text_of
from dpo_studio.ui.quality.page import QualityPage
from dpo_studio.ui.quality.prompt_sets import PromptSets
from dpo_studio.ui.quality.reader import Reader
from dpo_studio.ui.quality.report_view import ReportView

WAIT_MS = 60_000
ANSWERS = ("Short.", "A longer answer that says as much.")


def add_group(project, question, answers=ANSWERS):
    group = completions.add_group(project, prompts.add(project, [Message("user", question)]).id, size=len(answers))
    for text in answers:
        completions.add(project, group.id, text)
    return completions.get_group(project, group.id)


def label(project, group, ranks, *, flip=False, **other):
    shown = [one.id for one in group.completions]
    return rankings.add(project, group, ranks=ranks, presented=shown[::-1] if flip else shown, **other)


def fill(project, number=24):
    """Labels that go for the longer answer, wherever it was shown."""
    for n in range(number):
        label(project, add_group(project, f"question {n}"), (2, 1), flip=bool(n % 2), seconds=30.0)


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "p") as made:
        yield made


@pytest.fixture
def context(qtbot, project):
    context = Context()
    context.open(project)
    yield context
    context.open(None)


@pytest.fixture
def page(qtbot, context):
    page = QualityPage(context)
    qtbot.addWidget(page)
    page.resize(1100, 800)
    yield page
    page.shut_down()


def show(page, qtbot):
    page.ensure_built()
    page.show()
    qtbot.waitExposed(page)


def texts(widget):
    return [one.text() for one in widget.findChildren(QLabel) if one.isVisibleTo(widget)]


def test_from_a_warning_to_the_labels_in_label(qtbot, context, project, page, light):
    fill(project)
    show(page, qtbot)
    assert page.view.state.text() == "Reading the labels…" and page.view.again.text() == "Stop"
    qtbot.waitUntil(lambda: page.reader.whole, timeout=WAIT_MS)
    assert page.badge() == "1 warning"
    sentence = "The longer answer won 24 of 24 times"
    qtbot.waitUntil(lambda: any(text.startswith(sentence) for text in texts(page.view.findings)))
    assert page.view.state.text().startswith("24 labels, read at ")
    (button,) = page.view.findings.buttons
    button.click()
    assert page.labels.isVisible() and page.labels.tree.topLevelItemCount() == 24
    assert page.labels.tree.topLevelItem(0).text(1) == "2 ≻ 1"
    assert "— rank 1, 34 characters —\nA longer answer" in page.labels.text.toPlainText()

    other = LabelPage(context)
    qtbot.addWidget(other)
    context.page_wanted.connect(lambda name: (other.ensure_built(), other.show()) if name == "label" else None)
    second = page.labels.tree.topLevelItem(1)
    page.labels.tree.setCurrentItem(second)
    QTest.keyClick(page.labels.tree, Qt.Key.Key_Return)
    bar = other.reviewing.bar
    assert bar.sentence.text().startswith("1 of 24  ·  The longer answer won")
    assert other.item.group.id == second.data(0, Qt.ItemDataRole.UserRole).group_id
    assert other.item.earlier is not None
    QTest.keyClick(page.labels.tree, Qt.Key.Key_Escape)
    assert page.view.isVisible()


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
    assert wanted == ["prompts"]


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


def test_pictures_and_numbers_lead_to_groups(qtbot, project, light, qapp):
    fill(project)
    first = add_group(project, "three", ("a", "bb", "ccc"))
    label(project, first, (1, 2, 3))
    for n in range(25):
        group = add_group(project, f"both {n}")
        for who in ("bob", "eve"):
            label(project, group, (1, 2) if (n % 3 and who == "bob") else (2, 1), annotator=who)
    view = ReportView()
    qtbot.addWidget(view)
    view.resize(1200, 800)
    view.show()
    report = quality.make(project)
    view.show_report(report)
    wanted = []
    view.wanted.connect(wanted.append)
    assert "Where the best of 2 stood when 74 labels were given" in view.places.sentence.text()
    assert view.days.sentence.text().startswith("One day with labels; the most, 75")
    dots = view.lengths._dots.points()
    assert {(dot.pos().y(), dot.pos().x()) for dot in dots} >= {(34.0, 6.0), (1.0, 3.0)}
    view.lengths._dots.sigClicked.emit(view.lengths._dots, [dots[0]], None)
    assert wanted.pop().groups == (int(dots[0].data()),)
    view.agreement.table.cellClicked.emit(0, 1)
    behind = wanted.pop()
    assert behind.sentence == "bob and eve differ" and len(behind.groups) == 16
    row = next(button for button in view.people.buttons if "Agreement of all" in button.accessibleName())
    row.click()
    assert wanted.pop() == Evidence("Agreement of all", behind.groups)
    light.apply(qapp, "dark")
    assert view.lengths.plot.backgroundBrush().color().name() == light.DARK.card
    assert view.days.isHidden() and view.agreement.isVisibleTo(view), "one day is no picture"
    view.resize(500, 800)
    QApplication.processEvents()
    assert view._columns == 1
    view.show_report(quality.make(project))  # the same again


def test_a_list_of_labels_is_read_in_parts(qtbot, project, monkeypatch):
    monkeypatch.setattr("dpo_studio.ui.quality.evidence_list.AT_ONCE", 2)
    groups = [add_group(project, f"question {n}") for n in range(5)]
    for group in groups:
        label(project, group, (1, 2))
    label(project, groups[0], (2, 1), annotator="rule", annotator_kind="judge")
    shown = LabelList()
    qtbot.addWidget(shown)
    shown.show_labels(project, Evidence("Why", tuple(group.id for group in groups)))
    assert [shown.tree.topLevelItem(n).text(2) for n in range(3)] == [project.annotator, "rule (judge)"] + [
        project.annotator
    ]
    assert shown.more.text() == "Show more (3 left)"
    shown.more.click()
    shown.more.click()
    assert shown.tree.topLevelItemCount() == 6 and shown.more.isHidden()
    wanted = []
    shown.wanted.connect(lambda ids, why: wanted.append(ids))
    shown.through.click()
    assert wanted == [[group.id for group in groups]]
    shown.show_labels(project, Evidence("Why", tuple(group.id for group in groups)), [groups[3].id, groups[1].id])
    assert shown.through.text() == "Go through your 2 in Label"
    shown.through.click()
    assert wanted[-1] == [groups[3].id, groups[1].id]
    only = rankings.current(project, groups[4].id).id
    shown.show_labels(project, Evidence("Why", tuple(group.id for group in groups[3:]), (only,)))
    assert [shown.tree.topLevelItem(n).text(0) for n in range(shown.tree.topLevelItemCount())] == ["question 4"]


def test_ones_own_labels_are_told_from_others(project):
    for n in range(40):
        group = add_group(project, f"question {n}")
        label(project, group, (1, 2), seconds=0.1)
        if n % 2:
            label(project, group, (1, 2), seconds=0.1, annotator="bob")
    report = quality.make(project)
    hasty = next(Evidence.of(one) for one in report["findings"] if one["reading"] == "hasty")
    assert len(hasty.rankings) == 60 and hasty.button == "Show the labels (60)"
    assert len(hasty.groups_of("bob", report)) == 20 and len(hasty.groups_of(project.annotator, report)) == 40
    assert hasty.groups_of("nobody", report) == ()


def test_answers_of_a_label_from_best_to_worst(project):
    group = add_group(project, "three", ("first", "second", "third"))
    ranking = label(project, group, (None, 1, 1), note="hm")
    assert text_of(group, ranking).splitlines() == [
        "three",
        "",
        "— rank 1, 6 characters —",
        "second",
        "",
        "— rank 1, 5 characters —",
        "third",
        "",
        "— not ranked, 5 characters —",
        "first",
        "",
        "Note: hm",
    ]


def test_sets_of_prompts(qtbot, project):
    ids = [prompts.add(project, [Message("user", text)]).id for text in ("Why?", "WHY?", "why ?", "Who?")]
    shown = PromptSets()
    qtbot.addWidget(shown)
    shown.show_sets(project, Evidence("Alike", prompts=(tuple(ids[:3]), (ids[3], 999))))
    assert shown.mend.isHidden()
    assert [shown.tree.topLevelItem(n).childCount() for n in range(2)] == [2, 0]
    assert shown.text.toPlainText() == "user: Why?"
    wanted = []
    shown.wanted.connect(lambda found, why: wanted.append(found))
    shown.tree.setCurrentItem(shown.tree.topLevelItem(0).child(1))
    QTest.keyClick(shown.tree, Qt.Key.Key_Return)
    shown.listing.click()
    assert wanted == [ids[:3], [*ids, 999]]


def test_a_held_out_prompt_that_is_like_one_for_training_is_moved_and_moved_back(qtbot, context, project, page):
    ids = [prompts.add(project, [Message("user", f"Why is the sky {word}?")]).id for word in ("blue", "Blue", "red")]
    prompts.set_held_out(project, ids[1], True)
    page.ensure_built()
    page.show_evidence(Evidence("Alike", prompts=(tuple(ids[:2]),), reading="across"))
    news = []
    context.prompts_changed.connect(lambda: news.append(1))
    page.sets.mend.click()
    assert not prompts.get(project, ids[1]).held_out and news == [1]
    page.undo()
    assert [prompts.get(project, one).held_out for one in ids] == [False, True, False]
    page.undo()
    assert [prompts.get(project, one).held_out for one in ids] == [False, True, False]
    assert news == [1, 1], "there was nothing more to undo"


def test_repeats_are_archived_and_brought_back(qtbot, context, project, page):
    ids = [prompts.add(project, [Message("user", text)]).id for text in ("Why?", "WHY?", "why ?", "Who?", "who?")]
    said = []
    context.message.connect(lambda text, level: said.append(text))
    page.ensure_built()
    page.show_evidence(Evidence("Alike", prompts=(tuple(ids[:3]), tuple(ids[3:])), reading="same_prompts"))
    page.sets.mend.click()
    assert [prompts.get(project, one).archived for one in ids] == [False, True, True, False, True]
    assert said == ["3 prompts are archived. Ctrl+Z takes that back."]
    assert quality.make(project)["prompts"]["same"] == []
    page.undo()
    assert not any(prompts.get(project, one).archived for one in ids)


def test_rows_say_when_there_are_too_few(project):
    label(project, add_group(project, "only"), (1, 2))
    rows = {row.name: row for row in wording.rows(quality.make(project)["people"])}
    assert rows["The longer answer won"].value == "0 of 1 (too few to tell)"
    assert rows["Best against worst"].value == "too few to tell"
    assert rows["Faster than can be read"].value == "none yet"
    assert rows["Circles"].value == "0 sets of answers"


def test_judges_are_told_beside_the_people_they_agree_with(project):
    for n in range(6):
        group = add_group(project, f"question {n}")
        label(project, group, (1, 2))
        label(project, group, (1, 2) if n else (2, 1), annotator="rules", annotator_kind="judge")
    (row,) = wording.judge_rows(quality.make(project)["each_judge"])
    assert (row.name, len(row.groups)) == (f"rules and {project.annotator}", 6)
    assert row.value.startswith("83% of pairs alike (")
    order = {"judge": "m", "disagreement": 0.5, "disagreement_interval": [0.4, 0.6], "people": []}
    assert wording.judge_rows([order])[0].value == "50% (40% to 60%)"


def test_the_wheel_over_a_picture_scrolls_the_page(qtbot, project, light):
    from PySide6.QtGui import QWheelEvent

    from dpo_studio.ui.quality.pictures import DaysPicture

    picture = DaysPicture()
    qtbot.addWidget(picture)
    picture.show_days({"2026-01-02": 3, "2026-01-30": 5})
    wheel = QWheelEvent(
        QPointF(5, 5),
        QPointF(5, 5),
        QPointF(0, 0).toPoint(),
        QPointF(0, 120).toPoint(),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    before = picture.plot.viewRange()
    picture.plot.wheelEvent(wheel)
    assert not wheel.isAccepted() and picture.plot.viewRange() == before
    assert picture.sentence.text() == "2 days with labels; the most, 5, on 2026-01-30."


def press(page, key, modifiers=Qt.KeyboardModifier.NoModifier):
    page.keyPressEvent(QKeyEvent(QEvent.Type.KeyPress, key, modifiers, ""))


def test_going_through_a_list_in_label(qtbot, context, project):
    """The person's own labels again, a group that only somebody else labelled, then the queue."""
    mine, theirs, waiting = (add_group(project, name) for name in ("mine", "theirs", "waiting"))
    label(project, mine, (1, 2))
    label(project, theirs, (1, 2), annotator="bob")
    page = LabelPage(context)
    qtbot.addWidget(page)
    page.ensure_built()
    page.show()
    said = []
    context.message.connect(lambda text, level: said.append(text))
    context.groups_wanted.emit([mine.id, theirs.id, mine.id], "Look again")
    bar = page.reviewing.bar
    assert page.item.group.id == mine.id and page.item.earlier is not None
    assert any("Enter shows the next" in one.text() for one in page.bench.order_bar.findChildren(QLabel))
    press(page, Qt.Key.Key_Return)
    assert page.item.group.id == theirs.id and page.item.earlier is None
    assert bar.sentence.text() == "2 of 3  ·  Look again"
    bar.before.click()
    assert page.item.group.id == mine.id
    bar.after.click()
    press(page, Qt.Key.Key_1)
    assert rankings.current(project, theirs.id) is not None
    assert page.item.group.id == mine.id and bar.current == mine.id, "a label leads to the next of the list"
    press(page, Qt.Key.Key_Return)
    assert bar.isHidden() and page.item.group.id == waiting.id
    assert said == ["That was the last of the list. The queue goes on here."]
    context.groups_wanted.emit([mine.id], "Again")
    press(page, Qt.Key.Key_Escape)
    assert bar.isHidden() and page.item.group.id == waiting.id


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


def test_numbers_of_what_is_not_read_yet_are_left_out(qtbot, project, light):
    fill(project)
    view = ReportView()
    qtbot.addWidget(view)
    parts = list(quality.parts(project))
    view.show_report(parts[0])
    assert not any("longer answer" in text for text in texts(view.people)) and view.lengths.isHidden()
    assert not any("Nothing stands out" in text for text in texts(view.findings))
    view.show_report({**parts[0], **parts[1]})
    assert any("longer answer" in text for text in texts(view.people)) and view.findings.buttons


def test_prompts_that_are_alike_can_be_listed_on_prompts(qtbot, context, project, page):
    ids = [prompts.add(project, [Message("user", text)]).id for text in ("Why?", "WHY?")]
    page.ensure_built()
    page.show_evidence(Evidence("Alike", prompts=(tuple(ids),), reading="same_prompts"))
    news = []
    context.page_wanted.connect(news.append)
    context.prompts_wanted.connect(lambda found, why: news.append((found, why)))
    page.sets.listing.click()
    assert news == ["prompts", (ids, "Alike")]
