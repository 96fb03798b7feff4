"""From a warning to the labels behind it, in their list and one after another in Label."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

from dpo_studio.evaluation.quality import report as quality
from dpo_studio.store import rankings
from dpo_studio.ui.label.page import LabelPage
from dpo_studio.ui.quality.evidence import Evidence
from dpo_studio.ui.quality.label_list import LabelList, text_of
from tests.ui.quality.labelled import WAIT_MS, add_group, fill, label, show, texts


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
