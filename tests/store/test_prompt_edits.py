"""Archiving, tagging and rewriting prompts: what was answered keeps its words, and all of it can be undone."""

from __future__ import annotations

import pytest

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.store import completions, prompt_edits, prompt_search, prompts, rankings
from dpo_studio.store.prompt_search import PromptFilter


def say(text):
    return [Message("user", text)]


def found(project, text, **more):
    return prompt_search.page(project, PromptFilter(text=text, **more))


@pytest.fixture
def three(project):
    return [prompts.add(project, say(text), tags=("old",)) for text in ("first one", "second one", "third one")]


def test_archived_prompts_are_out_of_the_way_and_come_back(project, three):
    ids = [prompt.id for prompt in three]
    assert prompt_edits.archive(project, [ids[1]]) == [ids[1]]
    assert sorted(prompt_edits.archive(project, [*ids[:2], 99])) == [ids[0]], "only what was not archived yet"
    assert prompt_search.page(project, PromptFilter()) == [ids[2]]
    assert prompt_search.page(project, PromptFilter(archived=True)) == ids[:2]
    assert prompts.without_group(project) == [three[2]]
    assert [prompt.id for prompt in prompts.all_prompts(project, archived=False)] == [ids[2]]
    assert len(prompts.all_prompts(project)) == 3
    assert prompt_edits.archive(project, ids, False) == ids[:2]
    assert prompts.all_prompts(project) == three


def test_an_archived_prompts_answers_and_labels_stay(project, make_group):
    group = make_group(project)
    rankings.add(project, group, ranks=[1, 2, 3, 4])
    prompt_edits.archive(project, [group.prompt.id])
    assert rankings.counts(project).rankings == 1
    assert completions.get_group(project, group.id).completions == group.completions


def test_tags_are_added_and_taken_away_on_many(project, three):
    ids = [prompt.id for prompt in three]
    before = prompt_edits.change_tags(project, ids[:2], add=[" new  tag ", "old"], remove=["nothing"])
    assert before == {ids[0]: ("old",), ids[1]: ("old",)}
    assert prompt_edits.tags_of(project, [*ids, 99]) == {
        ids[0]: ("old", "new tag"),
        ids[1]: ("old", "new tag"),
        ids[2]: ("old",),
    }
    removed = prompt_edits.change_tags(project, ids, remove=["old"])
    assert prompt_search.all_tags(project) == ["new tag"]
    assert prompt_search.page(project, PromptFilter(tags=("new tag",))) == ids[:2]
    assert prompt_edits.change_tags(project, ids, remove=["old"]) == {}
    prompt_edits.set_tags(project, removed)
    prompt_edits.set_tags(project, before)
    assert prompts.all_prompts(project) == three


@pytest.mark.parametrize(("tag", "sentence"), [("x" * 61, "too long"), ("a, b", "no comma")])
def test_what_cannot_be_a_tag_is_refused_and_nothing_changes(project, three, tag, sentence):
    with pytest.raises(UserError, match=sentence):
        prompt_edits.change_tags(project, [three[0].id], add=["good", tag])
    assert prompts.all_prompts(project) == three


def test_too_many_tags_change_nothing_at_all(project, three):
    ids = [prompt.id for prompt in three]
    prompt_edits.change_tags(project, [ids[1]], add=[str(number) for number in range(49)])
    kept = prompts.all_prompts(project)
    with pytest.raises(UserError, match="50 tags at most"):
        prompt_edits.change_tags(project, ids, add=["one more"])
    assert prompts.all_prompts(project) == kept


def test_a_prompt_that_was_never_asked_is_changed_where_it_stands(project, three):
    edited = prompt_edits.rewrite(project, three[0].id, [Message("system", "Be kind."), *say("another text")])
    assert not edited.is_new and edited.before == three[0]
    assert edited.after == prompts.get(project, three[0].id)
    assert (edited.after.uuid, edited.after.tags, edited.after.held_out) == (three[0].uuid, ("old",), False)
    assert found(project, "another") == found(project, "kind") == [three[0].id] and not found(project, "first")
    assert prompts.add(project, [Message("system", "Be kind."), *say("another text")]).id == three[0].id
    prompt_edits.undo_rewrite(project, edited)
    assert prompts.all_prompts(project) == three and found(project, "first") == [three[0].id]


def test_a_prompt_that_was_asked_keeps_its_words_and_another_is_made(project, make_group):
    group = make_group(project, "Why is it so?", held_out=True)
    rankings.add(project, group, ranks=[1, 2, 3, 4])
    edited = prompt_edits.rewrite(project, group.prompt.id, say("Why is it not so?"))
    assert edited.is_new and edited.after.held_out is True
    old = completions.get_group(project, group.id)
    assert old.prompt.messages == group.prompt.messages and old.prompt.archived
    assert old.completions == group.completions and rankings.counts(project).rankings == 1
    assert prompts.without_group(project) == [edited.after]
    prompt_edits.undo_rewrite(project, edited)
    assert prompts.all_prompts(project) == [group.prompt], "the new one was never asked, so it is gone"


def test_undoing_keeps_a_new_prompt_that_was_asked_since(project, make_group):
    group = make_group(project, "Old?")
    edited = prompt_edits.rewrite(project, group.prompt.id, say("New?"))
    completions.add_group(project, edited.after.id, size=2)
    prompt_edits.undo_rewrite(project, edited)
    assert [(p.title, p.archived) for p in prompts.all_prompts(project)] == [("Old?", False), ("New?", False)]


def test_a_rewriting_that_was_asked_since_is_not_undone_behind_its_answers(project, three):
    edited = prompt_edits.rewrite(project, three[0].id, say("asked with this"))
    completions.add_group(project, three[0].id, size=2)
    with pytest.raises(UserError, match="was asked since"):
        prompt_edits.undo_rewrite(project, edited)
    assert prompts.get(project, three[0].id).title == "asked with this"


def test_a_text_that_another_prompt_has_is_refused(project, three):
    prompt_edits.archive(project, [three[2].id])
    for text, sentence in (("second one", "in this project already"), ("third one", "among the archived prompts")):
        with pytest.raises(UserError, match=sentence):
            prompt_edits.rewrite(project, three[0].id, say(text))
    same = prompt_edits.rewrite(project, three[0].id, say("first one"))
    assert same.before == same.after == prompts.get(project, three[0].id)
    with pytest.raises(UserError, match="ends with what the user says"):
        prompt_edits.rewrite(project, three[0].id, [Message("user", "a"), Message("assistant", "b")])


def test_what_was_just_added_is_taken_back_unless_it_was_asked(project, three):
    completions.add_group(project, three[1].id, size=2)
    assert sorted(prompt_edits.take_back(project, [prompt.id for prompt in three])) == [three[0].id, three[2].id]
    assert prompts.all_prompts(project) == [three[1]]
    assert found(project, "first") == [] and prompt_search.all_tags(project) == ["old"]
    again = prompts.add(project, say("first one"))
    assert again.title == "first one"
