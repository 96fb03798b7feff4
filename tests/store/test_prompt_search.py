"""Finding prompts: each filter against a plain loop over all of them, keyset pages, short words, other scripts."""

from __future__ import annotations

import itertools
import sqlite3

import pytest

from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, interrupting, prompt_edits, prompt_search, prompts, rankings
from dpo_studio.store.prompt_search import PromptFilter

ALL = 10_000


def say(text):
    return [Message("user", text)]


def titles(project, ids):
    found = prompt_search.rows(project, ids)
    return [found[one].title for one in ids]


def search(project, text, **more):
    return titles(project, prompt_search.page(project, PromptFilter(text=text, **more)))


@pytest.fixture
def words(project):
    questions = ("Bake a cake", "How do cakes rise?", "bake BREAD", "天空为什么是蓝色的", "Ärger über Öl")
    for text in (*questions, "50% off", "a_b", 'say "hi"'):
        prompts.add(project, say(text))
    turns = [Message("user", "Hello"), Message("assistant", "Yes?"), *say("x")]
    prompts.add(project, [Message("system", "You bake."), *turns])
    return project


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cake", ["Bake a cake", "How do cakes rise?"]),
        ("CAKE bake", ["Bake a cake"]),
        ("bake", ["Bake a cake", "bake BREAD", "x"]),  # the last says it in its system prompt
        ("rise cakes", ["How do cakes rise?"]),
        ('"do cakes"', ["How do cakes rise?"]),
        ('"cakes do"', []),
        ("为什么", ["天空为什么是蓝色的"]),
        ("天空", ["天空为什么是蓝色的"]),  # two letters: not in the index
        ("ärger", ["Ärger über Öl"]),
        ("öL", ["Ärger über Öl"]),
        ("50%", ["50% off"]),
        ("0%", ["50% off"]),  # % stands for itself
        ("_b", ["a_b"]),
        ("b", ["Bake a cake", "bake BREAD", "Ärger über Öl", "a_b", "x"]),
        ("cake b", ["Bake a cake"]),
        ("hi", ['say "hi"']),
        ("AND OR NOT (", []),
        ("nobody says this", []),
        ("\0", None),
        ("  ", None),
        ('"', None),
    ],
)
def test_words_are_found_whatever_their_case_script_or_length(words, text, found):
    if found is None:  # nothing is asked: everything is found
        found = [prompt.title for prompt in prompts.all_prompts(words)]
    assert search(words, text) == found


@pytest.mark.parametrize(
    "asked",
    [
        "caf\u00e9",
        "cafe\u0301",
        "CAFE\u0301",
        "n\u00e9",
        "ne\u0301",
        "\ud55c\uad6d",
        "\u1112\u1161\u11ab\u1100\u116e\u11a8",
    ],
)
def test_accents_are_found_in_letters_and_beside_them(project, asked):
    """A Mac writes them beside; both look the same."""
    texts = [
        "Un caf\u00e9 n\u00e9 \ud55c\uad6d",
        "Un cafe\u0301 ne\u0301 \u1112\u1161\u11ab\u1100\u116e\u11a8",
        "Un cafe ne",
    ]
    for text in texts:
        prompts.add(project, say(text))
    assert search(project, asked) == search(project, f'"{asked}"') == texts[:2]
    assert search(project, f"un {asked}") == texts[:2]


def test_a_whole_page_of_text_can_be_searched_for(project):
    short = " ".join(chr(0x4E00 + number) for number in range(3_000))
    text = " ".join(f"word{number}" for number in range(3_000))
    made = [prompts.add(project, say(one)).id for one in (short, text, f"{short} {text}")]
    found = [
        prompt_search.page(project, PromptFilter(text=asked))
        for asked in (f"{short} {short}", text, f"{short} {text}", "half \ud83d")
    ]
    assert found == [[made[0], made[2]], made[1:], made[2:], []]


def test_roles_and_the_marks_of_json_are_not_text(words):
    assert search(words, "role") == search(words, "user") == search(words, "content") == search(words, "{") == []


def answered(project, prompt_id, *, count=2, size=2):
    group = completions.add_group(project, prompt_id, size=size)
    for number in range(count):
        completions.add(project, group.id, f"answer {number}")
    return completions.get_group(project, group.id)


@pytest.fixture
def mixed(project):
    """Twenty-four prompts with every combination of tags, sources, sides and progress that matters."""
    for number in range(24):
        tags = [tag for tag, every in (("even", 2), ("third", 3)) if number % every == 0]
        made = prompts.add(project, say(f"number {number} of the list"), source=("a", "b")[number % 2], tags=tags)
        prompts.set_held_out(project, made.id, number % 4 == 1)
        if number % 6 in (1, 2):
            group = answered(project, made.id)
            if number % 6 == 2:
                rankings.add(project, group, ranks=[1, 2])
        elif number % 6 == 3:
            answered(project, made.id, count=1, size=3)
        elif number % 6 == 4:
            completions.add_group(project, made.id, size=2)
        if number % 6 == 1 and number > 12:
            rankings.add(project, completions.recent_groups(project)[0], ranks=[2, 1], annotator="another")
    prompt_edits.archive(project, [5, 6, 7])
    return project


def expected(project, wanted):
    """The same by a plain loop, without SQL."""
    found = []
    for prompt in prompts.all_prompts(project):
        number = int(prompt.title.split()[1])
        progress = {
            "": True,
            "unanswered": number % 6 in (0, 5),
            "answered": number % 6 in (1, 2, 3),
            "unlabelled": number % 6 == 1,
            "labelled": number % 6 == 2,
        }[wanted.progress]
        if (
            progress
            and prompt.archived is wanted.archived
            and (wanted.source is None or prompt.source == wanted.source)
            and (wanted.held_out is None or prompt.held_out is wanted.held_out)
            and set(wanted.tags) <= set(prompt.tags)
            and all(word in prompt.title for word in wanted.text.split())
        ):
            found.append(prompt.id)
    return found


@pytest.mark.parametrize("few", [True, False], ids=["gathered", "asked one by one"])
def test_every_combination_of_filters_finds_what_a_plain_loop_finds(mixed, few, monkeypatch):
    monkeypatch.setattr(prompt_search, "_FEW_GROUPS", 1_000 if few else 0)
    found_any = 0
    for text, tags, source, held_out, progress, archived in itertools.product(
        ("", "number", "number 1", "2"),
        ((), ("even",), ("third", "even"), ("nothing",)),
        (None, "a"),
        (None, True, False),
        ("", "unanswered", "answered", "unlabelled", "labelled"),
        (False, True),
    ):
        wanted = PromptFilter(text, tags, source, held_out, progress, archived)
        ids = expected(mixed, wanted)
        assert prompt_search.page(mixed, wanted, limit=ALL) == ids, wanted
        assert prompt_search.page(mixed, wanted, newest_first=True, limit=ALL) == ids[::-1], wanted
        assert prompt_search.count(mixed, wanted, at_most=3) == min(3, len(ids)), wanted
        found_any += bool(ids)
    assert found_any > 100, "the comparison is of more than empty lists"


def test_certain_prompts_are_narrowed_like_all_of_them(mixed):
    ids = tuple(prompt.id for prompt in prompts.all_prompts(mixed) if prompt.id % 3)
    for more in ({}, {"text": "number 1"}, {"tags": ("even",)}, {"progress": "labelled"}, {"archived": True}):
        everything = prompt_search.page(mixed, PromptFilter(**more), limit=ALL)
        expect = [one for one in everything if one in ids]
        assert prompt_search.page(mixed, PromptFilter(ids=ids, **more), limit=ALL) == expect
        assert prompt_search.page(mixed, PromptFilter(ids=ids, **more), newest_first=True, limit=ALL) == expect[::-1]
    assert prompt_search.page(mixed, PromptFilter(ids=())) == []


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("wanted", [PromptFilter(), PromptFilter(text="list"), PromptFilter(tags=("even",))])
def test_pages_follow_one_another_without_gaps_also_while_prompts_come_and_go(mixed, wanted, newest_first):
    first = prompt_search.page(mixed, wanted, newest_first=newest_first, limit=4)
    prompt_edits.archive(mixed, [first[1]])  # what went does not shift what follows
    pages, after = [first], first[-1]
    while more := prompt_search.page(mixed, wanted, after=after, newest_first=newest_first, limit=4):
        pages.append(more)
        after = more[-1]
    seen = list(itertools.chain(*pages))
    assert sorted(set(seen) - {first[1]}) == expected(mixed, wanted)
    assert seen == sorted(seen, reverse=newest_first) and len(seen) == len(set(seen))


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("text", ["", "list", "o", "f", "zz"])
def test_all_pages_together_are_the_whole_also_where_each_text_is_gone_through(mixed, monkeypatch, text, newest_first):
    monkeypatch.setattr(prompt_search, "_LOOKED_THROUGH", 5)
    wanted = PromptFilter(text=text)
    found = list(prompt_search.pages(mixed, wanted, newest_first=newest_first, first=2, largest=7))
    ids = expected(mixed, wanted)
    assert list(itertools.chain(*found)) == (ids[::-1] if newest_first else ids)
    assert len(found) > 3 or text == "zz"


def test_a_page_deep_in_the_list_is_found_by_its_key_and_not_by_counting(mixed):
    """Every plan looks up where to begin; none sorts, and none goes through the whole table of prompts."""
    for wanted in (PromptFilter(), PromptFilter(source="a"), PromptFilter(tags=("even",)), PromptFilter(text="list")):
        query = prompt_search._Query(mixed, wanted)
        plan = mixed.db.conn.execute(
            f"EXPLAIN QUERY PLAN SELECT {query.key} FROM {query.tables} WHERE {query.where} AND {query.key} > ?"
            f" ORDER BY {query.key} LIMIT 5",
            [*query.values, 3],
        ).fetchall()
        said = " | ".join(row[3] for row in plan)
        assert "TEMP B-TREE" not in said and "SCAN p" not in said.replace("SCAN prompts_text", ""), said


def test_a_row_says_what_a_list_shows(project):
    system = [Message("system", "Be brief."), Message("user", "a"), Message("assistant", "b")]
    made = prompts.add(project, [*system, *say("  Two\n lines " + "x" * 500)], source="typed", tags=("t",))
    answered(project, made.id, count=1, size=3)
    row = prompt_search.rows(project, [made.id, 99])[made.id]
    assert (row.title[:12], len(row.title) <= 300, row.turns, row.system) == ("Two lines xx", True, 3, True)
    assert (row.tags, row.source, row.held_out, row.archived) == (("t",), "typed", False, False)
    assert (row.state.groups, row.state.have, row.state.size) == (1, 1, 3)


def test_what_there_is_to_filter_by_and_how_many(mixed):
    assert prompt_search.all_tags(mixed) == ["even", "third"]
    assert prompt_search.all_tags(mixed, limit=1) == ["even"]
    assert prompt_search.all_sources(mixed) == ["a", "b"]
    assert prompt_search.totals(mixed) == (21, 3)
    assert prompts.count(mixed) == 24


def test_totals_follow_what_is_written_deleted_and_moved(project):
    made = prompts.add_many(project, [say("a"), say("b"), say("c")])
    prompts.add(project, say("a"))
    prompt_edits.archive(project, [made[0].id, made[1].id])
    prompt_edits.archive(project, [made[1].id])
    assert prompt_search.totals(project) == (1, 2)
    prompt_edits.take_back(project, [made[1].id, made[2].id])
    prompt_edits.archive(project, [made[0].id], False)
    assert prompt_search.totals(project) == (1, 0)
    counted = project.db.conn.execute("SELECT count(*) FROM prompts").fetchone()[0]
    assert counted == prompts.count(project) == 1


def test_a_double_that_differs_in_capitals_and_spaces(project):
    made = prompts.add(project, [Message("system", "Be brief."), *say("Why is the Sky blue?")])
    prompts.add(project, say("Why is the sky blue? And the sea?"))
    assert prompt_search.alike(project, [Message("system", "be  brief."), *say("why is\nthe sky BLUE?")]) == made
    assert prompt_search.alike(project, say("Why is the sky blue?")) is None, "it has no system prompt"
    assert prompt_search.alike(project, say("Is it?")) is None
    coffee = prompts.add(project, say("Un caf\u00e9 noir ?"))
    assert prompt_search.alike(project, say("un cafe\u0301 noir ?")) == coffee


def test_what_is_there_already_is_known_before_it_is_added(project):
    made = prompts.add(project, say("here"))
    archived = prompts.add(project, say("put away"))
    prompt_edits.archive(project, [archived.id])
    lists = [say(str(number)) for number in range(700)]
    assert prompts.there_already(project, [*lists, say("here"), say("put away"), say("Here")]) == {
        700: made.id,
        701: archived.id,
    }


def test_a_search_can_be_given_up(mixed):
    slow = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    asked = iter([False, False, True])
    with pytest.raises(interrupting.Interrupted), interrupting.until(mixed, lambda: next(asked)):
        mixed.db.conn.execute(slow).fetchone()
    with interrupting.until(mixed, lambda: False):
        assert len(prompt_search.page(mixed, PromptFilter())) == 21
    with pytest.raises(sqlite3.OperationalError, match="no such table"), interrupting.until(mixed, lambda: False):
        mixed.db.conn.execute("SELECT * FROM nowhere")


def test_another_connection_reads_beside_the_first(project, folder):
    prompts.add(project, say("one"))
    with project.beside() as other:
        assert isinstance(other, Project) and other.folder == project.folder
        with project.transaction():
            prompts.add(project, say("two"))
            assert prompt_search.totals(other) == (1, 0), "it sees what is finished"
        assert prompt_search.totals(other) == (2, 0)
