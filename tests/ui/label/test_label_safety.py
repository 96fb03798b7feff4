"""Nothing that was said is lost: a project that another program holds, two windows, an end without warning."""

import random
import sqlite3
import time

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from dpo_studio.core.errors import UserError
from dpo_studio.store import Project, annotators, prompt_edits, rankings, repeats
from dpo_studio.ui.label import saving
from dpo_studio.ui.label.session import Session
from tests.ui.label.by_keys import press

KEY = Qt.Key


@pytest.fixture
def another_program(context):
    """A connection that can hold the project, as a long import does."""
    connection = sqlite3.connect(context.project.folder / "project.db", isolation_level=None)
    yield connection
    connection.close()


def standing(project):
    return [ranking.kind for ranking in rankings.all_current(project)]


def test_a_project_that_is_held_delays_the_label_and_not_the_window(open_page, context, another_program, qtbot):
    page = open_page(2, 2)
    item, best = page.item, page.item.shown[0].id
    another_program.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    press(page, KEY.Key_1)
    assert time.monotonic() - began < 2, "ten seconds of a window that does not answer"
    assert page.bench.order_bar.notice == saving.WAITS
    press(page, KEY.Key_2, KEY.Key_Z, KEY.Key_Space, KEY.Key_Backspace)
    QTest.mouseClick(page.bench.stack.view.grid.shown_cards[1], Qt.MouseButton.LeftButton)
    page.undo()
    assert page.item is item and standing(context.project) == []
    another_program.execute("ROLLBACK")
    qtbot.waitUntil(lambda: page.item is not item)
    (saved,) = rankings.all_current(context.project)
    assert saved.ranks[best] == 1, "the key that was pressed, not those after it"


def test_escape_takes_a_label_that_waits_back(open_page, context, another_program, qtbot):
    page = open_page(2, 2)
    item = page.item
    another_program.execute("BEGIN IMMEDIATE")
    press(page, KEY.Key_1, KEY.Key_Escape)
    assert "Not saved" in page.bench.order_bar.notice
    another_program.execute("ROLLBACK")
    qtbot.wait(500)
    assert page.item is item and standing(context.project) == []
    press(page, KEY.Key_X)
    assert standing(context.project) == ["all_bad"]


def test_leaving_the_page_waits_a_little_for_a_label_that_waits(open_page, context, another_program, monkeypatch):
    monkeypatch.setattr(saving, "_IN_THE_END_S", 0.05)
    page = open_page(2, 2)
    said = []
    context.message.connect(lambda text, level: said.append(text))
    another_program.execute("BEGIN IMMEDIATE")
    press(page, KEY.Key_1)
    page.leave()
    assert standing(context.project) == [] and page.saving.pending
    another_program.execute("ROLLBACK")
    page.leave()
    assert standing(context.project) == ["ranking"] and not page.saving.pending


def test_a_repeat_that_cannot_be_made_does_not_make_a_label_look_lost(open_page, context, monkeypatch):
    page = open_page(2, 2, 2)
    page.session.choose(repeats=10)

    def held(*_args):
        raise UserError("Another program is writing.")

    monkeypatch.setattr(repeats, "make", held)
    monkeypatch.setattr(page.session.upcoming_groups, "_until_repeat", 0)
    monkeypatch.setattr(page.session.upcoming_groups, "_left_of_block", 9)
    page.session._ahead.clear()
    press(page, KEY.Key_1)
    assert page.item.group.id == 2 and standing(context.project) == ["ranking"]


def test_an_own_answer_is_kept_before_the_page_is_left(open_page, context, monkeypatch, qtbot):
    page = open_page(2)
    page.saving._drafts.setInterval(20)
    press(page, KEY.Key_E)
    QTest.keyClicks(page.bench.writing.editor, "a long answer")
    with Project.open(context.project.folder) as other:
        qtbot.waitUntil(lambda: "a long answer" in other.fact("label_draft"))


@pytest.fixture
def two_windows(open_page, context):
    """Sessions of two windows on one project, of the same person, with the first item on both."""
    open_page(2, 2, 2, 2)
    other = Project.open(context.project.folder)
    sessions = [Session(project, shuffler=random.Random(1)) for project in (context.project, other)]
    for session in sessions:
        session.begin()
        session.upcoming()
    yield sessions
    other.close()


def test_a_label_over_one_from_another_window_is_told_and_both_are_kept(two_windows):
    one, other = two_windows
    first = one.save("skip")
    one.save("all_bad")
    assert other.item.group.id == first.group_id
    other.save("all_bad")
    assert other.overtaken == first
    assert other.item.group.id == 3, "the one it had ready was labelled meanwhile"
    other.undo()
    assert rankings.current(other.project, first.group_id).kind == "skip"
    other.back_to_queue()
    other.save("skip")
    assert other.overtaken is None


def test_a_window_that_is_looked_at_again_moves_on(open_page, context, monkeypatch):
    page = open_page(2, 2)
    with Project.open(context.project.folder) as other:
        rankings.add(other, page.item.group, kind="skip")
    monkeypatch.setattr(page, "isActiveWindow", lambda: True)
    QApplication.sendEvent(page, QEvent(QEvent.Type.ActivationChange))
    assert page.item.group.id == 2
    assert page.bench.order_bar.notice.startswith("The one before was labelled in another window")


def test_a_window_goes_on_under_its_own_name_though_another_one_takes_another(open_page, context):
    page = open_page(2, 2, 2)
    with Project.open(context.project.folder) as other:
        annotators.take_over(other, "Berta")
        rankings.add(other, page.item.group, kind="skip")
        press(page, KEY.Key_1, KEY.Key_2)
        said = [(label.annotator, label.kind) for label in rankings.all_current(context.project)]
        assert said == [("Berta", "skip"), ("me", "ranking"), ("me", "ranking")]
        assert page.badge() == "1 left" and page.item.group.id == 3
        press(page, KEY.Key_Z, KEY.Key_Z, KEY.Key_Z)
        assert [label.annotator for label in rankings.all_current(context.project)] == ["Berta"]
    with Project.open(context.project.folder) as again:
        assert again.annotator == "Berta", "who was named last labels where it is opened next"


def test_a_name_given_in_another_window_is_taken_up_by_the_first_label(own_settings, open_page, context):
    own_settings.write_text("", encoding="utf-8")
    page = open_page(2, 2)
    with Project.open(context.project.folder) as other:
        annotators.take_over(other, "Berta")
    press(page, KEY.Key_1)
    (label,) = rankings.all_current(context.project)
    assert label.annotator == "Berta" and page.badge() == "1 left"
    assert page.bench.head.buttons["annotator"].text() == "Labelling as Berta"


def test_two_windows_keep_the_drafts_of_both(two_windows):
    one, other = two_windows
    one.item.note = "of one"
    one.stash()
    other.visit(4).note = "of the other"
    other.stash()
    again = Session(one.project, shuffler=random.Random(1))
    again.begin()
    assert again.item.note == "of one"
    assert again.visit(4).note == "of the other"


def test_a_label_and_the_end_of_its_draft_are_written_together(two_windows):
    one, _other = two_windows
    one.item.write("mine")
    one.item.entry.press(0)
    one.stash()
    one.save()
    assert one.project.fact("label_draft") == "", "or an end without warning would bring it back after an undo"


def test_a_prompt_that_was_archived_is_not_asked_about_any_more(open_page, context, qtbot):
    page = open_page(2, 2, 2, 2)
    qtbot.waitUntil(lambda: page.bench.stack.prepared is not None)
    page.hide()
    prompt_edits.archive(context.project, [1, 2])
    page.show()
    assert page.item.group.id == 3, "neither what was on screen nor what was held ready"
    assert page.bench.order_bar.notice.startswith("The one before is archived now")


def test_what_was_asked_for_or_begun_stays(open_page, context):
    page = open_page(2, 3)
    page.session.visit(2)
    prompt_edits.archive(context.project, [1, 2])
    assert page.session.look_elsewhere() == "" and page.item.group.id == 2
    page.item.out_of_turn = False
    page.item.entry.press(1)
    assert page.session.look_elsewhere() == "" and page.item.group.id == 2
