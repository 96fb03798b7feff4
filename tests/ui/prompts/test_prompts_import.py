"""Import on the Prompts page, with the real command behind it: looked at, mapped, imported, refused."""

from __future__ import annotations

import json

from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QApplication

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.jobs.command import CommandProcess
from dpo_studio.store import Project, completions, prompts, rankings, settling, staging
from dpo_studio.ui import projects
from dpo_studio.ui.context import Context
from dpo_studio.ui.prompts.import_panel import ImportPanel
from dpo_studio.ui.settling import Settling
from tests.ui.prompts.driving import CTRL, WAIT_MS, listed


def looked_at(panel: ImportPanel, qtbot, *, total: int) -> None:
    qtbot.waitUntil(lambda: panel.answer.get("total") == total and panel.notice.text() == "", timeout=WAIT_MS)


def test_columns_are_mapped_and_bad_rows_left_out_by_keys(page, context, qtbot, tmp_path):
    source = tmp_path / "asked.csv"
    source.write_text(
        "frage,theme,tags\nWhy is the sea salty?,Be brief.,nature\n,Be kind.,\nWhat is a knot?,,ships\n",
        encoding="utf-8",
    )
    qtbot.keyClick(page, Qt.Key.Key_I, CTRL)
    panel = page.adding.panel
    assert isinstance(panel, ImportPanel) and QApplication.focusWidget() is panel.field
    panel.field.setText(str(source))
    qtbot.keyClick(panel.field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(panel.problem.text()), timeout=WAIT_MS)
    assert "No column is the prompt" in panel.problem.text() and not panel.accept_button.isEnabled()
    assert panel.problem.text().endswith("Choose above which one it is.")
    assert panel.table.item(1, 0).text() == "Why is the sea salty?"

    def map_to(column: int, meaning: str) -> None:
        choice = panel.table.choices[column]
        choice.setCurrentIndex(choice.findData(meaning))
        choice.activated.emit(choice.currentIndex())

    map_to(0, "prompt")
    looked_at(panel, qtbot, total=3)
    assert [choice.currentData() for choice in panel.table.choices] == ["prompt", "", "tags"], "the rest is guessed"
    map_to(1, "system")
    qtbot.waitUntil(lambda: panel.answer["meanings"].get("system") == "theme", timeout=WAIT_MS)
    map_to(2, "")
    qtbot.waitUntil(lambda: "tags" not in panel.answer["meanings"], timeout=WAIT_MS)
    assert panel.told.text().startswith("asked.csv: CSV, 3 rows  ·  2 new  ·  1 cannot be used.")
    assert "its frage is empty" in panel.problem.text() or "empty" in panel.problem.text()
    assert "System prompt: Be brief." in panel.first.toPlainText()
    assert panel.accept_button.text() == "Import 2 prompts" and not panel.accept_button.isEnabled()
    assert prompts.count(context.project) == 0, "it was only looked at"
    panel.skip_bad.click()
    panel.tags.setText("from a file")
    qtbot.keyClick(panel.tags, Qt.Key.Key_Return, CTRL)
    qtbot.waitUntil(lambda: context.said == ["2 prompts imported; 1 left out."], timeout=WAIT_MS)
    qtbot.waitUntil(lambda: page.listing.complete and page.table.rows.rowCount() == 2, timeout=WAIT_MS)
    found = prompts.all_prompts(context.project)
    assert [[(m.role, m.content) for m in prompt.messages] for prompt in found] == [
        [("system", "Be brief."), ("user", "Why is the sea salty?")],
        [("user", "What is a knot?")],
    ]
    assert [(prompt.tags, prompt.source) for prompt in found] == [(("from a file",), "asked.csv")] * 2
    assert page.stack.currentWidget() is page.work and panel.field.text() == ""


def test_numbered_columns_are_shown_as_what_they_are_and_stay_so(page, context, qtbot, tmp_path):
    source = tmp_path / "judged.csv"
    source.write_text(
        "question,answer_2,answer_1,rank_1,rank_2,remark\nWhy?,Magic.,Rayleigh.,1,2,sure\n", encoding="utf-8"
    )
    qtbot.keyClick(page, Qt.Key.Key_I, CTRL)
    panel = page.adding.panel
    panel.field.setText(str(source))
    qtbot.keyClick(panel.field, Qt.Key.Key_Return)
    looked_at(panel, qtbot, total=1)
    meant = ["prompt", "completions", "completions", "ranks", "ranks", ""]
    assert [choice.currentData() for choice in panel.table.choices] == meant
    note = panel.table.choices[5]
    note.setCurrentIndex(note.findData("note"))
    note.activated.emit(note.currentIndex())
    qtbot.waitUntil(lambda: panel.answer["meanings"].get("note") == "remark", timeout=WAIT_MS)
    assert [choice.currentData() for choice in panel.table.choices] == [*meant[:5], "note"]
    assert panel.answer["meanings"]["completions"] == "answer_1, answer_2", "in the order of their numbers"
    panel.accept()
    qtbot.waitUntil(lambda: prompts.count(context.project) == 1, timeout=WAIT_MS)
    (label,) = rankings.recent(context.project)
    texts = {one.id: one.text for one in completions.get_group(context.project, label.group_id).completions}
    assert {texts[key]: rank for key, rank in label.ranks.items()} == {"Rayleigh.": 1, "Magic.": 2}
    assert label.note == "sure"


def test_a_file_is_dropped_and_read_as_something_else(page, context, qtbot, tmp_path):
    source = tmp_path / "pairs.jsonl"
    rows = [{"prompt": f"Question {n}?", "chosen": "yes", "rejected": "no"} for n in range(2)]
    source.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(source))])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    page.dropEvent(QDropEvent(QPointF(9, 9), Qt.DropAction.CopyAction, mime, buttons, keys))
    panel = page.adding.panel
    looked_at(panel, qtbot, total=2)
    assert panel.kind.currentData() == "pairs" and panel.accept_button.text() == "Import 2 pairs"
    assert "answer, rank 1: yes" in panel.first.toPlainText()
    panel.kind.setCurrentIndex(panel.kind.findData("prompts"))
    panel.kind.activated.emit(panel.kind.currentIndex())
    qtbot.waitUntil(lambda: panel.accept_button.text() == "Import 2 prompts", timeout=WAIT_MS)
    panel.kind.setCurrentIndex(panel.kind.findData("pairs"))
    panel.kind.activated.emit(panel.kind.currentIndex())
    qtbot.waitUntil(lambda: panel.accept_button.text() == "Import 2 pairs", timeout=WAIT_MS)
    panel.accept()
    qtbot.waitUntil(lambda: context.said == ["2 pairs imported."], timeout=WAIT_MS)
    assert rankings.counts(context.project).rankings == 2


def test_an_import_of_prompts_is_undone_but_for_what_was_asked_since(page, context, qtbot, tmp_path):
    prompts.add(context.project, [Message("user", "Here before?")])
    source = tmp_path / "asked.txt"
    source.write_text("Here before?\n" + "".join(f"Question {n}?\n" for n in range(5)), encoding="utf-8")
    page.adding.import_from(str(source))
    panel = page.adding.panel
    looked_at(panel, qtbot, total=6)
    panel.accept()
    qtbot.waitUntil(lambda: context.said == ["5 prompts imported; 1 was here already."], timeout=WAIT_MS)
    listed(page, qtbot, 6)
    asked = prompts.all_prompts(context.project)[2]
    completions.add_group(context.project, asked.id, size=2)
    page.undo()
    qtbot.waitUntil(lambda: len(context.said) == 2, timeout=WAIT_MS)
    assert context.said[-1] == "4 prompts taken back; 1 stays, since it was asked."
    assert [prompt.title for prompt in prompts.all_prompts(context.project)] == ["Here before?", asked.title]
    listed(page, qtbot, 2)


def test_of_several_files_that_are_dropped_the_first_is_looked_at_and_this_is_said(page, context, qtbot, tmp_path):
    paths = [tmp_path / name for name in ("a.txt", "b.txt")]
    for path in paths:
        path.write_text("One?\n", encoding="utf-8")
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    page.dropEvent(QDropEvent(QPointF(9, 9), Qt.DropAction.CopyAction, mime, buttons, keys))
    assert page.adding.panel.field.text() == str(paths[0])
    assert context.said == ["One at a time: of the 2 that were dropped this is the first."]
    looked_at(page.adding.panel, qtbot, total=1)


def test_what_cannot_be_read_is_a_sentence_and_what_was_typed_stays(page, context, qtbot, tmp_path):
    page.adding.import_from(str(tmp_path / "nothing.csv"))
    panel = page.adding.panel
    qtbot.waitUntil(
        lambda: "nothing.csv" in panel.notice.text() and "Looking" not in panel.notice.text(), timeout=WAIT_MS
    )
    assert panel.notice.property("role") == "error" and not panel.accept_button.isEnabled()
    assert panel.field.text().endswith("nothing.csv")
    source = tmp_path / "blocks.txt"
    source.write_text("One\nand more\n\nTwo\n", encoding="utf-8")
    panel.look_at(str(source))
    looked_at(panel, qtbot, total=2)
    panel.blocks.setCurrentIndex(panel.blocks.findData("lines"))
    panel.blocks.activated.emit(panel.blocks.currentIndex())
    looked_at(panel, qtbot, total=3)
    shown, words = panel.blocks, panel.fontMetrics().horizontalAdvance(panel.blocks.currentText())
    assert shown.width() > words, "what is chosen can be read"
    panel.cancel_button.click()
    assert page.stack.currentWidget() is page.empty and prompts.count(context.project) == 0


def test_rows_that_cannot_be_used_are_listed_and_html_is_only_letters(page, context, qtbot, tmp_path):
    html = "<script>alert(1)</script><img src='http://127.0.0.1:9/x.png'> ![x](http://127.0.0.1:9/y.png)"
    rows = [{"prompt": f"Q{n}", "chosen": "a", "rejected": ""} for n in range(60)]
    rows.append({"prompt": html, "chosen": html, "rejected": "<iframe src=http://127.0.0.1:9/></iframe>"})
    source = tmp_path / "pairs.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    page.adding.import_from(str(source))
    panel = page.adding.panel
    looked_at(panel, qtbot, total=61)
    assert panel.told.text() == "pairs.jsonl: JSON lines, 61 rows  ·  1 new  ·  60 cannot be used."
    shown = [f"line {number}: A completion is empty." for number in range(1, 61)]
    assert panel.problem.text().split("\n") == [*shown[:4], "And 56 more."]
    assert panel.problem.toolTip().split("\n") == [*shown[:40], "And 20 more."]
    assert html in panel.first.toPlainText()
    assert not panel.accept_button.isEnabled()
    panel.skip_bad.click()
    panel.accept_button.click()
    qtbot.waitUntil(lambda: context.said == ["1 pair imported; 60 left out."], timeout=WAIT_MS)
    listed(page, qtbot, 1)
    qtbot.waitUntil(lambda: page.reading.text.toPlainText() == html, timeout=WAIT_MS)


def _undecided_and_decided(project):
    """A project whose import was killed once it was decided."""
    with staging.stage(project.folder, settling.about("prompts", "s")) as staged:
        for number in range(3):
            staged.add(settling.prompt_row(*prompts.stored_form([Message("user", f"question {number}")]), ()))
        staged.decide()


def test_an_import_that_was_killed_while_it_was_written_is_finished_behind_the_window(qtbot, tmp_path):
    with Project.create(tmp_path / "project") as project:
        _undecided_and_decided(project)
    context = Context()
    said, news = [], []
    context.message.connect(lambda text, level: said.append((text, level)))
    context.prompts_changed.connect(lambda: news.append(prompts.count(context.project)))
    settler = Settling(context, context)
    context.open(projects.open_project(tmp_path / "project"))
    assert prompts.count(context.project) == 0, "the window does not wait for it"
    qtbot.waitUntil(lambda: bool(news), timeout=WAIT_MS)
    assert news == [3] and said[-1] == ("All of it is added now.", "info")
    settler.begin()
    assert len(said) == 2, "there is nothing left to do"
    context.open(None)


def _begun(page, qtbot, tmp_path, *, rows: int) -> ImportPanel:
    """The panel while it imports a file of so many prompts."""
    source = tmp_path / "asked.txt"
    source.write_text("".join(f"Why does the {number}th drop fall?\n" for number in range(rows)), encoding="utf-8")
    qtbot.keyClick(page, Qt.Key.Key_I, CTRL)
    panel = page.adding.panel
    panel.field.setText(str(source))
    qtbot.keyClick(panel.field, Qt.Key.Key_Return)
    looked_at(panel, qtbot, total=rows)
    panel.accept_button.click()
    assert not panel.accept_button.isEnabled() and not panel.field.isEnabled()
    return panel


def test_it_is_told_how_far_an_import_is(page, context, qtbot, tmp_path):
    panel = _begun(page, qtbot, tmp_path, rows=25_000)
    heard, shares = [], []
    real = panel.show_progress
    panel.show_progress = lambda doing, share: (
        real(doing, share),
        heard.append(panel.notice.text()),
        shares.append(share),
    )
    qtbot.waitUntil(lambda: context.said == ["25,000 prompts imported."], timeout=WAIT_MS)
    assert any(text.startswith("Importing: ") and text.endswith(" of 25,000 rows written…") for text in heard), heard
    assert shares == sorted(shares) and 0 < shares[0] and shares[-1] <= 1, shares
    assert not panel.is_busy and panel.bar.isHidden() and panel.field.isEnabled()


def test_what_is_cancelled_while_rows_are_written_is_not_imported(page, context, qtbot, tmp_path):
    settler = Settling(context, context)
    panel = _begun(page, qtbot, tmp_path, rows=30_000)
    qtbot.waitUntil(lambda: "written" in panel.notice.text() and panel.bar.isVisible(), timeout=WAIT_MS)
    assert prompts.count(context.project) > 0, "some of it is in the project by now"
    panel.cancel_button.click()
    assert panel.notice.text() == "Cancelling…" and not panel.cancel_button.isEnabled()
    panel.look_at(str(tmp_path / "another.txt"))
    assert panel.field.text().endswith("asked.txt"), "nothing else is looked at meanwhile"
    qtbot.waitUntil(lambda: panel.notice.text() == "Cancelled: nothing was imported.", timeout=WAIT_MS)
    assert page.adding.panel is panel and panel.accept_button.isEnabled() and panel.bar.isHidden()
    qtbot.waitUntil(lambda: context.said[-1:] == ["The cancelled import is gone."], timeout=WAIT_MS)
    assert prompts.count(context.project) == 0 and settling.is_settled(context.project)
    assert not settler._at
    panel.cancel_button.click()
    assert page.stack.currentWidget() is page.empty


def test_a_look_that_is_cancelled_ends(page, context, qtbot, tmp_path):
    source = tmp_path / "asked.txt"
    source.write_text("".join(f"Why does the {number}th drop fall?\n" for number in range(300_000)), encoding="utf-8")
    page.adding.import_from(str(source))
    panel, importing = page.adding.panel, page.adding._importing
    qtbot.waitUntil(lambda: "rows read" in panel.notice.text(), timeout=WAIT_MS)
    panel.cancel_button.click()
    assert page.adding.panel is None and panel.notice.text() == ""
    qtbot.waitUntil(lambda: not importing._commands._threads, timeout=WAIT_MS)
    assert panel.answer == {} and context.said == []


def test_what_a_killed_process_left_is_finished(page, context, qtbot, tmp_path, monkeypatch):
    settler = Settling(context, context)
    monkeypatch.setattr(CommandProcess, "run", lambda _self: _die_too_late(context))
    qtbot.keyClick(page, Qt.Key.Key_I, CTRL)
    panel = page.adding.panel
    panel.looked_at = "asked.txt"
    panel.accepted.emit()
    qtbot.waitUntil(lambda: any("was interrupted" in text for text in context.said), timeout=WAIT_MS)
    monkeypatch.undo()
    assert page.adding.panel is None
    settler._at.clear()
    settler.begin()
    qtbot.waitUntil(lambda: prompts.count(context.project) == 3, timeout=WAIT_MS)


def _die_too_late(context):
    with context.project.beside() as project:
        if settling.is_settled(project):
            _undecided_and_decided(project)
    raise UserError("The process did not finish: it was killed.")
