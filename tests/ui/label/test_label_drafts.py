"""What was written and not saved yet: notes and answers of one's own that survive leaving, without widgets."""

import json

import pytest

from dpo_studio.store import Project, completions, rankings
from tests.groups import add_group
from tests.ui.label.sessions import rank, session_of, texts_by_rank


@pytest.fixture
def project(tmp_path):
    made = Project.create(tmp_path / "p")
    for number in range(4):
        add_group(made, f"prompt {number}", [f"{number}{letter}" for letter in "abcd"])
    yield made
    made.close()


def test_an_unsaved_note_survives_leaving(project, tmp_path):
    session = session_of(project)
    session.item.note, session.item.flags = "look again", ("unsafe",)
    session.item.write("mine")
    session.stash()
    project.close()
    again = Project.open(tmp_path / "p")
    item = session_of(again, seed=5).item
    assert (item.note, item.flags, item.written) == ("look again", ("unsafe",), "mine")
    again.close()


def reopened(project, tmp_path):
    project.close()
    return Project.open(tmp_path / "p")


def test_a_waiting_note_survives_leaving_from_an_older_label(project, tmp_path):
    session = session_of(project)
    first = rank(session, "0a", "0b", "0c")
    session.item.note, session.item.unfinished = "look again", "half an ans"
    session.revisit(first)
    session.stash()
    again = reopened(project, tmp_path)
    item = session_of(again, seed=5).item
    assert item.earlier is None and item.group.id == 2, "nothing was written about the older label"
    assert (item.note, item.unfinished, item.written) == ("look again", "half an ans", "")
    again.close()


def test_a_note_on_an_older_label_survives_and_is_shown_first(project, tmp_path):
    session = session_of(project)
    first = rank(session, "0a", "0b", "0c")
    session.item.note = "of the next"
    session.revisit(first)
    session.item.note = "of the old"
    session.item.write("better")
    session.stash()
    again = reopened(project, tmp_path)
    session = session_of(again, seed=5)
    assert session.item.earlier.id == first.id and session.item.changed
    assert (session.item.note, session.item.written) == ("of the old", "better")
    assert session.back_to_queue().note == "of the next"
    session.stash()
    assert session.revisit(first).note == "", "left as it was, the draft is gone"
    again.close()


def test_a_draft_over_a_label_that_was_changed_since_is_left_out(project, tmp_path):
    session = session_of(project)
    first = rank(session, "0a", "0b", "0c")
    session.revisit(first)
    session.item.note = "stale"
    session.stash()
    group = completions.get_group(project, 1)
    rankings.add(project, group, kind="skip", ranks=(), presented=first.presented)
    again = reopened(project, tmp_path)
    session = session_of(again)
    assert session.item.earlier is None
    assert session.revisit(rankings.current(again, 1)).note == ""
    again.close()


def test_a_draft_of_the_first_form_is_read(project):
    group = completions.get_group(project, 1)
    body = {"group": group.uuid, "note": "old", "flags": ["unsafe"], "written": "mine"}
    project.set_fact("label_draft", json.dumps(body))
    item = session_of(project).item
    assert (item.note, item.flags, item.written) == ("old", ("unsafe",), "mine")


def test_a_saved_label_leaves_no_draft(project):
    session = session_of(project)
    session.item.note = "kept with the label"
    session.stash()
    assert "kept with" in project.fact("label_draft")
    session.save("skip")
    session.stash()
    assert project.fact("label_draft") == ""


def test_older_labels_looked_at_in_turn_keep_what_was_written(project):
    session = session_of(project)
    first, second = session.save("skip"), session.save("skip")
    session.revisit(first).note = "one"
    session.revisit(second).note = "two"
    assert session.revisit(first).note == "one"
    assert session.revisit(second).note == "two"


@pytest.mark.parametrize("again", ["undo", "undo later", "look", "look, leave and look"])
def test_a_text_that_no_label_took_in_comes_back_with_it(project, again):
    session = session_of(project)
    session.item.write("mine")
    session.item.unfinished = "better still"
    saved = session.save("skip")
    assert session.text_kept
    if again != "undo":
        session = session_of(project)
    if again.startswith("undo"):
        session.undo()
    else:
        session.revisit(saved)
        if again.startswith("look,"):
            session.back_to_queue()
            session.revisit(saved)
    assert (session.item.written, session.item.unfinished) == ("mine", "better still")
    session.item.write("better still")
    session.item.entry.press(0)
    session.save()
    assert texts_by_rank(project, 1)[0] == (1, "better still") and not session.text_kept
    assert project.fact("label_draft") == ""


def test_an_answer_half_written_is_kept_with_the_order_that_was_given(project):
    session = session_of(project)
    session.item.unfinished = "half an ans"
    saved = rank(session, "0a", "0b", "0c")
    assert session.text_kept and texts_by_rank(project, 1)[0] == (1, "0a")
    assert session.revisit(saved).unfinished == "half an ans"
