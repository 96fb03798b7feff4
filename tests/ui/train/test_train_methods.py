"""Each method on the form: its words, its fields, its data."""

from __future__ import annotations

import pytest

from dpo_studio.core.methods import METHODS
from dpo_studio.core.settings import with_method
from dpo_studio.store import runs
from dpo_studio.ui.train.fields import METHOD_FIELDS
from tests.ui.train import stories


def test_the_method_decides_which_fields_there_are(open_page, project):
    page = open_page(project)
    page.setup.disclosure.setChecked(True)
    fields = page.setup.advanced.fields
    assert fields["stage_reduction"].isVisible() and not fields["label_smoothing"].isVisible()
    fields["label_smoothing"].setText("nonsense")
    assert page.setup.settings().label_smoothing == 0.0, "a field that is not shown does not stop the run"
    fields["label_smoothing"].setText("0.1")
    page.setup.choice.buttons["dpo"].click()
    assert not fields["stage_reduction"].isVisible() and fields["label_smoothing"].isVisible()
    settings = page.setup.settings()
    assert (settings.method, settings.label_smoothing) == ("dpo", 0.1)


def test_another_method_brings_its_words_its_defaults_and_its_fields(qtbot, open_page, project):
    page = open_page(project)
    choice, fields = page.setup.choice, page.setup.advanced.fields
    page.setup.disclosure.setChecked(True)
    assert {choice.others.itemData(n) for n in range(choice.others.count())} | {"pl_dpo", "dpo"} == set(METHODS)
    choice.others.setCurrentIndex(choice.others.findData("hinge"))
    choice.others.activated.emit(choice.others.currentIndex())
    assert choice.buttons["other"].isChecked() and METHODS["hinge"].sentence in choice.others_note.text()
    assert (page.setup.settings().method, page.setup.settings().beta) == ("hinge", 0.05)
    assert "method" in page.setup.changes.text() and "beta" not in page.setup.changes.text()
    strength = fields["strength_use"]
    assert [strength.itemData(n) for n in range(strength.count())] == ["off", "margin", "weight"]
    assert not fields["strength_alpha"].isVisible()
    strength.setCurrentIndex(strength.findData("margin"))
    assert fields["strength_alpha"].isVisible() and page.setup.settings().strength_use == "margin"
    choice.buttons["pl_dpo"].click()
    settings = page.setup.settings()
    assert (settings.method, settings.beta, settings.strength_use) == ("pl_dpo", 0.3, "off")
    assert not choice.others_note.isVisible() and not fields["strength_alpha"].isVisible()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_can_be_trained_as_the_page_shows_it(open_page, project, method):
    page = open_page(project)
    page.setup.choice.set_method(method)
    page.setup.choice.chosen.emit()
    settings = page.setup.settings()
    assert settings == with_method(page.setup._recommendation.settings, method)
    shown = {field.name for field in METHOD_FIELDS if not page.setup.advanced.fields[field.name].isHidden()}
    assert shown == set(METHODS[method].uses) - {"strength_alpha"}
    ties = 1 if METHODS[method].reads_ties else 0
    assert page.setup.data_label.text().startswith(f"{6 + ties} rankings train it")


def test_a_method_that_cannot_use_the_rankings_says_so_and_does_not_train(open_page, tmp_path):
    project = stories.project_with_labels(tmp_path / "one", rankings_count=1, held_out=0, ties=0)
    page = open_page(project)
    page.setup.choice.set_method("kto")
    page.setup.choice.chosen.emit()
    assert page.setup.choice.problem.isVisible() and "2 different prompts" in page.setup.choice.problem.text()
    assert "cannot use these rankings" in page.setup.estimate.text()
    page.setup.ask_to_train()
    assert runs.all_runs(project) == []
    page.setup.choice.buttons["dpo"].click()
    assert not page.setup.choice.problem.isVisible()
