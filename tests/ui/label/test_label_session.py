"""The way through the queue, without widgets: what is saved, what comes next, what comes back."""

import pytest

from dpo_studio.exchange import preference
from dpo_studio.store import Project, completions, rankings
from dpo_studio.ui.label.session import described
from tests.groups import add_group
from tests.ui.label.sessions import rank, session_of, texts_by_rank


@pytest.fixture
def project(tmp_path):
    made = Project.create(tmp_path / "p")
    for number in range(4):
        add_group(made, f"prompt {number}", [f"{number}{letter}" for letter in "abcd"])
    yield made
    made.close()


def test_shown_numbers_become_the_groups_own_order(project):
    for seed in range(12):
        session = session_of(project, seed)
        assert session.item.group.id == 1
        saved = rank(session, "0c", "0a", "0d")
        assert texts_by_rank(project, saved.group_id) == [(1, "0c"), (2, "0a"), (3, "0d"), (4, "0b")]
        assert saved.seconds == 1.5
        rankings.undo(project)


def test_how_sure_one_was_is_saved_with_this_label_alone(project):
    session = session_of(project)
    assert session.item.confidence is None
    session.item.next_sureness()
    session.item.next_sureness()
    saved = rank(session, "0c", "0a", "0d")
    assert saved.confidence == 0.6
    assert rank(session, "1a", "1b", "1c").confidence is None
    # Seen again it says so; saying something else is a correction, also with the same order.
    item = session.revisit(saved)
    assert item.confidence == 0.6 and not item.changed
    item.next_sureness()
    assert item.changed
    item.entry.finish()
    corrected = session.save()
    assert corrected.confidence == 1.0 and corrected.supersedes == saved.id
    assert corrected.ranks == saved.ranks
    # An undo brings back what was said before.
    session.undo()
    assert session.item.confidence == 0.6
    assert rankings.current(project, saved.group_id).confidence == 0.6


def test_a_round_of_what_can_be_said_ends_where_it_began(project):
    item = session_of(project).item
    said = []
    for _ in range(4):
        item.next_sureness()
        said.append(item.confidence)
    assert said == [0.8, 0.6, 1.0, None]
    item.confidence = 0.75  # of a label that came from elsewhere
    item.next_sureness()
    assert item.confidence == 0.8


def test_the_order_shown_is_random_and_recorded(project):
    orders = set()
    for seed in range(30):
        session = session_of(project, seed)
        shown = tuple(c.id for c in session.item.shown)
        saved = session.save("skip")
        assert saved.presented == shown
        orders.add(shown)
        rankings.undo(project)
    assert len(orders) > 10


def test_the_queue_goes_on_in_order_and_ends(project):
    session = session_of(project)
    seen = []
    while session.item is not None:
        upcoming = session.upcoming()
        seen.append(session.item.group.id)
        session.save("skip")
        assert session.item is upcoming
    assert seen == [1, 2, 3, 4]
    assert rankings.counts(project).left == 0


def test_undo_shows_the_same_places_and_comes_back_to_where_it_was(project):
    session = session_of(project)
    first = [c.id for c in session.item.shown]
    rank(session, "0a", "0b", "0c")
    second = session.item
    second.entry.press(2)
    undone = session.undo()
    assert undone.group_id == 1
    assert [c.id for c in session.item.shown] == first
    assert session.item.entry.buckets == ()
    assert rankings.counts(project).left == 4
    rank(session, "0d", "0b", "0c")
    assert session.item is second
    assert second.entry.buckets == ((2,),), "what was begun is still there"


@pytest.mark.parametrize("seed", range(4))
def test_a_step_is_taken_back_in_the_same_places_though_another_window_labelled_it_in_others(project, seed):
    session = session_of(project, seed)
    places = [c.id for c in session.item.shown]
    other = project.beside()
    rankings.add(other, completions.get_group(other, 1), kind="all_bad", presented=sorted(places))
    other.close()
    rank(session, "0c", "0a", "0d")
    session.take_last_step_back()
    assert [c.id for c in session.item.shown] == places, "or the numbers that were pressed would name other answers"
    position = [c.text for c in session.item.shown].index("0d")
    assert session.item.entry.press(position).done
    saved = session.save(seconds=1.0)
    assert texts_by_rank(project, saved.group_id) == [(1, "0c"), (2, "0a"), (3, "0d"), (4, "0b")]


def test_undo_twice_walks_back_and_forward_again(project):
    session = session_of(project)
    for _ in range(3):
        session.save("skip")
    session.undo()
    session.undo()
    assert session.item.group.id == 2
    session.save("skip")
    assert session.item.group.id == 3
    session.save("skip")
    assert session.item.group.id == 4


def test_undo_of_an_earlier_day(project, tmp_path):
    session = session_of(project)
    saved = rank(session, "0a", "0b", "0c")
    project.close()
    again = Project.open(tmp_path / "p")
    session = session_of(again, seed=99)
    assert session.item.group.id == 2
    assert session.undo().id == saved.id
    assert session.item.group.id == 1
    assert tuple(c.id for c in session.item.shown) == saved.presented
    assert rankings.current(again, 1) is None
    again.close()


def test_undo_of_a_correction_shows_the_label_before_it(project):
    session = session_of(project)
    first = rank(session, "0a", "0b", "0c")
    session.revisit(first)
    rank(session, "0d", "0b", "0c")
    session.undo()
    assert session.item.earlier is not None
    assert texts_by_rank(project, 1)[0] == (1, "0a")
    assert session.item.entry.text() == described(first)


def test_correcting_an_older_label_supersedes_it(project):
    session = session_of(project)
    first = rank(session, "0a", "0b", "0c")
    waiting = session.item
    session.revisit(first)
    assert not session.item.changed
    second = rank(session, "0d", "0c", "0b")
    assert second.supersedes == first.id
    assert rankings.get(project, first.id).ranks == first.ranks, "the old row stays"
    assert session.item is waiting


def test_leaving_an_older_label_changes_nothing(project):
    session = session_of(project)
    first = rank(session, "0a", "0b", "0c")
    waiting = session.item
    session.revisit(first)
    assert session.back_to_queue() is waiting
    assert rankings.current(project, 1).id == first.id


def test_own_answer_is_first_and_of_the_same_transaction(project, monkeypatch):
    session = session_of(project)
    session.item.write("  my answer ")
    position = [c.text for c in session.item.shown].index("0b")
    session.item.entry.press(position)
    saved = session.save()
    assert texts_by_rank(project, 1) == [(1, "my answer"), (2, "0b")]
    group = completions.get_group(project, 1)
    assert group.completions[-1].finish_reason == "written"
    assert described(saved).startswith("✎ ≻ ") and described(saved).endswith("…")

    session.item.write("lost")

    def fail(*_args, **_kwargs):
        raise RuntimeError("no room")

    monkeypatch.setattr(rankings, "add", fail)
    with pytest.raises(RuntimeError):
        session.save()
    assert [c.text for c in completions.get_group(project, 2).completions] == ["1a", "1b", "1c", "1d"]
    assert session.item.group.id == 2, "the item stays"


def test_groups_that_come_later_are_found(project):
    session = session_of(project)
    while session.item is not None:
        session.save("skip")
    session.refresh()
    assert session.item is None
    new = add_group(project, "late", ["x", "y"]).id
    session.refresh()
    assert session.item.group.id == new


def test_labels_in_words(project):
    session = session_of(project)
    item = session.item
    for key in (1, None, 0):
        item.entry.tie() if key is None else item.entry.press(key)
    item.entry.finish()
    assert described(session.save()) == "1 = 2 ≻ …"
    assert described(session.save("skip")) == "skipped"
    assert described(session.save("all_bad")) == "all bad"


def test_an_answer_written_later_is_nobodys_worst(project):
    session = session_of(project)
    first = rank(session, "0a", "0b", "0c")
    session.revisit(first)
    session.item.write("mine")
    session.save()
    session.undo()
    ((group, standing),) = rankings.labelled(project)
    assert [c.text for c in group.completions] == ["0a", "0b", "0c", "0d"], "nobody compared it when this was said"
    assert rankings.ranks_of(group, standing.ranks) == (1, 2, 3, 4)
    (pairs,) = [preference.rows(*one) for one in rankings.labelled(project)]
    assert not any(row["rejected"][0]["content"] == "mine" for row in pairs)


def test_undo_gives_an_own_answer_back_to_be_ranked_or_changed(project):
    session = session_of(project)
    session.item.write("mine")
    position = [c.text for c in session.item.shown].index("0b")
    session.item.entry.press(position)
    shown = [c.text for c in session.item.shown]
    session.save()
    session.undo()
    assert ([c.text for c in session.item.shown], session.item.written) == (shown, "mine")
    session.stash()
    session = session_of(project, seed=4)
    assert (sorted(c.text for c in session.item.shown), session.item.written) == (sorted(shown), "mine")
    session.item.entry.press(0)
    session.save()
    assert texts_by_rank(project, 1)[0] == (1, "mine")
    assert [c.text for c in completions.get_group(project, 1).completions] == ["0a", "0b", "0c", "0d", "mine"]
    session.undo()
    session.item.write("better")
    session.item.entry.press(0)
    session.save()
    assert texts_by_rank(project, 1)[0] == (1, "better")
    assert "mine" not in [c.text for c in rankings.labelled(project)[0][0].completions]


def test_all_bad_beside_an_own_answer_ranks_that_one_first(project):
    session = session_of(project)
    session.item.write("mine")
    session.item.entry.press(2, strong=True)
    saved = session.save("all_bad")
    assert (saved.kind, saved.strength, session.text_kept) == ("ranking", 1, False)
    assert texts_by_rank(project, 1) == [(1, "mine")]
    session.undo()
    assert (session.item.written, session.item.entry.buckets) == ("mine", ())


def test_the_time_of_a_label_that_is_given_again_goes_on(project):
    """Or whoever corrects a slip at once would seem to have read four answers in a second."""
    session = session_of(project)
    first = [c.text for c in session.item.shown]
    session.item.seconds = 10.5
    rank(session, *first[:3])
    session.undo()
    corrected = rank(session, *first[1:])
    assert corrected.seconds == 13.5
    session.revisit(corrected)
    assert rank(session, *first[:3]).seconds == 15.0


def test_what_is_held_ready_stays_when_the_first_label_waited_for_a_name(project):
    session = session_of(project)
    ready = session.upcoming()
    session.label_as("Ada")
    session.save("skip")
    assert session.item is ready
