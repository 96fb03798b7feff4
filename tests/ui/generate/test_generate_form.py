"""The settings of Generate: numbers, presets, what is kept with the project; names of its controls."""

from __future__ import annotations

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
from dpo_studio.ui.context import Context
from dpo_studio.ui.generate.page import GeneratePage
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
