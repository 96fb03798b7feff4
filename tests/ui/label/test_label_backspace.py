"""Backspace right after a label takes its last step back: the quickest way to mend the key pressed too soon."""

import random

import pytest

from dpo_studio.store import Project, rankings
from dpo_studio.ui.label.order_entry import OrderEntry
from dpo_studio.ui.label.session import Session
from tests.groups import add_group


@pytest.fixture
def project(tmp_path):
    made = Project.create(tmp_path / "p")
    for size in (4, 2, 4):
        add_group(made, f"prompt of {size}", size)
    yield made
    made.close()


@pytest.fixture
def session(project):
    made = Session(project, shuffler=random.Random(1))
    made.begin()
    return made


def give(session, keys):
    entry = session.item.entry
    for key in keys:
        response = entry.tie() if key == "=" else entry.finish() if key == "\n" else entry.press(int(key) - 1)
    assert response.done
    return session.save(seconds=2.0)


@pytest.mark.parametrize(
    ("keys", "left"),
    [
        ("314", ((2,), (0,))),
        ("31\n", ((2,), (0,))),
        ("3=142", ((2, 0), (3,))),
        ("3=14=2", ((2, 0), (3,))),
    ],
)
def test_the_order_is_there_without_its_last_step(session, project, keys, left):
    shown = session.item.shown
    saved = give(session, keys)
    assert session.can_take_step_back
    assert session.take_last_step_back().id == saved.id
    assert rankings.current(project, saved.group_id) is None
    assert (session.item.shown, session.item.entry.buckets) == (shown, left)
    assert session.item.seconds == 2.0, "the time spent on it goes on"
    assert not session.can_take_step_back, "once"


def test_one_key_goes_on_from_there(session, project):
    shown = session.item.shown
    give(session, "314")
    session.take_last_step_back()
    saved = give(session, "2")
    assert [saved.ranks[one.id] for one in shown] == [2, 3, 1, 4]
    assert session.item.group.id == 2, "and then the one that was on screen"


def test_a_pair_is_given_anew(session):
    session.save("skip")
    give(session, "1")
    session.take_last_step_back()
    assert session.item.group.id == 2 and session.item.entry.buckets == ()
    give(session, "=")
    session.take_last_step_back()
    assert session.item.entry.buckets == ()


def test_much_better_goes_with_the_key_that_said_it(session):
    entry = session.item.entry
    entry.press(0)
    entry.press(1)
    entry.press(2, strong=True)
    assert session.save().strength == 2
    session.take_last_step_back()
    assert give(session, "3").strength == 1


def test_not_once_anything_was_placed_in_the_next(session):
    give(session, "314")
    session.item.entry.press(0)
    session.item.entry.take_back()
    assert not session.can_take_step_back, "pressed once too often it does not reach an older label"


@pytest.mark.parametrize("after", ["undo", "revisit", "reopen"])
def test_not_after_something_else(session, project, after):
    saved = give(session, "314")
    if after == "undo":
        session.undo()
    elif after == "revisit":
        session.revisit(saved)
    else:
        session = Session(project)
        session.begin()
    assert not session.can_take_step_back


def test_after_the_very_last_label_too(session, project):
    for _ in range(2):
        session.save("skip")
    give(session, "214")
    assert session.item is None and session.can_take_step_back
    session.take_last_step_back()
    assert session.item.entry.buckets == ((1,), (0,))


def test_a_correction_goes_back_to_being_one(session, project):
    first = give(session, "123")
    session.revisit(first)
    session.item.entry.press(3)
    session.item.entry.press(2)
    session.item.entry.press(1)
    session.save()
    session.take_last_step_back()
    assert session.item.earlier is not None and session.item.entry.buckets == ((3,), (2,))
    assert rankings.current(project, first.group_id).ranks == first.ranks
    session.back_to_queue()
    assert session.item.group.id == 2


def test_an_own_answer_stays_with_it(session, project):
    session.item.write("mine")
    give(session, "\n")
    session.take_last_step_back()
    assert session.item.written == "mine" and session.item.entry.written
    assert session.item.entry.buckets == ()


def test_reopening_an_order_from_drops_takes_enter_alone():
    from dpo_studio.ui.label.drops import Insert

    entry = OrderEntry(3)
    entry.press(0)
    entry.drop(1, Insert(0))
    assert entry.finish().done
    before = entry.buckets
    entry.reopen()
    assert entry.buckets == before
