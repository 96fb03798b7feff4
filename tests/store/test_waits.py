"""What waits for whom is kept by triggers: whatever happens, it is what a recount gives."""

import pytest

from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, merging, prompt_states, prompts, rankings, waits

RECOUNT = """SELECT g.id FROM groups g JOIN prompts p ON p.id = g.prompt_id
    WHERE g.ready = 1 AND p.archived = 0 AND g.repeat_of IS NULL AND NOT EXISTS
        (SELECT 1 FROM current_rankings r WHERE r.group_id = g.id AND r.annotator = ? AND r.annotator_kind = 'person')
    ORDER BY g.id"""


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "p") as made:
        yield made


def add_group(project, name, *, answers=2, size=2):
    prompt = prompts.add(project, [Message("user", name)])
    group = completions.add_group(project, prompt.id, size=size)
    for number in range(answers):
        completions.add(project, group.id, f"{name} {number}")
    return completions.get_group(project, group.id)


def check(project, *names):
    for name in names:
        expected = [row[0] for row in project.db.conn.execute(RECOUNT, [name])]
        assert waits.ids(project, name) == expected
        assert waits.count(project, name) == len(expected)
        assert rankings.counts(project, name).left == len(expected)
    return [waits.ids(project, name) for name in names]


def test_it_follows_labels_undo_new_groups_and_archiving(project):
    a, b = add_group(project, "a"), add_group(project, "b")
    assert check(project, "me", "Ada") == [[a.id, b.id], [a.id, b.id]]
    rankings.add(project, a, ranks=[1, 2])
    assert check(project, "me", "Ada") == [[b.id], [a.id, b.id]]
    rankings.add(project, a, ranks=[2, 1])  # a correction
    rankings.add(project, b, kind="skip", annotator="Ada")
    rankings.add(project, b, ranks=[1, 2], annotator="me", annotator_kind="judge")
    assert check(project, "me", "Ada") == [[b.id], [a.id]]
    rankings.undo(project)
    assert check(project, "me") == [[b.id]], "the label before the correction stands again"
    rankings.undo(project)
    assert check(project, "me") == [[a.id, b.id]]

    half = add_group(project, "half", answers=1)
    assert check(project, "me") == [[a.id, b.id]]
    completions.add(project, half.id, "the second")
    assert check(project, "me", "Ada") == [[a.id, b.id, half.id], [a.id, half.id]]
    completions.add(project, half.id, "one more")
    project.db.conn.execute("UPDATE prompts SET archived = 1 WHERE id IN (?, ?)", [a.prompt.id, half.prompt.id])
    assert check(project, "me", "Ada") == [[b.id], []]
    rankings.add(project, b, ranks=[1, 2])
    rankings.undo(project)
    assert check(project, "me") == [[b.id]]
    project.db.conn.execute("UPDATE prompts SET archived = 0")
    assert check(project, "me", "Ada") == [[a.id, b.id, half.id], [a.id, half.id]]


def test_an_undo_on_an_archived_prompt_waits_until_it_is_back(project):
    group = add_group(project, "a")
    rankings.add(project, group, ranks=[1, 2])
    project.db.conn.execute("UPDATE prompts SET archived = 1")
    rankings.undo(project)
    assert check(project, "me") == [[]]
    project.db.conn.execute("UPDATE prompts SET archived = 0")
    assert check(project, "me") == [[group.id]]


def test_groups_taken_out_of_the_queue(project):
    waits.ensure(project, "me")
    enough, few = add_group(project, "enough", answers=2, size=4), add_group(project, "few", answers=1, size=4)
    assert check(project, "me") == [[]]
    prompt_states.take_out_of_queue(project, [enough.id, few.id])
    assert check(project, "me") == [[enough.id]]


def test_a_label_given_before_the_group_was_ready(project):
    waits.ensure(project, "me")
    group = add_group(project, "a", answers=2, size=3)
    rankings.add(project, group, ranks=[1, 2])
    completions.add(project, group.id, "the third")
    assert check(project, "me", "Ada") == [[], [group.id]]


def test_what_a_merge_brings_waits_too(project, tmp_path):
    mine = add_group(project, "mine")
    check(project, "me")
    with Project.create(tmp_path / "other") as other:
        theirs = add_group(other, "theirs")
        seen = add_group(other, "seen by me there")
        rankings.add(other, seen, ranks=[1, 2], annotator="me")
        other.label_as("Ben")
        rankings.add(other, theirs, ranks=[1, 2])
    merging.merge(project, tmp_path / "other")
    waiting, _ = check(project, "me", "Ben")
    titles = [completions.get_group(project, one).prompt.title for one in waiting]
    assert titles == ["mine", "theirs"] and waiting[0] == mine.id


def test_asking_again_and_reopening_count_nothing_twice(project, tmp_path):
    group = add_group(project, "a")
    for _ in range(2):
        waits.ensure(project, "me")
        check(project, "me")
    project.close()
    with Project.open(tmp_path / "p") as again:
        assert check(again, "me") == [[group.id]]
        assert waits.is_waiting(again, "me", group.id) and not waits.is_waiting(again, "Ada", group.id)


def test_the_next_group_is_found_without_looking_at_what_is_done(project):
    """From the start of 500 labelled groups the query reads one row of an index."""
    groups = [add_group(project, f"{n}") for n in range(3)]
    check(project, "me")
    plan = " ".join(
        row[3]
        for row in project.db.conn.execute(
            "EXPLAIN QUERY PLAN SELECT group_id FROM waits WHERE annotator = ? AND group_id > ?"
            " ORDER BY group_id LIMIT 1",
            ["me", 0],
        )
    )
    assert "SEARCH waits USING PRIMARY KEY (annotator=? AND group_id>?)" in plan and "SORT" not in plan.upper()
    assert [g.id for g in rankings.next_groups(project, limit=1)] == [groups[0].id]
    assert [g.id for g in rankings.next_groups(project, after=groups[1].id)] == [groups[2].id]
