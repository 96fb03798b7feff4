"""The form of a new run: what it says of the labels, what it recommends, what it refuses."""

from __future__ import annotations

import psutil
from PySide6.QtCore import Qt

from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, prompts, runs
from dpo_studio.ui.train import memory_need
from tests.ui.train import stories


def test_without_labels_there_is_a_sentence_and_a_way_out(qtbot, open_page, tmp_path):
    page = open_page(Project.create(tmp_path / "empty"))
    assert page.setup.empty_frame.isVisible() and not page.setup.form_frame.isVisible()
    qtbot.mouseClick(page.setup.empty_button, Qt.MouseButton.LeftButton)
    assert page.said.pages == ["prompts"]
    prompt = prompts.add(page.context.project, [Message("user", "Hello?")])
    page.context.prompts_changed.emit()
    qtbot.mouseClick(page.setup.empty_button, Qt.MouseButton.LeftButton)
    group = completions.add_group(page.context.project, prompt.id, size=2)
    for text in ("one", "two"):
        completions.add(page.context.project, group.id, text)
    page.context.groups_changed.emit()
    qtbot.mouseClick(page.setup.empty_button, Qt.MouseButton.LeftButton)
    assert page.said.pages == ["prompts", "generate", "label"]
    assert page.badge() == ""


def test_all_ties_says_so(open_page, tmp_path):
    page = open_page(stories.project_with_labels(tmp_path / "ties", rankings_count=0, held_out=0, ties=3))
    assert "All 3 rankings are ties" in page.setup.empty_label.text()
    page.setup.ask_to_train()
    assert runs.all_runs(page.context.project) == []


def test_the_form_says_what_trains_and_why(open_page, project):
    page = open_page(project)
    assert page.setup.data_label.text().startswith("6 rankings train it, 2 are held out")
    settings = page.setup.settings()
    # Six rankings in steps of two are three steps a pass: fourteen passes are the fewest with forty steps.
    assert (settings.method, settings.epochs, settings.batch_groups) == ("pl_dpo", 14, 2)
    assert "14 passes over 6 rankings: 42 steps" in page.setup.estimate.text()
    assert "fewer than 40 move a model little" in page.setup.reasons.text()


def test_new_labels_renew_the_recommendation_but_not_what_was_typed(open_page, project):
    page = open_page(project)
    page.setup.advanced.fields["beta"].setText("0.25")
    for prompt in [p for p in prompts.all_prompts(project) if p.held_out]:
        prompts.set_held_out(project, prompt.id, False)
    page.context.rankings_changed.emit()
    settings = page.setup.settings()
    assert page.setup.data_label.text().startswith("8 rankings train it")
    assert settings.beta == 0.25
    assert "beta" in page.setup.changes.text()
    page.setup.reset_button.click()
    assert page.setup.settings().beta == 0.3 and not page.setup.changes.isVisible()


def test_problems_stand_at_their_fields_and_nothing_starts(qtbot, open_page, project):
    page = open_page(project)
    page.setup.advanced.fields["learning_rate"].setText("fast")
    page.setup.advanced.fields["epochs"].setText("0")
    page.setup.advanced.fields["lora_rank"].setText("2.5")
    qtbot.keyClick(page, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    problems = page.setup.advanced.problems
    assert page.setup.advanced_card.isVisible()
    assert problems["learning_rate"].text() == "Learning rate needs a number, not 'fast'."
    assert problems["epochs"].text() == "Passes is 0; it can be from 1 to 1000."
    assert problems["lora_rank"].text() == "Rank needs a whole number, not '2.5'."
    assert problems["beta"].text() == "" and not problems["beta"].isVisible()
    assert page.setup.advanced.fields["epochs"].property("invalid") is True
    assert runs.all_runs(project) == []
    page.setup.reset()
    assert not any(label.text() for label in problems.values())


def test_the_whole_model_can_be_chosen_and_has_a_rate_of_its_own(qtbot, open_page, project):
    from dpo_studio.core.recommended import recommend

    page = open_page(project)
    setup = page.setup
    assert setup.settings().trains == "lora"
    qtbot.mouseClick(setup.trains.buttons["full"], Qt.MouseButton.LeftButton)
    settings = setup.settings()
    assert settings.trains == "full"
    assert settings.learning_rate == recommend(6, trains="full").settings.learning_rate < 5e-5
    assert "what is trained" in setup.changes.text()
    setup.disclosure.setChecked(True)
    assert not setup.advanced.fields["lora_rank"].isVisible() and setup.advanced.fields["beta"].isVisible()
    setup.reset()
    assert setup.settings().trains == "lora"
    assert setup.settings().learning_rate == recommend(6).settings.learning_rate


def test_the_columns_of_all_sections_are_one(open_page, project):
    page = open_page(project)
    page.setup.disclosure.setChecked(True)
    fields = [field for field in page.setup.advanced.fields.values() if field.isVisible()]
    assert len(fields) > 20 and len({field.x() for field in fields}) == 1


def test_too_little_memory_for_the_whole_model_is_said_before_it_is_tried(open_page, project, monkeypatch):
    free = psutil.virtual_memory()._replace(available=2_000_000_000)
    monkeypatch.setattr(memory_need.psutil, "virtual_memory", lambda: free)
    page = open_page(project)
    warning = page.setup.trains.warning
    assert not warning.isVisible()
    page.setup.trains.buttons["full"].click()
    # 135 M parameters of 16 bytes each.
    assert "takes more than 2 GB of memory, and 2 GB are free" in warning.text() and warning.isVisible()
    page.setup.trains.buttons["lora"].click()
    assert not warning.isVisible()
    assert memory_need.whole_model_warning(135_000_000, free_bytes=2_160_000_000) == ""
