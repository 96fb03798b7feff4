"""Answers that are made to differ: settings spread over a prompt's answers, and two models that take turns, blind."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QTextBrowser

from dpo_studio.core import commands, events
from dpo_studio.core.settings import SAMPLING_PRESETS
from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, policies, prompts, rankings
from dpo_studio.ui.context import Context
from dpo_studio.ui.generate.page import GeneratePage
from dpo_studio.ui.generate.thread import TokenBurst
from tests.ui.generate.driving import ask, settle


@pytest.fixture
def context(context: Context) -> Context:
    prompts.add(context.project, [Message("user", "One?")])
    policies.add(context.project, "starter", name="Base")
    policies.add(context.project, "/models/tuned", name="Tuned")
    return context


@pytest.fixture
def page(page: GeneratePage, qtbot) -> GeneratePage:
    settle(page, qtbot)
    return page


def choose(box, data) -> None:
    index = box.findData(data)
    assert index >= 0
    box.setCurrentIndex(index)


def finish(page: GeneratePage, command: commands.Generate, candidate: int, text: str) -> None:
    group = command.items[0].group
    page.answering.on_event(TokenBurst(command.job, group, candidate, text, 1))
    page.answering.on_event(
        events.CompletionFinished(command.job, group, candidate, text, (1,), "hash", -1.0, "stop", candidate)
    )


def texts_in_sight(page: GeneratePage) -> str:
    return " ".join(browser.toPlainText() for browser in page.findChildren(QTextBrowser) if browser.isVisible())


def test_a_spread_is_explained_asked_for_and_told_once_it_was_labelled(page, context, sent, qtbot) -> None:
    choose(page.form.mix.spread, "wide")
    # Around 0.8: 40 % less and more, and a third of that between.
    assert page.form.mix.spread_cell.about.text() == "·  T 0.48 to 1.12"
    command = ask(page, qtbot, sent)
    heats = [source.sampling["temperature"] for source in command.sources]
    assert heats == pytest.approx([0.48, 0.8 * (1 - 0.4 / 3), 0.8 * (1 + 0.4 / 3), 1.12], abs=1e-4)
    assert command.items[0].sources == (0, 1, 2, 3)
    for candidate, text in enumerate(("Red", "Blue", "Green", "Grey")):
        finish(page, command, candidate, text)
    page.answering.on_event(events.GroupFinished(command.job, command.items[0].group, 1.0, 4))
    page.answering.on_event(events.JobFinished(command.job, "done"))
    cards = page.view.cards.cards
    assert [card.text.toPlainText() for card in cards] == ["Red", "Blue", "Green", "Grey"]
    assert not any(card.source_words for card in cards)
    (group,) = completions.recent_groups(context.project)
    rankings.add(context.project, group, ranks=[1, 2, 3, 4])
    page._refresh()
    assert [card.source_words for card in cards][::3] == ["temperature 0.48", "temperature 1.12"]
    again = GeneratePage(context)
    again.ensure_built()
    assert again.form.mix.spread_name == "wide"
    again.shut_down()
    again.deleteLater()


def test_nothing_can_be_spread_at_temperature_0(page, sent) -> None:
    choose(page.form.mix.spread, "slight")
    page.form.numbers.fields["temperature"].setText("0")
    page.generate()
    assert sent == [] and page.answering.job is None
    assert "nothing to spread" in page.form.numbers.problems["temperature"].text()
    choose(page.form.mix.spread, "none")
    assert not page.form.show_problems()


def test_the_other_models_are_others_than_the_first(page) -> None:
    mix, model = page.form.mix, page.form.model
    assert mix.others.offered == ["Tuned"]
    mix.others.choose(model.itemData(1))
    assert mix.others.text() == "Tuned"
    model.setCurrentIndex(1)
    assert mix.others.offered == ["Base"] and mix.others.ids == [] and mix.others.text() == "None"


def test_the_starter_is_offered_before_it_was_used_and_joins_the_project(page, context, sent, tmp_path, qtbot) -> None:
    fresh = Project.create(tmp_path / "fresh")
    prompts.add(fresh, [Message("user", "One?")])
    tuned = policies.add(fresh, "/models/tuned", name="Tuned")
    context.open(fresh)
    mix = page.form.mix
    assert mix.others.offered == ["Tuned"]  # the starter is the first one
    choose(page.form.model, tuned.id)
    mix.others.choose("starter")
    settle(page, qtbot)
    assert [source.base for source in ask(page, qtbot, sent).sources] == ["/models/tuned", "starter"]
    starter = policies.all_policies(fresh)[1]
    assert page.form.model.findData(starter.id) >= 0 and page.form.model.policy_id == tuned.id
    assert mix.others.offered == [starter.name]


def test_two_models_take_turns_and_stay_covered_until_the_label(page, context, sent, qtbot) -> None:
    base, tuned = policies.all_policies(context.project)
    page.form.mix.others.choose(tuned.id)
    command = ask(page, qtbot, sent)
    assert [source.base for source in command.sources] == ["starter", "/models/tuned"]
    assert command.items[0].sources == (0, 1, 0, 1)
    for candidate, text in enumerate(("Red", "Blue")):
        finish(page, command, candidate, text)
    assert page.view.is_covered and texts_in_sight(page) == ""
    assert page.view.covered.text().startswith("Written so far: 2 of 4 answers.")
    assert page.view.about.text().startswith("Base and Tuned")
    for candidate, text in ((2, "Green"), (3, "Grey")):
        finish(page, command, candidate, text)
    page.answering.on_event(events.GroupFinished(command.job, command.items[0].group, 1.0, 4))
    page.answering.on_event(events.JobFinished(command.job, "done"))
    assert page.view.is_covered and texts_in_sight(page) == ""
    (group,) = completions.recent_groups(context.project)
    assert [c.policy_id for c in group.completions] == [base.id, tuned.id, base.id, tuned.id]
    rankings.add(context.project, group, ranks=[1, 2, 3, 4])
    page._refresh()
    assert not page.view.is_covered
    assert [card.source_words for card in page.view.cards.cards] == ["Base", "Tuned", "Base", "Tuned"]


def test_three_models_take_turns_and_each_gives_an_answer_at_least(page, context, sent, qtbot) -> None:
    policies.add(context.project, "/models/other", name="Other")
    context.policies_changed.emit()
    _base, tuned, other = policies.all_policies(context.project)
    page.form.k.setValue(2)
    page.form.mix.others.choose(tuned.id, other.id)
    assert page.form.mix.others.text() == "2 models" and page.form.k.value() == 3
    page.form.k.setValue(5)
    command = ask(page, qtbot, sent)
    assert [source.base for source in command.sources] == ["starter", "/models/tuned", "/models/other"]
    assert command.items[0].sources == (0, 1, 2, 0, 1)
    finish(page, command, 1, "Red")
    assert page.view.is_covered and page.view.about.text().startswith("Base and Other and Tuned")
    assert sorted(page.form.mix.others.ids) == [tuned.id, other.id], "for the next prompts, too"
    page.form.mix.others.choose()
    page.form.k.setValue(2)
    assert page.form.k.value() == 2


def test_covered_answers_can_be_uncovered_by_hand(page, context, sent, qtbot) -> None:
    page.form.mix.others.choose(policies.all_policies(context.project)[1].id)
    command = ask(page, qtbot, sent)
    finish(page, command, 0, "Red")
    page.view.uncover_button.click()
    assert not page.view.is_covered and page.view.cards.cards[0].text.toPlainText() == "Red"
    finish(page, command, 1, "Blue")
    assert page.view.cards.cards[1].text.toPlainText() == "Blue"


def test_the_models_name_and_what_the_choices_mean_can_be_read_in_the_usual_window(page, qtbot) -> None:
    page.resize(1046, 790)  # what the rail leaves of the window
    form = page.form
    form.show_policies([("SmolLM2-135M (starter)", 1), ("SmolLM2-135M (starter) + Run 1", 2)])
    qtbot.waitUntil(lambda: form.mix.others.isVisible())
    words = form.fontMetrics().horizontalAdvance("SmolLM2-135M (starter)")
    assert form.model.width() >= words + 35, "the arrow and its margins"
    for name in SAMPLING_PRESETS:
        form.preset.setCurrentIndex(form.preset.findData(name))
        form.preset.activated.emit(form.preset.currentIndex())
        about = form._preset_cell.about
        assert about.width() >= about.fontMetrics().horizontalAdvance(about.text()), about.text()
    form.show_policies([("SmolLM2-135M (starter)", 1)])
    assert not form.mix.others.isVisible(), "no other model is there"
