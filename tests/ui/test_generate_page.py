"""The Generate page, driven as a person would, with a real model process where a model is needed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtWidgets import QApplication

from dpo_studio.core import commands, events
from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, policies, prompts, rankings, requests
from dpo_studio.ui.context import Context
from dpo_studio.ui.generate.answering import plain_models
from dpo_studio.ui.generate.page import GeneratePage
from dpo_studio.ui.generate.thread import TokenBurst

WAIT_MS = 120_000


@pytest.fixture
def context(qapp: QApplication, tmp_path: Path):
    made = Context()
    made.open(Project.create(tmp_path / "project"))
    yield made
    made.open(None)


@pytest.fixture
def page(context: Context, qtbot):
    made = GeneratePage(context)
    qtbot.addWidget(made)
    made.resize(1200, 800)
    made.ensure_built()
    made.show()
    yield made
    made.answering.process.close()


@pytest.fixture
def sent(page: GeneratePage, monkeypatch: pytest.MonkeyPatch) -> list[commands.Command]:
    """The commands that would go to the model process, which is not started."""
    told: list[commands.Command] = []
    monkeypatch.setattr(page.answering.process, "send", told.append)
    monkeypatch.setattr(page.answering.process, "kill", lambda: told.append(commands.Cancel("killed")))
    return told


def add_prompts(page: GeneratePage, *texts: str) -> None:
    page.type_prompts()
    page.type_panel.text.setPlainText("\n".join(texts))
    page.type_panel.accept_button.click()


def words_of(page: GeneratePage) -> list[str]:
    model = page.table.prompt_model
    return [model.words(prompt) for prompt in model.prompts]


def finished(command: commands.Generate, group: int, candidate: int, text: str = "", reason: str = "stop"):
    text = text or f"answer {group} {candidate}"
    return events.CompletionFinished(command.job, group, candidate, text, (1, 2, 3), "hash", -2.0, reason, candidate)


def test_an_empty_project_says_what_to_do(page: GeneratePage) -> None:
    assert page._stack.currentWidget() is page._empty
    page._empty.type_button.click()
    assert page._stack.currentWidget() is page.type_panel
    assert not page.type_panel.accept_button.isEnabled()
    assert page.badge() == ""


def test_typed_prompts_and_a_conversation(page: GeneratePage, context: Context, qtbot) -> None:
    said: list[str] = []
    context.message.connect(lambda text, level: said.append(text))
    page.type_panel.system.setPlainText("Be brief.")
    add_prompts(page, "One?", "Two?", "One?")
    assert said == ["2 prompts added; 1 was here already."]
    assert page._stack.currentWidget() is page.work

    page.type_prompts()
    panel = page.type_panel
    panel.system.clear()
    panel.one.setChecked(True)
    panel.turns[0][1].setPlainText("Hello")
    panel.more_button.click()
    assert not panel.accept_button.isEnabled()
    panel.turns[1][1].setPlainText("Hi, how can I help?")
    panel.turns[2][1].setPlainText("Tell me a joke")
    qtbot.keyClick(panel.turns[2][1], Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)

    stored = [prompt.messages for prompt in prompts.all_prompts(context.project)]
    assert stored == [
        (Message("system", "Be brief."), Message("user", "One?")),
        (Message("system", "Be brief."), Message("user", "Two?")),
        (Message("user", "Hello"), Message("assistant", "Hi, how can I help?"), Message("user", "Tell me a joke")),
    ]
    assert page.work.generate_button.text() == "Generate 4 answers for 3 prompts"


def test_a_file_is_shown_before_it_is_imported(page: GeneratePage, context: Context, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"prompt": "One?"}\n{broken\n"Two?"\n', encoding="utf-8")
    page.look_at_file(path)
    assert prompts.count(context.project) == 0
    assert "line 2 is not JSON" in page.import_panel.refused.text()
    assert page.import_panel.accept_button.text() == "Import 2 prompts"
    page.import_panel.accept_button.click()
    assert [(p.title, p.source) for p in prompts.all_prompts(context.project)] == [
        ("One?", "mine.jsonl"),
        ("Two?", "mine.jsonl"),
    ]


def test_how_a_text_file_is_split_can_be_changed(page: GeneratePage, tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("a\nb\n\nc\n", encoding="utf-8")
    page.look_at_file(path)
    assert len(page.import_panel.conversations()) == 2
    page.import_panel.split.setCurrentIndex(page.import_panel.split.findData("lines"))
    page.import_panel.split.activated.emit(0)
    assert len(page.import_panel.conversations()) == 3


def test_a_file_that_cannot_be_read_is_one_sentence(page: GeneratePage, context: Context, tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []
    context.message.connect(lambda text, level: said.append((level, text)))
    page.look_at_file(tmp_path / "none.txt")
    assert said[0][0] == "error" and "There is no file" in said[0][1]
    assert page._stack.currentWidget() is page._empty


def test_wrong_numbers_are_told_at_their_fields_and_nothing_is_asked_for(page: GeneratePage, sent: list) -> None:
    add_prompts(page, "One?")
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


def test_answers_stream_into_cards_and_each_is_kept_at_once(
    page: GeneratePage, context: Context, sent: list, qtbot
) -> None:
    add_prompts(page, "One?", "Two?", "Three?")
    page.table.select([p.id for p in page.table.prompt_model.prompts[:2]])
    assert page.work.generate_button.text() == "Generate 4 answers for 2 prompts"
    page.work.generate_button.click()
    (command,) = sent
    assert completions.count_unfinished(context.project) == 2  # in the queue before anything is answered
    assert page.badge() == "● 2 waiting"
    assert not page.work.generate_button.isEnabled()
    first, second = (item.group for item in command.items)
    say = page.answering.on_event
    say(events.ModelLoading("starter", "reading the weights"))
    assert page.queue.words.text() == "Reading the weights…"
    say(events.ModelLoaded("starter", None, "cpu", "float32", 1, 2048, "hash", 0.1))
    for text in ("Once ", "upon ", "a time"):
        say(TokenBurst(command.job, first, 2, text, 2))
    cards = page.view.cards.cards
    assert [card.text.toPlainText() for card in cards] == ["", "", "Once upon a time", ""]
    assert [card.state_words for card in cards] == ["waiting", "waiting", "writing…", "waiting"]
    assert words_of(page)[0] == "writing…"

    say(finished(command, first, 2, "Once upon a time.", reason="length"))
    assert cards[2].text.toPlainText() == "Once upon a time." and cards[2].state_words == "cut off"
    (kept,) = completions.get_group(context.project, first).completions
    assert (kept.candidate, kept.text, kept.token_ids) == (2, "Once upon a time.", (1, 2, 3))
    assert "1 of 8 answers" in page.queue.words.text()

    for candidate in (0, 1, 3):
        say(finished(command, first, candidate))
    say(events.GroupFinished(command.job, first, 1.0, 12))
    assert words_of(page) == ["ready", "waiting 0 of 4", "no answers"]
    assert [g.id for g in rankings.next_groups(context.project)] == [first]

    say(events.GroupRefused(command.job, second, "This prompt is too long.", "Shorten it."))
    with qtbot.waitSignal(context.groups_changed):
        say(events.JobFinished(command.job, "done"))
    assert words_of(page) == ["ready", "refused", "no answers"]
    assert page.answering.job is None
    assert page.queue.words.text() == "1 prompt waits for answers."
    page.table.select([page.table.prompt_model.prompts[1].id])
    assert page.view.refusal.text() == "This prompt is too long. Shorten it."


def test_the_view_follows_unless_another_prompt_was_chosen(page: GeneratePage, sent: list) -> None:
    add_prompts(page, "One?", "Two?", "Three?")
    page.generate()
    (command,) = sent
    first, second, _third = (item.group for item in command.items)
    say = page.answering.on_event
    say(TokenBurst(command.job, first, 0, "a", 1))
    assert page.view.title.text() == "One?"
    page.table.select([page.table.prompt_model.prompts[2].id])
    say(TokenBurst(command.job, first, 0, "b", 1))
    assert page.view.title.text() == "Three?" and page.view.follow_button.isVisible()
    page.view.follow_button.click()
    assert page.view.title.text() == "One?"
    assert page.view.cards.cards[0].text.toPlainText() == "ab"
    for candidate in range(4):
        say(finished(command, first, candidate))
    say(events.GroupFinished(command.job, first, 1.0, 12))
    say(TokenBurst(command.job, second, 0, "c", 1))
    assert page.view.title.text() == "Two?"


def test_cancel_keeps_what_is_finished_and_continue_asks_for_the_rest(
    page: GeneratePage, context: Context, sent: list
) -> None:
    add_prompts(page, "One?")
    page.generate()
    command = sent[0]
    group = command.items[0].group
    page.answering.on_event(finished(command, group, 1))
    page.queue.cancel_button.click()
    assert sent[1] == commands.Cancel(command.job) and not page.queue.cancel_button.isEnabled()
    page.answering.on_event(events.JobFinished(command.job, "cancelled"))
    assert page.badge() == "1 waiting"
    page.queue.continue_button.click()
    assert sent[2].items[0].candidates == (0, 2, 3)
    assert sent[2].sampling == command.sampling and sent[2].base == "starter"
    page.answering.on_event(finished(sent[2], group, 0))
    page.answering.on_event(events.JobFinished(sent[2].job, "cancelled"))
    page._refresh()
    page.queue.accept_button.click()
    assert completions.count_unfinished(context.project) == 0
    (ready,) = rankings.next_groups(context.project)
    assert [completion.candidate for completion in ready.completions] == [0, 1]


def test_pause_holds_what_is_written_and_go_on_resumes_it(page: GeneratePage, context: Context, sent: list, qtbot):
    add_prompts(page, "One?", "Two?")
    page.generate()
    command, say = sent[0], page.answering.on_event
    first = command.items[0].group
    assert page.queue.pause_button.isVisible() and page.queue.pause_button.text() == "Pause"
    say(TokenBurst(command.job, first, 0, "Once", 1))
    qtbot.keyClick(page, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert sent[1:] == [commands.Pause(command.job)]
    assert page.queue.words.text().startswith("Paused at 0 of 8 answers")
    assert page.queue.pause_button.text() == "Go on" and words_of(page)[0] == "paused"
    assert page.answering.job.detail == "paused, 0/8" and page.answering.job.time_left_s is None
    card = page.view.cards.cards[0]
    assert card.text.toPlainText() == "Once" and card.state_words == "paused"
    page.queue.pause_button.click()
    assert sent[2:] == [commands.Resume(command.job)]
    say(TokenBurst(command.job, first, 0, " upon", 1))
    assert card.text.toPlainText() == "Once upon" and words_of(page)[0] == card.state_words == "writing…"
    page.answering.toggle_pause()
    page.queue.cancel_button.click()
    assert sent[-1] == commands.Cancel(command.job)
    say(events.JobFinished(command.job, "cancelled"))
    assert page.answering.job is None and completions.count_unfinished(context.project) == 2


def test_a_pause_between_two_commands_of_a_job_holds_the_second(page: GeneratePage, context: Context, sent: list):
    add_prompts(page, "One?", "Two?")
    for index, seed in enumerate(("1", "2")):
        page.table.select([page.table.prompt_model.prompts[index].id])
        page.form.numbers.fields["seed"].setText(seed)
        page.generate()
        page.answering.on_event(events.JobFinished(sent[-1].job, "cancelled"))
    del sent[:]
    page.go_on()
    (first,) = sent
    page.answering.toggle_pause()
    page.answering.on_event(events.JobFinished(first.job, "done"))
    assert sent[1:] == [commands.Pause(first.job)] and page.answering.job is not None
    page.answering.toggle_pause()
    assert isinstance(sent[2], commands.Generate) and sent[2].sampling["seed"] == 2
    page.answering.on_event(events.JobFinished(sent[2].job, "done"))
    assert page.answering.job is None


def test_what_was_not_finished_goes_on_after_the_project_is_opened_again(
    page: GeneratePage, context: Context, sent: list, qtbot
) -> None:
    add_prompts(page, "One?", "Two?")
    page.generate()
    command = sent[0]
    page.answering.on_event(finished(command, command.items[0].group, 2))
    folder = context.project.folder
    context.open(None)
    page.answering.on_event(events.JobFinished(command.job, "cancelled"))
    context.open(Project.open(folder))
    page._refresh()
    assert words_of(page) == ["waiting 1 of 4", "waiting 0 of 4"]
    assert page.queue.words.text() == "2 prompts wait for answers."
    page.queue.continue_button.click()
    assert [item.candidates for item in sent[-1].items] == [(0, 1, 3), (0, 1, 2, 3)]


def test_stop_waiting_empties_the_queue_and_keeps_answers(page: GeneratePage, context: Context, sent: list) -> None:
    add_prompts(page, "One?", "Two?")
    page.generate()
    command = sent[0]
    for candidate in (0, 1):
        page.answering.on_event(finished(command, command.items[0].group, candidate))
    page.answering.on_event(events.JobFinished(command.job, "cancelled"))
    page.queue.give_up_button.click()
    page._refresh()
    assert words_of(page) == ["ready", "no answers"]
    assert not page.queue.isVisible()


def test_a_failure_is_a_sentence_and_nothing_is_lost(page: GeneratePage, context: Context, sent: list) -> None:
    add_prompts(page, "One?")
    page.generate()
    page.answering.on_event(events.Failed("The model is gone.", "Choose another.", "a traceback", sent[0].job))
    page._refresh()
    assert page.queue.problem.text() == "The model is gone. Choose another."
    assert page.queue.copy_button.isVisible() and page.queue.continue_button.isVisible()
    assert completions.count_unfinished(context.project) == 1


def test_events_of_an_older_job_are_not_mistaken_for_this_ones(
    page: GeneratePage, context: Context, sent: list
) -> None:
    add_prompts(page, "One?")
    page.generate()
    old = sent[0]
    page.answering.on_event(events.JobFinished(old.job, "cancelled"))
    page.go_on()
    page.answering.on_event(finished(old, old.items[0].group, 0))
    page.answering.on_event(events.JobFinished(old.job, "done"))
    assert page.answering.job is not None
    assert completions.get_group(context.project, old.items[0].group).completions == ()


def test_another_projects_answers_are_not_written_into_this_one(
    page: GeneratePage, context: Context, sent: list, tmp_path: Path
) -> None:
    add_prompts(page, "One?")
    page.generate()
    command = sent[0]
    other = Project.create(tmp_path / "other")
    prompt = prompts.add(other, [Message("user", "Other?")])
    requests.make_groups(other, [prompt], requests.starter_policy(other), page.form.settings())
    context.open(other)
    assert sent[-1] == commands.Cancel(command.job)
    page.answering.on_event(finished(command, command.items[0].group, 0))
    page.answering.on_event(events.JobFinished(command.job, "cancelled"))
    assert completions.unfinished(other)[0].completions == ()
    assert words_of(page) == ["waiting 0 of 4"]


def test_a_model_without_a_chat_format_is_said_to_have_none(page: GeneratePage, context: Context, sent: list) -> None:
    add_prompts(page, "One?")
    page.generate()
    command = sent[0]
    loaded = events.ModelLoaded(command.base, None, "cpu", "float32", 1, 2048, "hash", 0.1, plain_template=True)
    page.answering.on_event(loaded)
    page.answering.on_event(events.JobFinished(command.job, "cancelled"))
    page.table.selectAll()
    assert "no chat format of its own" in page.view.about.text()
    assert plain_models(context.project) == ("starter",)


def test_settings_come_back_with_the_project(page: GeneratePage, context: Context, sent: list) -> None:
    add_prompts(page, "One?")
    page.form.k.setValue(3)
    page.form.numbers.fields["seed"].setText("11")
    page.generate()
    page.answering.on_event(events.JobFinished(sent[0].job, "cancelled"))
    again = GeneratePage(context)
    again.ensure_built()
    assert (again.form.settings().k, again.form.settings().seed) == (3, 11)
    again.deleteLater()


def test_a_list_of_ten_thousand_prompts_is_quick(page: GeneratePage, context: Context, sent: list) -> None:
    prompts.add_many(context.project, [(Message("user", f"Question {n}?"),) for n in range(10_000)])
    started = time.perf_counter()
    page._refresh()
    page.grab()
    assert time.perf_counter() - started < 2.0
    started = time.perf_counter()
    for _ in range(100):
        page._show_job()
        page._update_state(page.table.prompt_model.prompts[5000].id)
    assert time.perf_counter() - started < 1.0


def test_every_control_has_a_name_and_keys_do_not_leak(page: GeneratePage, qtbot) -> None:
    from PySide6.QtWidgets import QAbstractButton, QAbstractItemView, QComboBox, QLineEdit, QPlainTextEdit, QSpinBox

    for kind in (QAbstractButton, QAbstractItemView, QComboBox, QLineEdit, QPlainTextEdit, QSpinBox):
        for widget in page.findChildren(kind):
            own = not widget.objectName().startswith("qt_") and not isinstance(widget.parent(), (QComboBox, QSpinBox))
            if own and widget.parent().metaObject().className() not in ("QComboBoxPrivateContainer", "PromptTable"):
                assert widget.accessibleName() or getattr(widget, "text", lambda: "")(), widget
    tops = {type(w).__name__ for w in QApplication.topLevelWidgets() if w.isVisible()}
    assert tops <= {"GeneratePage"}


# With a real model process


def choose_model(page: GeneratePage, folder: Path, *, tokens: int, k: int = 2) -> None:
    page.form.model.setCurrentIndex(page.form.model.findData("other"))
    page.form.model.other_row.edit.setText(str(folder))
    page.form.k.setValue(k)
    page.form.numbers.fields["max_new_tokens"].setText(str(tokens))


def test_a_real_model_answers_and_joins_the_project(
    page: GeneratePage, context: Context, tiny_llama: Path, qtbot
) -> None:
    add_prompts(page, "One?", "Two?")
    choose_model(page, tiny_llama, tokens=12, k=3)
    page.generate()
    assert policies.all_policies(context.project) == []  # not before it could be loaded
    qtbot.waitUntil(lambda: page.answering.job is None, timeout=WAIT_MS)
    assert page.answering.problem == ("", "")
    (policy,) = policies.all_policies(context.project)
    assert policy.base == str(tiny_llama.resolve())
    assert page.form.model.policy_id == policy.id
    groups = completions.recent_groups(context.project)
    assert [len(group.completions) for group in groups] == [3, 3]
    assert all(c.token_ids and c.logp < 0 and c.policy_id == policy.id for g in groups for c in g.completions)
    first_pid = page.answering.process.pid

    page.table.selectAll()
    page.generate()  # the process lives on, and a second set of answers is another one
    qtbot.waitUntil(lambda: page.answering.job is None, timeout=WAIT_MS)
    assert page.answering.process.pid == first_pid
    groups = completions.recent_groups(context.project)
    assert len(groups) == 4
    assert len({c.seed for g in groups for c in g.completions}) == 12


def test_a_model_that_cannot_be_loaded_leaves_nothing_behind(
    page: GeneratePage, context: Context, tmp_path: Path, qtbot
) -> None:
    add_prompts(page, "One?")
    (tmp_path / "nothing").mkdir()
    choose_model(page, tmp_path / "nothing", tokens=5)
    page.generate()
    qtbot.waitUntil(lambda: page.answering.job is None, timeout=WAIT_MS)
    assert page.queue.problem.isVisible() and "nothing" in page.queue.problem.text()
    assert policies.all_policies(context.project) == []
    assert completions.count_unfinished(context.project) == 0


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killing_the_model_process_keeps_what_was_finished(
    page: GeneratePage, context: Context, tiny_llama: Path, qtbot
) -> None:
    add_prompts(page, *(f"Question {n}?" for n in range(10)))
    choose_model(page, tiny_llama, tokens=30)
    page.generate()
    kept: list[events.CompletionFinished] = []
    page.answering.answer_kept.connect(kept.append)
    qtbot.waitUntil(lambda: len(kept) >= 3, timeout=WAIT_MS)
    os.kill(page.answering.process.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: page.answering.job is None, timeout=WAIT_MS)
    assert "it was killed" in page.queue.problem.text() and "Continue" in page.queue.problem.text()
    with Project.open(context.project.folder) as opened_again:
        rows = opened_again.db.execute("SELECT text FROM completions").fetchall()
    assert sorted(row[0] for row in rows) == sorted(event.text for event in kept)
    before = {(e.group, e.candidate): e.text for e in kept}

    page.queue.continue_button.click()
    qtbot.waitUntil(lambda: page.answering.job is None, timeout=WAIT_MS)
    assert completions.count_unfinished(context.project) == 0
    groups = completions.recent_groups(context.project)
    assert len(groups) == 10 and all(len(group.completions) == 2 for group in groups)
    now = {(g.id, c.candidate): c.text for g in groups for c in g.completions}
    assert all(now[key] == text for key, text in before.items())


def test_a_page_that_goes_takes_its_process_with_it(context: Context, qapp: QApplication, tiny_llama: Path, qtbot):
    page = GeneratePage(context)
    page.ensure_built()
    add_prompts(page, "One?")
    choose_model(page, tiny_llama, tokens=5)
    page.generate()
    qtbot.waitUntil(lambda: page.answering.process.pid is not None, timeout=WAIT_MS)
    pid = page.answering.process.pid
    page.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
