"""Selections of any size: found again in a list that changed, taken out of it, handed on."""

from __future__ import annotations

import random
from array import array

import pytest

from dpo_studio.store import prompt_edits, prompts
from dpo_studio.ui.prompt_list import rows as rows_module
from dpo_studio.ui.prompt_list import table as table_module
from dpo_studio.ui.prompt_list.rows import PromptRows
from dpo_studio.ui.prompt_list.table import PromptTable
from tests.ui.prompts.driving import WAIT_MS, listed, say


def listing(ids):
    made = PromptRows()
    made.extend(ids)
    return made


def naive_runs(ids, wanted):
    runs = []
    for row, one in enumerate(ids):
        if one in wanted:
            if runs and runs[-1][1] == row - 1:
                runs[-1] = (runs[-1][0], row)
            else:
                runs.append((row, row))
    return runs


@pytest.mark.parametrize("falls", [False, True])
def test_runs_are_those_that_are_found_one_by_one(qapp, falls):
    draw = random.Random(3)
    for _ in range(400):
        ids = sorted(draw.sample(range(60), draw.randint(2, 40)), reverse=falls)
        wanted = sorted(draw.sample(range(60), draw.randint(0, 50)), reverse=falls)
        expected = naive_runs(ids, set(wanted))
        for at_most in (1, 3, 100):
            found = listing(ids).runs_of(wanted, at_most=at_most)
            if len(expected) > at_most:
                assert found is None or len(wanted) <= at_most
            elif found is not None:
                assert found == expected
            assert found is not None or at_most < 100
        rows = listing(ids)
        rows.remove(wanted)
        assert list(rows.ids(0, 100)) == [one for one in ids if one not in set(wanted)]


@pytest.fixture
def table(qtbot, monkeypatch):
    made = PromptTable()
    qtbot.addWidget(made)
    made.rows.replace(array("q", range(1, 20_001)))
    return made


def test_a_large_selection_is_found_again_in_a_list_that_changed(table):
    table.select(range(101, 10_101))
    table._select([(100, 10_099), (15_000, 15_009)])
    gone, come = {500, 15_005}, [20_001, 20_002]
    table.replace(array("q", [one for one in range(1, 20_001) if one not in gone] + come))
    expected = [*range(101, 10_101), *range(15_001, 15_011)]
    assert list(table.selected_ids()) == [one for one in expected if one not in gone]
    assert table.selected_count() == 10_008


def test_what_comes_into_the_midst_of_a_selection_is_not_selected(table):
    table.rows.replace(array("q", range(2, 20_001, 2)))
    table.selectAll()
    table.replace(array("q", sorted([*range(2, 20_001, 2), 5_001, 5_003])))
    assert list(table.selected_ids()) == list(range(2, 20_001, 2))
    assert len(table.selectionModel().selection()) == 3


def test_scattered_prompts_are_held_until_something_else_is_selected(table):
    picked = []
    table.picked.connect(lambda: picked.append(table.selected_count()))
    wanted = array("q", range(3, 20_000, 3))
    table.select(wanted)
    assert len(wanted) > table_module._MOST_RUNS and table.selected_ids() == wanted
    assert picked[-1] == len(wanted) and table.current_id() == 3
    table.replace(array("q", range(7, 20_001)))
    assert list(table.selected_ids()) == list(range(9, 20_000, 3)), "those that are gone from the list are left out"
    table.selectRow(4)
    assert list(table.selected_ids()) == [11] and picked[-1] == 1
    table.select(wanted)
    table.clearSelection()
    assert table.selected_count() == 0 == picked[-1]
    table.select(wanted)
    table.rows.begin(None)
    assert table.selected_count() == 0, "another list has another selection"


def test_more_than_a_thousand_are_handed_to_generate(page, context, qtbot):
    prompts.add_many(context.project, [say(f"Question {number}?") for number in range(3_000)])
    context.prompts_changed.emit()
    listed(page, qtbot, 3_000)
    page.table.selectAll()
    chosen = []
    context.prompts_chosen.connect(chosen.append)
    page.generate()
    assert [len(one) for one in chosen] == [3_000] and context.said == []


def test_many_that_are_archived_leave_the_list_at_once_and_come_back(page, context, qtbot, monkeypatch):
    prompts.add_many(context.project, [say(f"Question {number}?") for number in range(6_000)])
    context.prompts_changed.emit()
    listed(page, qtbot, 6_000)
    asked = []
    monkeypatch.setattr(rows_module.PromptRows, "row_of", lambda self, one: asked.append(one) or _row_of(self, one))
    page.table.select(range(501, 5_501))
    page.archive()
    listed(page, qtbot, 1_000)
    assert len(asked) < 200, "they are not looked up one by one"
    assert page.table.current_id() == 5_501, "the one after them is the current one"
    page.undo()
    listed(page, qtbot, 6_000)
    assert len(asked) < 400
    qtbot.waitUntil(lambda: page.table.current_id() == 501, timeout=WAIT_MS)
    page.table.selectAll()
    page.bar.show_archived(True)
    listed(page, qtbot, 0)
    assert prompts.count(context.project) == 6_000


_row_of = rows_module.PromptRows.row_of


def test_tags_of_many_come_back_as_they_were(page, context, qtbot):
    prompts.add_many(context.project, [say(f"Question {number}?") for number in range(2_500)])
    ids = [prompt.id for prompt in prompts.all_prompts(context.project)]
    prompt_edits.change_tags(context.project, ids[::2], add=["even"])
    context.prompts_changed.emit()
    listed(page, qtbot, 2_500)
    page.table.selectAll()
    page._on_tags_changed(("all",), ("even",))
    qtbot.waitUntil(
        lambda: context.said == ["2,500 prompts tagged “all” and no longer tagged “even”."], timeout=WAIT_MS
    )
    listed(page, qtbot, 2_500)
    assert page.table.selected_count() == 2_500
    page.undo()
    qtbot.waitUntil(lambda: context.said[-1] == "2,500 prompts have their tags of before.", timeout=WAIT_MS)
    found = prompt_edits.tags_of(context.project, ids)
    assert [found[one] for one in ids] == [("even",) if place % 2 == 0 else () for place in range(2_500)]
