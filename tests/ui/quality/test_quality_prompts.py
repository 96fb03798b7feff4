"""Prompts that are alike: their list, and what mends them."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from dpo_studio.core.types import Message
from dpo_studio.evaluation.quality import report as quality
from dpo_studio.store import Project, prompts
from dpo_studio.ui.context import Context
from dpo_studio.ui.prompts.changes import Changes
from dpo_studio.ui.quality.evidence import Evidence
from dpo_studio.ui.quality.prompt_sets import PromptSets
from tests.ui.quality.labelled import WAIT_MS


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


def test_what_was_archived_here_is_undone_on_prompts_on_a_later_day_and_once(qtbot, context, project, page):
    ids = [prompts.add(project, [Message("user", text)]).id for text in ("Why?", "WHY?")]
    before = prompts.all_prompts(project)
    page.ensure_built()
    page.show_evidence(Evidence("Alike", prompts=(tuple(ids),), reading="same_prompts"))
    page.sets.mend.click()
    assert prompts.all_prompts(project) != before
    other = Context()
    other.open(Project.open(project.folder))
    changes, said = Changes(other), []
    changes.open(other.project)
    changes.done.connect(lambda done, _number: said.append(done.sentence))
    assert changes.undo()
    qtbot.waitUntil(lambda: bool(said), timeout=WAIT_MS)
    assert prompts.all_prompts(project) == before and not changes.undo()
    changes.close()
    other.open(None)
    told = []
    context.message.connect(lambda text, level: told.append(text))
    page.undo()
    assert told == ["There is nothing to undo on Quality; labels are undone on Label."]


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


def test_prompts_that_are_alike_can_be_listed_on_prompts(qtbot, context, project, page):
    ids = [prompts.add(project, [Message("user", text)]).id for text in ("Why?", "WHY?")]
    page.ensure_built()
    page.show_evidence(Evidence("Alike", prompts=(tuple(ids),), reading="same_prompts"))
    news = []
    context.page_wanted.connect(news.append)
    context.prompts_wanted.connect(lambda found, why: news.append((found, why)))
    page.sets.listing.click()
    assert news == ["prompts", (ids, "Alike")]
