"""What the tests of the Generate page do with it: add prompts, ask, wait for what comes in a thread."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt

from dpo_studio.core import commands, events
from dpo_studio.core.types import Message
from dpo_studio.store import prompts
from dpo_studio.ui.generate.page import GeneratePage
from dpo_studio.ui.prompt_list.rows import ANSWERS, PROMPT

WAIT_MS = 120_000


def settle(page: GeneratePage, qtbot) -> None:
    """Wait until what the page reads and writes in threads is there."""

    def is_settled() -> bool:
        store, asking = page.listing.store, page.answering._asking._thread
        later = page._refresh_later.isActive() or page.answering._announce.isActive()
        return not later and page.listing.complete and all(one is None or one.is_idle for one in (store, asking))

    qtbot.waitUntil(is_settled, timeout=WAIT_MS)


def add_prompts(page: GeneratePage, qtbot, *texts: str) -> None:
    """Add prompts as another page would."""
    assert page.context.project is not None
    prompts.add_many(page.context.project, [(Message("user", text),) for text in texts])
    page.context.prompts_changed.emit()
    settle(page, qtbot)
    qtbot.waitUntil(lambda: bool(page._counts.unanswered), timeout=WAIT_MS)  # they come in a turn of their own


def ask(page: GeneratePage, qtbot, sent: list[commands.Command], press: Callable[[], object] | None = None):
    """Press Generate, or something else that asks for answers, and return the command that the model process gets."""
    before = len(sent)
    (press or page.work.generate_button.click)()
    qtbot.waitUntil(lambda: len(sent) > before, timeout=WAIT_MS)
    settle(page, qtbot)
    command = sent[before]
    assert isinstance(command, commands.Generate)
    return command


def titles_of(page: GeneratePage) -> list[str]:
    return _column(page, PROMPT)


def words_of(page: GeneratePage) -> list[str]:
    """What the list says of each prompt's answers."""
    return _column(page, ANSWERS)


def select(page: GeneratePage, *rows: int) -> None:
    page.table.select([page.table.rows.id_at(row) for row in rows])


def finished(command: commands.Generate, group: int, candidate: int, text: str = "", reason: str = "stop"):
    text = text or f"answer {group} {candidate}"
    return events.CompletionFinished(command.job, group, candidate, text, (1, 2, 3), "hash", -2.0, reason, candidate)


def _column(page: GeneratePage, column: int) -> list[str]:
    rows = page.table.rows
    return [rows.data(rows.index(row, column), Qt.ItemDataRole.DisplayRole) for row in range(rows.rowCount())]
