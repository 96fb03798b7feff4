"""How to take changes of prompts back is kept in the project: the newest first, as many as are worth it."""

from hypothesis import given
from hypothesis import strategies as st

from dpo_studio.store import Project, prompt_undo


@given(st.sets(st.integers(1, 60)))
def test_ranges_hold_the_same_ids(ids):
    found = prompt_undo.ranges(ids)
    assert list(prompt_undo.ids_of(found)) == sorted(ids)
    assert all(first[1] + 1 < second[0] for first, second in zip(found, found[1:], strict=False)), "as few as can be"


def test_a_million_in_a_row_are_two_numbers():
    assert prompt_undo.ranges(range(1, 1_000_001)) == [[1, 1_000_000]]


def test_the_newest_come_back_first_and_the_oldest_are_forgotten(project, folder, monkeypatch):
    monkeypatch.setattr(prompt_undo, "MOST", 3)
    assert not prompt_undo.is_any(project) and prompt_undo.last(project) is None
    project.set_fact("prompt_words", "of another kind")
    for number in range(5):
        prompt_undo.keep(project, {"what": "archive", "ids": [[number, number]]})
    with Project.open(folder) as again:
        seen = []
        while prompt_undo.is_any(again):
            number, step = prompt_undo.last(again)
            seen.append(step["ids"][0][0])
            assert prompt_undo.is_kept(again, number, step) and not prompt_undo.is_kept(again, number, {"what": "add"})
            prompt_undo.forget(again, number)
        assert seen == [4, 3, 2]
    assert project.fact("prompt_words") == "of another kind"
