"""The settings of Generate: numbers, presets, what is kept with the project; names of its controls."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QSpinBox,
)

from dpo_studio.core import events
from dpo_studio.core.settings import TrainingSettings
from dpo_studio.store import policies, runs
from dpo_studio.ui.context import Context
from dpo_studio.ui.generate.page import GeneratePage
from tests.exchange import labelled_project
from tests.ui.generate.driving import add_prompts, ask


def test_wrong_numbers_are_told_at_their_fields_and_nothing_is_asked_for(page: GeneratePage, sent: list, qtbot) -> None:
    add_prompts(page, qtbot, "One?")
    page.form.numbers.fields["temperature"].setText("9")
    page.form.numbers.fields["top_k"].setText("many")
    page.generate()
    assert sent == [] and page.answering.job is None
    assert page.form.numbers_button.isChecked()
    wrong = {name for name, label in page.form.numbers.problems.items() if label.isVisible()}
    assert wrong == {"temperature", "top_k"}
    assert "0 to 5" in page.form.numbers.problems["temperature"].text()


def test_presets_set_the_numbers_and_own_numbers_are_called_so(page: GeneratePage) -> None:
    form = page.form
    assert form.preset.currentData() == "balanced"
    form.preset.setCurrentIndex(form.preset.findData("focused"))
    form.preset.activated.emit(0)
    assert form.settings().top_p == 0.9
    form.numbers.fields["top_p"].setText("0.33")
    assert form.preset.currentData() == "custom"


def test_the_model_that_a_run_made_is_chosen_when_it_is_asked_for(
    page: GeneratePage, context: Context, tmp_path: Path
) -> None:
    context.open(project := labelled_project.make(tmp_path / "labelled"))
    base = policies.add(project, "starter", name="Base")
    run = runs.create(project, base, TrainingSettings())
    made = runs.adopt(project, run, "adapter")
    context.policies_changed.emit()
    page.form.model.select_policy(base)
    run = runs.get(project, run.id)
    context.run_wanted.emit("export", run)
    assert page.form.model.policy_id == base.id, "that was for another page"
    context.run_wanted.emit("generate", run)
    assert page.form.model.policy_id == made.id


def test_settings_come_back_with_the_project(page: GeneratePage, context: Context, sent: list, qtbot) -> None:
    add_prompts(page, qtbot, "One?")
    page.form.k.setValue(3)
    page.form.numbers.fields["seed"].setText("11")
    command = ask(page, qtbot, sent)
    page.answering.on_event(events.JobFinished(command.job, "cancelled"))
    again = GeneratePage(context)
    again.ensure_built()
    assert (again.form.settings().k, again.form.settings().seed) == (3, 11)
    again.shut_down()
    again.deleteLater()


def test_every_control_has_a_name_and_keys_do_not_leak(page: GeneratePage) -> None:
    for kind in (QAbstractButton, QAbstractItemView, QComboBox, QLineEdit, QPlainTextEdit, QSpinBox):
        for widget in page.findChildren(kind):
            own = not widget.objectName().startswith("qt_") and not isinstance(widget.parent(), (QComboBox, QSpinBox))
            if own and widget.parent().metaObject().className() not in ("QComboBoxPrivateContainer", "PromptTable"):
                assert widget.accessibleName() or getattr(widget, "text", lambda: "")(), widget
    tops = {type(w).__name__ for w in QApplication.topLevelWidgets() if w.isVisible()}
    assert tops <= {"GeneratePage"}
