"""What is asked for on the Generate page: stop strings, and a model behind a server, with real child processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit

from dpo_studio.core import events
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message
from dpo_studio.store import completions, policies, prompts
from dpo_studio.ui.context import Context
from dpo_studio.ui.generate.page import GeneratePage
from dpo_studio.ui.generate.server_row import ServerRow
from dpo_studio.ui.generate.thread import TokenBurst
from tests import keyring_in_a_file
from tests.openai_server import OpenAIServer
from tests.ui.generate.driving import WAIT_MS, ask, settle


@pytest.fixture
def context(context: Context) -> Context:
    prompts.add(context.project, [Message("user", "One?")])
    return context


@pytest.fixture
def page(page: GeneratePage, qtbot) -> GeneratePage:
    settle(page, qtbot)
    return page


@pytest.fixture
def server(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> OpenAIServer:
    keyring_in_a_file.use(monkeypatch, tmp_path)
    return server


def choose_server(page: GeneratePage) -> ServerRow:
    page.form.model.setCurrentIndex(page.form.model.findData("server"))
    return page.form.model.server_row


def type_into(qtbot, edit: QLineEdit, text: str) -> None:
    """Type a text and press Enter."""
    edit.clear()
    qtbot.keyClicks(edit, text)
    qtbot.keyClick(edit, Qt.Key.Key_Return)


def test_stop_strings_are_typed_one_a_line_sent_and_come_back(page, context, sent, qtbot) -> None:
    field = page.form.numbers.fields["stop"]
    page.form.numbers_button.click()
    field.setFocus()
    for line in ("###", r"\n\n", r"\alpha"):
        qtbot.keyClicks(field, line)
        qtbot.keyClick(field, Qt.Key.Key_Return)
    command = ask(page, qtbot, sent)
    assert command.sampling["stop"] == ["###", "\n\n", r"\alpha"]
    page.answering.on_event(events.JobFinished(command.job, "cancelled"))
    again = GeneratePage(context)
    again.ensure_built()
    assert again.form.settings().stop == ("###", "\n\n", r"\alpha")
    assert again.form.numbers.fields["stop"].toPlainText() == "###\n\\n\\n\n\\alpha"
    again.shut_down()
    again.deleteLater()


def test_every_setting_has_a_field_and_a_wrong_stop_string_is_told_there(page) -> None:
    assert set(page.form.numbers.fields) == set(SamplingSettings.__dataclass_fields__) - {"k"}
    page.form.numbers.fields["stop"].setPlainText("x" * 201)
    assert page.form.show_problems()
    assert "1 to 200 characters" in page.form.numbers.problems["stop"].text()
    assert page.form.numbers.problems["stop"].isVisible()


def test_tab_leaves_the_stop_field(page, qtbot) -> None:
    page.form.numbers_button.click()
    field = page.form.numbers.fields["stop"]
    field.setFocus()
    qtbot.keyClick(field, Qt.Key.Key_Tab)
    assert not field.hasFocus() and field.toPlainText() == ""


def test_an_answer_that_a_stop_string_ended_says_so(page, context, sent, qtbot) -> None:
    command = ask(page, qtbot, sent)
    group = command.items[0].group
    page.answering.on_event(
        events.CompletionFinished(command.job, group, 0, "Red", (1,), "hash", -1.0, "stop_string", 5)
    )
    page.answering.on_event(events.GroupRefused(command.job, group, "Enough."))
    page.follower.show(page.answering.prompt_of(group))
    card = page.view.cards.cards[0]
    assert card.state_words == "at a stop text" and "set as an end" in card.state_told
    assert completions.get_group(context.project, group).completions[0].finish_reason == "stop_string"


def test_a_servers_models_are_listed_and_one_answers(page, context, server, qtbot) -> None:
    row = choose_server(page)
    assert row.address.hasFocus() or row.address.lineEdit().hasFocus()
    type_into(qtbot, row.address.lineEdit(), server.url + "/")
    qtbot.waitUntil(lambda: row.state.text() == "It has 2 models.", timeout=WAIT_MS)
    assert [row.model.itemText(index) for index in range(row.model.count())] == ["small", "big"]
    row.model.setCurrentIndex(1)
    page.form.k.setValue(2)
    page.form.numbers.fields["stop"].setPlainText("first")
    page.generate()
    qtbot.waitUntil(lambda: page.answering.job is None, timeout=WAIT_MS)
    assert page.answering.problem == ("", "")
    (policy,) = policies.all_policies(context.project)
    assert policy.base == f"openai:{server.url}#big" and page.form.model.policy_id == policy.id
    (group,) = completions.recent_groups(context.project)
    assert [c.text for c in group.completions] == [f"Answer {c.seed}: " for c in group.completions]
    assert server.asked[0]["model"] == "big"


def test_a_key_is_kept_for_the_address_and_nowhere_else(page, context, server, qtbot, capfd) -> None:
    server.key = "sk-secret"
    row = choose_server(page)
    type_into(qtbot, row.address.lineEdit(), server.url)
    qtbot.waitUntil(row.problem.isVisible, timeout=WAIT_MS)
    assert row.problem.text().startswith("The server wants an API key.")
    row.key_button.click()
    assert row.key.echoMode() == QLineEdit.EchoMode.Password
    type_into(qtbot, row.key, "sk-secret")
    qtbot.waitUntil(lambda: row.state.text().startswith("It has 2 models."), timeout=WAIT_MS)
    assert "kept in the system's keyring" in row.state.text()
    assert row.key.text() == "" and not row.key.isVisible()
    assert keyring_in_a_file.entries() == {f"DPO Studio|{server.url}": "sk-secret"}
    row.model.setCurrentIndex(0)
    page.form.k.setValue(2)
    page.generate()
    qtbot.waitUntil(lambda: page.answering.job is None, timeout=WAIT_MS)
    assert len(completions.recent_groups(context.project)[0].completions) == 2
    for path in context.project.folder.rglob("*"):
        assert path.is_dir() or b"sk-secret" not in path.read_bytes(), path
    assert "sk-secret" not in "".join(capfd.readouterr())

    row = choose_server(page)
    row.key_button.click()
    row.forget_button.click()
    qtbot.waitUntil(lambda: row.state.text() == "No key is kept for this address.", timeout=WAIT_MS)
    assert keyring_in_a_file.entries() == {}


def test_a_wrong_key_is_one_sentence_with_a_mend_and_is_said_once(page, context, server, qtbot) -> None:
    server.key = "sk-right"
    row = choose_server(page)
    row.address.setEditText(server.url)
    row.model.setEditText("small")
    row.key.setText("sk-wrong")
    row.keep_key()
    sentence = "The server refuses the API key it was given. Give the right one with Key… in Generate"
    qtbot.waitUntil(lambda: row.problem.text().startswith(sentence), timeout=WAIT_MS)
    page.generate()
    qtbot.waitUntil(lambda: page.answering.job is None, timeout=WAIT_MS)
    assert page.queue.problem.text().startswith(sentence) and not row.problem.isVisible()
    row.list_models()
    assert not page.queue.problem.isVisible(), "it is asked anew"
    qtbot.waitUntil(row.problem.isVisible, timeout=WAIT_MS)
    assert not page.queue.problem.isVisible()


def test_a_machine_without_a_keyring_says_what_to_do(page, server, qtbot, monkeypatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    row = choose_server(page)
    row.address.setEditText(server.url)
    row.key.setText("sk-secret")
    row.keep_key()
    qtbot.waitUntil(row.problem.isVisible, timeout=WAIT_MS)
    assert row.problem.text() == (
        "This machine has no keyring that could keep the key. Set DPO_STUDIO_API_KEY to the key and"
        f" DPO_STUDIO_API_ADDRESS to {server.url}, and start again."
    )


@pytest.mark.parametrize(
    ("address", "model", "sentence"),
    [
        ("", "", "begins with http"),
        ("localhost:8000/v1", "small", "begins with http"),
        ("http://localhost:8000/v1", "", "which model"),
    ],
)
def test_a_server_that_is_not_named_is_one_sentence_and_nothing_is_asked_for(
    page, context, sent, address, model, sentence
) -> None:
    said: list[str] = []
    context.message.connect(lambda text, _level: said.append(text))
    row = choose_server(page)
    row.address.setEditText(address)
    row.model.setEditText(model)
    page.generate()
    assert sent == [] and page.answering.job is None
    assert len(said) == 1 and sentence in said[0]


def test_thinking_is_folded_while_it_is_written_and_kept_in_the_project(page, context, sent, qtbot) -> None:
    command = ask(page, qtbot, sent)
    group = command.items[0].group
    for text in ("<think>\nFirst", " I count", " to ten."):
        page.answering.on_event(TokenBurst(command.job, group, 0, text, 3))
    card = page.view.cards.cards[0]
    assert card.fold.isVisible() and card.fold.text() == "Thinking, 5 words, not done yet"
    assert card.text.toPlainText() == ""
    card.fold.click()
    assert card.text.toPlainText() == "First I count to ten.\n"
    page.answering.on_event(TokenBurst(command.job, group, 0, "\n</think>\n\nRed", 3))
    assert card.text.toPlainText() == "First I count to ten.\nRed"
    page.answering.on_event(TokenBurst(command.job, group, 0, " it is.", 3))
    assert card.text.toPlainText() == "First I count to ten.\nRed it is."
    card.fold.click()
    assert card.text.toPlainText() == "Red it is." and card.fold.text() == "Thinking, 5 words"
    whole = "<think>\nFirst I count to ten.\n</think>\n\nRed it is."
    page.answering.on_event(events.CompletionFinished(command.job, group, 0, whole, (1,), "hash", -1.0, "stop", 5))
    assert card.text.toPlainText() == "Red it is."
    assert completions.get_group(context.project, group).completions[0].text == whole

    cut = "<think>\nHm, hm"
    page.answering.on_event(events.CompletionFinished(command.job, group, 1, cut, (1,), "hash", -1.0, "length", 5))
    other = page.view.cards.cards[1]
    assert other.fold.text() == "Thinking, 2 words, cut off"
    assert (other.text.toPlainText(), other.text.placeholderText()) == ("", "(no answer after the thinking)")
