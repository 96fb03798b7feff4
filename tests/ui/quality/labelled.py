"""Labels to read, and looking at the page."""

from __future__ import annotations

from PySide6.QtWidgets import QLabel

from dpo_studio.core.types import Message
from dpo_studio.store import completions, prompts, rankings

WAIT_MS = 60_000
ANSWERS = ("Short.", "A longer answer that says as much.")


def add_group(project, question, answers=ANSWERS):
    group = completions.add_group(project, prompts.add(project, [Message("user", question)]).id, size=len(answers))
    for text in answers:
        completions.add(project, group.id, text)
    return completions.get_group(project, group.id)


def label(project, group, ranks, *, flip=False, **other):
    shown = [one.id for one in group.completions]
    return rankings.add(project, group, ranks=ranks, presented=shown[::-1] if flip else shown, **other)


def fill(project, number=24):
    """Labels that go for the longer answer, wherever it was shown."""
    for n in range(number):
        label(project, add_group(project, f"question {n}"), (2, 1), flip=bool(n % 2), seconds=30.0)


def show(page, qtbot):
    page.ensure_built()
    page.show()
    qtbot.waitExposed(page)


def texts(widget):
    return [one.text() for one in widget.findChildren(QLabel) if one.isVisibleTo(widget)]
